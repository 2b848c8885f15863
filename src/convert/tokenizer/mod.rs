//! The vocabulary of a checkpoint as metadata: tokens, types, scores, merges, special tokens, chat template.
//!
//! Each public function is one kind of vocabulary; a family's declaration names the one that it has. Source of the
//! rules: llama.cpp, `conversion/base.py` and `gguf-py/gguf/vocab.py`.

mod byte_pair;
mod json;
mod library;
mod llama_json;
mod post_processor;
mod pre_tokenizer;
mod sentencepiece;
mod special;
mod token_types;
mod unigram;
mod word_piece;

pub(super) use byte_pair::{byte_pair, byte_pair_padded};
pub(super) use llama_json::{gemma4, llama};
pub(super) use sentencepiece::{phi3, sentencepiece, sentencepiece_or_byte_pair};
pub(super) use unigram::unigram;
pub(super) use word_piece::word_piece;

use super::files::Files;
use super::{ConvertError, Source, Warning, parameters::Parameters};

/// Writes a vocabulary.
pub(super) type Tokenizer = fn(&Source<'_>, &mut Parameters, &mut Vec<Warning>) -> Result<(), ConvertError>;

/// Whether there is a SentencePiece model.
pub(super) fn has_sentencepiece(files: Files<'_>) -> bool {
    files.has(sentencepiece::MODEL_FILE)
}

/// The kind of model in `tokenizer.json`, such as `BPE`.
pub(super) fn model_kind(files: Files<'_>) -> Result<Option<String>, ConvertError> {
    Ok(json::TokenizerJson::read(files)?.and_then(|json| json.model.kind))
}

/// Tokens that `tokenizer.json` lists, added ones that repeat the model's own counted twice.
pub(super) fn listed_tokens(files: Files<'_>) -> Result<Option<u64>, ConvertError> {
    let json = json::TokenizerJson::read(files)?;
    Ok(json.map(|json| json.model.vocab.count + json.added_tokens.len() as u64))
}
