//! What a vocabulary consists of.

use super::token::Token;
use crate::gguf::Metadata;

/// A vocabulary before it is written.
pub(super) struct Contents {
    /// `tokenizer.ggml.model`.
    pub(super) model: &'static str,
    pub(super) splitting: Splitting,
    pub(super) tokens: Vec<Token>,
    pub(super) with_scores: bool,
    /// Both parts with a space between; empty for vocabularies without merges.
    pub(super) merges: Vec<String>,
    /// Whether special tokens must be tokens of the vocabulary.
    pub(super) is_closed: bool,
    /// What stands between the tokens and the special tokens.
    pub(super) further: Metadata,
}

/// `tokenizer.ggml.pre`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Splitting {
    /// It is not written.
    Unwritten,
    /// It follows from the kind of vocabulary.
    Known(&'static str),
    /// It has to be recognised.
    Recognised,
}

impl Contents {
    /// Tokens with scores whose text needs no splitting.
    pub(super) fn with_scores(model: &'static str, tokens: Vec<Token>) -> Self {
        Self {
            model,
            splitting: Splitting::Known("default"),
            tokens,
            with_scores: true,
            merges: Vec::new(),
            is_closed: true,
            further: Metadata::new(),
        }
    }
}
