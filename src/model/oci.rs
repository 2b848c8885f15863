//! Documents as others push them: manifests and indexes of the image specification of OCI, and Docker's,
//! which the former go back to (image specification 1.1, `manifest.md` and `image-index.md`; distribution,
//! `manifest`).
//!
//! They are read more strictly than those of a store, which Ollama has written.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Digest, Layer, Manifest, ManifestList, MediaType, go_json};

/// The media type of OCI's manifests.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of OCI's indexes.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The media type of Docker's indexes.
pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// A manifest or an index, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OciDocument {
    /// What it is.
    pub media_type: String,
    /// Whether it says so itself.
    pub says_kind: bool,
    /// What it names.
    pub content: OciContent,
    /// The manifest that it tells something about.
    pub subject: Option<Digest>,
    /// What an artifact is: what it says, or else the type of its configuration.
    pub artifact_type: String,
    /// What else it says.
    pub annotations: BTreeMap<String, String>,
}

/// What a document names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OciContent {
    /// A configuration and layers.
    Manifest {
        /// The configuration.
        config: Descriptor,
        /// The other blobs, in their order.
        layers: Vec<Descriptor>,
    },
    /// Other documents.
    Index(Vec<IndexElement>),
}

/// A document that an index names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexElement {
    /// Its content.
    pub digest: Digest,
    /// Its length in bytes, where that is said: lists of Ollama do not.
    pub size: Option<u64>,
}

/// What a document says of something that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// What it is.
    pub media_type: String,
    /// Its content.
    pub digest: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// What else is said of it.
    pub annotations: BTreeMap<String, String>,
}

/// Why bytes are no such document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDocument {
    /// A digest that we cannot verify.
    #[error("{0:?} is not a digest: sha256: and 64 digits expected")]
    Digest(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    schema_version: u32,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    artifact_type: Option<String>,
    config: Option<WrittenDescriptor>,
    layers: Option<Vec<WrittenDescriptor>>,
    manifests: Option<Vec<WrittenElement>>,
    subject: Option<WrittenDescriptor>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenDescriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    size: u64,
    annotations: Option<BTreeMap<String, String>>,
}

/// Lists of Ollama hold whole manifests too, which have no digest.
#[derive(Deserialize)]
struct WrittenElement {
    digest: Option<String>,
    size: Option<u64>,
}

impl OciDocument {
    /// Parses the bytes of a document; `stated` is what they were said to be.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn parse(bytes: &[u8], stated: Option<&str>) -> Result<Self, InvalidDocument> {
        let other = InvalidDocument::Other;
        let written: Written = serde_json::from_slice(bytes).map_err(|error| other(error.to_string()))?;
        if written.schema_version != 2 {
            return Err(other(format!("schemaVersion 2 expected, got {}", written.schema_version)));
        }
        let is_index = written.manifests.is_some();
        if is_index && (written.layers.is_some() || written.config.is_some()) {
            return Err(other(
                "it has both \"manifests\" and what a manifest has: one of them expected".into(),
            ));
        }
        let own = written.media_type.filter(|own| !own.is_empty());
        let says_kind = own.is_some();
        let media_type = match (own, stated) {
            (Some(own), Some(stated)) if own != stated => {
                return Err(other(format!("it was sent as {stated:?} and calls itself {own:?}")));
            }
            (Some(own), _) => own,
            (None, Some(stated)) => stated.to_owned(),
            (None, None) if is_index => OCI_INDEX.to_owned(),
            (None, None) => OCI_MANIFEST.to_owned(),
        };
        let known: &[&str] = match is_index {
            true => &[OCI_INDEX, DOCKER_INDEX, ManifestList::MEDIA_TYPE],
            false => &[OCI_MANIFEST, Manifest::MEDIA_TYPE],
        };
        if !known.contains(&media_type.as_str()) {
            let shown: String = media_type.chars().take(80).collect();
            return Err(other(format!(
                "the media type {shown:?} does not fit it; known are {}",
                known.join(", ")
            )));
        }
        let mut artifact_type = written.artifact_type.unwrap_or_default();
        let content = match (written.manifests, written.config) {
            (Some(elements), _) => {
                let referred =
                    elements.into_iter().filter_map(|element| element.digest.zip(Some(element.size)));
                let element =
                    |(digest, size): (String, _)| Ok(IndexElement { digest: parse_digest(&digest)?, size });
                OciContent::Index(referred.map(element).collect::<Result<_, _>>()?)
            }
            (None, Some(config)) => {
                let config = Descriptor::of(config)?;
                if artifact_type.is_empty() {
                    artifact_type.clone_from(&config.media_type);
                }
                let layers = written.layers.unwrap_or_default().into_iter().map(Descriptor::of);
                OciContent::Manifest { config, layers: layers.collect::<Result<_, _>>()? }
            }
            (None, None) => return Err(other("missing field `config`".to_owned())),
        };
        let subject = written.subject.map(Descriptor::of).transpose()?.map(|subject| subject.digest);
        let annotations = written.annotations.unwrap_or_default();
        Ok(Self { media_type, says_kind, content, subject, artifact_type, annotations })
    }

    /// Every blob that it names, the layers first.
    pub fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        let (layers, config) = match &self.content {
            OciContent::Manifest { config, layers } => (layers.as_slice(), Some(config)),
            OciContent::Index(_) => (&[][..], None),
        };
        layers.iter().chain(config)
    }

    /// Whether it is the manifest of a model as Ollama has them: its configuration and its layers, of which
    /// only a model that lives elsewhere has none, are Ollama's.
    pub fn is_model(&self) -> bool {
        let is_ollamas = |kind: &str| MediaType::from(kind.to_owned()).is_ollamas();
        match &self.content {
            OciContent::Manifest { config, layers } => {
                let is_docker_image = config.media_type == MediaType::Config.as_str();
                self.subject.is_none()
                    && is_docker_image
                    && layers.iter().all(|layer| is_ollamas(&layer.media_type))
            }
            OciContent::Index(_) => self.media_type == ManifestList::MEDIA_TYPE,
        }
    }
}

