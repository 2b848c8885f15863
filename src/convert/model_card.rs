//! The front matter of a model card, read as PyYAML reads it (YAML 1.1), which is what llama.cpp's `gguf-py`
//! does.
//!
//! Numbers and dates stay the text that they are written as. A model card is never a reason to refuse a
//! model: where it is no YAML, the fields before that place count.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

/// The most of a model card that is read, in bytes.
const LONGEST: usize = 1 << 20;

/// The most values that are read: repeated ones, which YAML can refer to, count each time.
const MOST_VALUES: usize = 100_000;

/// The deepest that lists and objects may lie in each other.
const DEEPEST: usize = 64;

/// The fields between the `---` lines at the start of a model card; none if there is no such part.
pub(super) fn front_matter(card: &str) -> Map<String, Value> {
    let end = (0..=card.len().min(LONGEST)).rev().find(|end| card.is_char_boundary(*end)).unwrap_or(0);
    let mut lines = card[..end].lines();
    if lines.next() != Some("---") {
        return Map::new();
    }
    let mut text = String::new();
    for line in lines.take_while(|line| *line != "---") {
        // In a list of languages it is Norwegian.
        text.push_str(&if line.ends_with("- no") {
            format!("{}\"no\"", &line[..line.len() - 2])
        } else {
            line.to_owned()
        });
        text.push('\n');
    }
    let text = text.replace('\t', "  ");
    let mut tree = Tree::default();
    for event in Parser::new_from_str(&text) {
        let Ok((event, _)) = event else { break };
        if !tree.take(event) {
            break;
        }
    }
    tree.fields()
}

/// The first heading of a model card.
pub(super) fn title(card: &str) -> Option<&str> {
    card.lines().take(10_000).find_map(|line| line.strip_prefix("# ")).map(str::trim)
}

/// Values under construction.
#[derive(Default)]
struct Tree {
    /// Lists and objects that have begun and not ended, with the number by which they can be referred to.
    open: Vec<(usize, Open)>,
    /// What can be referred to.
    anchors: HashMap<usize, Value>,
    values: usize,
    whole: Option<Value>,
}

enum Open {
    List(Vec<Value>),
    Object(Map<String, Value>, Option<String>),
}

impl Tree {
    /// Takes what comes next; whether to go on.
    fn take(&mut self, event: Event<'_>) -> bool {
        match event {
            Event::SequenceStart(anchor, _) => self.open.push((anchor, Open::List(Vec::new()))),
            Event::MappingStart(anchor, _) => self.open.push((anchor, Open::Object(Map::new(), None))),
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some((anchor, Open::List(items))) => self.put(anchor, Value::Array(items)),
                Some((anchor, Open::Object(fields, _))) => self.put(anchor, Value::Object(fields)),
                None => return false,
            },
            Event::Scalar(text, style, anchor, tag) => {
                let is_text = style != ScalarStyle::Plain || tag.is_some_and(|tag| tag.suffix == "str");
                let value = if is_text { text.into_owned().into() } else { self.plain(text.into_owned()) };
                self.put(anchor, value);
            }
            Event::Alias(anchor) => {
                let value = self.anchors.get(&anchor).cloned().unwrap_or_default();
                self.values += size(&value);
                self.put(0, value);
            }
            Event::DocumentEnd | Event::StreamEnd => return false,
            Event::Nothing | Event::StreamStart | Event::DocumentStart(_) => {}
        }
        self.values += 1;
        self.values <= MOST_VALUES && self.open.len() <= DEEPEST
    }

    /// What a text without quotes means. Within lists, where texts are expected, words for yes and no are
    /// texts.
    fn plain(&self, text: String) -> Value {
        const TRUE: [&str; 9] = ["yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"];
        const FALSE: [&str; 9] = ["no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"];
        let is_value = matches!(self.open.last(), Some((_, Open::Object(_, Some(_)))));
        match text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Value::Null,
            word if is_value && TRUE.contains(&word) => true.into(),
            word if is_value && FALSE.contains(&word) => false.into(),
            _ => text.into(),
        }
    }

    fn put(&mut self, anchor: usize, value: Value) {
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
        match self.open.last_mut() {
            Some((_, Open::List(items))) => items.push(value),
            Some((_, Open::Object(fields, key))) => match (key.take(), value) {
                // The fields of another object, which those that are given here go before.
                (Some(merge), Value::Object(others)) if merge == "<<" => {
                    for (name, value) in others {
                        fields.entry(name).or_insert(value);
                    }
                }
                (Some(name), value) => drop(fields.insert(name, value)),
                (None, Value::String(name)) => *key = Some(name),
                (None, other) => *key = Some(other.to_string()),
            },
            None => self.whole = Some(value),
        }
    }

    /// The fields of the whole, as far as it was read.
    fn fields(mut self) -> Map<String, Value> {
        let whole = self.whole.take();
        match (whole, self.open.into_iter().next()) {
            (Some(Value::Object(fields)), _) | (None, Some((_, Open::Object(fields, _)))) => fields,
            _ => Map::new(),
        }
    }
}

/// How many values there are in one.
fn size(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(size).sum::<usize>() + 1,
        Value::Object(fields) => fields.values().map(size).sum::<usize>() + 1,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_of_a_usual_card() {
        let card = "---\nlicense: apache-2.0 # free\nlanguage:\n- en\n- \"no\"\ntags: [a, 'b c']\n\
                    model-index:\n- name: x\n  results:\n  - task: y\nbase_model:\n  - org/Base-7B\nempty:\n\
                    text: |\n  anything: goes\n---\n# Title\nname: no\n";
        let fields = Value::Object(front_matter(card));
        assert_eq!(fields["license"], "apache-2.0");
        assert_eq!(fields["language"], json!(["en", "no"]));
        assert_eq!(fields["tags"], json!(["a", "b c"]));
        assert_eq!(fields["base_model"], json!(["org/Base-7B"]));
        assert_eq!(fields["text"], "anything: goes\n");
        assert_eq!(fields["empty"], Value::Null);
        assert_eq!(fields.get("name"), None);
        assert!(front_matter("# no front matter").is_empty());
        let long = format!("---\nname: x\n{}license: y\n---\n", "# é\n".repeat(LONGEST / 4));
        assert_eq!(Value::Object(front_matter(&long)), json!({"name": "x"}));
    }

    #[test]
    fn values_are_those_of_yaml_1_1() {
        let card = "---\na: null\nb: ~\nc: yes\nd: 'yes'\ne: >\n  one\n  two\nf: 1.10\ng: 2024-05-01\n\
                    h: [on, null]\ni: !!str no\nj: &x [1]\nk: *x\n---\n";
        let expected = json!({"a": null, "b": null, "c": true, "d": "yes", "e": "one two\n", "f": "1.10",
            "g": "2024-05-01", "h": ["on", null], "i": "no", "j": ["1"], "k": ["1"]});
        assert_eq!(Value::Object(front_matter(card)), expected);
    }

    #[test]
    fn a_card_of_references_is_not_read_for_ever() {
        let mut card = "---\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let inner = vec![format!("*a{}", level - 1); 10].join(", ");
            card.push_str(&format!("a{level}: &a{level} [{inner}]\n"));
        }
        assert!(front_matter(&card).contains_key("a3"));
        let nested = format!("---\nname: x\ny: {}\n", "[".repeat(100_000));
        assert_eq!(Value::Object(front_matter(&nested)), json!({"name": "x"}));
    }
}
