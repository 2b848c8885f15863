//! Byte-level byte pairs, in llama.cpp's terms `gpt2`, and WordPiece, `bert`.

use super::super::ConvertError;
use super::contents::{Contents, Splitting};
use super::decoder::Decoder;
use super::file_names::{MERGES, TOKENIZER_JSON};
use super::inputs::Inputs;
use super::json::Merge;
use super::known::KnownToken;
use super::token::{self, Token, TokenKind};
use super::{TokenizerError, older_files};

/// A vocabulary of byte pairs.
pub(super) fn byte_pair(inputs: &mut Inputs<'_>) -> Result<Contents, ConvertError> {
    if !inputs.has_original() {
        let file = older_files::byte_pair(inputs.files, &inputs.settings)?;
        inputs.substitute(older_files::BYTE_PAIR, file)?;
    }
    let tokens = tokens(inputs)?;
    Ok(Contents { merges: merges(inputs)?, ..Contents::split("gpt2", tokens) })
}

/// The same for text that is split at spaces alone.
pub(super) fn words(inputs: &mut Inputs<'_>) -> Result<Contents, ConvertError> {
    const NAME: &str = "whitespace";
    Ok(Contents { model: NAME, splitting: Splitting::Known(NAME), ..byte_pair(inputs)? })
}

/// A WordPiece vocabulary: where words begin is marked instead of where they go on.
pub(super) fn word_piece(inputs: &mut Inputs<'_>) -> Result<Contents, ConvertError> {
    if !inputs.has_original() {
        let file = older_files::word_piece(inputs.files, &inputs.settings)?;
        inputs.substitute(older_files::WORD_PIECE, file)?;
    }
    let mut tokens = tokens(inputs)?;
    for token in tokens.iter_mut().filter(|token| token.kind != TokenKind::Control) {
        token.text = match token.text.strip_prefix("##") {
            Some(rest) => rest.to_owned(),
            None => format!("\u{2581}{}", token.text),
        };
    }
    Ok(Contents { is_closed: true, ..Contents::split("bert", tokens) })
}

/// All tokens by their numbers; numbers without a token become padding.
fn tokens(inputs: &mut Inputs<'_>) -> Result<Vec<Token>, ConvertError> {
    let known = inputs.known_tokens()?;
    let size = known.size(inputs.sizes.tokens, inputs.flavour.pad_to_multiple_of)?;
    let decoder = inputs.decoder();
    let control = inputs.flavour.control;
    let as_listed = inputs.flavour.added_as_listed;
    let mut known = known.tokens.into_iter().peekable();
    let token = |id: u64| match known.next_if(|known| u64::from(known.id) == id) {
        Some(known) if control.contains(&known.text.as_str()) => Token::new(known.text, TokenKind::Control),
        Some(known) if as_listed => listed(known),
        Some(known) => written(known, &decoder),
        None => Token::padding(id),
    };
    Ok((0..size).map(token).collect())
}

/// A token as the files have it.
fn listed(known: KnownToken) -> Token {
    let kind = match known.added {
        None => TokenKind::Normal,
        Some(added) if added.special => TokenKind::Control,
        Some(_) => TokenKind::UserDefined,
    };
    Token::new(known.text, kind)
}

/// A token as llama.cpp expects it: added tokens as the text that they stand for.
fn written(known: KnownToken, decoder: &Decoder) -> Token {
    let Some(added) = known.added else { return Token::new(known.text, TokenKind::Normal) };
    let text = if added.normalized { known.text } else { decoder.decode(&known.text) };
    if added.special || token::looks_special(&text) {
        Token::new(text, TokenKind::Control)
    } else {
        token::user_defined(&text)
    }
}

/// The merges of `tokenizer.json`, or of `merges.txt` where it has none.
pub(super) fn merges(inputs: &mut Inputs<'_>) -> Result<Vec<String>, ConvertError> {
    let listed = inputs.json()?.model.merges.take();
    if let Some(merges) = listed.as_ref().filter(|merges| !merges.is_empty()) {
        return Ok(merges.iter().map(Merge::text).collect());
    }
    let missing = TokenizerError::MissingField { file: TOKENIZER_JSON, field: "model.merges" };
    match inputs.files.text(MERGES)? {
        Some(text) => Ok(older_files::merges_of_text(text)),
        // A vocabulary of single bytes has none to list.
        None => Ok(listed.map(|_| Vec::new()).ok_or(missing)?),
    }
}
