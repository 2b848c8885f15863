//! SentencePiece vocabularies, in llama.cpp's terms "llama".

use prost::Message;
use serde_json::Value;

use super::json::TokenizerJson;
use super::library::{self, token_text};
use super::special::SpecialTokens;
use super::token_types::{self as types, SCORE_ADDED, SCORE_UNUSED};
use crate::convert::files::Files;
use crate::convert::parameters::Parameters;
use crate::convert::{ConvertError, Source, Warning};

/// The file of a SentencePiece model.
pub(super) const MODEL_FILE: &str = "tokenizer.model";

/// A SentencePiece model (SentencePiece, `src/sentencepiece_model.proto`), as far as it is needed.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Model {
    #[prost(message, repeated, tag = "1")]
    pub(super) pieces: Vec<Piece>,
    #[prost(message, optional, tag = "2")]
    pub(super) trainer: Option<Trainer>,
    #[prost(message, optional, tag = "3")]
    pub(super) normalizer: Option<Normalizer>,
}

/// One token.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Piece {
    #[prost(string, optional, tag = "1")]
    pub(super) text: Option<String>,
    #[prost(float, optional, tag = "2")]
    pub(super) score: Option<f32>,
    #[prost(int32, optional, tag = "3")]
    pub(super) kind: Option<i32>,
}

/// How the model was trained.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Trainer {
    #[prost(int32, optional, tag = "3")]
    pub(super) model_type: Option<i32>,
}

/// How text is normalised.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Normalizer {
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(super) precompiled_charsmap: Option<Vec<u8>>,
    #[prost(bool, optional, tag = "3")]
    pub(super) add_dummy_prefix: Option<bool>,
    #[prost(bool, optional, tag = "4")]
    pub(super) remove_extra_whitespaces: Option<bool>,
}

/// Tokens with scores and types.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    pub(super) texts: Vec<String>,
    pub(super) scores: Vec<f32>,
    pub(super) kinds: Vec<i32>,
}

impl Tokens {
    /// So many numbers without a meaning.
    pub(super) fn unused(count: u64) -> Self {
        let mut tokens = Self::default();
        for id in 0..count {
            tokens.push(types::padding(id), SCORE_UNUSED, types::UNUSED);
        }
        tokens
    }

    pub(super) fn push(&mut self, text: String, score: f32, kind: i32) {
        self.texts.push(text);
        self.scores.push(score);
        self.kinds.push(kind);
    }

    /// Gives a meaning to a number; numbers outside of the vocabulary are passed over.
    pub(super) fn set(&mut self, id: u64, text: String, score: f32, kind: i32) {
        let Ok(id) = usize::try_from(id) else { return };
        if let (Some(old), Some(old_score), Some(old_kind)) =
            (self.texts.get_mut(id), self.scores.get_mut(id), self.kinds.get_mut(id))
        {
            (*old, *old_score, *old_kind) = (text, score, kind);
        }
    }

    pub(super) fn write(self, model: &str, out: &mut Parameters) {
        out.set_plain("tokenizer.ggml.model", model);
        out.set_plain("tokenizer.ggml.pre", "default");
        self.write_lists(out);
    }

    pub(super) fn write_lists(self, out: &mut Parameters) {
        out.set_plain("tokenizer.ggml.tokens", self.texts);
        out.set_plain("tokenizer.ggml.scores", self.scores);
        out.set_plain("tokenizer.ggml.token_type", self.kinds);
    }
}

/// Reads a model file, if it is there.
pub(super) fn read(files: Files<'_>, file: &'static str) -> Result<Option<Model>, ConvertError> {
    let Some(bytes) = files.bytes(file) else { return Ok(None) };
    let model = Model::decode(bytes).map_err(|error| ConvertError::tokenizer(file, error.to_string()))?;
    if model.pieces.is_empty() {
        return Err(ConvertError::tokenizer(file, "the model has no pieces"));
    }
    Ok(Some(model))
}

impl Piece {
    /// Text, score and type. A piece that the model marks as user-defined counts as normal; the files beside
    /// the model say more of it.
    pub(super) fn token(&self) -> (String, f32, i32) {
        let kind = match self.kind {
            Some(kind @ (types::UNKNOWN | types::CONTROL | types::UNUSED | types::BYTE)) => kind,
            _ => types::NORMAL,
        };
        (self.text.clone().unwrap_or_default(), self.score.unwrap_or(0.0), kind)
    }
}

