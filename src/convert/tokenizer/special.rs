//! Tokens with a role, and what a tokenizer does around the text: gathered from `tokenizer.json`,
//! `tokenizer_config.json` and `config.json` (llama.cpp, `gguf-py/gguf/vocab.py`, `SpecialVocab`).

use serde_json::{Map, Value};

use super::super::chat_template::ChatTemplate;
use super::json::TokenizerJson;
use super::library::{self, token_text};
use super::post_processor;
use crate::convert::ConvertError;
use crate::convert::files::Files;
use crate::convert::parameters::Parameters;

/// The roles that are looked for, in order.
const ROLES: [&str; 7] = ["bos", "eos", "unk", "sep", "pad", "cls", "mask"];

/// Special tokens and settings of a tokenizer.
#[derive(Debug, Default)]
pub(in crate::convert) struct SpecialTokens {
    pub(super) roles: Vec<&'static str>,
    /// Ids by role, in the order found.
    ids: Vec<(&'static str, u64)>,
    /// Whether the token of a role is added to every text, in the order found.
    add: Vec<(&'static str, bool)>,
    chat_template: Option<ChatTemplate>,
    lowercase: Option<bool>,
    strip_accents: Option<bool>,
    /// Ids from here on are not taken.
    limit: Option<u64>,
}

impl SpecialTokens {
    /// Gathers what the files say; ids outside of the vocabulary are passed over where its size is given.
    pub(super) fn load(
        files: Files<'_>,
        json: Option<&TokenizerJson>,
        limit: Option<u64>,
    ) -> Result<Self, ConvertError> {
        let mut special = Self { roles: ROLES.to_vec(), limit, ..Self::default() };
        let mut settings = library::settings(files)?;
        if let Some(json) = json {
            if let Some(normalizer) = &json.normalizer {
                special.read_normalizer(normalizer, 8);
            }
            post_processor::read(json, files.has(library::TOKENIZER_CONFIG), &mut settings, &mut special);
        }
        if files.has(library::TOKENIZER_CONFIG) {
            special.chat_template = ChatTemplate::load(files, &settings)?;
            special.read_settings(&settings, json);
        }
        special.read_configuration(files)?;
        Ok(special)
    }

    /// Gives a role to an id, unless the role is taken or the id is outside of the vocabulary.
    pub(in crate::convert) fn set(&mut self, role: &'static str, id: u64) {
        if self.limit.is_none_or(|limit| id < limit) && self.id(role).is_none() {
            self.ids.push((role, id));
        }
    }

    pub(super) fn id(&self, role: &str) -> Option<u64> {
        self.ids.iter().find(|(taken, _)| *taken == role).map(|(_, id)| *id)
    }

    /// States whether the token of a role is added to every text; what is stated later counts.
    pub(super) fn set_add(&mut self, role: &'static str, add: bool) {
        match self.add.iter_mut().find(|(known, _)| *known == role) {
            Some((_, known)) => *known = add,
            None => self.add.push((role, add)),
        }
    }

    /// As [`set_add`](Self::set_add), unless something has been stated.
    pub(super) fn set_add_default(&mut self, role: &'static str, add: bool) {
        if !self.add.iter().any(|(known, _)| *known == role) {
            self.add.push((role, add));
        }
    }

    /// Normalizers nest; deeper ones than any real tokenizer has are passed over.
    fn read_normalizer(&mut self, normalizer: &Value, depth: u32) {
        match normalizer.get("type").and_then(Value::as_str) {
            Some("Lowercase") => self.lowercase = Some(true),
            Some("StripAccents") => self.strip_accents = Some(true),
            Some("BertNormalizer") => {
                let flag = |key: &str| normalizer.get(key).and_then(Value::as_bool);
                self.lowercase = flag("lowercase").or(self.lowercase);
                self.strip_accents = flag("strip_accents").or(self.strip_accents);
            }
            Some("Sequence") if depth > 0 => {
                let parts = normalizer.get("normalizers").and_then(Value::as_array);
                parts.into_iter().flatten().for_each(|part| self.read_normalizer(part, depth - 1));
            }
            _ => {}
        }
    }

    fn read_settings(&mut self, settings: &Map<String, Value>, json: Option<&TokenizerJson>) {
        for role in self.roles.clone() {
            if let Some(add) = settings.get(&format!("add_{role}_token")).and_then(Value::as_bool) {
                self.set_add_default(role, add);
            }
            let token = settings.get(&format!("{role}_token")).and_then(token_text);
            if let Some(id) = token.and_then(|token| json?.added_id(token)) {
                self.set(role, id);
            }
        }
    }

    fn read_configuration(&mut self, files: Files<'_>) -> Result<(), ConvertError> {
        let Some(configuration) = files.json("config.json")? else { return Ok(()) };
        let text = configuration.get("text_config");
        for role in self.roles.clone() {
            let key = format!("{role}_token_id");
            let stated = configuration.get(&key).filter(|id| !id.is_null());
            if let Some(id) = stated.or_else(|| text?.get(&key)).and_then(Value::as_u64) {
                self.set(role, id);
            }
        }
        Ok(())
    }

    /// Writes all but merges.
    pub(super) fn write(&self, out: &mut Parameters) {
        for (role, id) in &self.ids {
            if let (Some(key), Ok(id)) = (id_key(role), u32::try_from(*id)) {
                out.set_plain(key, id);
            }
        }
        for (role, add) in &self.add {
            if matches!(*role, "bos" | "eos" | "sep") {
                out.set_plain(&format!("tokenizer.ggml.add_{role}_token"), *add);
            }
        }
        if let Some(template) = &self.chat_template {
            template.write(out);
        }
        let normalizer = [("lowercase", self.lowercase), ("strip_accents", self.strip_accents)];
        for (name, value) in normalizer {
            if let Some(value) = value {
                out.set_plain(&format!("tokenizer.ggml.normalizer.{name}"), value);
            }
        }
    }

    /// Writes the merges of a byte-pair vocabulary and everything else.
    pub(super) fn write_with_merges(
        &self,
        json: Option<TokenizerJson>,
        files: Files<'_>,
        out: &mut Parameters,
    ) -> Result<(), ConvertError> {
        let mut merges: Vec<String> =
            json.into_iter().flat_map(|json| json.model.merges).map(|merge| merge.0).collect();
        if merges.is_empty() {
            merges = merges_file(files)?;
        }
        if !merges.is_empty() {
            out.set_plain("tokenizer.ggml.merges", merges);
        }
        self.write(out);
        Ok(())
    }
}

/// Merges of older tokenizers, one a line after a comment.
fn merges_file(files: Files<'_>) -> Result<Vec<String>, ConvertError> {
    let text = files.text("merges.txt")?.unwrap_or_default();
    let lines = text.lines().enumerate().filter(|(index, line)| *index > 0 || !line.starts_with('#'));
    let pairs = lines.filter_map(|(_, line)| {
        let mut parts = line.split_whitespace();
        let pair = (parts.next()?, parts.next()?);
        parts.next().is_none().then(|| format!("{} {}", pair.0, pair.1))
    });
    Ok(pairs.collect())
}

/// The key that holds the id of a role; some roles have none.
fn id_key(role: &str) -> Option<&'static str> {
    Some(match role {
        "bos" => "tokenizer.ggml.bos_token_id",
        "eos" => "tokenizer.ggml.eos_token_id",
        "eot" => "tokenizer.ggml.eot_token_id",
        "eom" => "tokenizer.ggml.eom_token_id",
        "unk" => "tokenizer.ggml.unknown_token_id",
        // The misspelling is the specification's.
        "sep" => "tokenizer.ggml.seperator_token_id",
        "pad" => "tokenizer.ggml.padding_token_id",
        "mask" => "tokenizer.ggml.mask_token_id",
        _ => return None,
    })
}
