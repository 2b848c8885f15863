//! `/api/create`: from the fields of a request to a running job.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use url::Url;
use utoipa::ToSchema;

use super::body::json;
use super::create_outputs::{Wish, as_job};
use super::errors::Failure;
use super::request::Fields;
use super::stream::{Hearing, start, start_with};
use super::{Shared, create_info, create_license, create_outputs};
use crate::create::{
    Files, Job, LONGEST_SETTING, Monitor, Outline, Phase, Product, Request, Stage, Usage, remote_url,
};
use crate::jobs::{Kind, Once, Order};
use crate::locked::locked;
use crate::model::{Digest, go_json};

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
    if job.is_list() {
        let usage = Arc::clone(&order.usage);
        return start_with(&server, order, job, hearing, move || go_json::to_line(&Made::of(&usage))).await;
    }
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
        let (request, hearing) = decode(&mut fields, Vec::new(), limit)?;
        let told = fields.request();
        drop(fields);
        let job = prepared.time(Phase::Prepare, || workshop.prepare(request));
        Ok::<_, Failure>((job.map_err(as_job)?, told, hearing))
    };
    let (job, request, hearing) = server.blocking(prepare).await??;
    let order = Order { kind: Kind::Create, model: job.name().clone(), request, usage };
    Ok((order, job, hearing))
}

/// The last line about several models.
#[derive(Serialize, ToSchema)]
#[schema(as = ModelsMade)]
pub(super) struct Made {
    status: &'static str,
    outputs: Vec<Product>,
}

impl Made {
    fn of(usage: &Usage) -> Self {
        Self { status: "success", outputs: usage.products() }
    }
}

/// Tells what would be made. Where weights have to be measured or imported for that, it is a job like others.
async fn dry_run(server: &Shared, mut fields: Fields) -> Result<Response, Failure> {
    let candidates: Vec<String> = match fields.is_list("quantize") {
        true => fields.list("quantize", "[]string")?,
        false => Vec::new(),
    };
    let context = context(fields.value("context")?)?;
    let limit = server.config.limits.files;
    let workshop = server.workshop.clone();
    let turn = Arc::clone(&server.preparations).acquire_owned().await;
    let plan = move || {
        let _turn = turn;
        let (request, hearing) = decode(&mut fields, candidates, limit)?;
        let told = fields.request();
        let name = request.outputs.first().model.clone();
        let recipes = || request.outputs.iter().map(|wanted| &wanted.recipe);
        let has_to_measure = recipes().any(|recipe| recipe.target_size.is_some() || recipe.quality);
        let job = workshop.plan(request).map_err(as_job)?;
        let takes_long = has_to_measure || job.has_to_import();
        Ok::<_, Failure>((name, job, told, hearing, takes_long))
    };
    let (name, job, request, hearing, takes_long) = server.blocking(plan).await??;
    if !takes_long {
        let unwatched = move || {
            let (stop, usage) = (CancellationToken::new(), Usage::default());
            job.outline(context, Monitor { report: &|_| (), stop: &stop, usage: &usage })
        };
        return Ok(json(&server.blocking(unwatched).await?.map_err(as_job)?));
    }
    let order = Order { kind: Kind::Plan, model: name, request, usage: Arc::default() };
    let told = Arc::<Mutex<Option<Outline>>>::default();
    let telling = Arc::clone(&told);
    let work = move |monitor: Monitor<'_>| {
        *locked(&telling) = Some(job.outline(context, monitor)?);
        Ok(())
    };
    let success = move || go_json::to_line(&*locked(&told));
    start_with(server, order, Once { stage: Stage::Compute, work }, hearing, success).await
}

/// The tokens of the conversation that the memory to run the model is told for.
fn context(value: Option<Value>) -> Result<Option<u64>, Failure> {
    let Some(value) = value else { return Ok(None) };
    let message = || format!("context must be a whole number of tokens, at least 1; got {value}");
    match value.as_u64() {
        Some(tokens) if tokens > 0 => Ok(Some(tokens)),
        _ => Err(Failure::bad_request(message())),
    }
}

