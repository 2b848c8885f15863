//! What a document names: every digest in it, and how far each has to be followed.
//!
//! A document is a manifest or a list of manifests. Its structure tells which digests are documents in their
//! turn, but no digest is left out because the structure does not tell: whatever stands anywhere in the text
//! is named.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::digests::digests_in;
use crate::model::{Digest, MediaType};

/// The digests that a document names, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Names(Vec<(Digest, Role)>);

/// What the blob of a digest is, as far as the place tells where it is named. Of two roles the greater
/// counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// Weights, a configuration, a text: it names nothing.
    Leaf,
    /// Nobody says. If it can be read as JSON, what it names is named too.
    Unknown,
    /// A document. As long as it is there and cannot be understood, nobody knows what is named.
    Document,
}

impl Names {
    /// What a document names, if its text is JSON.
    pub(super) fn in_document(text: &[u8]) -> Result<Self, serde_json::Error> {
        let mut found = Found::default();
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        deserializer.deserialize_any(Value { found: &mut found, listed: false })?;
        deserializer.end()?;
        // What the structure explains is explained.
        for digest in digests_in(text) {
            found.0.entry(digest).or_insert(Role::Unknown);
        }
        Ok(found.into_names())
    }

    /// What a text names that cannot be parsed.
    pub(super) fn in_text(text: &[u8]) -> Self {
        Self::of(digests_in(text), Role::Unknown)
    }

    /// Digests that have the same role.
    pub(super) fn of(digests: impl IntoIterator<Item = Digest>, role: Role) -> Self {
        let mut found = Found::default();
        found.note_all(digests, role);
        found.into_names()
    }

    /// These and one more, whose content is known.
    pub(super) fn with_leaf(mut self, digest: Digest) -> Self {
        if self.0.iter().all(|(other, _)| *other != digest) {
            self.0.push((digest, Role::Leaf));
        }
        self
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Digest, Role)> {
        self.0.iter().copied()
    }
}

impl Role {
    /// The role of what is named beside a media type.
    fn beside(media_type: &str) -> Self {
        let folded = media_type.to_ascii_lowercase();
        match MediaType::from(folded.clone()) {
            MediaType::Other(_) if folded.starts_with("application/vnd.ollama.image.") => Self::Leaf,
            MediaType::Other(_) if ["manifest", "list", "index"].iter().any(|word| folded.contains(word)) => {
                Self::Document
            }
            MediaType::Other(_) => Self::Unknown,
            _ => Self::Leaf,
        }
    }
}

#[derive(Default)]
struct Found(BTreeMap<Digest, Role>);

impl Found {
    fn note_all(&mut self, digests: impl IntoIterator<Item = Digest>, role: Role) {
        for digest in digests {
            let known = self.0.entry(digest).or_insert(role);
            *known = role.max(*known);
        }
    }

    fn into_names(self) -> Names {
        Names(self.0.into_iter().collect())
    }
}

/// Any value of a JSON text. A map may have a key twice, so that none is made of it.
struct Value<'f> {
    found: &'f mut Found,
    /// Whether it stands in a list of manifests.
    listed: bool,
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    /// The text, if it is one. Its digests are not noted yet.
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = Option<String>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(text.to_owned()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let Self { found, listed } = self;
        while let Some(text) = items.next_element_seed(Value { found: &mut *found, listed })? {
            found.note_all(text.iter().flat_map(|text| digests_in(text.as_bytes())), Role::Unknown);
        }
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let Self { found, listed } = self;
        let mut named = Vec::new();
        let mut role = if listed { Role::Document } else { Role::Unknown };
        while let Some(key) = members.next_key::<String>()? {
            found.note_all(digests_in(key.as_bytes()), Role::Unknown);
            let is_list = key.eq_ignore_ascii_case("manifests");
            let Some(text) = members.next_value_seed(Value { found: &mut *found, listed: is_list })? else {
                continue;
            };
            let digests = digests_in(text.as_bytes());
            if key.eq_ignore_ascii_case("digest") {
                named.extend(digests);
            } else {
                if key.eq_ignore_ascii_case("mediaType") && !listed {
                    role = Role::beside(&text);
                }
                found.note_all(digests, Role::Unknown);
            }
        }
        found.note_all(named, role);
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: u8) -> Digest {
        Digest::from_bytes([number; 32])
    }

    #[test]
    fn every_digest_is_named_and_the_place_says_what_it_is() {
        let hex = |number| digest(number).hex();
        let text = format!(
            r#"{{"mediaType":"x","config":{{"digest":"sha256:{}",
                "mediaType":"application/vnd.docker.container.image.v1+json"}},
            "layers":[{{"Digest":"SHA256-{}","mediaType":"application/vnd.ollama.image.tensor"}},
                {{"digest":"sha256\u003a{}",
                "mediaType":"application/vnd.docker.distribution.manifest.v2+json"}},
                {{"digest":"sha256:{}","digest":"none","mediaType":"text/plain"}}],
            "manifests":[{{"digest":"sha256:{}"}}],"sha256:{}":{{}},"other":["sha256:{}"]}}"#,
            hex(1),
            hex(2).to_uppercase(),
            hex(3),
            hex(4),
            hex(5),
            hex(6),
            hex(7)
        );
        let names = Names::in_document(text.as_bytes()).unwrap();
        let (leaf, document, unknown) = (Role::Leaf, Role::Document, Role::Unknown);
        let roles = [leaf, leaf, document, unknown, document, unknown, unknown];
        let expected: Vec<_> = (1..).map(digest).zip(roles).collect();
        assert_eq!(names.iter().collect::<Vec<_>>(), expected);
        assert!(Names::in_document(&text.as_bytes()[1..]).is_err());
        let all: Vec<_> = Names::in_text(&text.as_bytes()[1..]).iter().map(|(digest, _)| digest).collect();
        assert_eq!(all, (1..=7).map(digest).collect::<Vec<_>>());
    }
}
