//! `tokenizer_config.json` and the files beside it: what the class of a tokenizer adds to its file.

use serde_json::{Map, Value};

use super::super::ConvertError;
use super::super::files::Files;
use super::TokenizerError;
use super::json::AddedToken;

/// What the file is called.
pub(super) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
/// Roles of tokens that a class knows by itself: the start of its name, and texts by key.
const OF_CLASS: [(&str, &[(&str, &str)]); 3] = [
    ("LlamaTokenizer", &[("bos_token", "<s>"), ("eos_token", "</s>"), ("unk_token", "<unk>")]),
    ("CodeLlamaTokenizer", &[("bos_token", "<s>"), ("eos_token", "</s>"), ("unk_token", "<unk>")]),
    (
        "GemmaTokenizer",
        &[("bos_token", "<bos>"), ("eos_token", "<eos>"), ("unk_token", "<unk>"), ("pad_token", "<pad>")],
    ),
];

const SPECIAL_TOKENS_MAP: &str = "special_tokens_map.json";
/// Tokens beside the vocabulary, from before they stood in the settings.
pub(super) const ADDED_TOKENS: &str = "added_tokens.json";

/// The keys of tokens with a role, in the order of the `transformers` library.
const ROLES: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// The settings of a tokenizer's class.
#[derive(Debug, Default)]
pub(super) struct Settings {
    /// `tokenizer_config.json`; empty where there is none.
    pub(super) values: Map<String, Value>,
    /// `special_tokens_map.json`, which counts only where the settings list no added tokens.
    legacy: Map<String, Value>,
}

impl Settings {
    pub(super) fn read(files: Files<'_>) -> Result<Self, ConvertError> {
        let values = object(files, TOKENIZER_CONFIG)?.unwrap_or_default();
        let legacy = match values.contains_key("added_tokens_decoder") {
            true => Map::new(),
            false => object(files, SPECIAL_TOKENS_MAP)?.unwrap_or_default(),
        };
        Ok(Self { values, legacy })
    }

    /// The name of the tokenizer's class, such as `LlamaTokenizerFast`.
    pub(super) fn class(&self) -> &str {
        self.values.get("tokenizer_class").and_then(Value::as_str).unwrap_or_default()
    }

    /// A truth value, if there is one.
    pub(super) fn flag(&self, key: &str) -> Option<bool> {
        self.values.get(key).and_then(Value::as_bool)
    }

    /// The text of the token with a role, such as `bos_token`.
    pub(super) fn token(&self, key: &str) -> Option<&str> {
        self.legacy.get(key).or_else(|| self.values.get(key)).and_then(text_of)
    }

    /// The texts of all tokens that have a role or are listed as special.
    pub(super) fn special_tokens(&self) -> Vec<&str> {
        let key = "additional_special_tokens";
        let additional = self.legacy.get(key).or_else(|| self.values.get(key)).and_then(Value::as_array);
        let additional = additional.into_iter().flatten().filter_map(text_of);
        ROLES.iter().filter_map(|role| self.token_or_default(role)).chain(additional).collect()
    }

    fn token_or_default(&self, key: &str) -> Option<&str> {
        if self.values.contains_key(key) || self.legacy.contains_key(key) {
            return self.token(key);
        }
        let (_, tokens) = OF_CLASS.iter().find(|(class, _)| self.class().starts_with(class))?;
        tokens.iter().find(|(known, _)| *known == key).map(|(_, text)| *text)
    }

    /// The tokens of `added_tokens_decoder` in the order of their numbers.
    pub(super) fn added_tokens(&self) -> Result<Vec<AddedToken>, TokenizerError> {
        const FIELD: &str = "added_tokens_decoder";
        let bad = |field: String, got: &Value, expected| {
            TokenizerError::bad_field(TOKENIZER_CONFIG, field, got, expected)
        };
        let listed = match self.values.get(FIELD) {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Object(listed)) => listed,
            Some(other) => return Err(bad(FIELD.to_owned(), other, "an object")),
        };
        let token = |(id, value): (&String, &Value)| {
            let id_value: u32 = id
                .parse()
                .map_err(|_| TokenizerError::bad_field(TOKENIZER_CONFIG, FIELD, id, "token ids as keys"))?;
            let content = value.get("content").and_then(Value::as_str);
            let content = content.ok_or_else(|| {
                bad(
                    format!("{FIELD}, {id}, content"),
                    value.get("content").unwrap_or(&Value::Null),
                    "a string",
                )
            })?;
            let flag = |key: &str| value.get(key).and_then(Value::as_bool);
            let special = flag("special").unwrap_or(false);
            let normalized = flag("normalized").unwrap_or(!special);
            Ok(AddedToken { id: id_value, content: content.to_owned(), special, normalized })
        };
        let mut tokens: Vec<AddedToken> = listed.iter().map(token).collect::<Result<_, _>>()?;
        tokens.sort_by_key(|token| token.id);
        Ok(tokens)
    }
}

/// `added_tokens.json`: texts and numbers.
pub(super) fn added_tokens_file(files: Files<'_>) -> Result<Vec<(String, u32)>, ConvertError> {
    let tokens = object(files, ADDED_TOKENS)?.unwrap_or_default();
    let id = |(text, value): (String, Value)| {
        let id = token_id(ADDED_TOKENS, &text, &value)?;
        Ok((text, id))
    };
    tokens.into_iter().map(id).collect()
}

/// The number of a token of a file that maps texts to numbers.
pub(super) fn token_id(file: &'static str, text: &str, value: &Value) -> Result<u32, TokenizerError> {
    let id = value.as_u64().and_then(|id| u32::try_from(id).ok());
    id.ok_or_else(|| TokenizerError::bad_field(file, text, value, "a token id"))
}

/// The text of a token that is given as such or as an object.
pub(super) fn text_of(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.get("content").and_then(Value::as_str))
}

/// A file that holds a JSON object.
pub(super) fn object(
    files: Files<'_>,
    file: &'static str,
) -> Result<Option<Map<String, Value>>, ConvertError> {
    match files.json(file)? {
        None => Ok(None),
        Some(Value::Object(values)) => Ok(Some(values)),
        Some(other) => Err(TokenizerError::bad_field(file, "the whole", &other, "an object").into()),
    }
}
