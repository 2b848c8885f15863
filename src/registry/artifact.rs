//! Models as other tools keep them in registries: GGUF files, or the files of a checkpoint, as layers of an
//! OCI artifact.
//!
//! Docker's Model Runner (`pkg/distribution/types`), ModelPack (CNCF, `model-spec`) and `oras push` each have
//! media types of their own, or none; the file's name stands in an annotation. Such an artifact has no
//! configuration that Ollama would understand, so a model is made of its files as of files that were
//! uploaded.

use std::collections::HashMap;

use serde::Deserialize;

use crate::model::{Digest, Layer, Manifest};
use crate::store::{Blob, Guest, Store, StoreError};

/// Layers that are GGUF files, whatever they are called.
const GGUF_TYPES: [&str; 5] = [
    "application/vnd.docker.ai.gguf.v3",
    "application/vnd.docker.ai.gguf.v3.lora",
    "application/vnd.docker.ai.mmproj",
    "application/vnd.cncf.model.weight.v1.raw",
    "application/gguf",
];

/// Layers that are texts of licenses.
const LICENSE_TYPES: [&str; 1] = ["application/vnd.docker.ai.license"];

/// Annotations that hold the name of a layer's file (OCI image specification; ModelPack).
const NAMES: [&str; 2] = ["org.opencontainers.image.title", "org.cncf.model.filepath"];

/// Media types in messages.
const MOST_SHOWN: usize = 4;

/// A model that is no model yet: files, leased.
#[derive(Debug)]
pub struct Artifact {
    /// GGUF files, or the files of a checkpoint, each with a name that no other has.
    pub files: Vec<(String, Blob)>,
    /// Texts.
    pub licenses: Vec<Blob>,
}

impl Artifact {
    /// An artifact that was pushed to this store.
    ///
    /// # Errors
    /// [`StoreError::InvalidManifest`] if none of its layers is understood; a blob that is not there, and
    /// what the operating system says.
    pub fn of_guest(store: &Store, guest: &Guest) -> Result<Self, StoreError> {
        let invalid = |problem| StoreError::InvalidManifest { problem };
        let manifest = Manifest::from_bytes(&guest.bytes)
            .map_err(|_| invalid("it is a list of manifests".to_owned()))?;
        let outline = Outline::of(&manifest, &guest.bytes).map_err(invalid)?;
        let outline = outline.ok_or_else(|| invalid("it is a model itself, or nothing".to_owned()))?;
        let layers = outline.layers(manifest.layers);
        let blobs = layers.iter().map(|layer| store.blob_of(layer)).collect::<Result<Vec<_>, _>>()?;
        Ok(outline.with(&blobs))
    }
}

/// Which layers of a manifest are what.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Outline {
    files: Vec<(String, Digest)>,
    licenses: Vec<Digest>,
}

/// What is needed of a manifest beside what models have.
#[derive(Deserialize)]
struct Annotated {
    #[serde(default)]
    layers: Vec<AnnotatedLayer>,
}

#[derive(Deserialize)]
struct AnnotatedLayer {
    digest: Digest,
    #[serde(default, rename = "mediaType")]
    media_type: String,
    #[serde(default)]
    annotations: Option<HashMap<String, String>>,
}

impl Outline {
    /// The outline of an artifact; nothing for a model as Ollama has them.
    ///
    /// # Errors
    /// That no layer is understood.
    pub(super) fn of(manifest: &Manifest, bytes: &[u8]) -> Result<Option<Self>, String> {
        // A model that lives elsewhere has no layers.
        if manifest.layers.is_empty() || manifest.layers.iter().any(|layer| layer.media_type.is_ollamas()) {
            return Ok(None);
        }
        let annotated: Annotated = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let mut outline = Self::default();
        for layer in &annotated.layers {
            if LICENSE_TYPES.contains(&layer.media_type.as_str()) {
                outline.licenses.push(layer.digest);
            } else if let Some(name) = layer.name_of_gguf(outline.files.len()) {
                outline.add(name, layer.digest)?;
            }
        }
        if outline.files.is_empty() && annotated.layers.iter().any(AnnotatedLayer::is_safetensors) {
            for layer in &annotated.layers {
                // Archives are none of the files that they hold.
                if let Some(path) = layer.path().filter(|_| !layer.media_type.contains(".tar")) {
                    outline.add(path.to_owned(), layer.digest)?;
                }
            }
        }
        if outline.files.is_empty() {
            let kinds: Vec<_> = annotated.layers.iter().map(|layer| layer.media_type.as_str()).collect();
            return Err(format!(
                "of its {} layers none is a GGUF file, a safetensors file or a layer of Ollama's: {}",
                kinds.len(),
                kinds[..kinds.len().min(MOST_SHOWN)].join(", ")
            ));
        }
        Ok(Some(outline))
    }

    fn add(&mut self, name: String, digest: Digest) -> Result<(), String> {
        if self.files.iter().any(|(other, _)| other.eq_ignore_ascii_case(&name)) {
            return Err(format!("two of its files are called {name:?}"));
        }
        self.files.push((name, digest));
        Ok(())
    }

