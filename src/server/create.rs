//! `/api/create`: from the fields of a request to a running job.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::Shared;
use super::body::read_all;
use super::errors::Failure;
use super::request::Fields;
use super::stream::RunningJob;
use crate::create::{CreateError, Files, Job, Request};
use crate::model::Name;

/// `POST /api/create`
pub(super) async fn create(
    State(server): State<Shared>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let body = read_all(&headers, body, &server.config.limits).await?;
    let (name, request, streamed) = decode(&body)?;
    let workshop = server.workshop.clone();
    let job: Result<Job, CreateError> = server.blocking(move || workshop.prepare(&name, request)).await?;
    let job = job.map_err(|error| Failure::from(error).into_job_answer())?;
    tracing::info!(model = %job.name(), heavy = job.is_heavy(), "creating a model");
    let turn = job.is_heavy().then(|| Arc::clone(&server.heavy_jobs));
    let running = RunningJob::start(turn, move |report, stop| {
        job.run(report, stop).map_err(|error| Failure::from(error).into_job_answer())
    });
    Ok(if streamed { running.answer_with_lines().await } else { running.answer_once().await })
}

/// The name of the model to be, what it is made from, and whether the steps are to be told.
fn decode(body: &[u8]) -> Result<(Name, Request, bool), Failure> {
    let mut fields = Fields::parse(body, "CreateRequest")?;
    let model = fields.model()?;
    let streamed = fields.boolean("stream")?.unwrap_or(true);
    let mut files = |field: &str| -> Result<Option<Files>, Failure> {
        Ok(fields.strings(field)?.map(Files::parse).transpose()?)
    };
    let (files, adapters) = (files("files")?, files("adapters")?);
    let quantize = fields.string("quantize")?;
    let quantization = fields.string("quantization")?;
    let request = Request {
        from: fields.string("from")?,
        files,
        adapters,
        quantize: if quantize.is_empty() { quantization } else { quantize },
        template: fields.string("template")?,
        system: fields.string("system")?,
        license: fields.value("license"),
        parameters: fields.object("parameters")?.unwrap_or_default().into_iter().collect(),
        messages: fields.list("messages", "[]api.Message")?,
        renderer: fields.string("renderer")?,
        parser: fields.string("parser")?,
        requires: fields.string("requires")?,
        info: fields.object("info")?,
        remote_host: fields.string("remote_host")?,
    };
    let name = model.parse()?;
    Ok((name, request, streamed))
}
