//! What all clients share, and what a server has promised when it has made something for one of them.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ollamake::model::Digest;
use serde_json::json;

use super::api::{Api, Outcome};
use super::material::Material;
use super::operation::Kind;
use super::registry::Registry;
use super::snapshot;

/// The model that nobody touches.
pub(super) const CONSTANT: &str = "constant:latest";

/// What all clients share.
pub(super) struct World {
    pub(super) root: PathBuf,
    pub(super) material: Material,
    pub(super) registry: Registry,
    pub(super) counts: Mutex<BTreeMap<Kind, u64>>,
    /// Refusals that are in order, by their beginning.
    pub(super) refusals: Mutex<BTreeMap<String, u64>>,
    /// What each recipe makes, which must be the same every time.
    made: Mutex<HashMap<String, Digest>>,
    /// Processes that prune.
    pub(super) pruning: Mutex<Vec<Arc<Mutex<Child>>>>,
}

impl World {
    pub(super) async fn new(root: PathBuf) -> Arc<Self> {
        let material = Material::new();
        Arc::new(Self {
            root,
            registry: Registry::start(&material).await,
            material,
            counts: Mutex::default(),
            refusals: Mutex::default(),
            made: Mutex::default(),
            pruning: Mutex::default(),
        })
    }

    /// Makes the model that nobody touches.
    pub(super) async fn make_constant(&self, api: &Api) {
        let file = self.material.gguf(u64::MAX);
        assert_eq!(api.upload(&file.digest.to_string(), &file.bytes, Duration::ZERO).await, Outcome::Done);
        let made = api.create(CONSTANT, &[file], &json!({"system": "constant"})).await;
        assert_eq!(made, Outcome::Done);
    }

    pub(super) fn constant(&self) -> Made {
        Made {
            weights: Weights::Are(self.material.gguf(u64::MAX).digest),
            system: Some(Digest::of(b"constant")),
        }
    }

    /// Whether the store holds what was promised.
    pub(super) fn matches(&self, promised: Option<&Made>, found: Option<&snapshot::Model>) -> bool {
        let (Some(made), Some(found)) = (promised, found) else {
            return promised.is_none() && found.is_none();
        };
        let weights = found.weights.expect("every model has weights");
        made.system == found.system
            && match &made.weights {
                Weights::Are(digest) => *digest == weights,
                Weights::Come(recipe) => {
                    *self.made.lock().unwrap().entry(recipe.clone()).or_insert(weights) == weights
                }
            }
    }
}

/// What a model consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) weights: Weights,
    pub(super) system: Option<Digest>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Weights {
    Are(Digest),
    /// From this recipe.
    Come(String),
}
