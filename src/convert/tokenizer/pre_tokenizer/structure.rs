//! Recognising a way of splitting by the steps that `tokenizer.json` describes.
//!
//! A fine-tune with another vocabulary gives other token ids, but splits text as its base does. The regular
//! expressions are those of the tokenizers that llama.cpp's names stand for (llama.cpp,
//! `src/llama-vocab.cpp`).

use serde_json::Value;

use super::super::json::TokenizerJson;

/// A step of splitting.
#[derive(Debug, Clone, PartialEq)]
enum Step {
    /// Into the matches of a regular expression and what is between them.
    Expression(String),
    /// After each occurrence of a string.
    Text(String),
    /// At the words that GPT-2's expression finds.
    Gpt2,
    /// At every digit.
    EachDigit,
    /// At groups of digits.
    Digits,
    /// At runs of punctuation.
    Punctuation,
    /// At spaces and around punctuation, as BERT does.
    Bert,
    /// Between whitespace.
    Whitespace,
    /// In some other way.
    Other,
}

/// The name of the steps in a file, if there is one that splits in the same way.
pub(super) fn name_of(json: &TokenizerJson) -> Option<&'static str> {
    let mut steps = Vec::new();
    collect(&json.pre_tokenizer, &mut steps);
    if let [Step::Expression(expression)] = steps.as_slice() {
        let merges_whole_words = json.model.ignore_merges == Some(true);
        if merges_whole_words && let Some((_, name)) = find(WHOLE_WORD_EXPRESSIONS, expression) {
            return Some(name);
        }
        return find(EXPRESSIONS, expression).map(|(_, name)| name);
    }
    SEQUENCES.iter().find(|(known, _)| matches(known, &steps)).map(|(_, name)| *name)
}

fn find(table: &[(&str, &'static str)], expression: &str) -> Option<(usize, &'static str)> {
    let index = table.iter().position(|(known, _)| *known == expression)?;
    Some((index, table[index].1))
}

/// A step in the tables: [`Step`] without the need to allocate.
enum Known {
    Expression(&'static str),
    Text(&'static str),
    Is(Step),
}

fn matches(known: &[Known], steps: &[Step]) -> bool {
    known.len() == steps.len()
        && known.iter().zip(steps).all(|(known, step)| match (known, step) {
            (Known::Expression(known), Step::Expression(expression)) => known == expression,
            (Known::Text(known), Step::Text(text)) => known == text,
            (Known::Is(known), step) => known == step,
            _ => false,
        })
}

/// The steps that a pre-tokenizer takes; the mapping of bytes to characters splits nothing.
fn collect(pre_tokenizer: &Value, steps: &mut Vec<Step>) {
    let flag = |key: &str, default| pre_tokenizer.get(key).and_then(Value::as_bool).unwrap_or(default);
    let step = match pre_tokenizer.get("type").and_then(Value::as_str) {
        Some("Sequence") => {
            let parts = pre_tokenizer.get("pretokenizers").and_then(Value::as_array);
            parts.into_iter().flatten().for_each(|part| collect(part, steps));
            return;
        }
        Some("ByteLevel") => match flag("use_regex", true) {
            true => Step::Gpt2,
            false => return,
        },
        Some("Split") => {
            let pattern =
                |kind: &str| pre_tokenizer.get("pattern").and_then(|pattern| pattern.get(kind)?.as_str());
            let behavior = pre_tokenizer.get("behavior").and_then(Value::as_str);
            match (pattern("Regex"), pattern("String"), behavior) {
                // The known expressions leave nothing between their matches that could be removed.
                (Some(expression), _, Some("Isolated")) => Step::Expression(in_one_spelling(expression)),
                (Some(expression), _, Some("Removed")) if flag("invert", false) => {
                    Step::Expression(in_one_spelling(expression))
                }
                (None, Some(text), Some("MergedWithPrevious")) if !flag("invert", false) => {
                    Step::Text(text.to_owned())
                }
                _ => Step::Other,
            }
        }
        Some("Digits") => match flag("individual_digits", false) {
            true => Step::EachDigit,
            false => Step::Digits,
        },
        Some("Punctuation") => Step::Punctuation,
        Some("BertPreTokenizer") => Step::Bert,
        Some("WhitespaceSplit") => Step::Whitespace,
        _ => Step::Other,
    };
    steps.push(step);
}

/// Files spell line ends as characters or as escapes, and endings like `'s` with case in two ways.
fn in_one_spelling(expression: &str) -> String {
    expression.replace('\r', r"\r").replace('\n', r"\n").replace(
        r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])",
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)",
    )
}

const THREE_DIGITS: &str = r"\p{N}{1,3}";
const CHINESE_AND_JAPANESE: &str = "[一-龥぀-ゟ゠-ヿ]+";
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// How Qwen2 splits text.
pub(in super::super) const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const GPT4O: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const DEEPSEEK_V3: &str = r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##;
const BLOOM: &str = " ?[^(\\s|[.,!?…。，、।۔،])]+";

/// One expression, for models that take a word that is a token as that token without merging it.
const WHOLE_WORD_EXPRESSIONS: &[(&str, &str)] = &[(LLAMA3, "llama-bpe")];

/// One expression.
const EXPRESSIONS: &[(&str, &str)] = &[
    (LLAMA3, "dbrx"),
    (QWEN2, "qwen2"),
    (GPT4O, "gpt-4o"),
    (BLOOM, "bloom"),
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        "qwen35",
    ),
    (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        "tekken",
    ),
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s{512}(?!\S)|\s{256}(?!\S)|\s{128}(?!\S)|\s{64}(?!\S)|\s{32}(?!\S)|\s{16}(?!\S)|\s{8}(?!\S)|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}",
        "jais-2",
    ),
    (
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
        "bailingmoe",
    ),
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+",
        "seed-coder",
    ),
    (r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+", "ufakzeka"),
    (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+",
        "exaone-moe",
    ),
];

