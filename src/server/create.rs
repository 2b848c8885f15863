//! `/api/create`: from the fields of a request to a running job.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::Value;

use tokio_util::sync::CancellationToken;

use super::body::json;
use super::errors::Failure;
use super::request::Fields;
use super::stream::{Hearing, start, start_with};
use super::{Shared, create_info, create_license};
use crate::create::{
    CreateError, Files, Job, Monitor, Outline, Phase, Quantization, Request, Stage, Usage, remote_url,
};
use crate::jobs::{Kind, Once, Order};
use crate::locked::locked;
use crate::model::{Name, go_json};
use crate::quantize::Recipe;

/// `POST /api/create`
pub(super) async fn create(
    State(server): State<Shared>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let mut fields = Fields::read(&server, &headers, body, "CreateRequest").await?;
    if fields.boolean("dry_run")?.unwrap_or(false) {
        return dry_run(&server, fields).await;
    }
    let (order, job, hearing) = prepare(&server, fields).await?;
    start(&server, order, job, hearing).await
}

/// Checks a request and makes a job of it.
pub(super) async fn prepare(server: &Shared, mut fields: Fields) -> Result<(Order, Job, Hearing), Failure> {
    let limit = server.config.limits.files;
    let workshop = server.workshop.clone();
    let usage = Arc::<Usage>::default();
    let prepared = Arc::clone(&usage);
    // The checks go on when the client goes away, and so does their turn.
    let turn = Arc::clone(&server.preparations).acquire_owned().await;
    let prepare = move || {
        let _turn = turn;
        let (name, request, hearing) = decode(&mut fields, limit)?;
        let told = fields.request();
        drop(fields);
        let job = prepared.time(Phase::Prepare, || workshop.prepare(&name, request));
        Ok::<_, Failure>((job.map_err(as_job)?, told, hearing))
    };
    let (job, request, hearing) = server.blocking(prepare).await??;
    let order = Order { kind: Kind::Create, model: job.name().clone(), request, usage };
    Ok((order, job, hearing))
}

/// Tells what would be made. Where weights have to be measured for that, it is a job like others.
async fn dry_run(server: &Shared, mut fields: Fields) -> Result<Response, Failure> {
    let candidates: Vec<String> = match fields.is_list("quantize") {
        true => fields.list("quantize", "[]string")?,
        false => Vec::new(),
    };
    let limit = server.config.limits.files;
    let workshop = server.workshop.clone();
    let turn = Arc::clone(&server.preparations).acquire_owned().await;
    let plan = move || {
        let _turn = turn;
        let (name, request, hearing) = decode(&mut fields, limit)?;
        let told = fields.request();
        let has_to_measure = request.recipe.target_size.is_some();
        let requests: Vec<Request> = match candidates.is_empty() {
            true => vec![request],
            false => candidates.iter().map(|wish| quantized(&request, wish)).collect::<Result<_, _>>()?,
        };
        let jobs = requests.into_iter().map(|request| workshop.plan(&name, request));
        let jobs = jobs.collect::<Result<Vec<_>, _>>().map_err(as_job)?;
        Ok::<_, Failure>((name, jobs, told, hearing, has_to_measure))
    };
    let (name, jobs, request, hearing, has_to_measure) = server.blocking(plan).await??;
    if !has_to_measure {
        let unwatched = move || {
            let (stop, usage) = (CancellationToken::new(), Usage::default());
            outlined(&jobs, Monitor { report: &|_| (), stop: &stop, usage: &usage })
        };
        return Ok(json(&server.blocking(unwatched).await?.map_err(as_job)?));
    }
    let order = Order { kind: Kind::Plan, model: name, request, usage: Arc::default() };
    let told = Arc::<Mutex<Option<Outline>>>::default();
    let telling = Arc::clone(&told);
    let work = move |monitor: Monitor<'_>| {
        *locked(&telling) = Some(outlined(&jobs, monitor)?);
        Ok(())
    };
    let success = move || go_json::to_line(&*locked(&told));
    start_with(server, order, Once { stage: Stage::Compute, work }, hearing, success).await
}

