//! Why the body of a request cannot be decoded.

use super::json_text::SyntaxError;
use crate::config::LARGEST_TREE;

/// Why a body is not the request that it should be.
#[derive(Debug, thiserror::Error)]
pub(super) enum DecodeError {
    /// The text is not JSON.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// The text is JSON, but says something that cannot be represented.
    #[error("json: {0}")]
    Unrepresentable(serde_json::Error),
    /// The value is not an object.
    #[error("json: cannot unmarshal {got} into Go value of type api.{structure}")]
    NotAnObject { got: &'static str, structure: &'static str },
    /// A field has the wrong type.
    #[error("json: cannot unmarshal {got} into Go struct field {structure}.{field} of type {expected}")]
    WrongType { got: &'static str, structure: &'static str, field: String, expected: &'static str },
    /// It consists of more values than anybody needs.
    #[error(
        "the request has too many values: they take about {got} bytes of memory, {LARGEST_TREE} are allowed"
    )]
    TooMany {
        /// About how many bytes they take.
        got: usize,
    },
    /// The field has the right type, but what is in it cannot be represented, or has another type.
    #[error("{field}: {reason}")]
    Malformed { field: String, reason: serde_json::Error },
}
