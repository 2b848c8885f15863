//! Whether special tokens are put around a text: `add_bos_token` and its kin.
//!
//! What the post-processor of `tokenizer.json` does goes before what the settings say, since the library does
//! it either way. Only plain templates are understood, as in gguf-py's `SpecialVocab` (llama.cpp,
//! `gguf-py/gguf/vocab.py`).

use serde_json::{Map, Value};

use crate::gguf::Metadata;

/// The truth values by role, in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct Surrounding {
    add: Vec<(&'static str, bool)>,
    /// Roles that came up because a template ends texts with another token than the settings say.
    further: Vec<&'static str>,
}

/// What the settings say of the tokens around a text. Values are kept as JSON: a token that is given as an
/// object is never the same as one that is named in a template.
struct Named<'a> {
    settings: &'a mut Map<String, Value>,
    /// Whether there are any settings.
    given: bool,
    bos: Value,
    cls: Value,
    eos: Value,
    sep: Value,
}

impl Surrounding {
    /// Reads the post-processor and completes the settings with what it knows better.
    pub(super) fn read(&mut self, post_processor: &Value, settings: &mut Map<String, Value>) {
        let given = !settings.is_empty();
        let value = |key: &str| settings.get(key).cloned().unwrap_or_default();
        let (bos, cls, eos, sep) =
            (value("bos_token"), value("cls_token"), value("eos_token"), value("sep_token"));
        let mut named = Named { settings, given, bos, cls, eos, sep };
        if !is_set(&named.bos) && is_set(&named.cls) && given {
            named.bos = named.cls.clone();
            named.settings.insert("bos_token".to_owned(), named.bos.clone());
        }
        if !is_set(&named.eos) && is_set(&named.sep) && given {
            named.eos = named.sep.clone();
            named.settings.insert("eos_token".to_owned(), named.eos.clone());
        }
        let one = std::slice::from_ref(post_processor);
        let steps = post_processor.get("processors").and_then(Value::as_array).map_or(one, Vec::as_slice);
        for step in steps {
            match step.get("type").and_then(Value::as_str) {
                Some("ByteLevel") => {
                    self.set_if_open("bos", false);
                    self.set_if_open("eos", false);
                }
                Some("RobertaProcessing") => self.read_roberta(step, &mut named),
                Some("TemplateProcessing") => self.read_template(step, &mut named),
                _ => {}
            }
        }
    }

    /// Roles beside the usual ones.
    pub(super) fn further_roles(&self) -> impl Iterator<Item = &'static str> {
        self.further.iter().copied()
    }

    /// Sets whether a token is added where nothing better is known.
    pub(super) fn set_if_open(&mut self, role: &'static str, add: bool) {
        if !self.add.iter().any(|(known, _)| *known == role) {
            self.add.push((role, add));
        }
    }

    /// Writes the truth values that a model file has keys for.
    pub(super) fn write(&self, metadata: &mut Metadata) {
        for (role, add) in self.add.iter().filter(|(role, _)| ["bos", "eos", "sep"].contains(role)) {
            metadata.set(format!("tokenizer.ggml.add_{role}_token"), *add);
        }
    }

    fn set(&mut self, role: &'static str, add: bool) {
        match self.add.iter_mut().find(|(known, _)| *known == role) {
            Some((_, value)) => *value = add,
            None => self.add.push((role, add)),
        }
    }

    fn read_roberta(&mut self, step: &Value, named: &mut Named<'_>) {
        for role in ["bos", "eos", "sep"] {
            self.set(role, true);
        }
        let token = |key: &str, other: &Value| match step.get(key) {
            Some(pair) => pair.get(0).cloned().unwrap_or_default(),
            None => other.clone(),
        };
        if !is_set(&named.cls) && named.given {
            named.cls = token("cls", &named.bos);
            named.settings.insert("cls_token".to_owned(), named.cls.clone());
        }
        if !is_set(&named.sep) && named.given {
            named.sep = token("sep", &named.eos);
            named.settings.insert("sep_token".to_owned(), named.sep.clone());
        }
    }

    fn read_template(&mut self, step: &Value, named: &mut Named<'_>) {
        let single = items(step, "single");
        let (mut first, mut last) = (Value::Null, Value::Null);
        if let [begin, .., end] = single {
            first = special(begin);
            last = special(end);
        }
        if is_set(&first) {
            self.read_first(&first, named);
        }
        if is_set(&last) {
            self.read_last(&last, named);
        }
        let pair = items(step, "pair");
        let skip = usize::from(is_set(&first) && pair.first().is_some_and(|item| special(item) == first));
        let cut = usize::from(is_set(&last) && pair.last().is_some_and(|item| special(item) == last));
        let inner = pair.get(skip..pair.len().saturating_sub(cut)).unwrap_or_default();
        if let [a, between @ .., b] = inner
            && sequence(a) == Some("A")
            && sequence(b) == Some("B")
            && let [separator, rest @ ..] = between
        {
            self.read_separator(separator, rest, is_set(&last), named);
        }
    }

    fn read_first(&mut self, first: &Value, named: &mut Named<'_>) {
        if !named.given {
            named.bos = first.clone();
        } else if *first != named.bos && *first != named.cls {
            if !is_set(&named.bos) {
                named.bos = first.clone();
                named.settings.insert("bos_token".to_owned(), first.clone());
            }
            if !is_set(&named.cls) {
                named.cls = first.clone();
                named.settings.insert("cls_token".to_owned(), first.clone());
            }
        }
        self.set("bos", *first == named.bos || *first == named.cls);
    }

    fn read_last(&mut self, last: &Value, named: &mut Named<'_>) {
        if !named.given {
            named.eos = last.clone();
        } else if *last != named.eos {
            // What ended texts so far ends turns from now on.
            for (role, key) in [("eot", "eot_token"), ("eom", "eom_token")] {
                if !self.further.contains(&role) {
                    self.further.push(role);
                    named.settings.insert(key.to_owned(), named.eos.clone());
                    break;
                }
            }
            named.eos = last.clone();
            named.settings.insert("eos_token".to_owned(), last.clone());
        }
        self.set("eos", *last == named.eos);
    }

    fn read_separator(&mut self, separator: &Value, rest: &[Value], ends: bool, named: &mut Named<'_>) {
        let separates = |item: &Value| {
            let token = special(item);
            is_set(&token) && (token == named.sep || token == named.eos)
        };
        let second = matches!(rest, [item] if separates(item));
        let add = (separates(separator) && !ends) || second;
        self.set("sep", add);
        if add && !is_set(&named.sep) && named.given {
            named.settings.insert("sep_token".to_owned(), named.eos.clone());
        }
    }
}

