//! The one place where errors of the rooms become HTTP.
//!
//! A [`Failure`] is what a client is told: a status and a JSON object whose `error` is a text, in the words
//! that clients of Ollama know. Beside it may stand `file`, the name that the client gave to the file in
//! question, and `hint`, what to do about it. The rooms' errors know nothing of HTTP; their messages never
//! hold a path of the server, and what the operating system said goes to the log alone.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::create_info::InvalidInfo;
use super::create_license::InvalidLicense;
use super::decode_error::DecodeError;
use crate::create::{CreateError, OutputOutcome};
use crate::jobs::{JobError, QueueIsFull, Refusal, Unclaimed};
use crate::library::LibraryError;
use crate::model::{Digest, InvalidDigest, InvalidName, go_json};
use crate::plan::PlanError;
use crate::registry::RegistryError;
use crate::store::StoreError;

/// Seconds after which to try again what the server had no room for.
const RETRY_AFTER: &str = "10";

/// Ollama names the character set where a handler answers, and not where a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ContentType {
    /// `application/json; charset=utf-8`
    JsonUtf8,
    /// `application/json`
    Json,
}

/// An answer that tells what went wrong.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    content_type: ContentType,
    body: FailureBody,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Failure)]
pub(super) struct FailureBody {
    /// What went wrong.
    error: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// Of several models: what became of each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    outputs: Vec<OutputEnd>,
}

/// What became of one of several models.
#[derive(Debug, Serialize, ToSchema)]
struct OutputEnd {
    model: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    digest: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl OutputEnd {
    fn of(outcome: &OutputOutcome) -> Self {
        Self {
            model: outcome.model.short(),
            digest: outcome.outcome.as_ref().ok().copied(),
            error: outcome.failure().map(ToString::to_string),
        }
    }
}

impl ContentType {
    pub(super) fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::JsonUtf8 => "application/json; charset=utf-8",
            Self::Json => "application/json",
        })
    }
}