    /// The layers that are needed.
    pub(super) fn layers(&self, all: Vec<Layer>) -> Vec<Layer> {
        let is_needed = |layer: &Layer| {
            let mut digests = self.files.iter().map(|(_, digest)| digest).chain(&self.licenses);
            digests.any(|digest| *digest == layer.digest)
        };
        all.into_iter().filter(is_needed).collect()
    }

    /// The artifact, now that its blobs are here.
    pub(super) fn with(self, blobs: &[Blob]) -> Artifact {
        let find = |digest: &Digest| blobs.iter().find(|blob| blob.digest() == *digest).cloned();
        Artifact {
            files: self
                .files
                .iter()
                .filter_map(|(name, digest)| Some((name.clone(), find(digest)?)))
                .collect(),
            licenses: self.licenses.iter().filter_map(find).collect(),
        }
    }
}

impl AnnotatedLayer {
    /// Where its file was, if that is told.
    fn path(&self) -> Option<&str> {
        let annotations = self.annotations.as_ref()?;
        NAMES.iter().find_map(|name| annotations.get(*name)).map(String::as_str)
    }

    fn is_safetensors(&self) -> bool {
        self.path().is_some_and(|path| path.ends_with(".safetensors")) && !self.media_type.contains(".tar")
    }

    /// The name of the file, if it is a GGUF file; `number` tells those apart that have none.
    fn name_of_gguf(&self, number: usize) -> Option<String> {
        match self.path().and_then(|path| path.rsplit('/').next()) {
            Some(name) => name.to_ascii_lowercase().ends_with(".gguf").then(|| name.to_owned()),
            None => GGUF_TYPES.contains(&self.media_type.as_str()).then(|| format!("model-{number}.gguf")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(layers: &[(&str, &str)]) -> Result<Option<Outline>, String> {
        let digest = |number: usize| format!("sha256:{number:064}");
        let layer = |(number, (kind, annotations)): (usize, &(&str, &str))| {
            format!(
                r#"{{"mediaType":"{kind}","digest":"{}","size":1,"annotations":{annotations}}}"#,
                digest(number)
            )
        };
        let layers: Vec<_> = layers.iter().enumerate().map(layer).collect();
        let text = format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"x","digest":"{}","size":2}},"layers":[{}]}}"#,
            digest(99),
            layers.join(",")
        );
        Outline::of(&Manifest::from_bytes(text.as_bytes()).unwrap(), text.as_bytes())
    }

    #[test]
    fn files_of_other_tools_are_found() {
        for (kind, annotations, name) in [
            ("application/vnd.docker.ai.gguf.v3", "null", "model-0.gguf"),
            (
                "application/vnd.cncf.model.weight.v1.raw",
                r#"{"org.cncf.model.filepath":"a/b.gguf"}"#,
                "b.gguf",
            ),
            ("application/octet-stream", r#"{"org.opencontainers.image.title":"m.GGUF"}"#, "m.GGUF"),
        ] {
            let found = outline(&[(kind, annotations), ("application/vnd.docker.ai.license", "{}")]);
            let found = found.unwrap().unwrap();
            assert_eq!(found.files[0].0, name, "{kind}");
            assert_eq!((found.files.len(), found.licenses.len()), (1, 1));
        }
    }

    #[test]
    fn the_files_of_a_checkpoint_keep_their_places() {
        let raw = "application/vnd.cncf.model.weight.v1.raw";
        let found = outline(&[
            (raw, r#"{"org.cncf.model.filepath":"model.safetensors"}"#),
            (
                "application/vnd.cncf.model.weight.config.v1.raw",
                r#"{"org.cncf.model.filepath":"config.json"}"#,
            ),
            (raw, r#"{"org.cncf.model.filepath":"2_Dense/model.safetensors"}"#),
            ("application/vnd.cncf.model.code.v1.tar", r#"{"org.cncf.model.filepath":"code"}"#),
        ]);
        let names: Vec<_> = found.unwrap().unwrap().files.into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["model.safetensors", "config.json", "2_Dense/model.safetensors"]);
    }

    #[test]
    fn what_is_not_understood_is_no_model() {
        for (layers, says) in [
            (&[("text/plain", "{}"), ("application/x-tar", "null")][..], "text/plain, application/x-tar"),
            (&[("application/vnd.cncf.model.weight.v1.tar", "{}")], "weight.v1.tar"),
        ] {
            assert!(outline(layers).unwrap_err().contains(says), "{layers:?}");
        }
        let twice = r#"{"org.opencontainers.image.title":"m.gguf"}"#;
        assert!(outline(&[("a", twice), ("b", twice)]).unwrap_err().contains("two of its files"));
        for ollamas in ["application/vnd.ollama.image.model", "application/vnd.ollama.image.tensor"] {
            assert_eq!(outline(&[("text/plain", "{}"), (ollamas, "{}")]), Ok(None));
        }
        assert_eq!(outline(&[]), Ok(None));
    }
}
