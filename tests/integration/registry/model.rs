//! Models to push and to pull.

use crate::support::noise::noise;
use ollamake::model::{Digest, Layer, Manifest, MediaType, Name};
use ollamake::store::Store;

/// A model in memory: a configuration and some layers.
pub(crate) struct Model {
    pub(crate) manifest: Vec<u8>,
    /// The configuration comes last.
    pub(crate) blobs: Vec<Vec<u8>>,
}

impl Model {
    /// A model with layers of these lengths. Its manifest is spelled as no program of ours would spell it.
    pub(crate) fn new(seed: u64, lengths: &[usize]) -> Self {
        let mut blobs: Vec<_> =
            lengths.iter().enumerate().map(|(index, length)| noise(seed + index as u64, *length)).collect();
        blobs.push(format!(r#"{{"model_format":"gguf","model_family":"llama","seed":{seed}}}"#).into_bytes());
        let (config, layers) = blobs.split_last().unwrap();
        let layer =
            |kind: MediaType, bytes: &Vec<u8>| Layer::new(kind, Digest::of(bytes), bytes.len() as u64);
        let layers = layers.iter().map(|bytes| layer(MediaType::Model, bytes)).collect();
        let manifest = Manifest::new(layer(MediaType::Config, config), layers);
        let text = serde_json::to_string_pretty(&manifest).unwrap();
        let manifest = text.replacen('{', "{ \"annotations\": {\"kept\": \"as it is\"},", 1).into_bytes();
        Self { manifest, blobs }
    }

    /// Puts the model into a store.
    pub(crate) fn put(&self, store: &Store, name: &str) {
        for blob in &self.blobs {
            store.put_bytes(blob).unwrap();
        }
        store.put_manifest(&name.parse::<Name>().unwrap(), &self.manifest).unwrap();
    }

    /// Checks that a store holds the model, byte for byte.
    pub(crate) fn assert_in(&self, store: &Store, name: &str) {
        let stored = store.manifest(&name.parse().unwrap()).unwrap();
        assert_eq!(stored.bytes, self.manifest);
        for blob in &self.blobs {
            let stored = store.blob(Digest::of(blob)).unwrap();
            assert!(stored.bytes().unwrap() == blob.as_slice());
        }
    }

    /// The sum of the lengths of its blobs.
    pub(crate) fn size(&self) -> u64 {
        self.blobs.iter().map(|blob| blob.len() as u64).sum()
    }

    /// The blob with a digest.
    pub(crate) fn blob(&self, digest: &str) -> Option<&Vec<u8>> {
        self.blobs.iter().find(|blob| Digest::of(blob).to_string() == digest)
    }
}
