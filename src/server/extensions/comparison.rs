//! `/ollamake/v1/compare`: how two models differ.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::models::{Identity, Opened, Storage, Value};
use crate::gguf::Gguf;
use crate::model::Reference;
use crate::server::Shared;
use crate::server::body::json;
use crate::server::errors::Failure;

/// Elements of arrays that are shown.
const ELEMENTS: usize = 4;

/// Which two.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pair {
    a: String,
    b: String,
}

#[derive(Serialize)]
struct Answer<'a> {
    a: Side,
    b: Side,
    /// The keys whose values differ, or that one of them lacks.
    metadata: Vec<Difference<'a, Value<'a>>>,
    /// All tensors, those of `a` first.
    tensors: Vec<Difference<'a, Storage<'a>>>,
}

#[derive(Serialize)]
struct Side {
    #[serde(flatten)]
    identity: Identity,
    /// Bytes that its tensors take.
    tensor_bytes: u64,
}

/// What both have under a name; `null` where there is nothing.
#[derive(Serialize)]
struct Difference<'a, T> {
    name: &'a str,
    a: Option<T>,
    b: Option<T>,
}

/// `GET /ollamake/v1/compare?a=NAME&b=NAME`
pub(super) async fn compare(
    State(server): State<Shared>,
    pair: Result<Query<Pair>, QueryRejection>,
) -> Result<Response, Failure> {
    let Query(pair) = pair.map_err(|rejection| {
        Failure::bad_request(rejection.body_text()).with_hint("ask for compare?a=NAME&b=NAME")
    })?;
    let (a, b): (Reference, Reference) = (pair.a.parse()?, pair.b.parse()?);
    let shared = Arc::clone(&server);
    let answer = move || {
        let (a, b) = (Opened::find(&shared, &a)?, Opened::find(&shared, &b)?);
        let (parsed_a, parsed_b) = (a.weights.parse()?, b.weights.parse()?);
        Ok(json(&Answer {
            a: Side::new(&a, &parsed_a),
            b: Side::new(&b, &parsed_b),
            metadata: metadata(&parsed_a, &parsed_b),
            tensors: joined(tensors(&parsed_a), tensors(&parsed_b)),
        }))
    };
    server.blocking(answer).await?
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
