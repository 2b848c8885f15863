//! `/ollamake/v1/models/NAME/…`: what a model holds.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::download::{self, send};
use crate::create::Provenance;
use crate::gguf::{Gguf, TensorInfo, ValueRef};
use crate::library::{Parts, Weights};
use crate::model::{Layer, Manifest, Reference};
use crate::server::body::json;
use crate::server::errors::Failure;
use crate::server::operation::Operation;
use crate::server::show::find;
use crate::server::{Server, Shared};
use crate::store::{Blob, Store, StoredManifest};

/// Elements of an array that are shown unless more are asked for.
const ELEMENTS: usize = 16;
/// The most that are shown at once.
const MOST_ELEMENTS: usize = 100_000;

/// What of a model is asked for; each view knows some of it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    /// The one key of the metadata to be shown.
    key: Option<String>,
    /// The first element of arrays to be shown.
    #[serde(default)]
    from: usize,
    /// How many elements of arrays are to be shown.
    count: Option<usize>,
    /// Which of the files of a split model is to be sent, the first being 1.
    shard: Option<usize>,
}

/// `GET /ollamake/v1/models/NAME/metadata`, `…/tensors`, `…/manifest`, `…/provenance` and `…/file`. Names
/// have slashes themselves.
pub(super) async fn look(
    State(server): State<Shared>,
    Path(path): Path<String>,
    wish: Result<Query<Wish>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let Query(wish) = wish.map_err(|rejection| Failure::bad_request(rejection.body_text()))?;
    let Some((name, view)) = path.rsplit_once('/') else { return Err(no_such_view(&path)) };
    let reference: Reference = name.parse()?;
    let view: View = match view {
        "metadata" => metadata,
        "tensors" => tensors,
        "file" => file,
        "manifest" => manifest,
        "provenance" => provenance,
        _ => return Err(no_such_view(view)),
    };
    server.blocking_with(move |server| view(server, &reference, &wish, &headers)).await?
}

/// What answers for one view of the model that is meant.
type View = fn(&Server, &Reference, &Wish, &HeaderMap) -> Result<Response, Failure>;

fn no_such_view(got: &str) -> Failure {
    Failure::not_found(format!("{got:?} is none of metadata, tensors, manifest, provenance and file"))
        .with_hint("ask for /ollamake/v1/models/NAME/metadata, for example")
}

/// How a model was made, as an in-toto statement.
fn provenance(server: &Server, reference: &Reference, _: &Wish, _: &HeaderMap) -> Result<Response, Failure> {
    let model = find(server.store(), reference)?;
    let record = server.workshop.provenance(&model).ok_or_else(|| {
        let message = format!("it is not known how model '{}' was made", model.name.short());
        Failure::not_found(message).with_hint("models that are made here can tell; pulled ones cannot")
    })?;
    Ok(json(&record))
}

/// A model with its files open.
pub(super) struct Opened {
    store: Store,
    pub(super) model: Arc<StoredManifest>,
    pub(super) weights: Weights,
}

/// Which model an answer is about.
#[derive(Serialize, ToSchema)]
pub(super) struct Identity {
    model: String,
    digest: String,
}

impl Opened {
    /// Opens a model that has weights.
    pub(super) fn find(server: &Server, reference: &Reference) -> Result<Self, Failure> {
        let store = server.store();
        let model = find(store, reference)?;
        server.workshop.note_used(&model);
        store.ensure_parts(&model)?;
        let parts = Parts::read(store, server.workshop.descriptions(), &model)?;
        let weights = Weights::open(store, &parts)?;
        if weights.files().is_empty() {
            let message = format!("model '{}' has no weights in a GGUF file", model.name.short());
            return Err(Failure::bad_request(message));
        }
        Ok(Self { store: store.clone(), model, weights })
    }

    /// The file that its weights are in, or that of a shard, the first being 1; and what to call it.
    pub(super) fn file(&self, shard: Option<usize>) -> Result<(&Blob, String), Failure> {
        let files = self.weights.files();
        let (model, count) = (&self.model.name, files.len());
        let name = format!("{}-{}", model.model(), model.tag());
        match (files, shard) {
            ([only], None | Some(1)) => Ok((only, format!("{name}.gguf"))),
            (files, Some(shard)) => match shard.checked_sub(1).and_then(|index| files.get(index)) {
                Some(blob) => Ok((blob, format!("{name}-{shard:05}-of-{count:05}.gguf"))),
                None => Err(Failure::bad_request(format!("shard must be 1 to {count}, got {shard}"))),
            },
            _ => {
                let message = format!("the model was split into {count} files");
                Err(Failure::bad_request(message).with_hint("ask for each, from shard 1 on"))
            }
        }
    }

