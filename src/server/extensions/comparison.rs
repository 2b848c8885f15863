//! `/ollamake/v1/compare`: how two models differ.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::models::{Identity, Opened, Storage, Value};
use crate::create::{Monitor, Stage, relative_distances};
use crate::gguf::Gguf;
use crate::jobs::{Kind, Once, Order};
use crate::locked::locked;
use crate::model::{Reference, go_json};
use crate::server::body::encoded;
use crate::server::errors::Failure;
use crate::server::operation::Operation;
use crate::server::stream::{Hearing, start_with};
use crate::server::{Server, Shared};
use crate::store::StoreError;

/// Elements of arrays that are shown.
const ELEMENTS: usize = 4;

/// Which two.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pair {
    a: String,
    b: String,
    /// Whether the errors between their tensors are to be measured, which reads all of both.
    #[serde(default)]
    quality: bool,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Comparison)]
struct Answer<'a> {
    a: Side,
    b: Side,
    /// The keys whose values differ, or that one of them lacks.
    metadata: Vec<Difference<'a, Value<'a>>>,
    /// All tensors, those of `a` first.
    tensors: Vec<Tensor<'a>>,
}

/// A tensor of one of them or of both.
#[derive(Serialize, ToSchema)]
#[schema(as = ComparedTensor)]
struct Tensor<'a> {
    #[serde(flatten)]
    stored: Difference<'a, Storage<'a>>,
    /// If it was asked for, and both have it in one shape: the root-mean-square error of that of `b` taken
    /// for that of `a`, relative to that of `a`.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<f64>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ComparedModel)]
struct Side {
    #[serde(flatten)]
    identity: Identity,
    /// Bytes that its tensors take.
    tensor_bytes: u64,
}

/// What both have under a name; `null` where there is nothing.
#[derive(Serialize, ToSchema)]
struct Difference<'a, T> {
    name: &'a str,
    a: Option<T>,
    b: Option<T>,
}

/// `GET /ollamake/v1/compare?a=NAME&b=NAME`. With `quality` it is a job like others, since it reads all
/// weights.
pub(super) async fn compare(
    State(server): State<Shared>,
    pair: Result<Query<Pair>, QueryRejection>,
) -> Result<Response, Failure> {
    let Query(pair) = pair.map_err(|rejection| {
        Failure::bad_request(rejection.body_text()).with_hint("ask for compare?a=NAME&b=NAME")
    })?;
    let (a, b): (Reference, Reference) = (pair.a.parse()?, pair.b.parse()?);
    let open =
        move |server: &Server| Ok::<_, Failure>([Opened::find(server, &a)?, Opened::find(server, &b)?]);
    let both = server.blocking_with(open).await??;
    if !pair.quality {
        let answer = move || Ok(encoded(told(&both, &HashMap::new())?));
        return server.blocking(answer).await?;
    }
    let (model, request) = (both[0].model.name.clone(), go_json::to_string(&pair));
    let order = Order { kind: Kind::Compare, model, request, usage: Arc::default() };
    let (workshop, answer) = (server.workshop.clone(), Arc::<Mutex<Vec<u8>>>::default());
    let telling = Arc::clone(&answer);
    let work = move |monitor: Monitor<'_>| {
        let errors = relative_distances(&workshop, &both[0].weights, &both[1].weights, monitor)?;
        *locked(&telling) = told(&both, &errors.into_iter().collect())?;
        Ok(())
    };
    let success = move || std::mem::take(&mut *locked(&answer));
    start_with(&server, order, Once { stage: Stage::Compute, work }, Hearing::End, success).await
}

/// The answer about two models, with the errors of tensors by name.
fn told([a, b]: &[Opened; 2], errors: &HashMap<String, f64>) -> Result<Vec<u8>, StoreError> {
    let (parsed_a, parsed_b) = (a.weights.parse()?, b.weights.parse()?);
    let tensors = joined(tensors(&parsed_a), tensors(&parsed_b)).into_iter();
    let answer = Answer {
        a: Side::new(a, &parsed_a),
        b: Side::new(b, &parsed_b),
        metadata: metadata(&parsed_a, &parsed_b),
        tensors: tensors.map(|stored| Tensor { error: errors.get(stored.name).copied(), stored }).collect(),
    };
    Ok(go_json::to_string(&answer).into_bytes())
}

impl Side {
    fn new(opened: &Opened, files: &[Gguf<'_>]) -> Self {
        let sizes = tensors(files).into_iter().map(|(_, tensor)| tensor.bytes);
        Self { identity: opened.identity(), tensor_bytes: sizes.fold(0, u64::saturating_add) }
    }
}

fn metadata<'a>(a: &'a [Gguf<'a>], b: &'a [Gguf<'a>]) -> Vec<Difference<'a, Value<'a>>> {
    let values = |files: &'a [Gguf<'a>]| {
        let entries = files.first().map(Gguf::entries).unwrap_or_default();
        entries.iter().map(|(key, value)| (*key, Value::new(*value, 0, ELEMENTS))).collect()
    };
    let is_same = |pair: &Difference<'_, Value<'_>>| match (&pair.a, &pair.b) {
        (Some(a), Some(b)) => a.is(b),
        _ => false,
    };
    let mut differences = joined(values(a), values(b));
    differences.retain(|pair| !is_same(pair));
    differences
}

/// The tensors of all files.
fn tensors<'a>(files: &'a [Gguf<'a>]) -> Vec<(&'a str, Storage<'a>)> {
    files.iter().flat_map(Gguf::tensors).map(|tensor| (tensor.name, Storage::of(tensor))).collect()
}

/// What two lists have under each name, in the order of the first.
fn joined<'a, T>(a: Vec<(&'a str, T)>, b: Vec<(&'a str, T)>) -> Vec<Difference<'a, T>> {
    let mut others: HashMap<&str, usize> = HashMap::new();
    let mut rest: Vec<Option<(&str, T)>> = b.into_iter().map(Some).collect();
    for (index, entry) in rest.iter().enumerate() {
        others.extend(entry.as_ref().map(|(name, _)| (*name, index)));
    }
    let mut all: Vec<_> = a
        .into_iter()
        .map(|(name, value)| {
            let other = others.get(name).and_then(|index| rest[*index].take());
            Difference { name, a: Some(value), b: other.map(|(_, value)| value) }
        })
        .collect();
    all.extend(rest.into_iter().flatten().map(|(name, value)| Difference { name, a: None, b: Some(value) }));
    all
}

/// What is described of this.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::read("/ollamake/v1/compare", "How two models differ.")
            .needs::<String>("a", "the name of a model")
            .needs::<String>("b", "the name of another")
            .asks::<bool>("quality", "whether the errors between their tensors are to be measured")
            .answers::<Answer<'_>>(200, "What differs, and all tensors.")
            .fails(&[404]),
    ]
}
