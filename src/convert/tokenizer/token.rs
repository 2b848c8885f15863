//! Tokens and lists of them.

use super::TokenizerError;
use crate::gguf::{Metadata, Value};

/// The most tokens that a vocabulary is believed to have; the largest known ones have about 260,000.
pub(super) const MOST_TOKENS: u64 = 1 << 21;

/// The score of a token that takes part in no merge.
pub(super) const ADDED_SCORE: f32 = -1000.0;

/// The score of a token that stands for nothing.
pub(super) const UNUSED_SCORE: f32 = -10_000.0;

/// What a token is for; the numbers are llama.cpp's (`llama_token_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub(super) enum TokenKind {
    /// Ordinary text.
    Normal = 1,
    /// Stands for what the vocabulary cannot express.
    Unknown = 2,
    /// Directs the model and is not text.
    Control = 3,
    /// Text that is never split.
    UserDefined = 4,
    /// A number without a meaning.
    Unused = 5,
    /// One byte.
    Byte = 6,
}

/// A token of the model to be.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) text: String,
    /// Priority in merging, for vocabularies that have it.
    pub(super) score: f32,
    pub(super) kind: TokenKind,
}

impl Token {
    /// Text without a score.
    pub(super) fn new(text: impl Into<String>, kind: TokenKind) -> Self {
        Self { text: text.into(), score: 0.0, kind }
    }

    /// What stands where no token has the number.
    pub(super) fn padding(id: u64) -> Self {
        Self { text: format!("[PAD{id}]"), score: UNUSED_SCORE, kind: TokenKind::Unused }
    }
}

/// The size of a vocabulary, if it is believable.
pub(super) fn checked_size(size: u64) -> Result<u64, TokenizerError> {
    if size > MOST_TOKENS {
        return Err(TokenizerError::Size { size, limit: MOST_TOKENS });
    }
    Ok(size)
}

/// The scores of tokens.
pub(super) fn scores(tokens: &[Token]) -> Value {
    tokens.iter().map(|token| token.score).collect::<Vec<f32>>().into()
}

/// Writes tokens, their scores where the kind of vocabulary has them, and what they are for.
pub(super) fn write(tokens: Vec<Token>, scores: Option<Value>, metadata: &mut Metadata) {
    let kinds: Vec<i32> = tokens.iter().map(|token| token.kind as i32).collect();
    let texts: Vec<String> = tokens.into_iter().map(|token| token.text).collect();
    metadata.set("tokenizer.ggml.tokens", texts);
    if let Some(scores) = scores {
        metadata.set("tokenizer.ggml.scores", scores);
    }
    metadata.set("tokenizer.ggml.token_type", kinds);
}

/// Whether a token is meant to direct the model although its file does not say so, as in Command R, DeepSeek
/// Coder and Gemma.
pub(super) fn looks_special(text: &str) -> bool {
    let between = |start: &str, end: &str| text.starts_with(start) && text.ends_with(end);
    matches!(text, "<pad>" | "<mask>" | "<2mass>" | "[@BOS@]")
        || between("<|", "|>")
        || between("<｜", "｜>")
        || between("<unused", ">")
}

/// A token that is never split: llama.cpp expects spaces where SentencePiece marks them.
pub(super) fn user_defined(text: &str) -> Token {
    Token { text: text.replace('\u{2581}', " "), score: ADDED_SCORE, kind: TokenKind::UserDefined }
}
