//! SentencePiece models that were rewritten as `tokenizer.json`: byte pairs over characters.

use std::collections::HashSet;

use super::super::ConvertError;
use super::TokenizerError;
use super::byte_pair::merges;
use super::contents::{Contents, Splitting};
use super::file_names::TOKENIZER_JSON;
use super::inputs::Inputs;
use super::known::{KnownToken, KnownTokens};
use super::token::{ADDED_SCORE, Token, TokenKind, checked_size};

/// Tokens that direct Gemma 4's conversation and are shown all the same, so that what reads it can see them.
const SHOWN: [&str; 7] = [
    "<|channel>",
    "<channel|>",
    "<|tool_call>",
    "<tool_call|>",
    "<|tool_response>",
    "<tool_response|>",
    "<|\"|>",
];

/// A vocabulary without scores of its own, as Llama has it.
pub(super) fn rewritten(inputs: &mut Inputs<'_>) -> Result<Contents, ConvertError> {
    Ok(Contents::with_scores("llama", tokens(inputs)?))
}

/// A vocabulary that is merged in the order of the file, as Gemma 4 has it.
pub(super) fn merged(inputs: &mut Inputs<'_>) -> Result<Contents, ConvertError> {
    let mut tokens = tokens(inputs)?;
    for token in tokens.iter_mut().filter(|token| SHOWN.contains(&token.text.as_str())) {
        token.kind = TokenKind::UserDefined;
    }
    let merges = merges(inputs)?;
    let contents = Contents::with_scores("gemma4", tokens);
    Ok(Contents { splitting: Splitting::Unwritten, merges, is_closed: false, ..contents })
}

/// A vocabulary of texts and kinds, as XVERSE has it: any token that is written as a byte is one.
pub(super) fn unscored(inputs: &mut Inputs<'_>) -> Result<Contents, ConvertError> {
    let known = inputs.known_tokens()?;
    let size = known.size(inputs.sizes.tokens, 1)?;
    let token = |known: KnownToken| match known.added {
        // The byte zero ends strings in C.
        _ if known.text == "\0" => Token::new(r"<b'\x00'>", TokenKind::Byte),
        _ if is_byte(&known.text) => Token::new(known.text, TokenKind::Byte),
        Some(added) if added.special => Token::new(known.text, TokenKind::Control),
        Some(_) => Token::new(known.text, TokenKind::UserDefined),
        None => Token::new(known.text, TokenKind::Normal),
    };
    let tokens = in_order(known, size, token)?;
    Ok(Contents { with_scores: false, ..Contents::with_scores("llama", tokens) })
}

fn tokens(inputs: &mut Inputs<'_>) -> Result<Vec<Token>, TokenizerError> {
    let known = inputs.known_tokens()?;
    let special: HashSet<&str> = inputs.settings.special_tokens().into_iter().collect();
    let (size, own) = (known.size(inputs.sizes.tokens, 1)?, known.own);
    in_order(known, size, |known| {
        let is_own = u64::from(known.id) < own;
        let kind = match special.contains(known.text.as_str()) {
            _ if is_own && is_byte(&known.text) => TokenKind::Byte,
            true => TokenKind::Control,
            false if is_own => TokenKind::Normal,
            false => TokenKind::UserDefined,
        };
        Token { text: known.text, score: ADDED_SCORE, kind }
    })
}

/// The known tokens, none of whose numbers may be missing, and padding.
fn in_order(
    known: KnownTokens,
    size: u64,
    token: impl Fn(KnownToken) -> Token,
) -> Result<Vec<Token>, TokenizerError> {
    let count = known.tokens.len() as u64;
    let mut tokens = Vec::new();
    for known in known.tokens {
        if u64::from(known.id) != tokens.len() as u64 {
            let id = u32::try_from(tokens.len()).unwrap_or(known.id);
            return Err(TokenizerError::Gap { file: TOKENIZER_JSON, id, count });
        }
        tokens.push(token(known));
    }
    // The embeddings may have rows for tokens to come.
    tokens.extend((count..checked_size(size)?).map(Token::padding));
    Ok(tokens)
}

/// Whether a token is one byte, written `<0x0A>`.
fn is_byte(text: &str) -> bool {
    let digits = text.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
    digits.is_some_and(|digits| digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn bytes_are_two_digits() {
        let bytes = ["<0x0A>", "<0xff>", "<0x0>", "<0x00A>", "<0x0G>", "0x0A", "<0xé>"];
        assert_eq!(bytes.map(super::is_byte), [true, true, false, false, false, false, false]);
    }
}
