//! SentencePiece vocabularies that come only as `tokenizer.json`.

use super::json::{TOKENIZER_JSON, TokenizerJson};
use super::library::{self, Library};
use super::sentencepiece::Tokens;
use super::special::SpecialTokens;
use super::token_types::{self as types, SCORE_ADDED};
use crate::convert::parameters::Parameters;
use crate::convert::{ConvertError, Source, Warning};

/// The vocabularies of Llama and its kin: `tokenizer.model`; a `tokenizer.json` made from one; or, since Llama 3,
/// byte pairs.
pub(in crate::convert) fn llama(
    source: &Source<'_>,
    out: &mut Parameters,
    warnings: &mut Vec<Warning>,
) -> Result<(), ConvertError> {
    let settings = library::settings(source.files)?;
    if let Some(add) = settings.get("add_prefix_space").and_then(serde_json::Value::as_bool) {
        out.set_plain("tokenizer.ggml.add_space_prefix", add);
    }
    let json = TokenizerJson::read(source.files)?;
    if super::has_sentencepiece(source.files) {
        super::sentencepiece(source, out, warnings)?;
    } else if let Some(json) = json.filter(TokenizerJson::is_sentencepiece) {
        let mut tokens = tokens(source, |_, kind| kind)?;
        pad(source, &mut tokens)?;
        let count = tokens.texts.len() as u64;
        tokens.write("llama", out);
        SpecialTokens::load(source.files, Some(&json), Some(count))?.write(out);
    } else {
        super::byte_pair(source, out, warnings)?;
    }
    match source.model.configuration.optional_integer(&["vocab_size"])? {
        // Code Llama, whose token for the end of an infill no file names.
        Some(32_016) => out.set_plain("tokenizer.ggml.eot_token_id", 32_010_u32),
        // Granite's small code models, whose files ask for a token that the models were not trained with.
        Some(49_152) => out.set_plain("tokenizer.ggml.add_bos_token", false),
        _ => {}
    }
    Ok(())
}

/// The vocabulary of Gemma 4: a SentencePiece model with the merges of its byte pairs.
pub(in crate::convert) fn gemma4(
    source: &Source<'_>,
    out: &mut Parameters,
    _warnings: &mut Vec<Warning>,
) -> Result<(), ConvertError> {
    // Chat clients parse these, so they must show.
    const VISIBLE: [&str; 7] = [
        "<|channel>",
        "<channel|>",
        "<|tool_call>",
        "<tool_call|>",
        "<|tool_response>",
        "<tool_response|>",
        "<|\"|>",
    ];
    let json = TokenizerJson::read(source.files)?;
    let mut tokens =
        tokens(source, |text, kind| if VISIBLE.contains(&text) { types::USER_DEFINED } else { kind })?;
    pad(source, &mut tokens)?;
    out.set_plain("tokenizer.ggml.model", "gemma4");
    tokens.write_lists(out);
    SpecialTokens::load(source.files, json.as_ref(), None)?.write_with_merges(json, source.files, out)?;
    out.set_plain("tokenizer.ggml.add_space_prefix", false);
    out.set_plain("tokenizer.ggml.add_bos_token", true);
    Ok(())
}

/// The tokens of `tokenizer.json`; its merges take the place of scores, so all scores are alike.
fn tokens(source: &Source<'_>, kind_of: impl Fn(&str, i32) -> i32) -> Result<Tokens, ConvertError> {
    let library = Library::load(source.files)?;
    let base = library.model_len();
    let mut tokens = Tokens::default();
    for id in 0..base {
        let text = library.token(id).ok_or_else(|| {
            ConvertError::tokenizer(TOKENIZER_JSON, format!("there is no token with id {id}"))
        })?;
        let kind = if is_byte(text) {
            types::BYTE
        } else if library.has_role(text) {
            types::CONTROL
        } else {
            types::NORMAL
        };
        tokens.push(text.to_owned(), SCORE_ADDED, kind_of(text, kind));
    }
    for id in library.added_ids().into_iter().filter(|id| *id >= base) {
        let text = library.token(id).unwrap_or_default();
        let kind = if library.has_role(text) { types::CONTROL } else { types::USER_DEFINED };
        tokens.push(text.to_owned(), SCORE_ADDED, kind_of(text, kind));
    }
    Ok(tokens)
}

/// Fills the vocabulary up to the size that the embeddings have.
fn pad(source: &Source<'_>, tokens: &mut Tokens) -> Result<(), ConvertError> {
    let size = source.model.configuration.optional_integer(&["vocab_size"])?.unwrap_or(0);
    for id in tokens.texts.len() as u64..size {
        tokens.push(types::padding(id), SCORE_ADDED, types::UNUSED);
    }
    Ok(())
}

/// Whether a token is `<0x..>`.
fn is_byte(token: &str) -> bool {
    let digits = token.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
    digits.is_some_and(|digits| digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}
