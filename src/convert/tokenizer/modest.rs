//! Whether the steps of a tokenizer can be run on a short text in little time and memory.
//!
//! A `tokenizer.json` holds small programs: chains of replacements that can grow a text without bound, and regular
//! expressions that can take for ever. Real ones are small; larger ones are never run.

use serde_json::Value;

/// The most objects and lists; DeepSeek's pre-tokenizer, the largest known, has 24.
const MOST_NODES: usize = 512;
/// The most regular expressions; the largest known number is 6.
const MOST_EXPRESSIONS: usize = 8;
/// The most that the text may grow.
const MOST_GROWTH: f64 = 4096.0;

/// Whether the steps, each a JSON object of a `tokenizer.json`, are modest.
pub(super) fn are_modest(steps: &[&Value]) -> bool {
    let mut size = Size { nodes: 0, expressions: 0, growth: 1.0 };
    for step in steps {
        size.add(step);
    }
    size.nodes <= MOST_NODES && size.expressions <= MOST_EXPRESSIONS && size.growth <= MOST_GROWTH
}

/// Whether there is no regular expression in a step.
pub(super) fn has_no_expression(step: &Value) -> bool {
    let mut size = Size { nodes: 0, expressions: 0, growth: 1.0 };
    size.add(step);
    size.expressions == 0
}

struct Size {
    nodes: usize,
    expressions: usize,
    growth: f64,
}

impl Size {
    /// Recursion ends: the JSON parser does not nest deeper than 128 levels.
    fn add(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => {
                self.nodes += 1;
                self.expressions += usize::from(fields.contains_key("Regex"));
                self.growth *= growth(value);
                fields.values().for_each(|field| self.add(field));
            }
            Value::Array(items) => {
                self.nodes += 1;
                items.iter().for_each(|item| self.add(item));
            }
            _ => {}
        }
    }
}

/// By what factor a step can make a text longer.
fn growth(step: &Value) -> f64 {
    let length = |key: &str| step.get(key).and_then(Value::as_str).map_or(0, str::len) as f64;
    match step.get("type").and_then(Value::as_str) {
        Some("Replace") => {
            let replaced =
                step.get("pattern").and_then(|pattern| pattern.get("String")).and_then(Value::as_str);
            match replaced {
                Some(text) if !text.is_empty() => (length("content") / text.len() as f64).max(1.0),
                // An empty match stands between any two characters.
                _ => length("content") + 1.0,
            }
        }
        Some("Prepend") => length("prepend") + 1.0,
        Some("Precompiled") => length("precompiled_charsmap") + 1.0,
        Some("NFKC" | "NFKD") => 12.0,
        Some("NFC" | "NFD" | "Metaspace" | "BertNormalizer" | "Nmt") => 3.0,
        Some("Lowercase" | "ByteLevel") => 2.0,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn growth_is_bounded() {
        let double = json!({"type": "Replace", "pattern": {"String": "a"}, "content": "aa"});
        let chain = |count| json!({"type": "Sequence", "normalizers": vec![double.clone(); count]});
        assert!(are_modest(&[&chain(12)]));
        assert!(!are_modest(&[&chain(13)]));
        assert!(!are_modest(&[&chain(7), &chain(7)]));
        let empty = json!({"type": "Replace", "pattern": {"String": ""}, "content": "a".repeat(5000)});
        assert!(!are_modest(&[&empty]));
    }

    #[test]
    fn expressions_are_counted() {
        let split = json!({"type": "Split", "pattern": {"Regex": "(a+)+b"}, "behavior": "Isolated"});
        let many = |count| json!({"type": "Sequence", "pretokenizers": vec![split.clone(); count]});
        assert!(are_modest(&[&many(8)]));
        assert!(!are_modest(&[&many(9)]));
        assert!(!has_no_expression(&split));
        assert!(has_no_expression(&json!({"type": "ByteLevel"})));
    }
}