/// What is to be made from what, of so many files at most, and how the client wants to hear of it.
/// `candidates` are types that are to be compared.
fn decode(fields: &mut Fields, candidates: Vec<String>, limit: usize) -> Result<(Request, Hearing), Failure> {
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
    let addresses = addresses(fields.strings("addresses")?.unwrap_or_default(), [&files, &adapters])?;
    let merge_adapters = strengths(fields.value("merge_adapters")?)?;
    refuse_draft(fields)?;
    if fields.is_list("quantize") {
        let message = "quantize must be one type; a list is taken with \"dry_run\": true alone, and outputs \
                       makes several models";
        return Err(Failure::bad_request(message));
    }
    let quantize = fields.string("quantize")?;
    let quantization = fields.string("quantization")?;
    let quantize = if quantize.is_empty() { quantization } else { quantize };
    let recipe = fields.object("recipe")?.unwrap_or_default();
    let one = Wish { model, quantize, recipe };
    let listed = create_outputs::listed(fields, &one)?;
    let (license, info) = (fields.value("license")?, fields.object("info")?.unwrap_or_default());
    let (from, template, system) =
        (fields.string("from")?, fields.string("template")?, fields.string("system")?);
    let parameters = fields.object("parameters")?.unwrap_or_default().into_iter().collect();
    let messages = fields.list("messages", "[]api.Message")?;
    let (renderer, parser) = (fields.string("renderer")?, fields.string("parser")?);
    let (requires, remote_host) = (fields.string("requires")?, fields.string("remote_host")?);
    let publish = fields.boolean("publish")?;
    let outputs = match (candidates.is_empty(), &listed) {
        (false, Some(_)) => {
            return Err(Failure::bad_request(
                "quantize cannot be used beside outputs; each output has its own",
            ));
        }
        (false, None) => create_outputs::candidates(candidates, one)?,
        (true, _) => create_outputs::outputs(listed, one)?,
    };
    if from.is_empty() && files.is_none() {
        refuse_obsolete(fields)?;
    }
    let request = Request {
        outputs,
        from,
        files,
        adapters,
        merge_adapters,
        template,
        system,
        licenses: create_license::texts(license).map_err(as_job)?,
        parameters,
        messages,
        renderer,
        parser,
        requires,
        info: create_info::info(&info).map_err(as_job)?,
        remote_host,
        addresses,
        publish,
    };
    if let Ok(address) = remote_url(&request.remote_host) {
        // As it was given it may hold a password.
        fields.retell("remote_host", &address);
    }
    Ok((request, hearing))
}

/// Where files have come from, as the client knows it, by their blobs.
fn addresses(
    named: BTreeMap<String, String>,
    files: [&Option<Files>; 2],
) -> Result<BTreeMap<Digest, String>, Failure> {
    let mut addresses = BTreeMap::new();
    for (file, address) in named {
        let mut uploaded = files.into_iter().flatten().flat_map(Files::iter);
        let Some((_, digest)) = uploaded.find(|(name, _)| name.as_str() == file) else {
            let message = format!("addresses has {file:?}, which is none of the uploaded files");
            return Err(Failure::bad_request(message));
        };
        let is_plain = |url: &Url| url.username().is_empty() && url.password().is_none();
        let url = Url::parse(&address).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let Some(url) = url.filter(is_plain).filter(|url| url.as_str().len() <= LONGEST_SETTING) else {
            let message = format!(
                "addresses must have an http:// or https:// address of at most {LONGEST_SETTING} bytes, \
                 without a password, for file {file:?}"
            );
            return Err(Failure::bad_request(message));
        };
        addresses.insert(digest, url.into());
    }
    Ok(addresses)
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

/// Versions of Ollama before 0.5.5 took a Modelfile, as a text or as a path of the server. Who sends nothing
/// else is told what to send.
fn refuse_obsolete(fields: &Fields) -> Result<(), Failure> {
    const INSTEAD: [(&str, &str); 2] = [
        (
            "modelfile",
            "modelfile is not read any more; send its parts as from or files, adapters, template, system, \
             parameters, license and messages",
        ),
        (
            "path",
            "path is not read any more: the server reads no files but uploaded ones; upload them and name \
             them under files, and send the parts of a Modelfile as from, template, system, parameters, \
             license and messages",
        ),
    ];
    match INSTEAD.into_iter().find(|(field, _)| fields.is_given(field)) {
        Some((_, message)) => Err(as_job(Failure::bad_request(message))),
        None => Ok(()),
    }
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
