//! Files from before `tokenizer.json`, in its notation: `vocab.json` with `merges.txt`, and `vocab.txt`.

use serde_json::{Map, Value, json};

use super::super::ConvertError;
use super::super::files::Files;
use super::TokenizerError;
use super::file_names::{MERGES, Origin, VOCAB_JSON, VOCAB_TXT};
use super::pre_tokenizer::QWEN2;
use super::settings::{Settings, added_tokens_file, object, token_id};

/// The files of byte pairs.
pub(super) const BYTE_PAIR: Origin = Origin { vocabulary: VOCAB_JSON, merges: MERGES };
/// The file of WordPiece, which has no merges.
pub(super) const WORD_PIECE: Origin = Origin { vocabulary: VOCAB_TXT, merges: VOCAB_TXT };

/// A byte-level byte-pair tokenizer as the class in the settings makes it from older files.
///
/// # Errors
///
/// A file is missing or malformed.
pub(super) fn byte_pair(files: Files<'_>, settings: &Settings) -> Result<String, ConvertError> {
    let missing = |file| TokenizerError::Missing { files: vec![file] };
    let vocabulary = object(files, VOCAB_JSON)?.ok_or_else(|| missing(VOCAB_JSON))?;
    vocabulary.iter().try_for_each(|(text, id)| token_id(VOCAB_JSON, text, id).map(drop))?;
    let merges = merges_of_text(files.text(MERGES)?.ok_or_else(|| missing(MERGES))?);
    // Other classes split as GPT-2.
    let is_qwen2 = ["Qwen2Tokenizer", "DreamTokenizer"].iter().any(|name| settings.class().starts_with(name));
    let pre_tokenizer = match is_qwen2 {
        true => json!({"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": QWEN2}, "behavior": "Isolated", "invert": false},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
        ]}),
        false => {
            json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true})
        }
    };
    let special = settings.special_tokens();
    let added: Vec<Value> = added_tokens_file(files)?
        .iter()
        .map(|(text, id)| added_token(text, *id, special.contains(&text.as_str())))
        .collect();
    Ok(json!({
        "version": "1.0",
        "added_tokens": added,
        "normalizer": is_qwen2.then(|| json!({"type": "NFC"})),
        "pre_tokenizer": pre_tokenizer,
        "post_processor":
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": true},
        "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "vocab": vocabulary, "merges": merges},
    })
    .to_string())
}

/// A WordPiece tokenizer as BERT's class makes it from older files.
///
/// # Errors
///
/// The file is missing or has too many tokens.
pub(super) fn word_piece(files: Files<'_>, settings: &Settings) -> Result<String, ConvertError> {
    let text = files.text(VOCAB_TXT)?.ok_or_else(|| TokenizerError::Missing { files: vec![VOCAB_TXT] })?;
    let vocabulary: Map<String, Value> =
        text.lines().zip(0_u32..).map(|(token, id)| (token.to_owned(), id.into())).collect();
    let role = |key: &str, default: &'static str| settings.token(key).unwrap_or(default).to_owned();
    let unknown = role("unk_token", "[UNK]");
    let (end, start) = (role("sep_token", "[SEP]"), role("cls_token", "[CLS]"));
    let roles = [
        role("pad_token", "[PAD]"),
        unknown.clone(),
        start.clone(),
        end.clone(),
        role("mask_token", "[MASK]"),
    ];
    let id =
        |token: &str| vocabulary.get(token).and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
    let added: Vec<Value> =
        roles.iter().filter_map(|token| Some(added_token(token, id(token)?, true))).collect();
    let around = id(&start)
        .zip(id(&end))
        .map(|(first, last)| json!({"type": "BertProcessing", "sep": [end, last], "cls": [start, first]}));
    Ok(json!({
        "version": "1.0",
        "added_tokens": added,
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": true,
            "handle_chinese_chars": settings.flag("tokenize_chinese_chars").unwrap_or(true),
            "strip_accents": settings.flag("strip_accents"),
            "lowercase": settings.flag("do_lower_case").unwrap_or(true),
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": around,
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {
            "type": "WordPiece",
            "unk_token": unknown,
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocabulary,
        },
    })
    .to_string())
}

fn added_token(text: &str, id: u32, special: bool) -> Value {
    json!({
        "id": id,
        "content": text,
        "single_word": false,
        "lstrip": false,
        "rstrip": false,
        "normalized": !special,
        "special": special,
    })
}

/// A merge a line; lines of another kind, and a first line that says which version it is, are no merges.
pub(super) fn merges_of_text(text: &str) -> Vec<String> {
    let has_version = text.lines().next().is_some_and(|line| line.trim_start().starts_with('#'));
    let merge = |line: &str| match line.split_whitespace().collect::<Vec<_>>()[..] {
        [left, right] => Some(format!("{left} {right}")),
        _ => None,
    };
    text.lines().skip(usize::from(has_version)).filter_map(merge).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_stand_one_a_line() {
        assert_eq!(merges_of_text("#version: 0.2\na b\n\nc d e\n# x\n"), ["a b", "# x"]);
        assert_eq!(merges_of_text("a b\r\nc d"), ["a b", "c d"]);
    }
}
