//! Errors in the words of the distribution specification: a list of codes with messages.

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::model::{InvalidDocument, InvalidLabel};
use crate::server::body::json as body;
use crate::server::errors::Failure;
use crate::store::StoreError;

/// What the specification calls an error (section "Error Codes").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    Denied,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    SizeInvalid,
    Unsupported,
}

/// A request that is not answered as it would like.
#[derive(Debug)]
pub(super) enum Refusal {
    /// With a code of the specification.
    Coded(Box<Coded>),
    /// With one of our own errors.
    Failed(Box<Failure>),
}

/// A code, and what else is told.
#[derive(Debug)]
pub(super) struct Coded {
    code: Code,
    status: StatusCode,
    message: String,
    headers: HeaderMap,
}

impl Code {
    /// How the specification writes it, and the status that goes with it.
    fn told(self) -> (&'static str, StatusCode) {
        match self {
            Self::BlobUnknown => ("BLOB_UNKNOWN", StatusCode::NOT_FOUND),
            Self::BlobUploadInvalid => ("BLOB_UPLOAD_INVALID", StatusCode::BAD_REQUEST),
            Self::BlobUploadUnknown => ("BLOB_UPLOAD_UNKNOWN", StatusCode::NOT_FOUND),
            Self::Denied => ("DENIED", StatusCode::FORBIDDEN),
            Self::DigestInvalid => ("DIGEST_INVALID", StatusCode::BAD_REQUEST),
            Self::ManifestBlobUnknown => ("MANIFEST_BLOB_UNKNOWN", StatusCode::NOT_FOUND),
            Self::ManifestInvalid => ("MANIFEST_INVALID", StatusCode::BAD_REQUEST),
            Self::ManifestUnknown => ("MANIFEST_UNKNOWN", StatusCode::NOT_FOUND),
            Self::NameInvalid => ("NAME_INVALID", StatusCode::BAD_REQUEST),
            Self::NameUnknown => ("NAME_UNKNOWN", StatusCode::NOT_FOUND),
            Self::SizeInvalid => ("SIZE_INVALID", StatusCode::BAD_REQUEST),
            Self::Unsupported => ("UNSUPPORTED", StatusCode::NOT_FOUND),
        }
    }
}

impl Refusal {
    pub(super) fn new(code: Code, message: impl Into<String>) -> Self {
        Self::with_status(code, code.told().1, message)
    }

    /// The same with a status that says more than the code.
    pub(super) fn with_status(code: Code, status: StatusCode, message: impl Into<String>) -> Self {
        let (message, headers) = (message.into(), HeaderMap::new());
        Self::Coded(Box::new(Coded { code, status, message, headers }))
    }

    /// The same with headers.
    pub(super) fn telling(self, told: HeaderMap) -> Self {
        match self {
            Self::Coded(mut coded) => {
                coded.headers.extend(told);
                Self::Coded(coded)
            }
            failed @ Self::Failed(_) => failed,
        }
    }

    #[cfg(test)]
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Coded(coded) => coded.code,
            Self::Failed(failure) => panic!("{failure:?}"),
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::ModelNotFound { .. } => Code::ManifestUnknown,
            StoreError::BlobNotFound { .. } => Code::BlobUnknown,
            StoreError::UploadNotFound { .. } | StoreError::UploadExpired { .. } => Code::BlobUploadUnknown,
            StoreError::DigestMismatch { .. } => Code::DigestInvalid,
            StoreError::LengthMismatch { .. } => Code::SizeInvalid,
            StoreError::InvalidManifest { .. } => Code::ManifestInvalid,
            StoreError::LacksBlob { .. } => Code::ManifestBlobUnknown,
            StoreError::UploadTooLong { .. } => {
                let status = StatusCode::PAYLOAD_TOO_LARGE;
                return Self::with_status(Code::SizeInvalid, status, error.to_string());
            }
            // Clients try again later what they are answered so.
            StoreError::UploadInUse { .. } => return Failure::unavailable(error.to_string()).into(),
            _ => return Failure::from(error).into(),
        };
        Self::new(code, error.to_string())
    }
}

impl From<InvalidDocument> for Refusal {
    fn from(error: InvalidDocument) -> Self {
        let code = match error {
            InvalidDocument::Digest(_) => Code::DigestInvalid,
            InvalidDocument::Other(_) => Code::ManifestInvalid,
        };
        Self::new(code, error.to_string())
    }
}

impl From<InvalidLabel> for Refusal {
    fn from(error: InvalidLabel) -> Self {
        let code = match error {
            InvalidLabel::Digest(_) => Code::DigestInvalid,
            InvalidLabel::Tag(_) => Code::ManifestUnknown,
        };
        Self::new(code, error.to_string())
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
            Self::Coded(coded) => {
                let mut answer = answer(coded.status, coded.code.told().0, &coded.message);
                answer.headers_mut().extend(coded.headers);
                answer
            }
            // Clients print what they do not understand, and our own errors say more than a code.
            Self::Failed(failure) => failure.into_response(),
        }
    }
}

/// The answer to a client that does not show the key.
pub(in crate::server) fn unauthorized(challenges: HeaderMap) -> Response {
    const MESSAGE: &str =
        "log in with any user and the server's key as the password, or send it as a Bearer token";
    let mut refused = answer(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", MESSAGE);
    refused.headers_mut().extend(challenges);
    refused
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

fn answer(status: StatusCode, code: &'static str, message: &str) -> Response {
    let mut answer = body(&Errors { errors: vec![Error { code, message: message.to_owned() }] });
    *answer.status_mut() = status;
    answer
}
