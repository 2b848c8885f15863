//! The index of a sharded checkpoint: which tensor lies in which file.

use serde::Deserialize;
use std::collections::BTreeMap;

use super::{NamedSource, SafetensorsError};

/// What the file of an index is called.
pub const INDEX_FILE: &str = "model.safetensors.index.json";

/// The longest index that is read, in bytes. Released ones have at most about 15 MiB.
const LARGEST: usize = 64 << 20;

/// Shard by tensor.
#[derive(Deserialize)]
pub(super) struct Index {
    pub(super) weight_map: BTreeMap<String, String>,
}

impl Index {
    pub(super) fn read(file: NamedSource<'_>) -> Result<Self, SafetensorsError> {
        let fails = |reason: String| SafetensorsError::Index { file: file.name.to_owned(), reason };
        if file.bytes.len() > LARGEST {
            return Err(fails(format!(
                "it has {} bytes, more than the {LARGEST} that are read",
                file.bytes.len()
            )));
        }
        let index: Self = serde_json::from_slice(file.bytes).map_err(|error| fails(error.to_string()))?;
        if index.weight_map.is_empty() { Err(fails("the weight_map is empty".to_owned())) } else { Ok(index) }
    }

    /// The shards, in the order of their names.
    pub(super) fn shards(&self) -> Vec<&str> {
        let mut shards: Vec<&str> = self.weight_map.values().map(String::as_str).collect();
        shards.sort_unstable();
        shards.dedup();
        shards
    }
}
