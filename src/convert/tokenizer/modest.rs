//! Whether the steps of a tokenizer can be run on a short text in little time and memory.
//!
//! A `tokenizer.json` holds small programs: chains of replacements that can grow a text without bound, and
//! regular expressions that can take for ever. Real ones are small; larger ones are never run.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

/// The most objects and lists; DeepSeek's pre-tokenizer, the largest known, has 24.
const MOST_NODES: usize = 512;
/// The most regular expressions; the largest known number is 6.
const MOST_EXPRESSIONS: usize = 8;
/// The most that the text may grow.
const MOST_GROWTH: f64 = 4096.0;

/// Whether the steps, each a JSON object of a `tokenizer.json`, are modest.
pub(super) fn are_modest(steps: &[&Value]) -> bool {
    let mut size = Size::default();
    for step in steps {
        size.add(step);
    }
    size.nodes <= MOST_NODES
        && size.expressions <= MOST_EXPRESSIONS
        && size.growth <= MOST_GROWTH
        && !size.has_broken_map
}

/// Whether there is no regular expression in a step.
pub(super) fn has_no_expression(step: &Value) -> bool {
    let mut size = Size::default();
    size.add(step);
    size.expressions == 0
}

struct Size {
    nodes: usize,
    expressions: usize,
    growth: f64,
    /// Whether there is a map of characters that does not have the length which it states: the library
    /// allocates that before it looks.
    has_broken_map: bool,
}

impl Default for Size {
    fn default() -> Self {
        Self { nodes: 0, expressions: 0, growth: 1.0, has_broken_map: false }
    }
}

impl Size {
    /// Recursion ends: the JSON parser does not nest deeper than 128 levels.
    fn add(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => {
                self.nodes += 1;
                self.expressions += usize::from(fields.contains_key("Regex"));
                self.growth *= growth(value);
                self.has_broken_map |= value.get("precompiled_charsmap").is_some_and(|map| !is_whole(map));
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

/// Whether a precompiled map of characters is at least as long as the trie in it: Base64 of the trie's length
/// in bytes as a 32-bit integer, the trie, and the texts (SentencePiece, `normalizer.cc`).
fn is_whole(map: &Value) -> bool {
    let map = map.as_str().and_then(|text| BASE64.decode(text).ok()).unwrap_or_default();
    map.split_first_chunk().is_some_and(|(length, rest)| u32::from_le_bytes(*length) as usize <= rest.len())
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

    #[test]
    fn a_map_of_characters_is_as_long_as_it_says() {
        let step = |map: &[u8]| json!({"type": "Precompiled", "precompiled_charsmap": BASE64.encode(map)});
        assert!(are_modest(&[&step(&[4, 0, 0, 0, 1, 2, 3, 4])]));
        for broken in [&[][..], &[0, 0, 0], &[5, 0, 0, 0, 1, 2, 3, 4], &[255, 255, 255, 255]] {
            assert!(!are_modest(&[&step(broken)]), "{broken:?}");
        }
        assert!(!are_modest(&[&json!({"type": "Precompiled", "precompiled_charsmap": 5})]));
    }
}