/// What all of the jobs would make, which are of the same sources.
fn outlined(jobs: &[Job], monitor: Monitor<'_>) -> Result<Outline, CreateError> {
    let mut all = jobs.iter().map(|job| job.outline(monitor));
    let first = all.next().unwrap_or(Err(CreateError::NoSource))?;
    all.try_fold(first, |outline, next| Ok(outline.beside(next?)))
}

/// The same request with another quantization.
fn quantized(request: &Request, wish: &str) -> Result<Request, Failure> {
    let quantize = Quantization::parse(wish).map_err(as_job)?;
    Ok(Request { quantize, ..request.clone() })
}

/// What Ollama finds in the job itself, and answers as its jobs do.
fn as_job(error: impl Into<Failure>) -> Failure {
    error.into().into_job_answer()
}

/// The name of the model to be, what it is made from, of so many files at most, and how the client wants to
/// hear of it.
fn decode(fields: &mut Fields, limit: usize) -> Result<(Name, Request, Hearing), Failure> {
    let model = fields.model()?;
    let hearing = Hearing::of(fields)?;
    let mut files = |field: &str| -> Result<Option<Files>, Failure> {
        let named = fields.strings(field)?;
        if let Some(count) = named.as_ref().map(BTreeMap::len).filter(|&count| count > limit) {
            let message = format!("{field} must not name more than {limit} files, got {count}");
            return Err(Failure::bad_request(message).with_hint("the operator sets OLLAMAKE_MAX_FILES"));
        }
        Ok(named.map(Files::parse).transpose()?)
    };
    let (files, adapters) = (files("files")?, files("adapters")?);
    let merge_adapters = strengths(fields.value("merge_adapters")?)?;
    refuse_draft(fields)?;
    if fields.is_list("quantize") {
        let message = "quantize must be one type; a list is taken with \"dry_run\": true alone";
        return Err(Failure::bad_request(message));
    }
    let quantize = fields.string("quantize")?;
    let quantization = fields.string("quantization")?;
    let quantize = if quantize.is_empty() { quantization } else { quantize };
    let recipe = fields.object("recipe")?.unwrap_or_default();
    let (license, info) = (fields.value("license")?, fields.object("info")?.unwrap_or_default());
    let mut request = Request {
        from: fields.string("from")?,
        files,
        adapters,
        merge_adapters,
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
    if let Ok(address) = remote_url(&request.remote_host) {
        // As it was given it may hold a password.
        fields.retell("remote_host", &address);
    }
    let name = model.parse()?;
    request.quantize = Quantization::parse(&quantize).map_err(as_job)?;
    request.recipe = Recipe::from_object(recipe).map_err(|error| as_job(CreateError::from(error)))?;
    request.info = create_info::info(&info).map_err(as_job)?;
    request.licenses = create_license::texts(license).map_err(as_job)?;
    Ok((name, request, hearing))
}

/// Whether adapters are to be merged into the weights, and how strong those are that are named.
fn strengths(value: Option<Value>) -> Result<Option<BTreeMap<String, f64>>, Failure> {
    let numbers = match value {
        None | Some(Value::Bool(false)) => return Ok(None),
        Some(Value::Bool(true)) => Some(BTreeMap::new()),
        Some(Value::Object(named)) => {
            let number = |(name, strength): (String, Value)| Some((name, strength.as_f64()?));
            named.into_iter().map(number).collect()
        }
        Some(_) => None,
    };
    let message = "merge_adapters must be true, false, or an object of the adapters' names with numbers";
    numbers.map(Some).ok_or_else(|| Failure::bad_request(message))
}

/// Ollama attaches a second, smaller model that guesses ahead. A model without the one that was asked for
/// would not be the one that was meant.
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