/// The vocabulary of `tokenizer.model`.
pub(in crate::convert) fn sentencepiece(
    source: &Source<'_>,
    out: &mut Parameters,
    _warnings: &mut Vec<Warning>,
) -> Result<(), ConvertError> {
    let mut tokens = from_model(source)?;
    for (id, token) in listed(source.files)? {
        let text = token.text;
        if token.special || types::looks_special(&text) {
            tokens.set(id, text, SCORE_ADDED, types::CONTROL);
        } else {
            tokens.set(id, types::with_spaces(&text), SCORE_ADDED, types::USER_DEFINED);
        }
    }
    finish(source, tokens, out)
}

/// A SentencePiece vocabulary if there is one, or else a byte-pair vocabulary.
pub(in crate::convert) fn sentencepiece_or_byte_pair(
    source: &Source<'_>,
    out: &mut Parameters,
    warnings: &mut Vec<Warning>,
) -> Result<(), ConvertError> {
    if super::has_sentencepiece(source.files) {
        sentencepiece(source, out, warnings)
    } else {
        super::byte_pair(source, out, warnings)
    }
}

/// The vocabularies of Phi-3 and Phi-4: added tokens keep their text, and `tokenizer.json` has the last word.
pub(in crate::convert) fn phi3(
    source: &Source<'_>,
    out: &mut Parameters,
    warnings: &mut Vec<Warning>,
) -> Result<(), ConvertError> {
    let settings = library::settings(source.files)?;
    let class = settings.get("tokenizer_class").and_then(Value::as_str);
    if class == Some("GPT2Tokenizer") || !super::has_sentencepiece(source.files) {
        return super::byte_pair(source, out, warnings);
    }
    let mut tokens = from_model(source)?;
    let json = TokenizerJson::read(source.files)?;
    let added = json.into_iter().flat_map(|json| json.added_tokens);
    let added = added.map(|token| (token.id, Listed { text: token.content, special: token.special }));
    for (id, token) in listed(source.files)?.into_iter().chain(added) {
        let kind = if token.special { types::CONTROL } else { types::USER_DEFINED };
        tokens.set(id, token.text, SCORE_ADDED, kind);
    }
    finish(source, tokens, out)
}

/// The model's pieces and the tokens of `added_tokens.json`.
fn from_model(source: &Source<'_>) -> Result<Tokens, ConvertError> {
    let model = read(source.files, MODEL_FILE)?.ok_or(ConvertError::MissingFile {
        file: MODEL_FILE,
        purpose: "it holds the vocabulary of the model",
    })?;
    let stated = source.model.configuration.optional_integer(&["vocab_size"])?;
    let mut tokens = Tokens::unused(stated.unwrap_or(model.pieces.len() as u64));
    for (id, piece) in model.pieces.iter().enumerate() {
        let (text, score, kind) = piece.token();
        tokens.set(id as u64, text, score, kind);
    }
    if let Some(added) = source.files.json("added_tokens.json")? {
        let added = added.as_object().into_iter().flatten();
        for (text, id) in added.filter_map(|(text, id)| Some((text, id.as_u64()?))) {
            tokens.set(id, text.clone(), SCORE_ADDED, types::USER_DEFINED);
        }
    }
    Ok(tokens)
}

/// A token that the settings list.
struct Listed {
    text: String,
    special: bool,
}

/// The tokens of `added_tokens_decoder` in the order of the file.
fn listed(files: Files<'_>) -> Result<Vec<(u64, Listed)>, ConvertError> {
    let settings = library::settings(files)?;
    let listed = settings.get("added_tokens_decoder").and_then(Value::as_object);
    let listed = listed.into_iter().flatten().filter_map(|(id, token)| {
        let special = token.get("special").and_then(Value::as_bool).unwrap_or(false);
        Some((id.parse().ok()?, Listed { text: token_text(token)?.to_owned(), special }))
    });
    Ok(listed.collect())
}

fn finish(source: &Source<'_>, tokens: Tokens, out: &mut Parameters) -> Result<(), ConvertError> {
    let count = tokens.texts.len() as u64;
    tokens.write("llama", out);
    let json = TokenizerJson::read(source.files)?;
    SpecialTokens::load(source.files, json.as_ref(), Some(count))?.write(out);
    Ok(())
}
