//! `/api/create`: from the fields of a request to a running job.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::errors::Failure;
use super::request::Fields;
use super::stream::{Hearing, answer};
use super::{Shared, create_info, create_license};
use crate::create::{CreateError, Files, Phase, Quantization, Request, Usage};
use crate::jobs::{Kind, Order};
use crate::model::Name;
use crate::quantize::Recipe;

/// `POST /api/create`
pub(super) async fn create(
    State(server): State<Shared>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let fields = Fields::read(&server, &headers, body, "CreateRequest").await?;
    let limit = server.config.limits.files;
    let workshop = server.workshop.clone();
    let usage = Arc::<Usage>::default();
    let prepared = Arc::clone(&usage);
    // The checks go on when the client goes away, and so does their turn.
    let turn = Arc::clone(&server.preparations).acquire_owned().await;
    let prepare = move || {
        let _turn = turn;
        let (name, request, hearing) = decode(fields, limit)?;
        let job = prepared.time(Phase::Prepare, || workshop.prepare(&name, request));
        Ok::<_, Failure>((job.map_err(as_job)?, hearing))
    };
    let (job, hearing) = server.blocking(prepare).await??;
    let order = Order { kind: Kind::Create, model: job.name().clone(), usage };
    Ok(answer(server.jobs.start(order, job)?, hearing).await)
}

/// What Ollama finds in the job itself, and answers as its jobs do.
fn as_job(error: impl Into<Failure>) -> Failure {
    error.into().into_job_answer()
}

/// The name of the model to be, what it is made from, of so many files at most, and how the client wants to hear of it.
fn decode(mut fields: Fields, limit: usize) -> Result<(Name, Request, Hearing), Failure> {
    let model = fields.model()?;
    let hearing = Hearing::of(&mut fields)?;
    let mut files = |field: &str| -> Result<Option<Files>, Failure> {
        let named = fields.strings(field)?;
        if let Some(count) = named.as_ref().map(BTreeMap::len).filter(|&count| count > limit) {
            let message = format!("{field} must not name more than {limit} files, got {count}");
            return Err(Failure::bad_request(message).with_hint("the operator sets OLLAMAKE_MAX_FILES"));
        }
        Ok(named.map(Files::parse).transpose()?)
    };
    let (files, adapters) = (files("files")?, files("adapters")?);
    refuse_draft(&mut fields)?;
    let quantize = fields.string("quantize")?;
    let quantization = fields.string("quantization")?;
    let quantize = if quantize.is_empty() { quantization } else { quantize };
    let recipe = fields.object("recipe")?.unwrap_or_default();
    let (license, info) = (fields.value("license")?, fields.object("info")?.unwrap_or_default());
    let mut request = Request {
        from: fields.string("from")?,
        files,
        adapters,
        template: fields.string("template")?,
        system: fields.string("system")?,
        parameters: fields.object("parameters")?.unwrap_or_default().into_iter().collect(),
        messages: fields.list("messages", "[]api.Message")?,
        renderer: fields.string("renderer")?,
        parser: fields.string("parser")?,
        requires: fields.string("requires")?,
        remote_host: fields.string("remote_host")?,
        ..Request::default()
    };
    let name = model.parse()?;
    request.quantize = Quantization::parse(&quantize).map_err(as_job)?;
    request.recipe = Recipe::from_object(recipe).map_err(|error| as_job(CreateError::from(error)))?;
    request.info = create_info::info(&info).map_err(as_job)?;
    request.licenses = create_license::texts(license).map_err(as_job)?;
    Ok((name, request, hearing))
}

/// Ollama attaches a second, smaller model that guesses ahead. A model without the one that was asked for would
/// not be the one that was meant.
fn refuse_draft(fields: &mut Fields) -> Result<(), Failure> {
    let has_files = fields.strings("draft_files")?.is_some_and(|files| !files.is_empty());
    let has_type = !fields.string("draft_quantize")?.is_empty();
    for (field, given) in [("draft_files", has_files), ("draft_quantize", has_type)] {
        if given {
            let message = format!("{field} is not supported: this server attaches no draft models");
            return Err(Failure::bad_request(message));
        }
    }
    Ok(())
}
