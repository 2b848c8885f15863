//! What can be told of the files before the vocabulary is read.

use super::super::ConvertError;
use super::super::files::Files;
use super::chat_template;
use super::file_names::{MERGES, SENTENCE_PIECE_BPE_MODEL, TOKENIZER_MODEL, VOCAB_TXT};
use super::json::TokenizerJson;
use super::settings::Settings;

/// Whether a file that is not JSON is one of a tokenizer, by its name in the checkpoint's directory.
pub(in crate::convert) fn is_file(name: &str) -> bool {
    [TOKENIZER_MODEL, SENTENCE_PIECE_BPE_MODEL, VOCAB_TXT, MERGES].contains(&name)
        || chat_template::is_file(name)
}

/// Whether there is a SentencePiece model.
pub(in crate::convert) fn has_sentence_piece(files: Files<'_>) -> bool {
    files.has(TOKENIZER_MODEL)
}

/// Whether `tokenizer.json` holds a unigram model.
pub(in crate::convert) fn is_unigram(files: Files<'_>) -> Result<bool, ConvertError> {
    Ok(TokenizerJson::read(files)?.is_some_and(|json| json.is_unigram()))
}

/// How many tokens `tokenizer.json` lists; added ones that repeat the model's own count twice.
pub(in crate::convert) fn listed_tokens(files: Files<'_>) -> Result<Option<u64>, ConvertError> {
    let json = TokenizerJson::read(files)?;
    Ok(json.map(|json| (json.model.vocab.len() + json.added_tokens.len()) as u64))
}

/// How many tokens the model of `tokenizer.json` has without those that were added to it.
pub(in crate::convert) fn own_tokens(files: Files<'_>) -> Result<Option<u64>, ConvertError> {
    Ok(TokenizerJson::read(files)?.map(|json| json.model.vocab.len() as u64))
}

/// Whether the tokenizer's class begins texts with a token for it.
pub(in crate::convert) fn adds_bos(files: Files<'_>) -> Result<bool, ConvertError> {
    let settings = Settings::read(files)?;
    let of_class = settings.class().starts_with("LlamaTokenizer");
    Ok(settings.flag("add_bos_token").unwrap_or(of_class))
}
