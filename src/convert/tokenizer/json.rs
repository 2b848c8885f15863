//! `tokenizer.json`, as far as the model file needs it.

use std::fmt;

use serde::Deserialize;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::convert::ConvertError;
use crate::convert::files::Files;

/// What the file is called.
pub(super) const TOKENIZER_JSON: &str = "tokenizer.json";

/// The tokenizer of the `tokenizers` library.
#[derive(Debug, Deserialize)]
pub(super) struct TokenizerJson {
    #[serde(default)]
    pub(super) added_tokens: Vec<AddedToken>,
    pub(super) normalizer: Option<Value>,
    pub(super) post_processor: Option<Value>,
    pub(super) decoder: Option<Value>,
    pub(super) model: ModelJson,
}

/// A token beside the model's own.
#[derive(Debug, Deserialize)]
pub(super) struct AddedToken {
    pub(super) id: u64,
    pub(super) content: String,
    #[serde(default)]
    pub(super) special: bool,
}

/// The model: vocabulary and merges.
#[derive(Debug, Deserialize)]
pub(super) struct ModelJson {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) byte_fallback: Option<bool>,
    pub(super) unk_id: Option<u64>,
    #[serde(default)]
    pub(super) vocab: Vocabulary,
    #[serde(default)]
    pub(super) merges: Vec<Merge>,
}

/// The model's own tokens.
#[derive(Debug, Default)]
pub(super) struct Vocabulary {
    /// How many there are.
    pub(super) count: u64,
    /// The scores of a unigram model, in the order of the ids.
    pub(super) scores: Vec<f64>,
}

/// A merge as llama.cpp has it: both parts with a space between.
#[derive(Debug)]
pub(super) struct Merge(pub(super) String);

impl TokenizerJson {
    pub(super) fn read(files: Files<'_>) -> Result<Option<Self>, ConvertError> {
        let Some(text) = files.text(TOKENIZER_JSON)? else { return Ok(None) };
        serde_json::from_str(text).map(Some).map_err(|error| ConvertError::Json {
            file: TOKENIZER_JSON.to_owned(),
            reason: error.to_string(),
        })
    }

    /// The id of an added token, first match first.
    pub(super) fn added_id(&self, content: &str) -> Option<u64> {
        self.added_tokens.iter().find(|token| token.content == content).map(|token| token.id)
    }

    /// A byte-pair model over characters that falls back to bytes: what SentencePiece models become.
    pub(super) fn is_sentencepiece(&self) -> bool {
        let decoder = self.decoder.as_ref().and_then(|decoder| decoder.get("type")).and_then(Value::as_str);
        self.model.kind.as_deref() == Some("BPE")
            && self.model.byte_fallback == Some(true)
            && decoder == Some("Sequence")
    }
}

impl<'de> Deserialize<'de> for Vocabulary {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tokens;

        impl<'de> Visitor<'de> for Tokens {
            type Value = Vocabulary;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("tokens with their ids, or a list of tokens and scores")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vocabulary, A::Error> {
                let mut vocabulary = Vocabulary::default();
                while map.next_entry::<serde::de::IgnoredAny, u32>()?.is_some() {
                    vocabulary.count += 1;
                }
                Ok(vocabulary)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vocabulary, A::Error> {
                let mut vocabulary = Vocabulary::default();
                while let Some((_, score)) = seq.next_element::<(serde::de::IgnoredAny, f64)>()? {
                    vocabulary.count += 1;
                    vocabulary.scores.push(score);
                }
                Ok(vocabulary)
            }
        }

        deserializer.deserialize_any(Tokens)
    }
}

impl<'de> Deserialize<'de> for Merge {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts;

        impl<'de> Visitor<'de> for Parts {
            type Value = Merge;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"left right\" or [\"left\", \"right\"]")
            }

            fn visit_str<E: serde::de::Error>(self, merge: &str) -> Result<Merge, E> {
                Ok(Merge(merge.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Merge, A::Error> {
                let mut part = |index| {
                    seq.next_element::<String>()?
                        .ok_or_else(|| serde::de::Error::invalid_length(index, &"two parts"))
                };
                // A space within a part would be taken for the one between them.
                let (left, right) = (part(0)?.replace(' ', "Ġ"), part(1)?.replace(' ', "Ġ"));
                match seq.next_element::<String>()? {
                    None => Ok(Merge(format!("{left} {right}"))),
                    Some(_) => Err(serde::de::Error::invalid_length(3, &"two parts")),
                }
            }
        }

        deserializer.deserialize_any(Parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_come_in_two_notations() {
        let merges: Vec<Merge> = serde_json::from_str(r#"["a b", ["c", "d"], [" ", "e f"]]"#).unwrap();
        let merges: Vec<&str> = merges.iter().map(|merge| merge.0.as_str()).collect();
        assert_eq!(merges, ["a b", "c d", "Ġ eĠf"]);
        assert!(serde_json::from_str::<Merge>(r#"["a"]"#).is_err());
        assert!(serde_json::from_str::<Merge>(r#"["a", "b", "c"]"#).is_err());
    }
}