    /// The relative errors of tensors of a file, by name, as far as they were measured when it was made.
    fn errors_of(&self, file: &Blob) -> HashMap<String, f64> {
        let measured = self.store.measured(file.digest());
        measured.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }

    pub(super) fn identity(&self) -> Identity {
        Identity::of(&self.model)
    }
}

impl Identity {
    fn of(model: &StoredManifest) -> Self {
        Self { model: model.name.short(), digest: model.digest.to_string() }
    }
}

/// A pair of the metadata.
#[derive(Serialize, ToSchema)]
#[schema(as = MetadataPair)]
struct Pair<'a> {
    key: &'a str,
    #[serde(flatten)]
    value: Value<'a>,
}

/// A value with its type. Of an array only some elements are shown.
#[derive(Debug, Serialize, PartialEq, ToSchema)]
#[schema(as = MetadataValue)]
pub(super) struct Value<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<usize>,
    value: serde_json::Value,
    #[serde(skip)]
    whole: ValueRef<'a>,
}

impl<'a> Value<'a> {
    /// A value, and of an array the elements of a range.
    pub(super) fn new(value: ValueRef<'a>, from: usize, count: usize) -> Self {
        let kind = value.value_type().to_string();
        match value {
            ValueRef::Array(array) => Self {
                kind: format!("[{}]", array.element_type()),
                length: Some(array.len()),
                from: (from > 0).then_some(from),
                value: array.iter().skip(from).take(count).map(scalar).collect(),
                whole: value,
            },
            value => Self { kind, length: None, from: None, value: scalar(value), whole: value },
        }
    }

    /// Whether both are the same, elements that are not shown included.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.kind == other.kind && self.whole == other.whole
    }
}

/// A value that is no array. Numbers that JSON does not have become `null`.
fn scalar(value: ValueRef<'_>) -> serde_json::Value {
    serde_json::to_value(crate::library::Info::Stored(value, true)).unwrap_or_default()
}

/// What a tensor is stored as.
#[derive(Serialize, ToSchema)]
#[schema(as = StoredAs)]
pub(super) struct Storage<'a> {
    shape: &'a [u64],
    #[serde(rename = "type")]
    element_type: &'static str,
    /// Bytes that it takes.
    pub(super) bytes: u64,
}

impl<'a> Storage<'a> {
    pub(super) fn of(tensor: &'a TensorInfo<'_>) -> Self {
        Self {
            shape: tensor.shape.dimensions(),
            element_type: tensor.element_type.name(),
            bytes: tensor.data.end - tensor.data.start,
        }
    }
}

/// A tensor as it lies in a file.
#[derive(Serialize, ToSchema)]
#[schema(as = StoredTensor)]
struct Tensor<'a> {
    name: &'a str,
    #[serde(flatten)]
    storage: Storage<'a>,
    /// Where it begins, in bytes from the start of the file.
    offset: u64,
    /// Which of the files it lies in.
    #[serde(skip_serializing_if = "Option::is_none")]
    shard: Option<usize>,
    /// The root-mean-square error that quantizing it made, relative to its own, if that was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<f64>,
}

/// The metadata of a model.
#[derive(Serialize, ToSchema)]
struct ModelMetadata<'a> {
    #[serde(flatten)]
    identity: Identity,
    metadata: Vec<Pair<'a>>,
}

/// The tensors of a model.
#[derive(Serialize, ToSchema)]
struct ModelTensors<'a> {
    #[serde(flatten)]
    identity: Identity,
    /// The files that they lie in.
    files: Vec<File>,
    tensors: Vec<Tensor<'a>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = WeightsFile)]
struct File {
    digest: String,
    size: u64,
}

/// What a model consists of.
#[derive(Serialize, ToSchema)]
struct ModelManifest<'a> {
    #[serde(flatten)]
    identity: Identity,
    /// Its layers, the configuration last.
    layers: Vec<&'a Layer>,
}

