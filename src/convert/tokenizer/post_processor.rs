//! What a tokenizer's post-processor says about the tokens around a text: which is put first, which last, and which
//! between two texts (llama.cpp, `gguf-py/gguf/vocab.py`).

use serde_json::{Map, Value};

use super::json::TokenizerJson;
use super::library::token_text;
use super::special::SpecialTokens;

/// Reads the post-processor into `special`, and the roles that it implies into `settings`.
pub(super) fn read(
    json: &TokenizerJson,
    has_settings: bool,
    settings: &mut Map<String, Value>,
    special: &mut SpecialTokens,
) {
    let mut roles = Roles { has_settings, settings, special };
    roles.inherit("bos_token", "cls_token");
    roles.inherit("eos_token", "sep_token");
    let Some(processor) = json.post_processor.as_ref() else { return };
    match processor.get("processors").and_then(Value::as_array) {
        Some(processors) => processors.iter().for_each(|processor| roles.processor(processor)),
        None => roles.processor(processor),
    }
}

struct Roles<'a> {
    has_settings: bool,
    settings: &'a mut Map<String, Value>,
    special: &'a mut SpecialTokens,
}

impl Roles<'_> {
    fn token(&self, key: &str) -> Option<String> {
        let token = self.settings.get(key).and_then(token_text);
        token.filter(|token| !token.is_empty()).map(str::to_owned)
    }

    fn assign(&mut self, key: &str, token: &str) {
        self.settings.insert(key.to_owned(), Value::from(token));
    }

    /// A role that nothing has is taken over from another.
    fn inherit(&mut self, key: &str, from: &str) {
        if self.token(key).is_none()
            && let Some(token) = self.token(from)
        {
            self.assign(key, &token);
        }
    }

    fn processor(&mut self, processor: &Value) {
        match processor.get("type").and_then(Value::as_str) {
            Some("ByteLevel") => {
                self.special.set_add_default("bos", false);
                self.special.set_add_default("eos", false);
            }
            Some("RobertaProcessing") => {
                for role in ["bos", "eos", "sep"] {
                    self.special.set_add(role, true);
                }
                for (key, field) in [("cls_token", "cls"), ("sep_token", "sep")] {
                    let token = processor.get(field).and_then(|pair| pair.get(0)).and_then(Value::as_str);
                    if self.has_settings
                        && self.token(key).is_none()
                        && let Some(token) = token
                    {
                        self.assign(key, token);
                    }
                }
            }
            Some("TemplateProcessing") => self.template(processor),
            _ => {}
        }
    }

    fn template(&mut self, processor: &Value) {
        let items = |key: &str| processor.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let (single, pair) = (items("single"), items("pair"));
        let (mut first, mut last) = (None, None);
        if let [start, .., end] = single {
            first = special_of(start);
            last = special_of(end);
        }
        if let Some(first) = first {
            self.starts_with(first);
        }
        if let Some(last) = last {
            self.ends_with(last);
        }
        self.between(pair, first, last);
    }

    fn starts_with(&mut self, first: &str) {
        let is_known = |roles: &Self| {
            [roles.token("bos_token"), roles.token("cls_token")]
                .into_iter()
                .flatten()
                .any(|token| token == first)
        };
        if !is_known(self) {
            for key in ["bos_token", "cls_token"] {
                if self.token(key).is_none() {
                    self.assign(key, first);
                }
            }
        }
        let add = is_known(self);
        self.special.set_add("bos", add);
    }

    fn ends_with(&mut self, last: &str) {
        let end = self.token("eos_token");
        if end.as_deref() != Some(last) {
            // What the settings call the end of a text is then the end of a turn or of a message.
            let spare = [("eot", "eot_token"), ("eom", "eom_token")];
            let role = spare.into_iter().find(|(role, _)| !self.special.roles.contains(role));
            if let Some((role, key)) = role.filter(|_| self.has_settings) {
                self.special.roles.push(role);
                self.settings.insert(key.to_owned(), end.map_or(Value::Null, Value::from));
            }
            self.assign("eos_token", last);
        }
        self.special.set_add("eos", true);
    }

    /// Tokens between two texts.
    fn between(&mut self, pair: &[Value], first: Option<&str>, last: Option<&str>) {
        let at =
            |item: Option<&Value>, token: Option<&str>| token.is_some() && item.and_then(special_of) == token;
        let start = usize::from(at(pair.first(), first));
        let end = pair.len() - usize::from(pair.len() > start && at(pair.last(), last));
        let [one, middle @ .., two] = &pair[start..end] else { return };
        if middle.is_empty() || sequence_of(one) != Some("A") || sequence_of(two) != Some("B") {
            return;
        }
        let (separator, ending) = (self.token("sep_token"), self.token("eos_token"));
        let separates = |item: &Value| {
            let token = special_of(item);
            token.is_some() && (token == separator.as_deref() || token == ending.as_deref())
        };
        let add = match middle {
            [one] => separates(one) && last.is_none(),
            [one, two] => (separates(one) && last.is_none()) || separates(two),
            _ => separates(&middle[0]) && last.is_none(),
        };
        self.special.set_add("sep", add);
        if add
            && separator.is_none()
            && self.has_settings
            && let Some(ending) = ending
        {
            self.assign("sep_token", &ending);
        }
    }
}

fn special_of(item: &Value) -> Option<&str> {
    item.get("SpecialToken")?.get("id")?.as_str().filter(|token| !token.is_empty())
}

fn sequence_of(item: &Value) -> Option<&str> {
    item.get("Sequence")?.get("id")?.as_str()
}
