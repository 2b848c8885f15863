//! Manifests and layers.
//!
//! The format is Docker's image manifest, version 2, schema 2; the media types are Ollama's
//! (`manifest/manifest.go`, `manifest/layer.go`). Field order and encoding are those of Ollama's
//! own files, since a manifest is named by the digest of its bytes.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Digest, go_json};

/// No layer that is a text is longer, in bytes.
pub const LONGEST_TEXT: usize = 16 << 20;

/// What a model consists of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Always 2.
    #[serde(rename = "schemaVersion")]
    pub schema_version: u32,
    /// `application/vnd.docker.distribution.manifest.v2+json` in what we write; OCI's is read too.
    #[serde(rename = "mediaType", default, skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    /// The configuration blob.
    pub config: Layer,
    /// The other blobs, in the order in which they apply.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub layers: Vec<Layer>,
    /// Which engine runs it, where that is said: `llamacpp`, `ggml`, `mlx`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub runner: String,
    /// How its weights are stored, where that is said: `gguf`, `safetensors`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub format: String,
}

/// A blob and what it is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Layer {
    /// What the blob holds.
    #[serde(rename = "mediaType")]
    #[schema(value_type = String)]
    pub media_type: MediaType,
    /// Which blob it is.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// The model that the layer was taken from.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub from: String,
    /// The tensor or file that the blob holds, in models stored a tensor a blob.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
}

impl Manifest {
    /// The media type of what we write.
    pub const MEDIA_TYPE: &str = "application/vnd.docker.distribution.manifest.v2+json";

    /// A manifest as we write it.
    pub fn new(config: Layer, layers: Vec<Layer>) -> Self {
        Self {
            schema_version: 2,
            media_type: Self::MEDIA_TYPE.to_owned(),
            config,
            layers,
            runner: String::new(),
            format: String::new(),
        }
    }

    /// The bytes of its file.
    pub fn to_bytes(&self) -> Vec<u8> {
        go_json::to_line(self)
    }

    /// Parses the bytes of a manifest file, or of a registry's answer.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// Every blob it names: the layers, then the configuration.
    pub fn blobs(&self) -> impl Iterator<Item = &Layer> {
        self.layers.iter().chain(std::iter::once(&self.config))
    }

    /// The same without the documents that older versions of Ollama are to keep: they are no part of the
    /// model.
    pub fn without_documents(&self) -> Self {
        let mut parts = self.clone();
        parts.layers.retain(|layer| !layer.media_type.is_document());
        parts
    }

    /// The sum of the sizes of all blobs it names.
    pub fn size(&self) -> u64 {
        self.blobs().fold(0, |sum, layer| sum.saturating_add(layer.size))
    }
}

impl Layer {
    /// A layer without origin or name.
    pub fn new(media_type: MediaType, digest: Digest, size: u64) -> Self {
        Self { media_type, digest, size, from: String::new(), name: String::new() }
    }
}

/// Go writes a slice that was never set as `null`.
fn null_is_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Layer>, D::Error> {
    Ok(Option::<Vec<Layer>>::deserialize(deserializer)?.unwrap_or_default())
}

/// What a layer's blob holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MediaType {
    /// The configuration, a [`ModelConfig`](super::ModelConfig).
    Config,
    /// The weights, a GGUF file.
    Model,
    /// A vision or audio projector, a GGUF file.
    Projector,
    /// A LoRA adapter, a GGUF file.
    Adapter,
    /// A draft model for speculative decoding, a GGUF file.
    Draft,
    /// A Go template.
    Template,
    /// The older name of a template's layer.
    Prompt,
    /// The system prompt.
    System,
    /// [`Parameters`](super::Parameters).
    Parameters,
    /// A list of [`Message`](super::Message)s.
    Messages,
    /// The text of a license.
    License,
    /// Any other; kept as it is.
    Other(String),
}

impl MediaType {
    const NAMES: [(MediaType, &str); 11] = [
        (MediaType::Config, "application/vnd.docker.container.image.v1+json"),
        (MediaType::Model, "application/vnd.ollama.image.model"),
        (MediaType::Projector, "application/vnd.ollama.image.projector"),
        (MediaType::Adapter, "application/vnd.ollama.image.adapter"),
        (MediaType::Draft, "application/vnd.ollama.image.draft"),
        (MediaType::Template, "application/vnd.ollama.image.template"),
        (MediaType::Prompt, "application/vnd.ollama.image.prompt"),
        (MediaType::System, "application/vnd.ollama.image.system"),
        (MediaType::Parameters, "application/vnd.ollama.image.params"),
        (MediaType::Messages, "application/vnd.ollama.image.messages"),
        (MediaType::License, "application/vnd.ollama.image.license"),
    ];

    /// The media type as manifests write it.
    pub fn as_str(&self) -> &str {
        match self {
            MediaType::Other(text) => text,
            known => Self::NAMES.iter().find(|(kind, _)| kind == known).map_or("", |(_, name)| name),
        }
    }

    /// Whether layers of this kind are part of models as Ollama has them.
    pub fn is_ollamas(&self) -> bool {
        match self {
            MediaType::Other(text) => text.starts_with("application/vnd.ollama."),
            _ => true,
        }
    }

    /// What messages call it.
    pub fn noun(&self) -> &'static str {
        match self {
            MediaType::Config => "configuration",
            MediaType::Model => "weights",
            MediaType::Projector => "projector",
            MediaType::Adapter => "adapter",
            MediaType::Draft => "draft model",
            MediaType::Template | MediaType::Prompt => "template",
            MediaType::System => "system prompt",
            MediaType::Parameters => "parameters",
            MediaType::Messages => "messages",
            MediaType::License => "license",
            MediaType::Other(_) => "layer",
        }
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl From<String> for MediaType {
    fn from(text: String) -> Self {
        match Self::NAMES.into_iter().find(|(_, name)| *name == text) {
            Some((kind, _)) => kind,
            None => MediaType::Other(text),
        }
    }
}

impl Serialize for MediaType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for MediaType {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}