fn metadata(server: &Server, reference: &Reference, wish: &Wish, _: &HeaderMap) -> Result<Response, Failure> {
    let opened = Opened::find(server, reference)?;
    let count = wish.count.unwrap_or(ELEMENTS);
    if count > MOST_ELEMENTS {
        let message =
            format!("count must be at most {MOST_ELEMENTS}, got {count}; ask for the rest with from");
        return Err(Failure::bad_request(message));
    }
    let shards = opened.weights.parse()?;
    let entries = shards.first().map(Gguf::entries).unwrap_or_default();
    let wanted = |key: &str| wish.key.as_deref().is_none_or(|wanted| wanted == key);
    let metadata: Vec<_> = entries
        .iter()
        .filter(|(key, _)| wanted(key))
        .map(|(key, value)| Pair { key, value: Value::new(*value, wish.from, count) })
        .collect();
    match &wish.key {
        Some(key) if metadata.is_empty() => Err(Failure::not_found(format!("the model has no key {key:?}"))),
        _ => Ok(json(&ModelMetadata { identity: opened.identity(), metadata })),
    }
}

fn tensors(server: &Server, reference: &Reference, _: &Wish, _: &HeaderMap) -> Result<Response, Failure> {
    let opened = Opened::find(server, reference)?;
    let shards = opened.weights.parse()?;
    let is_split = shards.len() > 1;
    let files = opened.weights.files().iter();
    let errors: Vec<_> = files.clone().map(|blob| opened.errors_of(blob)).collect();
    let tensors = shards.iter().zip(&errors).enumerate().flat_map(|(index, (gguf, errors))| {
        let shard = is_split.then_some(index + 1);
        gguf.tensors().iter().map(move |tensor| {
            let (name, storage, offset) = (tensor.name, Storage::of(tensor), tensor.data.start);
            Tensor { name, storage, offset, shard, error: errors.get(name).copied() }
        })
    });
    Ok(json(&ModelTensors {
        identity: opened.identity(),
        files: files.map(|blob| File { digest: blob.digest().to_string(), size: blob.length() }).collect(),
        tensors: tensors.collect(),
    }))
}

fn file(
    server: &Server,
    reference: &Reference,
    wish: &Wish,
    headers: &HeaderMap,
) -> Result<Response, Failure> {
    let opened = Opened::find(server, reference)?;
    let (blob, name) = opened.file(wish.shard)?;
    Ok(send(blob.clone(), &name, headers))
}

/// The manifest as it is stored, which models without weights have too.
fn manifest(server: &Server, reference: &Reference, _: &Wish, _: &HeaderMap) -> Result<Response, Failure> {
    let model = find(server.store(), reference)?;
    let Manifest { config, layers, .. } = &model.manifest;
    let layers = layers.iter().chain([config]).collect();
    Ok(json(&ModelManifest { identity: Identity::of(&model), layers }))
}

/// What is described of them.
pub(super) fn operations() -> Vec<Operation> {
    let named = |operation: Operation| {
        operation.with("name", "the name of a model, in which there may be slashes").fails(&[400, 404])
    };
    let metadata = Operation::read("/ollamake/v1/models/{name}/metadata", "The metadata of a model.")
        .asks::<String>("key", "the one key that is wanted")
        .asks::<u64>("from", "the first element of arrays that is wanted")
        .asks::<u64>("count", "how many elements of arrays are wanted; 16 without this")
        .answers::<ModelMetadata<'_>>(200, "The metadata.");
    let tensors =
        Operation::read("/ollamake/v1/models/{name}/tensors", "The tensors of a model, and where they lie.")
            .answers::<ModelTensors<'_>>(200, "The tensors.");
    let file = download::described("/ollamake/v1/models/{name}/file", "The GGUF file of a model.")
        .asks::<u64>("shard", "which of the files of a split model, the first being 1");
    let manifest = Operation::read("/ollamake/v1/models/{name}/manifest", "The layers of a model.")
        .answers::<ModelManifest<'_>>(200, "The layers.");
    let provenance = Operation::read("/ollamake/v1/models/{name}/provenance", "How a model was made here.")
        .answers::<Provenance>(200, "An in-toto statement with SLSA's predicate.");
    [metadata, tensors, manifest, provenance, file].map(named).into()
}
