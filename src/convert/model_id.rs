//! What the id of a model on the Hugging Face hub says about it: `organization/Base-7B-Instruct-v2`
//! (llama.cpp, `gguf-py/gguf/metadata.py`).

use std::sync::LazyLock;

use regex::Regex;

/// The parts of an id.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ModelId {
    pub(super) name: String,
    pub(super) organization: Option<String>,
    pub(super) basename: Option<String>,
    pub(super) finetune: Option<String>,
    pub(super) version: Option<String>,
    pub(super) size_label: Option<String>,
}

/// What a part of a name can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Basename,
    Size,
    Finetune,
    Version,
    Type,
}

macro_rules! pattern {
    ($name:ident, $text:literal) => {
        static $name: LazyLock<Regex> =
            LazyLock::new(|| match Regex::new(concat!("(?i)^(?:", $text, ")$")) {
                Ok(regex) => regex,
                Err(error) => unreachable!("a constant pattern is valid: {error}"),
            });
    };
}

pattern!(VERSION, r"(?:v|iter)?\d+(?:[.]\d+)*");
pattern!(TYPE, r"i?q\d(?:_\w)*|b?fp?(?:16|32)");
pattern!(SIZE, r"(?:(?:[A]|\d+[x])?\d+(?:[._]\d+)?[KMBT][\d]?|small|mini|medium|large|x?xl)");
pattern!(FINETUNE, r"chat|instruct|vision|lora");
pattern!(PLAIN_WORD, r"v\d+(?:\.\d+)*|\d.*");

/// The longest id that is taken apart, in bytes; names on the hub have at most 96.
const LONGEST: usize = 256;

impl ModelId {
    /// Takes an id apart; `parameters` is the number of weights, negative for an adapter.
    pub(super) fn parse(id: &str, parameters: i64) -> Self {
        if id.contains(' ') || id.len() > LONGEST {
            return Self { name: id.to_owned(), ..Self::default() };
        }
        let (organization, name) = match id.split_once('/') {
            Some((organization, name)) => (Some(organization), name),
            None => (None, id),
        };
        let organization = organization.filter(|organization| !organization.starts_with('.'));
        let mut parts: Vec<(String, Vec<Kind>)> = name
            .split('-')
            .filter(|part| !part.is_empty())
            .enumerate()
            .map(|(index, part)| classify(index, part, parameters))
            .collect();
        drop_worded_sizes(&mut parts);
        find_basename(&mut parts);
        let join = |wanted: &dyn Fn(&[Kind]) -> bool| {
            let chosen: Vec<&str> =
                parts.iter().filter(|(_, kinds)| wanted(kinds)).map(|(part, _)| part.as_str()).collect();
            (!chosen.is_empty()).then(|| chosen.join("-"))
        };
        let basename = join(&|kinds| kinds.contains(&Kind::Basename));
        let finetune = join(&|kinds| kinds.contains(&Kind::Finetune));
        let version = join(&|kinds| kinds.contains(&Kind::Version) && !kinds.contains(&Kind::Basename));
        let mut sizes: Vec<&str> = Vec::new();
        for (part, kinds) in &parts {
            if kinds.contains(&Kind::Size) && !sizes.contains(&part.as_str()) {
                sizes.push(part);
            }
        }
        let size_label = (!sizes.is_empty()).then(|| sizes.join("-"));
        // A name without anything recognisable says nothing.
        let ambiguous = size_label.is_none() && finetune.is_none() && version.is_none();
        Self {
            name: name.to_owned(),
            organization: organization.map(str::to_owned),
            basename: basename.filter(|_| !ambiguous),
            finetune,
            version,
            size_label,
        }
    }
}

