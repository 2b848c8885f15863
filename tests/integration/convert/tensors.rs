//! Weights that can be taken apart, changed and put together again.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Files;

/// A tensor of a safetensors file.
#[derive(Clone)]
pub(super) struct Tensor {
    pub(super) dtype: String,
    pub(super) shape: Vec<u64>,
    pub(super) bytes: Vec<u8>,
}

impl Tensor {
    /// The same with so many rows less.
    pub(super) fn without_rows(mut self, count: u64) -> Self {
        let size = self.bytes.len() as u64 / self.shape[0];
        self.shape[0] -= count;
        self.bytes.truncate((self.shape[0] * size) as usize);
        self
    }
}

/// The tensors of a safetensors file by name.
pub(super) type Tensors = BTreeMap<String, Tensor>;

/// Takes a safetensors file apart.
pub(super) fn parsed(file: &[u8]) -> Tensors {
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let header: Map<String, Value> = serde_json::from_slice(&file[8..8 + length]).unwrap();
    let data = &file[8 + length..];
    let tensor = |(name, entry): (String, Value)| {
        let place = |index: usize| entry["data_offsets"][index].as_u64().unwrap() as usize;
        let tensor = Tensor {
            dtype: entry["dtype"].as_str().unwrap().to_owned(),
            shape: entry["shape"].as_array().unwrap().iter().map(|length| length.as_u64().unwrap()).collect(),
            bytes: data[place(0)..place(1)].to_vec(),
        };
        (name, tensor)
    };
    header.into_iter().filter(|(name, _)| name != "__metadata__").map(tensor).collect()
}

/// Puts a safetensors file together.
pub(super) fn file(tensors: &Tensors) -> Vec<u8> {
    let mut header = Map::new();
    let mut data = Vec::new();
    for (name, tensor) in tensors {
        let begin = data.len();
        data.extend_from_slice(&tensor.bytes);
        let entry =
            json!({"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [begin, data.len()]});
        header.insert(name.clone(), entry);
    }
    let header = Value::Object(header).to_string();
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
}

impl Files {
    /// The same files with another of this name.
    pub(super) fn with(&self, name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        let mut files = self.without(name);
        files.0.push((name.to_owned(), bytes.into()));
        files
    }

    /// The same files without one.
    pub(super) fn without(&self, name: &str) -> Self {
        Self(self.0.iter().filter(|(known, _)| known != name).cloned().collect())
    }

    /// The same files with a changed configuration.
    pub(super) fn configured(&self, change: impl FnOnce(&mut Value)) -> Self {
        let mut value = serde_json::from_slice(self.bytes("config.json")).unwrap();
        change(&mut value);
        self.with("config.json", value.to_string())
    }

    /// The same files with changed weights.
    pub(super) fn weighted(&self, name: &str, change: impl FnOnce(&mut Tensors)) -> Self {
        let mut tensors = parsed(self.bytes(name));
        change(&mut tensors);
        self.with(name, file(&tensors))
    }
}
