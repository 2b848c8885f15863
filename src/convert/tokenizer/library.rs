//! The tokenizer as the `tokenizers` library loads it, with what `tokenizer_config.json` adds.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::{Map, Value};
use tokenizers::{AddedToken, Tokenizer};

use super::json::TOKENIZER_JSON;
use crate::convert::ConvertError;
use crate::convert::files::Files;

/// The settings of the tokenizer's class.
pub(super) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";

/// Special tokens that a tokenizer's settings can name, in the order of the Python library.
pub(super) const SPECIAL_TOKENS: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// A loaded tokenizer.
pub(super) struct Library {
    tokenizer: Tokenizer,
    /// Tokens by id, added ones included.
    tokens: HashMap<u32, String>,
    added: HashMap<u32, AddedToken>,
    /// Texts of the tokens that have a role.
    special: Vec<String>,
    clean_up_spaces: bool,
}

impl Library {
    /// Loads `tokenizer.json` and adds the tokens that only the settings know.
    ///
    /// # Errors
    ///
    /// The library refuses the file, or there is none.
    pub(super) fn load(files: Files<'_>) -> Result<Self, ConvertError> {
        let bytes = files.bytes(TOKENIZER_JSON).ok_or(ConvertError::MissingFile {
            file: TOKENIZER_JSON,
            purpose: "it holds the vocabulary of the model",
        })?;
        let settings = settings(files)?;
        // The library is well tested, but the file is not ours: a panic must not take the process with it.
        let loaded = catch_unwind(AssertUnwindSafe(|| {
            let mut tokenizer = Tokenizer::from_bytes(bytes)?;
            let special = special_tokens(&settings);
            add_from_settings(&mut tokenizer, &settings, &special)?;
            Ok((tokenizer, special))
        }));
        let fails = |reason: String| ConvertError::tokenizer(TOKENIZER_JSON, reason);
        let (tokenizer, special) = loaded
            .map_err(|_| fails("the tokenizer cannot be loaded".to_owned()))?
            .map_err(|error: tokenizers::Error| fails(error.to_string()))?;
        let mut tokens = HashMap::new();
        for (token, id) in tokenizer.get_vocab(true) {
            if let Some(other) = tokens.insert(id, token) {
                return Err(fails(format!("tokens {other:?} and {:?} both have id {id}", tokens[&id])));
            }
        }
        let added = tokenizer.get_added_tokens_decoder().into_iter().collect();
        let clean_up_spaces =
            settings.get("clean_up_tokenization_spaces").and_then(Value::as_bool).unwrap_or(false);
        Ok(Self { tokenizer, tokens, added, special, clean_up_spaces })
    }

    pub(super) fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// How many tokens there are, added ones included.
    pub(super) fn len(&self) -> u64 {
        self.tokens.len() as u64
    }

    /// The largest id.
    pub(super) fn last_id(&self) -> u64 {
        self.tokens.keys().copied().max().map_or(0, u64::from)
    }

    /// How many tokens the model itself has.
    pub(super) fn model_len(&self) -> u32 {
        u32::try_from(self.tokenizer.get_vocab_size(false)).unwrap_or(u32::MAX)
    }

    pub(super) fn token(&self, id: u32) -> Option<&str> {
        self.tokens.get(&id).map(String::as_str)
    }

    pub(super) fn id(&self, token: &str) -> Option<u32> {
        self.tokenizer.token_to_id(token)
    }

    /// What is known of an added token.
    pub(super) fn added(&self, id: u32) -> Option<&AddedToken> {
        self.added.get(&id)
    }

