//! A manifest or a list of manifests, understood.

use super::names::Names;
use crate::model::{Child, Digest, Manifest, ManifestList};

/// No document is longer: a manifest of ten thousand layers has two million bytes.
pub const LONGEST_DOCUMENT: usize = 4 << 20;

/// The bytes of a manifest or of a list, and what they say.
#[derive(Debug, Clone)]
pub(super) struct Document {
    pub(super) digest: Digest,
    pub(super) bytes: Vec<u8>,
    pub(super) content: DocumentContent,
    /// Everything that it names, itself included: its bytes may be a blob.
    pub(super) names: Names,
}

/// What a document says.
#[derive(Debug, Clone)]
pub(super) enum DocumentContent {
    Manifest(Manifest),
    List(ManifestList),
}

/// A file where a document should be, but none that can be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Damage {
    pub(super) problem: String,
    /// The digest of its bytes, if they could be read.
    pub(super) digest: Option<Digest>,
    /// What it names all the same, as far as can be told.
    pub(super) names: Names,
}

impl Document {
    /// Parses the bytes of a file, of which there may be one more than a document can have.
    pub(super) fn parse(bytes: Vec<u8>) -> Result<Self, Damage> {
        let digest = Digest::of(&bytes);
        let understood = match bytes.len() {
            0 => Err("it is empty".to_owned()),
            length if length > LONGEST_DOCUMENT => {
                Err(format!("at most {LONGEST_DOCUMENT} bytes expected, it has more"))
            }
            _ => understand(&bytes).map_err(|error| error.to_string()),
        };
        match understood {
            Ok((content, names)) => Ok(Self { digest, content, names: names.with_leaf(digest), bytes }),
            Err(problem) => {
                Err(Damage { problem, digest: Some(digest), names: Names::in_text(&bytes).with_leaf(digest) })
            }
        }
    }
}

fn understand(bytes: &[u8]) -> Result<(DocumentContent, Names), serde_json::Error> {
    /// Which of the two it is. What a list has that a manifest has not is its list.
    #[derive(serde::Deserialize)]
    struct Shape {
        manifests: Option<serde::de::IgnoredAny>,
    }
    let shape: Shape = serde_json::from_slice(bytes)?;
    let content = match shape.manifests {
        Some(_) => DocumentContent::List(ManifestList::from_bytes(bytes)?),
        None => DocumentContent::Manifest(Manifest::from_bytes(bytes)?),
    };
    let mut names = Names::in_document(bytes)?;
    if let DocumentContent::List(list) = &content {
        for element in &list.elements {
            if let Child::Inline(child) = &element.child {
                // Its content is known: it stands here.
                names = child.forms().iter().fold(names, |names, form| names.with_leaf(Digest::of(form)));
            }
        }
    }
    Ok((content, names))
}

impl Damage {
    /// Of something that leaves no text to search.
    pub(super) fn unreadable(problem: impl Into<String>) -> Self {
        Self { problem: problem.into(), digest: None, names: Names::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_in_a_list_is_named_by_its_own_bytes() {
        let digest = Digest::from_bytes([1; 32]);
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":{{"mediaType":"a","digest":"{digest}","size":1}},"layers":[{{"mediaType":"b","digest":"{digest}","size":1,"name":"\u003c"}}],"format":"gguf"}}"#
        );
        let list = Document::parse(format!(r#"{{"manifests":[{manifest}]}}"#).into_bytes()).unwrap();
        assert!(matches!(list.content, DocumentContent::List(_)));
        for named in [digest, Digest::of(manifest.as_bytes()), list.digest] {
            assert!(list.names.iter().any(|(other, _)| other == named), "{named}");
        }
        let damaged = Document::parse(manifest.replace("size", "length").into_bytes()).unwrap_err();
        assert!(damaged.names.iter().any(|(other, _)| other == digest), "{damaged:?}");
    }
}
