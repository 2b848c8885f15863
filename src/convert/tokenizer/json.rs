//! `tokenizer.json`, the format of the `tokenizers` library, as far as a model file needs it.

use std::fmt;

use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::ConvertError;
use super::super::files::Files;
use super::file_names::TOKENIZER_JSON;
use crate::model::tree_size;

/// A tokenizer.
#[derive(Debug, Deserialize)]
pub(super) struct TokenizerJson {
    #[serde(default)]
    pub(super) added_tokens: Vec<AddedToken>,
    #[serde(default, deserialize_with = "step")]
    pub(super) normalizer: Value,
    #[serde(default, deserialize_with = "step")]
    pub(super) pre_tokenizer: Value,
    #[serde(default, deserialize_with = "step")]
    pub(super) post_processor: Value,
    #[serde(default, deserialize_with = "step")]
    pub(super) decoder: Value,
    pub(super) model: Model,
}

/// A step of the tokenizer, unless it consists of more values than any real one by far.
fn step<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    /// In bytes of memory.
    const LARGEST: usize = 4 << 20;
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    let text = raw.get();
    if tree_size(text) > LARGEST {
        return Err(D::Error::custom("a step of the tokenizer has too many values"));
    }
    serde_json::from_str(text).map_err(D::Error::custom)
}

/// A token beside the model's own.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct AddedToken {
    pub(super) id: u32,
    pub(super) content: String,
    #[serde(default)]
    pub(super) special: bool,
    #[serde(default)]
    pub(super) normalized: bool,
}

/// The model: vocabulary and merges.
#[derive(Debug, Deserialize)]
pub(super) struct Model {
    /// `BPE`, `WordPiece`, `Unigram` or `WordLevel`; old files do not say.
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    #[serde(default)]
    pub(super) vocab: Vocabulary,
    pub(super) merges: Option<Vec<Merge>>,
    pub(super) byte_fallback: Option<bool>,
    pub(super) ignore_merges: Option<bool>,
    pub(super) unk_id: Option<u32>,
}

/// The model's own tokens in the order of the file.
#[derive(Debug)]
pub(super) enum Vocabulary {
    /// Each with its number.
    Ids(Vec<(String, u32)>),
    /// Each with its score; the place is the number.
    Scores(Vec<(String, f64)>),
}

/// Two tokens that are merged into one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Merge {
    pub(super) left: String,
    pub(super) right: String,
}

impl Merge {
    /// As GGUF has it: both parts with a space between. A space within a part would be taken for that one.
    pub(super) fn text(&self) -> String {
        format!("{} {}", self.left.replace(' ', "\u{120}"), self.right.replace(' ', "\u{120}"))
    }
}

impl TokenizerJson {
    /// The file, if it was given.
    pub(super) fn read(files: Files<'_>) -> Result<Option<Self>, ConvertError> {
        files.text(TOKENIZER_JSON)?.map(|text| Self::parse(TOKENIZER_JSON, text)).transpose()
    }

    /// A text in the notation of `tokenizer.json` that `file` is or stands for.
    pub(super) fn parse(file: &str, text: &str) -> Result<Self, ConvertError> {
        serde_json::from_str(text)
            .map_err(|error| ConvertError::Json { file: file.to_owned(), reason: error.to_string() })
    }

    /// Of what kind it says that it is.
    pub(super) fn kind(&self) -> String {
        self.model.kind.clone().unwrap_or_else(|| "unknown".to_owned())
    }

    /// Whether the model chooses tokens by their scores.
    pub(super) fn is_unigram(&self) -> bool {
        self.model.kind.as_deref() == Some("Unigram")
    }

    /// Whether this is a SentencePiece model in another dress: byte pairs over characters that fall back to
    /// bytes.
    pub(super) fn is_rewritten_sentence_piece(&self) -> bool {
        self.model.kind.as_deref() == Some("BPE")
            && self.model.byte_fallback == Some(true)
            && self.decoder.get("type").and_then(Value::as_str) == Some("Sequence")
    }
}

impl Vocabulary {
    /// The number of tokens.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Ids(tokens) => tokens.len(),
            Self::Scores(tokens) => tokens.len(),
        }
    }
}

impl Default for Vocabulary {
    fn default() -> Self {
        Self::Ids(Vec::new())
    }
}

impl<'de> Deserialize<'de> for Vocabulary {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tokens;

        impl<'de> Visitor<'de> for Tokens {
            type Value = Vocabulary;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object of tokens and ids or a list of tokens and scores")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vocabulary, A::Error> {
                let mut tokens = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    tokens.push(entry);
                }
                Ok(Vocabulary::Ids(tokens))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vocabulary, A::Error> {
                let mut tokens = Vec::new();
                while let Some(entry) = sequence.next_element()? {
                    tokens.push(entry);
                }
                Ok(Vocabulary::Scores(tokens))
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

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a merge: \"left right\" or [\"left\", \"right\"]")
            }

            fn visit_str<E: Error>(self, merge: &str) -> Result<Merge, E> {
                match merge.split_once(' ') {
                    Some((left, right)) if !right.contains(' ') => {
                        Ok(Merge { left: left.to_owned(), right: right.to_owned() })
                    }
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(merge), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Merge, A::Error> {
                let mut part = |index| {
                    sequence.next_element::<String>()?.ok_or_else(|| A::Error::invalid_length(index, &Parts))
                };
                let merge = Merge { left: part(0)?, right: part(1)? };
                match sequence.next_element::<serde::de::IgnoredAny>()? {
                    None => Ok(merge),
                    Some(_) => Err(A::Error::invalid_length(3, &Parts)),
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
        let merges: Vec<String> = merges.iter().map(Merge::text).collect();
        assert_eq!(merges, ["a b", "c d", "Ġ eĠf"]);
        for bad in [r#"["a"]"#, r#"["a", "b", "c"]"#, "7", r#"[1, 2]"#, r#""a""#, r#""a b c""#] {
            assert!(serde_json::from_str::<Merge>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn vocabularies_come_in_two_notations() {
        let Vocabulary::Ids(tokens) = serde_json::from_str(r#"{"b": 1, "a": 0}"#).unwrap() else { panic!() };
        assert_eq!(tokens, [("b".to_owned(), 1), ("a".to_owned(), 0)]);
        let Vocabulary::Scores(tokens) = serde_json::from_str(r#"[["a", -1.5]]"#).unwrap() else { panic!() };
        assert_eq!(tokens, [("a".to_owned(), -1.5)]);
        for bad in [r#"{"a": -1}"#, r#"{"a": 4294967296}"#, r#"[["a"]]"#, "7"] {
            assert!(serde_json::from_str::<Vocabulary>(bad).is_err(), "{bad}");
        }
    }
}
