//! What can be told of the files before the vocabulary is read.

use super::super::ConvertError;
use super::super::files::Files;
use super::file_names::{
    HUNYUAN_TIKTOKEN, MERGES, QWEN_TIKTOKEN, RWKV_VOCABULARY, SENTENCE_PIECE_BPE_MODEL, SPIECE_MODEL,
    TOKENIZER_JSON, TOKENIZER_JSON_LINES, TOKENIZER_MODEL, VOCAB_JSON, VOCAB_TXT,
};
use super::json::{TokenizerJson, Vocabulary};
use super::settings::Settings;
use super::settings::{object, token_id};
use super::{TokenizerError, chat_template};

/// Whether a file that is not JSON is one of a tokenizer, by its name in the checkpoint's directory.
pub(in crate::convert) fn is_file(name: &str) -> bool {
    const FILES: [&str; 9] = [
        TOKENIZER_MODEL,
        SENTENCE_PIECE_BPE_MODEL,
        SPIECE_MODEL,
        VOCAB_TXT,
        MERGES,
        QWEN_TIKTOKEN,
        HUNYUAN_TIKTOKEN,
        TOKENIZER_JSON_LINES,
        RWKV_VOCABULARY,
    ];
    FILES.contains(&name) || chat_template::is_file(name)
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

/// The number of a token of `tokenizer.json`, or of the older files.
///
/// # Errors
///
/// A file is malformed, or no such token is in it.
pub(in crate::convert) fn number_of(files: Files<'_>, text: &'static str) -> Result<u32, ConvertError> {
    let json = TokenizerJson::read(files)?;
    let missing = TokenizerError::MissingToken { file: TOKENIZER_JSON, token: text, role: "answer" };
    let older = object(files, VOCAB_JSON)?.unwrap_or_default();
    let older = older.get(text).map(|id| token_id(VOCAB_JSON, text, id)).transpose()?;
    let listed = json.and_then(|json| {
        let added = json.added_tokens.iter().find(|token| token.content == text).map(|token| token.id);
        let Vocabulary::Ids(own) = json.model.vocab else { return added };
        added.or_else(|| own.iter().find(|(token, _)| token == text).map(|(_, id)| *id))
    });
    Ok(listed.or(older).ok_or(missing)?)
}