/// Several steps, or one that is not an expression.
const SEQUENCES: &[(&[Known], &str)] = &[
    (&[Known::Is(Step::Gpt2)], "gpt-2"),
    (&[Known::Is(Step::EachDigit), Known::Is(Step::Gpt2)], "smollm"),
    (&[Known::Expression(r"\p{N}"), Known::Is(Step::Gpt2)], "smollm"),
    (&[Known::Is(Step::Bert)], "jina-v2-en"),
    (&[Known::Is(Step::Whitespace)], "whitespace"),
    (&[Known::Text(" ")], "gemma4"),
    (
        &[
            Known::Is(Step::Punctuation),
            Known::Is(Step::Gpt2),
            Known::Is(Step::Digits),
            Known::Expression("[0-9][0-9][0-9]"),
        ],
        "falcon",
    ),
    (
        &[
            Known::Expression(THREE_DIGITS),
            Known::Expression(CHINESE_AND_JAPANESE),
            Known::Expression(DEEPSEEK_V3),
        ],
        "deepseek-v3",
    ),
    (
        &[
            Known::Expression(r"[\r\n]"),
            Known::Expression(DEEPSEEK_WORDS),
            Known::Expression(r"\s?[!-/:-~！-／：-～‘-‟　-。]+"),
            Known::Expression(r"\s+$"),
            Known::Expression("[一-龥ࠀ-一가-퟿]+"),
            Known::Is(Step::EachDigit),
        ],
        "deepseek-llm",
    ),
    (
        &[
            Known::Expression(r"[\r\n]"),
            Known::Expression(r"\s?\p{L}+"),
            Known::Expression(r"\s?\p{P}+"),
            Known::Expression("[一-龥ࠀ-一가-퟿]+"),
            Known::Is(Step::EachDigit),
        ],
        "deepseek-coder",
    ),
    (&[Known::Expression(BLOOM), Known::Is(Step::EachDigit)], "viking"),
    (&[Known::Expression(r"\d{1,3}(?=(?:\d{3})*\b)"), Known::Expression(GPT4O)], "tiny_aya"),
    (&[Known::Expression(r"\p{N}+"), Known::Expression(r"(?=(\d{3})+(?!\d))")], "superbpe"),
    (&[Known::Expression(r"[^\n]+|[\n]+"), Known::Expression(QWEN2)], "laguna"),
    (
        &[
            Known::Expression(THREE_DIGITS),
            Known::Expression(
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            ),
        ],
        "minicpm5",
    ),
];

/// Words in alphabets with letters of two cases, as DeepSeek's first model lists them.
const DEEPSEEK_WORDS: &str = r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+";

#[cfg(test)]
mod tests {
    use super::*;

    fn name(pre_tokenizer: Value, ignore_merges: bool) -> Option<&'static str> {
        let json = serde_json::json!({
            "model": {"type": "BPE", "vocab": {}, "merges": [], "ignore_merges": ignore_merges},
            "pre_tokenizer": pre_tokenizer,
        });
        name_of(&serde_json::from_value(json).unwrap())
    }

    #[test]
    fn the_mapping_of_bytes_does_not_matter() {
        let bytes = serde_json::json!({"type": "ByteLevel", "use_regex": false});
        let split = |expression: &str| {
            let split = serde_json::json!({"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated"});
            serde_json::json!({"type": "Sequence", "pretokenizers": [split, bytes]})
        };
        assert_eq!(name(split(LLAMA3), true), Some("llama-bpe"));
        assert_eq!(name(split(LLAMA3), false), Some("dbrx"));
        assert_eq!(name(split(QWEN2), false), Some("qwen2"));
        assert_eq!(name(split("a"), false), None);
        let one = |behavior: &str, invert: bool| {
            let pattern = serde_json::json!({"Regex": QWEN2});
            serde_json::json!({"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert})
        };
        assert_eq!(name(one("Removed", true), false), Some("qwen2"));
        assert_eq!(name(one("Removed", false), false), None);
        assert_eq!(name(one("MergedWithPrevious", false), false), None);
        let spaces = |behavior: &str| serde_json::json!({"type": "Split", "pattern": {"String": " "}, "behavior": behavior, "invert": false});
        assert_eq!(name(spaces("MergedWithPrevious"), false), Some("gemma4"));
        assert_eq!(name(spaces("Isolated"), false), None);
        assert_eq!(name(bytes.clone(), false), None);
    }

    #[test]
    fn byte_level_splits_as_gpt2_unless_told_not_to() {
        let bytes = serde_json::json!({"type": "ByteLevel"});
        let digits = serde_json::json!({"type": "Digits", "individual_digits": true});
        assert_eq!(name(bytes.clone(), false), Some("gpt-2"));
        assert_eq!(
            name(serde_json::json!({"type": "Sequence", "pretokenizers": [digits, bytes]}), false),
            Some("smollm")
        );
        assert_eq!(name(Value::Null, false), None);
    }

    #[test]
    fn every_expression_is_in_the_spelling_that_files_are_brought_to() {
        let known = SEQUENCES.iter().flat_map(|(steps, _)| steps.iter());
        let expressions = known.filter_map(|step| match step {
            Known::Expression(expression) => Some(*expression),
            _ => None,
        });
        for expression in expressions.chain(EXPRESSIONS.iter().map(|(expression, _)| *expression)) {
            assert_eq!(in_one_spelling(expression), expression);
        }
    }
}