impl Descriptor {
    fn of(written: WrittenDescriptor) -> Result<Self, InvalidDocument> {
        let WrittenDescriptor { media_type, digest, size, annotations } = written;
        let (digest, annotations) = (parse_digest(&digest)?, annotations.unwrap_or_default());
        Ok(Self { media_type, digest, size, annotations })
    }
}

/// A digest in the one spelling that the specification knows.
fn parse_digest(text: &str) -> Result<Digest, InvalidDocument> {
    let digest = text.parse().ok().filter(|_| text.contains(':'));
    digest.ok_or_else(|| InvalidDocument::Digest(text.chars().take(160).collect()))
}

impl Manifest {
    /// The same model as OCI has it: with the same configuration and layers, which other programs refuse in a
    /// manifest of Docker's.
    pub fn to_oci(&self) -> Vec<u8> {
        let bare = |layer: &Layer| Layer::new(layer.media_type.clone(), layer.digest, layer.size);
        let layers = self.layers.iter().map(bare).collect();
        let manifest = Self { media_type: OCI_MANIFEST.to_owned(), ..Self::new(bare(&self.config), layers) };
        go_json::to_string(&manifest).into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest() -> String {
        Digest::of(b"x").to_string()
    }

    fn manifest(config: &str, layers: &[&str]) -> String {
        let digest = digest();
        let layer = |kind: &&str| format!(r#"{{"mediaType":"{kind}","digest":"{digest}","size":1}}"#);
        let layers: Vec<_> = layers.iter().map(layer).collect();
        let (config, layers) = (layer(&config), layers.join(","));
        format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{layers}]}}"#)
    }

    #[test]
    fn models_are_told_from_images_and_artifacts() {
        let config = MediaType::Config.as_str();
        let model = "application/vnd.ollama.image.model";
        let image = "application/vnd.docker.image.rootfs.diff.tar.gzip";
        for (config, layers, is_model) in [
            (config, &[model][..], true),
            (config, &[model, "application/vnd.ollama.image.tensor"], true),
            (config, &[image], false),
            (config, &[model, image], false),
            ("application/vnd.oci.empty.v1+json", &[model], false),
            ("application/vnd.oci.image.config.v1+json", &[], false),
        ] {
            let document = OciDocument::parse(manifest(config, layers).as_bytes(), None).unwrap();
            assert_eq!(document.is_model(), is_model, "{config} {layers:?}");
            assert_eq!((document.blobs().count(), &*document.artifact_type), (layers.len() + 1, config));
        }
    }

    #[test]
    fn a_document_is_what_it_says_and_what_it_was_sent_as() {
        let plain = manifest("x", &[]);
        let index =
            format!(r#"{{"schemaVersion":2,"manifests":[{{"digest":"{}","size":1}},{{}}]}}"#, digest());
        for (text, stated, expected) in [
            (&plain, None, OCI_MANIFEST),
            (&plain, Some(Manifest::MEDIA_TYPE), Manifest::MEDIA_TYPE),
            (&index, None, OCI_INDEX),
            (&index, Some(DOCKER_INDEX), DOCKER_INDEX),
            (&index, Some(ManifestList::MEDIA_TYPE), ManifestList::MEDIA_TYPE),
        ] {
            assert_eq!(OciDocument::parse(text.as_bytes(), stated).unwrap().media_type, expected);
        }
        let named = plain.replacen('{', &format!(r#"{{"mediaType":"{OCI_MANIFEST}","#), 1);
        let parse = |text: &str, stated| OciDocument::parse(text.as_bytes(), stated).unwrap_err().to_string();
        assert!(parse(&named, Some(Manifest::MEDIA_TYPE)).contains("calls itself"));
        assert!(parse(&plain, Some(OCI_INDEX)).contains("does not fit"));
        assert!(parse(&index.replace("\"manifests\"", "\"layers\":[],\"manifests\""), None).contains("both"));
        assert!(parse(&plain.replace(":2,", ":1,"), None).contains("schemaVersion"));
        let other = plain.replace("sha256:", "sha512:");
        assert!(matches!(OciDocument::parse(other.as_bytes(), None), Err(InvalidDocument::Digest(_))));
        let dashed = plain.replace("sha256:", "sha256-");
        assert!(matches!(OciDocument::parse(dashed.as_bytes(), None), Err(InvalidDocument::Digest(_))));
    }
}
