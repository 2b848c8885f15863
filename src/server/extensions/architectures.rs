//! `/ollamake/v1/architectures`: the model classes whose checkpoints are converted.

use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use crate::convert::{ModelClass, model_classes};
use crate::server::body::json;
use crate::server::operation::Operation;

#[derive(Serialize, ToSchema)]
#[schema(as = ModelClasses)]
struct Answer {
    architectures: Vec<ModelClass>,
}

/// `GET /ollamake/v1/architectures`
pub(super) async fn list() -> Response {
    json(&Answer { architectures: model_classes() })
}

/// What is described of this.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::read("/ollamake/v1/architectures", "The model classes whose checkpoints are converted.")
            .answers::<Answer>(200, "The classes."),
    ]
}
