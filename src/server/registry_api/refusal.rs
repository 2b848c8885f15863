//! Errors in the words of the distribution specification: a list of codes with messages.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::server::body::json as body;
use crate::server::errors::Failure;
use crate::store::StoreError;

/// What the specification calls an error (section "Error Codes").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    BlobUnknown,
    DigestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    Unsupported,
}

/// A request that is not answered as it would like.
#[derive(Debug)]
pub(super) enum Refusal {
    /// With a code of the specification.
    Coded(Code, String),
    /// With one of our own errors.
    Failed(Box<Failure>),
}

impl Code {
    fn name(self) -> &'static str {
        match self {
            Self::BlobUnknown => "BLOB_UNKNOWN",
            Self::DigestInvalid => "DIGEST_INVALID",
            Self::ManifestUnknown => "MANIFEST_UNKNOWN",
            Self::NameInvalid => "NAME_INVALID",
            Self::NameUnknown => "NAME_UNKNOWN",
            Self::Unsupported => "UNSUPPORTED",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::DigestInvalid | Self::NameInvalid => StatusCode::BAD_REQUEST,
            Self::BlobUnknown | Self::ManifestUnknown | Self::NameUnknown | Self::Unsupported => {
                StatusCode::NOT_FOUND
            }
        }
    }
}

impl Refusal {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self::Coded(code, message.into())
    }

    #[cfg(test)]
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Coded(code, _) => *code,
            Self::Failed(failure) => panic!("{failure:?}"),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::ModelNotFound { .. } => Self::new(Code::ManifestUnknown, error.to_string()),
            StoreError::BlobNotFound { .. } => Self::new(Code::BlobUnknown, error.to_string()),
            error => Failure::from(error).into(),
        }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Coded(code, message) => coded(code.status(), code.name(), &message),
            // Clients print what they do not understand, and our own errors say more than a code.
            Self::Failed(failure) => failure.into_response(),
        }
    }
}

/// The answer to a client that does not show the key. Those of registries only know how to show it as a
/// password.
pub(in crate::server) fn unauthorized() -> Response {
    const MESSAGE: &str =
        "log in with any user and the server's key as the password, or send it as a Bearer token";
    let mut answer = coded(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", MESSAGE);
    let challenge = HeaderValue::from_static("Basic realm=\"ollamake\"");
    answer.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    answer
}

/// What a client is told, as the specification has it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RegistryErrors)]
pub(super) struct Errors {
    errors: Vec<Error>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RegistryError)]
struct Error {
    code: &'static str,
    message: String,
}

fn coded(status: StatusCode, code: &'static str, message: &str) -> Response {
    let mut answer = body(&Errors { errors: vec![Error { code, message: message.to_owned() }] });
    *answer.status_mut() = status;
    answer
}