/// Whether a token is named: neither null nor empty.
fn is_set(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Object(fields) => !fields.is_empty(),
        _ => true,
    }
}

fn items<'a>(step: &'a Value, key: &str) -> &'a [Value] {
    step.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The special token of a template's item, or null.
fn special(item: &Value) -> Value {
    item.get("SpecialToken").and_then(|token| token.get("id")).cloned().unwrap_or_default()
}

/// The text of a template's item: the first, `A`, or the second, `B`.
fn sequence(item: &Value) -> Option<&str> {
    item.get("Sequence")?.get("id")?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(post_processor: Value, settings: Value) -> (Vec<(&'static str, bool)>, Map<String, Value>) {
        let Value::Object(mut settings) = settings else { panic!() };
        let mut surrounding = Surrounding::default();
        surrounding.read(&post_processor, &mut settings);
        (surrounding.add, settings)
    }

    fn template(single: &[&str], pair: &[&str]) -> Value {
        let item = |name: &&str| match *name {
            "A" | "B" => json!({"Sequence": {"id": name, "type_id": 0}}),
            token => json!({"SpecialToken": {"id": token, "type_id": 0}}),
        };
        let (single, pair): (Vec<_>, Vec<_>) =
            (single.iter().map(item).collect(), pair.iter().map(item).collect());
        json!({"type": "TemplateProcessing", "single": single, "pair": pair})
    }

    #[test]
    fn a_template_says_which_tokens_are_added() {
        let bert = template(&["[CLS]", "A", "[SEP]"], &["[CLS]", "A", "[SEP]", "B", "[SEP]"]);
        let (add, settings) = read(bert, json!({"cls_token": "[CLS]", "sep_token": "[SEP]"}));
        assert_eq!(add, [("bos", true), ("eos", true), ("sep", false)]);
        assert_eq!((&settings["bos_token"], &settings["eos_token"]), (&json!("[CLS]"), &json!("[SEP]")));

        let llama = template(&["<s>", "A"], &["<s>", "A", "<s>", "B"]);
        let (add, _) = read(llama, json!({"bos_token": "<s>", "eos_token": "</s>"}));
        assert_eq!(add, [("bos", true), ("sep", false)]);
    }

    #[test]
    fn a_template_can_end_texts_with_another_token() {
        let other = template(&["A", "<end>"], &[]);
        let (add, settings) = read(other, json!({"eos_token": "</s>"}));
        assert_eq!(add, [("eos", true)]);
        assert_eq!((&settings["eos_token"], &settings["eot_token"]), (&json!("<end>"), &json!("</s>")));
    }

    #[test]
    fn a_token_given_as_an_object_is_not_the_one_of_the_template() {
        let (add, _) =
            read(template(&["<s>", "A"], &[]), json!({"bos_token": {"content": "<s>"}, "cls_token": "x"}));
        assert_eq!(add, [("bos", false)]);
    }

    #[test]
    fn byte_level_adds_nothing_and_roberta_everything() {
        let (add, _) = read(json!({"type": "ByteLevel"}), json!({}));
        assert_eq!(add, [("bos", false), ("eos", false)]);
        let roberta = json!({"type": "RobertaProcessing", "cls": ["<s>", 0], "sep": ["</s>", 2]});
        let (add, settings) = read(roberta, json!({"bos_token": "<s>", "eos_token": "</s>"}));
        assert_eq!(add, [("bos", true), ("eos", true), ("sep", true)]);
        assert_eq!((&settings["cls_token"], &settings["sep_token"]), (&json!("<s>"), &json!("</s>")));
    }
}