    /// Ids of added tokens, ascending.
    pub(super) fn added_ids(&self) -> Vec<u32> {
        let mut ids: Vec<u32> = self.added.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// Whether a token has a role.
    pub(super) fn has_role(&self, token: &str) -> bool {
        self.special.iter().any(|special| special == token)
    }

    /// The text that a token stands for, found by encoding and decoding it.
    pub(super) fn normalized(&self, token: &str) -> String {
        let decoded = catch_unwind(AssertUnwindSafe(|| {
            let encoding = self.tokenizer.encode(token, false)?;
            self.tokenizer.decode(encoding.get_ids(), false)
        }));
        let text = decoded.ok().and_then(Result::ok).unwrap_or_else(|| token.to_owned());
        if self.clean_up_spaces { cleaned_up(text) } else { text }
    }
}

/// `tokenizer_config.json`, empty if there is none.
pub(super) fn settings(files: Files<'_>) -> Result<Map<String, Value>, ConvertError> {
    match files.json(TOKENIZER_CONFIG)? {
        None => Ok(Map::new()),
        Some(Value::Object(settings)) => Ok(settings),
        Some(_) => Err(ConvertError::tokenizer(TOKENIZER_CONFIG, "expected an object")),
    }
}

/// The text of a token, given as such or as an object.
pub(super) fn token_text(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.get("content").and_then(Value::as_str))
}

/// Texts of the tokens that the settings give a role, with the defaults of Llama's class.
fn special_tokens(settings: &Map<String, Value>) -> Vec<String> {
    let class = settings.get("tokenizer_class").and_then(Value::as_str).unwrap_or_default();
    let defaults: [(&str, &str); 3] = [("bos_token", "<s>"), ("eos_token", "</s>"), ("unk_token", "<unk>")];
    let of_class = |key: &str| {
        let llama = class.starts_with("LlamaTokenizer");
        defaults.iter().find(|(name, _)| llama && *name == key).map(|(_, token)| *token)
    };
    let mut special: Vec<String> = Vec::new();
    for key in SPECIAL_TOKENS {
        let text = match settings.get(key) {
            Some(value) => token_text(value),
            None => of_class(key),
        };
        special.extend(text.map(str::to_owned));
    }
    let additional = settings.get("additional_special_tokens").and_then(Value::as_array);
    special.extend(additional.into_iter().flatten().filter_map(token_text).map(str::to_owned));
    special
}

/// Adds tokens of the settings that the tokenizer's own file does not list as added: first those with ids, in their
/// order, then those with a role.
fn add_from_settings(
    tokenizer: &mut Tokenizer,
    settings: &Map<String, Value>,
    special: &[String],
) -> tokenizers::Result<()> {
    let known: Vec<String> =
        tokenizer.get_added_tokens_decoder().into_values().map(|token| token.content).collect();
    let mut listed: Vec<(u64, &Value)> = settings
        .get("added_tokens_decoder")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(id, token)| Some((id.parse().ok()?, token)))
        .collect();
    listed.sort_unstable_by_key(|(id, _)| *id);
    let mut added: Vec<AddedToken> = Vec::new();
    for (_, token) in listed {
        let Some(content) = token_text(token) else { continue };
        let flag = |key: &str| token.get(key).and_then(Value::as_bool);
        let is_special = flag("special").unwrap_or(false);
        added.push(
            AddedToken::from(content.to_owned(), is_special)
                .normalized(flag("normalized").unwrap_or(!is_special))
                .lstrip(flag("lstrip").unwrap_or(false))
                .rstrip(flag("rstrip").unwrap_or(false))
                .single_word(flag("single_word").unwrap_or(false)),
        );
    }
    for token in special {
        if !added.iter().any(|other| other.content == *token) {
            added.push(AddedToken::from(token.clone(), true).normalized(false));
        }
    }
    added.retain(|token| !known.contains(&token.content));
    tokenizer.add_tokens(added)?;
    Ok(())
}

/// What the Python library does to decoded text when its settings ask for it.
fn cleaned_up(text: String) -> String {
    const ABBREVIATIONS: [(&str, &str); 10] = [
        (" .", "."),
        (" ?", "?"),
        (" !", "!"),
        (" ,", ","),
        (" ' ", "'"),
        (" n't", "n't"),
        (" 'm", "'m"),
        (" 's", "'s"),
        (" 've", "'ve"),
        (" 're", "'re"),
    ];
    ABBREVIATIONS.iter().fold(text, |text, (spaced, joined)| text.replace(spaced, joined))
}
