//! `/api/show`: everything about one model.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use super::body::json;
use super::errors::Failure;
use super::operation::Operation;
use super::request::Fields;
use super::times;
use crate::gguf::ValueRef;
use crate::library::{
    CHAT_TEMPLATE_KEY, Contents, Description, Details, Info, Parts, Weights, capabilities, info,
    is_rendered_by_ollama, modelfile, parse_gguf, remote_info,
};
use crate::model::Reference;
use crate::store::{Store, StoreError, StoredManifest};

/// Field order: Ollama, `api/types.go` (`ShowResponse`).
#[derive(Serialize, ToSchema)]
#[schema(as = ShownModel)]
struct Answer<'a> {
    #[serde(skip_serializing_if = "String::is_empty")]
    license: String,
    modelfile: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    parameters: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    template: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    system: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    renderer: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    parser: &'a str,
    details: Details,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    messages: Vec<ShownMessage<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    remote_model: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    remote_host: &'a str,
    #[schema(value_type = HashMap<String, Value>)]
    model_info: BTreeMap<String, Info<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<HashMap<String, Value>>)]
    projector_info: Option<BTreeMap<String, Info<'a>>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tensors: Vec<Tensor<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    capabilities: Vec<String>,
    #[serde(serialize_with = "times::time")]
    #[schema(value_type = String, format = DateTime)]
    modified_at: SystemTime,
    #[serde(skip_serializing_if = "str::is_empty")]
    requires: &'a str,
}

#[derive(Serialize, ToSchema)]
struct ShownMessage<'a> {
    role: &'a str,
    content: &'a str,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ShownTensor)]
struct Tensor<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    element_type: &'static str,
    shape: &'a [u64],
}

/// `POST /api/show`
pub(super) async fn show(
    State(server): State<Shared>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let mut fields = Fields::read(&server, &headers, body, "ShowRequest").await?;
    let model = fields.model()?;
    let verbose = fields.boolean("verbose")?.unwrap_or(false);
    let system = fields.string("system")?;
    let options = fields.object("options")?.unwrap_or_default();
    if model.is_empty() {
        return Err(Failure::bad_request("model is required"));
    }
    let reference: Reference = model.trim().parse()?;
    server
        .blocking_with(move |server| {
            let (store, workshop) = (server.store(), &server.workshop);
            let model = find(store, &reference)?;
            workshop.note_used(&model);
            store.ensure_parts(&model)?;
            let parts = Parts::read(store, workshop.descriptions(), &model)?;
            let mut contents = Contents::read(store, &model)?;
            if !parts.files.is_empty() {
                contents.weights.clone_from(&parts.files);
            }
            if !system.is_empty() {
                contents.system = system;
            }
            let parameters = contents.parameters_text();
            // The Modelfile alone has them.
            contents.parameters.extend(options);
            answer(store, &model, &parts, &contents, parameters, verbose)
        })
        .await?
}

/// The model that is meant, or that it was not found in the words of `show`.
pub(super) fn find(store: &Store, reference: &Reference) -> Result<Arc<StoredManifest>, Failure> {
    store.find(reference).map_err(|error| match (error, reference) {
        (StoreError::ModelNotFound { .. }, Reference::Name(name) | Reference::Pinned(name, _)) => {
            Failure::no_model(format!("model '{}' not found", name.short()))
        }
        (StoreError::ModelNotFound { .. }, Reference::Digest(digest)) => {
            Failure::no_model(format!("model '{digest}' not found"))
        }
        (other, _) => other.into(),
    })
}

fn answer(
    store: &Store,
    model: &StoredManifest,
    parts: &Parts,
    contents: &Contents,
    parameters: String,
    verbose: bool,
) -> Result<Response, Failure> {
    let config = &*contents.config;
    let is_remote = !config.remote_host.is_empty();
    let files = Weights::open(store, parts)?;
    let shards = files.parse()?;
    let weights = shards.first();
    let projector = contents.projectors.first().filter(|_| !is_remote);
    let projector = projector.map(|digest| store.blob(*digest)).transpose()?;
    let projector = projector.as_ref().map(parse_gguf).transpose()?;

    let chat_template = weights.and_then(|gguf| gguf.get(CHAT_TEMPLATE_KEY)).and_then(ValueRef::as_str);
    let template = match chat_template {
        Some(text) if !text.is_empty() && !is_rendered_by_ollama(parts.evidence()) => text,
        _ => &contents.template,
    };
    let mut model_info = match (weights, &parts.weights) {
        (Some(gguf), Some(description)) => info(gguf, description, verbose),
        _ => BTreeMap::new(),
    };
    model_info.remove("general.name");
    model_info.remove(CHAT_TEMPLATE_KEY);
    if is_remote {
        remote_info(config, &mut model_info);
    }
    let answer = Answer {
        license: contents.licenses.join("\n"),
        modelfile: modelfile(&model.name.short(), contents),
        parameters,
        template,
        system: &contents.system,
        renderer: &config.renderer,
        parser: &config.parser,
        // Both stand in `model_info`.
        details: Details { context_length: 0, embedding_length: 0, ..Details::of(parts) },
        messages: contents
            .messages
            .iter()
            .map(|message| ShownMessage { role: &message.role, content: &message.content })
            .collect(),
        remote_model: &config.remote_model,
        remote_host: &config.remote_host,
        model_info,
        projector_info: projector.as_ref().map(|gguf| info(gguf, &Description::of(gguf), verbose)),
        tensors: shards.iter().flat_map(|gguf| gguf.tensors()).map(Tensor::from).collect(),
        capabilities: capabilities(parts.evidence()),
        modified_at: model.modified,
        requires: &config.requires,
    };
    Ok(json(&answer))
}

impl<'a> From<&'a crate::gguf::TensorInfo<'_>> for Tensor<'a> {
    fn from(tensor: &'a crate::gguf::TensorInfo<'_>) -> Self {
        Self { name: tensor.name, element_type: tensor.element_type.name(), shape: tensor.shape.dimensions() }
    }
}

/// What is asked.
#[derive(ToSchema)]
#[expect(dead_code, reason = "bodies are decoded field by field, as Go decodes them")]
struct ShowRequest {
    /// The name of the model.
    model: String,
    /// Whether arrays of the metadata are to be shown.
    verbose: Option<bool>,
    /// A system prompt for the Modelfile.
    system: Option<String>,
    /// Parameters for the Modelfile.
    #[schema(value_type = Option<HashMap<String, Value>>)]
    options: Option<()>,
}

/// What is described of this.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::post("/api/show", "Everything about a model.")
            .takes::<ShowRequest>(true)
            .answers::<Answer<'_>>(200, "What it is.")
            .fails(&[404]),
    ]
}
