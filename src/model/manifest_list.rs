//! Lists of manifests: one model in several forms, each for another runner.
//!
//! The format is that of Ollama from 0.35 on. An element either refers to a manifest that is a blob, or is a
//! whole manifest itself.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Digest, Manifest, MediaType, go_json};

/// Several manifests under one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestList {
    /// The manifests, in the order of the file. Elements that neither refer to one nor are one are left out.
    pub elements: Vec<ListElement>,
}

/// One manifest of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListElement {
    /// Whether it counts as a manifest: elements of other media types are passed over.
    pub is_manifest: bool,
    /// Which engine runs it, where the element says so.
    pub runner: String,
    /// How its weights are stored, where the element says so.
    pub format: String,
    /// The manifest itself.
    pub child: Child,
}

/// Where the manifest of an element is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Child {
    /// In the blob of this digest.
    Reference(Digest),
    /// In the list.
    Inline(Box<InlineManifest>),
}

/// A manifest that stands in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlineManifest {
    /// What it says.
    pub manifest: Manifest,
    /// Its own text in the list, without white space.
    text: String,
}

impl ManifestList {
    /// The media type of a list.
    pub const MEDIA_TYPE: &str = "application/vnd.ollama.manifest.list.v2+json";

    /// Parses the bytes of a list.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Written<'a> {
            #[serde(borrow)]
            manifests: Vec<&'a RawValue>,
        }
        let written: Written<'_> = serde_json::from_slice(bytes)?;
        let elements = written.manifests.into_iter();
        let elements = elements.filter_map(|text| ListElement::from_text(text.get()).transpose());
        Ok(Self { elements: elements.collect::<Result<_, _>>()? })
    }
}

impl ListElement {
    fn from_text(text: &str) -> Result<Option<Self>, serde_json::Error> {
        #[derive(Deserialize)]
        struct Written {
            #[serde(rename = "mediaType", default)]
            media_type: String,
            digest: Option<Digest>,
            config: Option<serde::de::IgnoredAny>,
            #[serde(default)]
            runner: String,
            #[serde(default)]
            format: String,
        }
        let written: Written = serde_json::from_str(text)?;
        let child = match written {
            Written { digest: Some(digest), .. } => Child::Reference(digest),
            Written { config: Some(_), .. } => Child::Inline(Box::new(InlineManifest {
                manifest: serde_json::from_str(text)?,
                text: without_white_space(text),
            })),
            _ => return Ok(None),
        };
        let is_manifest = ["", Manifest::MEDIA_TYPE].contains(&written.media_type.as_str());
        Ok(Some(Self { is_manifest, runner: written.runner, format: written.format, child }))
    }
}

impl InlineManifest {
    /// The bytes whose digest is its own: as Go writes it again, and as it stands in the list, in case it
    /// stands there with what Go would write otherwise.
    pub fn forms(&self) -> [Vec<u8>; 2] {
        [go_json::to_string(&self.manifest).into_bytes(), self.text.clone().into_bytes()]
    }
}

/// A JSON text without the white space between its tokens.
fn without_white_space(text: &str) -> String {
    let (mut is_in_string, mut is_escaped) = (false, false);
    let keeps = |character: &char| {
        let keep = is_in_string || !character.is_ascii_whitespace();
        is_in_string ^= *character == '"' && !is_escaped;
        is_escaped = is_in_string && *character == '\\' && !is_escaped;
        keep
    };
    text.chars().filter(keeps).collect()
}

impl MediaType {
    /// Whether the blob is a manifest or a list of manifests. As a layer it is an anchor: Ollama names it in
    /// order that versions which do not know it keep it.
    pub fn is_document(&self) -> bool {
        [Manifest::MEDIA_TYPE, ManifestList::MEDIA_TYPE].contains(&self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_refer_to_manifests_or_are_manifests() {
        let hex = "0123456789abcdef".repeat(4);
        let inline = format!(
            r#"{{"schemaVersion":2,"mediaType":"{}","config":{{"mediaType":"a\"b c","digest":"sha256:{hex}","size":1}},"layers":[],"runner":"ggml"}}"#,
            Manifest::MEDIA_TYPE
        );
        let spaced = inline.replace(',', " ,\n  ");
        let list = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"digest":"sha256-{}","runner":"mlx"}},{spaced},{{}},{{"mediaType":"x","digest":"sha256:{hex}"}}]}}"#,
            hex.to_uppercase()
        );
        let list = ManifestList::from_bytes(list.as_bytes()).unwrap();
        let [reference, whole, other] = &list.elements[..] else { panic!("{list:?}") };
        assert_eq!(reference.child, Child::Reference(format!("sha256:{hex}").parse().unwrap()));
        assert_eq!((reference.is_manifest, reference.runner.as_str()), (true, "mlx"));
        let Child::Inline(child) = &whole.child else { panic!("{whole:?}") };
        assert_eq!(child.forms().map(|form| String::from_utf8(form).unwrap()), [inline.clone(), inline]);
        assert!(!other.is_manifest);
        for bad in ["{}", "[]", r#"{"manifests":[1]}"#, r#"{"manifests":[{"digest":"sha256:1"}]}"#] {
            assert!(ManifestList::from_bytes(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
