//! Which token begins a text, which ends it, and so on, and whether they are put around a text.
//!
//! The order of precedence, and the order in which the pairs are written, are those of gguf-py's
//! `SpecialVocab` (llama.cpp, `gguf-py/gguf/vocab.py`): tokens that the settings name, by their number among
//! the added tokens of `tokenizer.json`; then numbers in `config.json`.

use serde_json::{Map, Value};

use super::super::ConvertError;
use super::TokenizerWarning;
use super::inputs::Inputs;
use super::json::AddedToken;
use super::settings::{object, text_of};
use super::surrounding::Surrounding;
use crate::gguf::Metadata;

const CONFIG: &str = "config.json";

/// The roles that a model file has keys for, and the keys.
const KEYS: [(&str, &str); 8] = [
    ("bos", "tokenizer.ggml.bos_token_id"),
    ("eos", "tokenizer.ggml.eos_token_id"),
    ("eot", "tokenizer.ggml.eot_token_id"),
    ("eom", "tokenizer.ggml.eom_token_id"),
    ("unk", "tokenizer.ggml.unknown_token_id"),
    ("sep", "tokenizer.ggml.seperator_token_id"),
    ("pad", "tokenizer.ggml.padding_token_id"),
    ("mask", "tokenizer.ggml.mask_token_id"),
];

/// The roles in the order in which the files are asked for them.
const ROLES: [&str; 7] = ["bos", "eos", "unk", "sep", "pad", "cls", "mask"];

/// The tokens with roles.
#[derive(Debug)]
pub(super) struct SpecialTokens {
    /// In the order in which they were found.
    ids: Vec<(&'static str, u32)>,
    surrounding: Surrounding,
    lowercase: Option<bool>,
    strip_accents: Option<bool>,
}

impl SpecialTokens {
    /// Finds the tokens. Numbers that are negative or, where `size` is given, not less than it, are left out.
    pub(super) fn find(
        inputs: &Inputs<'_>,
        size: Option<u64>,
        warnings: &mut Vec<TokenizerWarning>,
    ) -> Result<Self, ConvertError> {
        let json = inputs.original();
        let mut found = Self {
            ids: Vec::new(),
            surrounding: Surrounding::default(),
            lowercase: None,
            strip_accents: None,
        };
        let mut values = inputs.settings.values.clone();
        if let Some(json) = json {
            found.read_normalizer(&json.normalizer);
            found.surrounding.read(&json.post_processor, &mut values);
        }
        let added = json.map_or(&[][..], |json| &json.added_tokens);
        let mut roles: Vec<&'static str> = ROLES.to_vec();
        roles.extend(found.surrounding.further_roles());
        let config = object(inputs.files, CONFIG)?.unwrap_or_default();
        let number = |role: &str| config.get(&format!("{role}_token_id")).and_then(Value::as_i64);
        let denied = |role: &str| number(role).is_some_and(|number| number < 0);
        roles.retain(|role| !(inputs.flavour.deniable_roles.contains(role) && denied(role)));
        for role in &roles {
            found.read_settings(role, &values, added, size, warnings);
        }
        for role in &roles {
            found.read_config(role, &config, size, warnings);
        }
        Ok(found)
    }

    /// The number of the token with a role.
    pub(super) fn id(&self, role: &str) -> Option<u32> {
        self.ids.iter().find(|(known, _)| *known == role).map(|(_, id)| *id)
    }

    /// Gives a token a role that no token has yet.
    pub(super) fn set_if_open(&mut self, role: &'static str, id: u32) {
        if self.id(role).is_none() {
            self.ids.push((role, id));
        }
    }

    /// Whether no token has a role.
    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Gives a role that a token has to another one.
    pub(super) fn replace(&mut self, role: &str, id: u32) {
        if let Some((_, known)) = self.ids.iter_mut().find(|(known, _)| *known == role) {
            *known = id;
        }
    }

    /// Writes the numbers and whether the tokens are put around a text.
    pub(super) fn write(&self, metadata: &mut Metadata) {
        for (role, id) in &self.ids {
            write_role(role, *id, metadata);
        }
        self.surrounding.write(metadata);
    }

    /// Writes how text is normalized.
    pub(super) fn write_normalizer(&self, metadata: &mut Metadata) {
        if let Some(lowercase) = self.lowercase {
            metadata.set("tokenizer.ggml.normalizer.lowercase", lowercase);
        }
        if let Some(strip_accents) = self.strip_accents {
            metadata.set("tokenizer.ggml.normalizer.strip_accents", strip_accents);
        }
    }

    /// Recursion ends: the JSON parser does not nest deeper than 128 levels.
    fn read_normalizer(&mut self, normalizer: &Value) {
        match normalizer.get("type").and_then(Value::as_str) {
            Some("Lowercase") => self.lowercase = Some(true),
            Some("StripAccents") => self.strip_accents = Some(true),
            Some("BertNormalizer") => {
                if let Some(lowercase) = normalizer.get("lowercase") {
                    self.lowercase = lowercase.as_bool();
                }
                if let Some(strip_accents) = normalizer.get("strip_accents") {
                    self.strip_accents = strip_accents.as_bool();
                }
            }
            Some("Sequence") => {
                let parts = normalizer.get("normalizers").and_then(Value::as_array);
                parts.into_iter().flatten().for_each(|part| self.read_normalizer(part));
            }
            _ => {}
        }
    }

    fn read_settings(
        &mut self,
        role: &'static str,
        values: &Map<String, Value>,
        added: &[AddedToken],
        size: Option<u64>,
        warnings: &mut Vec<TokenizerWarning>,
    ) {
        if let Some(add) = values.get(&format!("add_{role}_token")).and_then(Value::as_bool) {
            self.surrounding.set_if_open(role, add);
        }
        let text = values.get(&format!("{role}_token")).and_then(text_of);
        let token = text.and_then(|text| added.iter().find(|token| token.content == text));
        if let Some(token) = token {
            self.set_checked(role, token.id.into(), size, warnings);
        }
    }

    fn read_config(
        &mut self,
        role: &'static str,
        config: &Map<String, Value>,
        size: Option<u64>,
        warnings: &mut Vec<TokenizerWarning>,
    ) {
        let key = format!("{role}_token_id");
        let id = config.get(&key).filter(|id| !id.is_null()).or_else(|| config.get("text_config")?.get(&key));
        // Lists of several ids, which some roles have, are not a number.
        if let Some(id) = id.and_then(Value::as_i64) {
            self.set_checked(role, id, size, warnings);
        }
    }

    fn set_checked(
        &mut self,
        role: &'static str,
        id: i64,
        size: Option<u64>,
        warnings: &mut Vec<TokenizerWarning>,
    ) {
        match u32::try_from(id) {
            Ok(id) if size.is_none_or(|size| u64::from(id) < size) => self.set_if_open(role, id),
            _ => warnings.push(TokenizerWarning::SpecialTokenLeftOut { role, id }),
        }
    }
}

/// Writes the number of the token with a role; some roles have no key.
pub(super) fn write_role(role: &str, id: u32, metadata: &mut Metadata) {
    if let Some((_, key)) = KEYS.iter().find(|(known, _)| *known == role) {
        metadata.set(*key, id);
    }
}
