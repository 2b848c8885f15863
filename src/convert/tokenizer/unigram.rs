//! Unigram vocabularies of multilingual encoders, in llama.cpp's terms "t5".

use base64::Engine;
use serde_json::Value;

use super::json::{TOKENIZER_JSON, TokenizerJson};
use super::library::{self, Library};
use super::sentencepiece::{self, Tokens};
use super::special::SpecialTokens;
use super::token_types as types;
use crate::convert::parameters::{Parameters, checked_u32};
use crate::convert::{ConvertError, Source, Warning};

/// The file of the SentencePiece model of XLM-RoBERTa.
const MODEL_FILE: &str = "sentencepiece.bpe.model";

/// The number by which SentencePiece knows unigram models.
const UNIGRAM: i32 = 1;

struct Unigram {
    tokens: Tokens,
    add_prefix: bool,
    remove_whitespaces: bool,
    charsmap: Vec<u8>,
}

/// The vocabulary of XLM-RoBERTa and its kin, from its SentencePiece model or from `tokenizer.json`.
pub(in crate::convert) fn unigram(
    source: &Source<'_>,
    out: &mut Parameters,
    _warnings: &mut Vec<Warning>,
) -> Result<(), ConvertError> {
    let json = TokenizerJson::read(source.files)?;
    let unigram = match sentencepiece::read(source.files, MODEL_FILE)? {
        Some(model) => from_model(source, &model)?,
        None => from_json(source, json.as_ref())?,
    };
    let count = unigram.tokens.texts.len() as u64;
    let segments = source.model.configuration.optional_integer(&["type_vocab_size"])?.unwrap_or(1);
    unigram.tokens.write("t5", out);
    out.set_plain("tokenizer.ggml.add_space_prefix", unigram.add_prefix);
    out.set_plain("tokenizer.ggml.token_type_count", checked_u32("type_vocab_size", segments)?);
    out.set_plain("tokenizer.ggml.remove_extra_whitespaces", unigram.remove_whitespaces);
    if !unigram.charsmap.is_empty() {
        out.set_plain("tokenizer.ggml.precompiled_charsmap", unigram.charsmap);
    }
    SpecialTokens::load(source.files, json.as_ref(), Some(count))?.write(out);
    Ok(())
}

fn from_model(source: &Source<'_>, model: &sentencepiece::Model) -> Result<Unigram, ConvertError> {
    if model.trainer.as_ref().and_then(|trainer| trainer.model_type).unwrap_or(UNIGRAM) != UNIGRAM {
        return Err(ConvertError::tokenizer(MODEL_FILE, "expected a unigram model"));
    }
    let stated = source.model.configuration.optional_integer(&["vocab_size"])?.unwrap_or(0);
    let mut raw = Tokens::unused(stated.max(model.pieces.len() as u64));
    for (id, piece) in model.pieces.iter().enumerate() {
        let (text, score, kind) = piece.token();
        raw.set(id as u64, text, score, kind);
    }
    // The Python library puts four tokens of its own before the pieces, of which it drops the first three.
    let mut tokens = Tokens::default();
    for text in ["<s>", "<pad>", "</s>"] {
        tokens.push(text.to_owned(), 0.0, types::CONTROL);
    }
    tokens.push("<unk>".to_owned(), 0.0, types::UNKNOWN);
    let kept = 3..raw.texts.len().saturating_sub(1).max(3);
    tokens.texts.extend(raw.texts.drain(..).skip(kept.start).take(kept.len()));
    tokens.scores.extend(raw.scores.drain(..).skip(kept.start).take(kept.len()));
    tokens.kinds.extend(raw.kinds.drain(..).skip(kept.start).take(kept.len()));
    let normalizer = model.normalizer.clone().unwrap_or_default();
    Ok(Unigram {
        tokens,
        add_prefix: normalizer.add_dummy_prefix.unwrap_or(true),
        remove_whitespaces: normalizer.remove_extra_whitespaces.unwrap_or(true),
        charsmap: normalizer.precompiled_charsmap.unwrap_or_default(),
    })
}

fn from_json(source: &Source<'_>, json: Option<&TokenizerJson>) -> Result<Unigram, ConvertError> {
    let library = Library::load(source.files)?;
    let settings = library::settings(source.files)?;
    let json = json.filter(|json| json.model.kind.as_deref() == Some("Unigram"));
    let json = json.ok_or_else(|| ConvertError::tokenizer(TOKENIZER_JSON, "expected a Unigram model"))?;
    let stated = source.model.configuration.optional_integer(&["vocab_size"])?.unwrap_or(0);
    let mut tokens = Tokens::unused(stated.max(library.model_len().into()));
    let unknown =
        settings.get("unk_token").and_then(library::token_text).and_then(|token| json.added_id(token));
    let unknown = unknown.or(json.model.unk_id).unwrap_or(3);
    for (id, score) in (0_u32..).zip(&json.model.vocab.scores) {
        let Some(text) = library.token(id) else { continue };
        let kind = if u64::from(id) == unknown {
            types::UNKNOWN
        } else if library.has_role(text) {
            types::CONTROL
        } else if library.added(id).is_some() {
            types::USER_DEFINED
        } else {
            types::NORMAL
        };
        tokens.set(id.into(), text.to_owned(), *score as f32, kind);
    }
    let flag = |key: &str, otherwise: bool| settings.get(key).and_then(Value::as_bool).unwrap_or(otherwise);
    let charsmap = json.normalizer.as_ref().and_then(|normalizer| find_charsmap(normalizer, 8));
    let charsmap = charsmap.map(|text| base64::engine::general_purpose::STANDARD.decode(text));
    Ok(Unigram {
        tokens,
        add_prefix: flag("add_prefix_space", true),
        remove_whitespaces: flag("clean_up_tokenization_spaces", false),
        charsmap: charsmap
            .transpose()
            .map_err(|_| ConvertError::tokenizer(TOKENIZER_JSON, "precompiled_charsmap is not base64"))?
            .unwrap_or_default(),
    })
}

/// The character map of a normalizer, which may be one of a sequence.
fn find_charsmap(normalizer: &Value, depth: u32) -> Option<&str> {
    if let Some(map) = normalizer.get("precompiled_charsmap").and_then(Value::as_str) {
        return Some(map);
    }
    let parts = normalizer.get("normalizers").and_then(Value::as_array).filter(|_| depth > 0)?;
    parts.iter().find_map(|part| find_charsmap(part, depth - 1))
}
