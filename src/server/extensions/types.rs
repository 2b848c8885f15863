//! `/ollamake/v1/types`: what models can be quantized to.

use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use crate::quantize::FileType;
use crate::server::body::json;
use crate::server::operation::Operation;
use crate::tensor::needs_importance;

#[derive(Serialize, ToSchema)]
#[schema(as = QuantizationTypes)]
struct Answer {
    types: Vec<Type>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = QuantizationType)]
struct Type {
    name: &'static str,
    /// The number in `general.file_type`.
    id: u32,
    /// What most tensors get.
    base: &'static str,
    /// Bits that a weight takes in the base type.
    bits_per_weight: f64,
    /// Rows of the base type are multiples of so many weights.
    block: usize,
    /// Whether the base type can be made by an importance matrix only.
    needs_importance: bool,
}

/// `GET /ollamake/v1/types`
pub(super) async fn list() -> Response {
    json(&Answer { types: FileType::all().map(Type::of).collect() })
}

impl Type {
    fn of(file_type: FileType) -> Self {
        let base = file_type.base_type();
        Self {
            name: file_type.name(),
            id: file_type.id(),
            base: base.name(),
            bits_per_weight: base.block_bytes() as f64 * 8.0 / base.block_len() as f64,
            block: base.block_len(),
            needs_importance: needs_importance(base),
        }
    }
}

/// What is described of this.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::read("/ollamake/v1/types", "What models can be quantized to.")
            .answers::<Answer>(200, "The types."),
    ]
}
