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
    /// Tokens with a role where the files give none to any token.
    pub(super) roles_if_none: Vec<(&'static str, u32)>,
    /// Tokens with a role that the files leave open.
    pub(super) roles_if_open: Vec<(&'static str, u32)>,
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
            splitting: Splitting::Known("default"),
            with_scores: true,
            is_closed: true,
            ..Self::split(model, tokens)
        }
    }

    /// Tokens of text that is split first.
    pub(super) fn split(model: &'static str, tokens: Vec<Token>) -> Self {
        Self {
            model,
            splitting: Splitting::Recognised,
            tokens,
            with_scores: false,
            merges: Vec::new(),
            is_closed: false,
            further: Metadata::new(),
            roles_if_none: Vec::new(),
            roles_if_open: Vec::new(),
        }
    }
}