/// An id's part as a title: words begin with a capital.
pub(super) fn title(text: &str) -> String {
    let words = text.trim().replace('-', " ");
    let words = words.split_whitespace().map(|word| {
        let lower = word.chars().any(char::is_lowercase) && !word.chars().any(char::is_uppercase);
        if lower && !PLAIN_WORD.is_match(word) { capitalized(word) } else { word.to_owned() }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Every letter that follows something other than a letter becomes a capital.
fn capitalized(word: &str) -> String {
    let mut after_letter = false;
    let mut result = String::with_capacity(word.len());
    for letter in word.chars() {
        if after_letter {
            result.push(letter);
        } else {
            result.extend(letter.to_uppercase());
        }
        after_letter = letter.is_alphabetic();
    }
    result
}

fn classify(index: usize, part: &str, parameters: i64) -> (String, Vec<Kind>) {
    if VERSION.is_match(part) {
        (part.to_owned(), vec![Kind::Version])
    } else if TYPE.is_match(part) {
        (part.to_uppercase(), vec![Kind::Type])
    } else if index > 0 && SIZE.is_match(part) {
        let part = normal_size(part);
        match size_value(&part) {
            Some(size) if parameters != 0 && !is_plausible(size, parameters) => {
                (with_last(&part, |unit| unit.to_ascii_lowercase()), vec![Kind::Finetune])
            }
            _ => (part, vec![Kind::Size]),
        }
    } else if index > 0 && FINETUNE.is_match(part) {
        let redundant = parameters < 0 && part.eq_ignore_ascii_case("lora");
        (part.to_owned(), vec![if redundant { Kind::Type } else { Kind::Finetune }])
    } else {
        (part.to_owned(), Vec::new())
    }
}

/// `7b1` is 7.1B, `1_5b` is 1.5B.
fn normal_size(part: &str) -> String {
    let mut part = part.replace('_', ".");
    let letters: Vec<char> = part.chars().collect();
    if let [start @ .., unit, digit] = letters.as_slice()
        && digit.is_ascii_digit()
    {
        part = format!("{}.{digit}{unit}", start.iter().collect::<String>());
    }
    let letters: Vec<char> = part.chars().collect();
    match letters.as_slice() {
        [.., digit, 'k' | 'm' | 'b' | 't'] if digit.is_ascii_digit() => {
            with_last(&part, |unit| unit.to_ascii_uppercase())
        }
        _ => part,
    }
}

fn with_last(part: &str, change: impl Fn(char) -> char) -> String {
    let mut letters: Vec<char> = part.chars().collect();
    if let Some(last) = letters.last_mut() {
        *last = change(*last);
    }
    letters.into_iter().collect()
}

fn size_value(part: &str) -> Option<f64> {
    let unit = part.chars().last()?;
    let exponent = " KMBT".find(unit)?;
    let number: f64 = part[..part.len() - unit.len_utf8()].parse().ok()?;
    Some(number * 1000_f64.powi(exponent as i32))
}

/// Whether a size could be that of the model. Others are likely lengths of contexts. An adapter has fewer
/// weights than its model.
fn is_plausible(size: f64, parameters: i64) -> bool {
    if parameters < 0 {
        size >= (parameters.unsigned_abs() / 8) as f64
    } else {
        (size - parameters as f64).abs() <= (7 * parameters / 8) as f64
    }
}

/// Sizes in words count only where there is none in digits.
fn drop_worded_sizes(parts: &mut [(String, Vec<Kind>)]) {
    let has_digits = |part: &str| part.chars().any(|c| c.is_ascii_digit());
    if parts.iter().any(|(part, kinds)| kinds.contains(&Kind::Size) && has_digits(part)) {
        for (part, kinds) in parts {
            if part.chars().all(char::is_alphabetic) {
                kinds.retain(|kind| *kind != Kind::Size);
            }
        }
    }
}

/// The words at the start are the base name, except for a version at their end; unknown words after it are a
/// finetune.
fn find_basename(parts: &mut [(String, Vec<Kind>)]) {
    let mut at_start = true;
    for (part, kinds) in parts.iter_mut() {
        let word = kinds.is_empty() && part.chars().next().is_some_and(char::is_alphabetic);
        if at_start && (word || kinds.contains(&Kind::Version)) {
            kinds.push(Kind::Basename);
        } else {
            at_start = false;
            if kinds.is_empty() {
                kinds.push(Kind::Finetune);
            }
        }
    }
    for (_, kinds) in parts.iter_mut().rev() {
        if kinds.contains(&Kind::Basename) && kinds.len() > 1 {
            kinds.retain(|kind| *kind != Kind::Basename);
        } else {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_usual_ids() {
        let id = ModelId::parse("mistralai/Mixtral-8x7B-Instruct-v0.1", 46_700_000_000);
        assert_eq!(id.name, "Mixtral-8x7B-Instruct-v0.1");
        assert_eq!(id.organization.as_deref(), Some("mistralai"));
        assert_eq!(id.basename.as_deref(), Some("Mixtral"));
        assert_eq!(id.finetune.as_deref(), Some("Instruct"));
        assert_eq!(id.version.as_deref(), Some("v0.1"));
        assert_eq!(id.size_label.as_deref(), Some("8x7B"));
        let id = ModelId::parse("example-org/Tiny-Base-7B", 0);
        assert_eq!(id.basename.as_deref(), Some("Tiny-Base"));
        let id = ModelId::parse("Phi-3-mini-4k-instruct", 3_800_000_000);
        assert_eq!(id.basename.as_deref(), Some("Phi-3"));
        assert_eq!(id.finetune.as_deref(), Some("4k-instruct"));
        let long = format!("Base-7B{}", "-x".repeat(LONGEST));
        assert_eq!(ModelId::parse(&long, 0), ModelId { name: long.clone(), ..ModelId::default() });
        assert_eq!(ModelId::parse("name", 0), ModelId { name: "name".to_owned(), ..ModelId::default() });
    }

    #[test]
    fn titles_keep_versions_and_acronyms() {
        assert_eq!(title("tiny-base-7B-v0.1-it"), "Tiny Base 7B v0.1 It");
        assert_eq!(title("qwen3moe"), "Qwen3Moe");
    }
}
