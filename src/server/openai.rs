//! `/v1/models`: the models in the form of OpenAI's interface.
//!
//! Ollama, `openai/openai.go` and `middleware/openai.go`.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use super::body::json_line;
use super::errors::Failure;
use super::operation::Operation;
use super::show::find;
use super::tags::list;
use super::times::unix_seconds;
use crate::model::{Name, Reference};
use crate::store::StoredManifest;

#[derive(Serialize, ToSchema)]
#[schema(as = OpenAiModels)]
struct List {
    object: &'static str,
    /// `null` where there is none, as Go writes a list that was never filled.
    data: Option<Vec<Model>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = OpenAiModel)]
struct Model {
    id: String,
    object: &'static str,
    created: i64,
    owned_by: String,
}

/// A failure as OpenAI's interface tells it.
#[derive(Serialize, ToSchema)]
#[schema(as = OpenAiFailure)]
pub(super) struct ErrorAnswer<'a> {
    error: ErrorBody<'a>,
}

/// An error of OpenAI's interface.
#[derive(Serialize, ToSchema)]
#[schema(as = OpenAiError)]
struct ErrorBody<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    #[schema(value_type = Option<String>)]
    param: Option<()>,
    #[schema(value_type = Option<String>)]
    code: Option<()>,
}

/// A failure told in OpenAI's way.
pub(super) struct OpenAiFailure(pub(super) Failure);

impl From<Failure> for OpenAiFailure {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

impl IntoResponse for OpenAiFailure {
    fn into_response(self) -> Response {
        let (status, message) = self.0.parts();
        let kind = match status {
            StatusCode::BAD_REQUEST => "invalid_request_error",
            StatusCode::NOT_FOUND => "not_found_error",
            _ => "api_error",
        };
        json_line(status, &ErrorAnswer { error: ErrorBody { message, kind, param: None, code: None } })
    }
}

/// `GET /v1/models`
pub(super) async fn models(State(server): State<Shared>) -> Result<Response, OpenAiFailure> {
    let listed = server.blocking_with(list).await?.map_err(Failure::from)?;
    let data: Vec<Model> =
        listed.listed.iter().map(|(model, _)| Model::new(model.name.short(), &model.name, model)).collect();
    Ok(json_line(StatusCode::OK, &List { object: "list", data: (!data.is_empty()).then_some(data) }))
}

/// `GET /v1/models/:model`
pub(super) async fn model(
    State(server): State<Shared>,
    Path(text): Path<String>,
) -> Result<Response, OpenAiFailure> {
    let name: Name = text.parse().map_err(Failure::from)?;
    let reference = Reference::Name(name.clone());
    let model = server.blocking_with(move |server| find(server.store(), &reference)).await??;
    Ok(json_line(StatusCode::OK, &Model::new(text, &name, &model)))
}

impl Model {
    fn new(id: String, name: &Name, model: &StoredManifest) -> Self {
        let owned_by = name.namespace().to_owned();
        Self { id, object: "model", created: unix_seconds(model.modified), owned_by }
    }
}

/// What is described of this.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/v1/models", "The models in OpenAI's form.")
            .answers::<List>(200, "The models.")
            .fails_as::<ErrorAnswer<'_>>(),
        Operation::get("/v1/models/{model}", "A model in OpenAI's form.")
            .with("model", "its name")
            .answers::<Model>(200, "The model.")
            .fails(&[400, 404])
            .fails_as::<ErrorAnswer<'_>>(),
    ]
}