impl Failure {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        let body = FailureBody { error: error.into(), file: None, hint: None, outputs: Vec::new() };
        Self { status, content_type: ContentType::JsonUtf8, body }
    }

    pub(super) fn bad_request(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    pub(super) fn not_found(error: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error)
    }

    /// There is no model of this name.
    pub(super) fn no_model(error: impl Into<String>) -> Self {
        Self::not_found(error)
            .with_hint("GET /api/tags, or \"ollamake list\", names the models that are here")
    }

    /// Something that another time may bring.
    pub(super) fn unavailable(error: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error)
    }

    pub(super) fn internal(error: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error)
    }

    /// The same, with what to do about it.
    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.body.hint = Some(hint.into());
        self
    }

    /// The same, of a place in the request.
    pub(super) fn at(mut self, place: &str) -> Self {
        self.body.error = format!("{place}: {}", self.body.error);
        self
    }

    /// The same, as Ollama's jobs answer.
    pub(super) fn into_job_answer(mut self) -> Self {
        self.content_type = ContentType::Json;
        self
    }

    /// The status and the text.
    pub(super) fn parts(&self) -> (StatusCode, &str) {
        (self.status, &self.body.error)
    }

    /// The line of a stream that has begun.
    pub(super) fn line(&self) -> Vec<u8> {
        go_json::to_line(&self.body)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let headers = [(header::CONTENT_TYPE, self.content_type.header())];
        let mut response = (self.status, headers, go_json::to_string(&self.body)).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
        }
        response
    }
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<InvalidInfo> for Failure {
    fn from(error: InvalidInfo) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<InvalidLicense> for Failure {
    fn from(error: InvalidLicense) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<InvalidDigest> for Failure {
    fn from(error: InvalidDigest) -> Self {
        Self::bad_request(error.to_string()).with_hint(error.hint())
    }
}

impl From<InvalidName> for Failure {
    fn from(error: InvalidName) -> Self {
        Self::bad_request(error.to_string()).with_hint(error.hint())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let status = store_status(&error);
        if status.is_server_error() {
            tracing::error!(error = ?error, "the store failed");
        }
        match error {
            StoreError::ModelNotFound { .. } => Self::no_model(error.to_string()),
            _ => Self::new(status, error.to_string()),
        }
    }
}

impl From<LibraryError> for Failure {
    fn from(error: LibraryError) -> Self {
        match error {
            LibraryError::Store(error) => error.into(),
            other => Self::internal(other.to_string()),
        }
    }
}

impl From<CreateError> for Failure {
    fn from(error: CreateError) -> Self {
        log_create_failure(&error);
        Self::of_create(&error)
    }
}

impl From<QueueIsFull> for Failure {
    fn from(_: QueueIsFull) -> Self {
        Self::unavailable("too many jobs are waiting; try again later")
            .with_hint("the operator sets OLLAMAKE_MAX_QUEUE, OLLAMAKE_MAX_JOBS and OLLAMAKE_MAX_TRANSFERS")
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Full(full) => full.into(),
            Refusal::Record(error) => error.into(),
        }
    }
}

impl From<Unclaimed> for Failure {
    fn from(unclaimed: Unclaimed) -> Self {
        match unclaimed {
            Unclaimed::Missing(_) => Self::not_found(unclaimed.to_string()),
            Unclaimed::Stands(..) | Unclaimed::Taken(_) => {
                Self::new(StatusCode::CONFLICT, unclaimed.to_string())
            }
            Unclaimed::Store(error) => error.into(),
        }
    }
}

impl Failure {
    /// Why a job did not succeed, as each of its readers is told.
    pub(super) fn of_job(error: &JobError) -> Self {
        let failure = match error {
            JobError::Create(error) => Self::of_create(error),
            JobError::NoThread => Self::unavailable(error.to_string()),
            JobError::Defect => Self::internal(error.to_string()),
        };
        failure.into_job_answer()
    }

    fn of_create(error: &CreateError) -> Self {
        let outputs = match error {
            CreateError::Outputs(outcomes) => outcomes.iter().map(OutputEnd::of).collect(),
            _ => Vec::new(),
        };
        let file = error.file().map(str::to_owned);
        let body = FailureBody { error: error.to_string(), file, hint: error.hint(), outputs };
        Self { status: create_status(error), content_type: ContentType::JsonUtf8, body }
    }
}

/// Logs what the operator should know about a job that did not succeed.
pub(super) fn log_failure(error: &JobError) {
    if let JobError::Create(error) = error {
        log_create_failure(error);
    }
}

fn log_create_failure(error: &CreateError) {
    if let CreateError::Outputs(outcomes) = error {
        return outcomes.iter().filter_map(OutputOutcome::failure).for_each(log_create_failure);
    }
    if create_status(error).is_server_error() && !matches!(error, CreateError::Cancelled) {
        tracing::error!(error = ?error, "creating a model failed");
    }
}

fn create_status(error: &CreateError) -> StatusCode {
    match error {
        CreateError::Store(error) | CreateError::Import { source: error, .. } => store_status(error),
        CreateError::Pull(error)
        | CreateError::Push(error)
        | CreateError::Hub(error)
        | CreateError::Library { source: error, .. }
        | CreateError::Unpublished { source: error, .. } => registry_status(error),
        CreateError::Plan { source, .. } => plan_status(source),
        CreateError::DamagedBase { .. } | CreateError::Description(_) => StatusCode::INTERNAL_SERVER_ERROR,
        // The worst says most.
        CreateError::Outputs(outcomes) => {
            let statuses = outcomes.iter().filter_map(OutputOutcome::failure).map(create_status);
            statuses.max().unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
        }
        // Who is there to read it did not cancel it: the server is to stop.
        CreateError::Cancelled => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    }
}

fn plan_status(error: &PlanError) -> StatusCode {
    match error {
        // The files hold what cannot be made a model of.
        PlanError::NotFinite { .. }
        | PlanError::Overflow { .. }
        | PlanError::Header(_)
        | PlanError::PastEnd { .. }
        | PlanError::NoSuchChoice { .. }
        | PlanError::ImportanceShape { .. }
        | PlanError::RowTooLong { .. }
        | PlanError::Convert { .. } => StatusCode::BAD_REQUEST,
        PlanError::NoThread { .. } => StatusCode::SERVICE_UNAVAILABLE,
        PlanError::ElementCount { .. }
        | PlanError::NoSuchSource { .. }
        | PlanError::SourceLength { .. }
        | PlanError::SourceCount { .. }
        | PlanError::Read { .. }
        | PlanError::Write { .. }
        | PlanError::Cancelled => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn store_status(error: &StoreError) -> StatusCode {
    match error {
        StoreError::BlobNotFound { .. }
        | StoreError::ModelNotFound { .. }
        | StoreError::UploadNotFound { .. } => StatusCode::NOT_FOUND,
        StoreError::UploadExpired { .. } => StatusCode::GONE,
        StoreError::UploadInUse { .. } => StatusCode::LOCKED,
        StoreError::UploadTooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        StoreError::TooManyUploads { .. } => StatusCode::SERVICE_UNAVAILABLE,
        // As tus 1.0 names it.
        StoreError::ChecksumMismatch => StatusCode::from_u16(460).expect("three digits"),
        StoreError::DigestMismatch { .. }
        | StoreError::LengthMismatch { .. }
        | StoreError::InvalidManifest { .. } => StatusCode::BAD_REQUEST,
        StoreError::Busy { .. } | StoreError::FileChanged => StatusCode::CONFLICT,
        StoreError::NotEnoughSpace { .. } | StoreError::NoSpace { .. } => StatusCode::INSUFFICIENT_STORAGE,
        StoreError::NoStore
        | StoreError::LostManifests { .. }
        | StoreError::DamagedManifest { .. }
        | StoreError::LacksBlob { .. }
        | StoreError::DamagedBlob { .. }
        | StoreError::ReadOnly { .. }
        | StoreError::Io { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Ollama answers 500 to everything that a registry or the way to it refuses, to a model that it does not
/// have too.
fn registry_status(error: &RegistryError) -> StatusCode {
    match error {
        RegistryError::InvalidAddress { .. } | RegistryError::NotOfLibrary { .. } => StatusCode::BAD_REQUEST,
        RegistryError::Store(error) => store_status(error),
        RegistryError::Gated { .. } => StatusCode::FORBIDDEN,
        RegistryError::NoRepository { .. } => StatusCode::NOT_FOUND,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
