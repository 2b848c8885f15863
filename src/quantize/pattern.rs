//! Patterns of tensor names, as llama.cpp's `--tensor-type` has them.
//!
//! There they are regular expressions of C++'s `std::regex` in its default grammar (ECMAScript), searched
//! anywhere in a name. Here they run on an engine that takes time in proportion to the name whatever the
//! pattern is, so what needs another kind of engine is refused: back references and looking ahead. So is what
//! the two engines would read differently, rather than matching other tensors than the reference does.

use std::fmt::Write as _;

use regex::bytes::{RegexBuilder, RegexSet, RegexSetBuilder};

/// A pattern, checked and in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// As the reference would be given it, after it has put it in lower case.
    text: String,
    /// The same in the syntax of the engine.
    translated: String,
}

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of a variant says what its fields are")]
pub enum InvalidPattern {
    /// There is no text.
    #[error("a pattern must not be empty")]
    Empty,
    /// It is longer than names could need.
    #[error("a pattern must not be longer than {LONGEST} bytes, got {got}")]
    Length {
        /// Its length in bytes.
        got: usize,
    },
    /// It uses what is not supported.
    #[error("pattern {pattern:?}: {what} is not supported")]
    Unsupported { pattern: String, what: String },
    /// It is not a regular expression.
    #[error("pattern {pattern:?} is not a regular expression: {reason}")]
    Syntax { pattern: String, reason: String },
}

/// The longest pattern in bytes: enough for a list of all layers.
const LONGEST: usize = 4096;

/// The most memory that a compiled pattern may take, in bytes.
const LARGEST: usize = 1 << 20;

impl std::str::FromStr for Pattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        if text.is_empty() {
            return Err(InvalidPattern::Empty);
        }
        if text.len() > LONGEST {
            return Err(InvalidPattern::Length { got: text.len() });
        }
        // The reference does so, whatever that makes of classes like `\D`.
        let text = text.to_ascii_lowercase();
        let unsupported = |what| InvalidPattern::Unsupported { pattern: text.clone(), what };
        let translated = translate(&text).map_err(unsupported)?;
        // The reference would take it for the end of the pattern.
        if text.contains('=') {
            return Err(unsupported("\"=\"".to_owned()));
        }
        let built = RegexBuilder::new(&translated).unicode(false).size_limit(LARGEST).build();
        match built {
            Ok(_) => Ok(Self { text, translated }),
            Err(error) => Err(InvalidPattern::Syntax { reason: reason_of(&error), pattern: text }),
        }
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// What is wrong with an expression, without the drawing of it that the engine makes.
fn reason_of(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => "it repeats too much".to_owned(),
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default();
            last.trim_start_matches("error: ").to_owned()
        }
    }
}

/// Writes a pattern of ECMAScript's grammar, as `std::regex` reads it, in the engine's syntax; fails with
/// what is not supported.
fn translate(text: &str) -> Result<String, String> {
    let mut output = String::with_capacity(text.len() + 8);
    let mut rest = text.chars().peekable();
    while let Some(letter) = rest.next() {
        match letter {
            '\\' => output.push_str(&escaped(rest.next(), &['b'])?),
            '[' => class(&mut rest, &mut output)?,
            '(' if rest.peek() == Some(&'?') => {
                rest.next();
                match rest.next() {
                    Some(':') => output.push_str("(?:"),
                    next => return Err(format!("\"(?{}\"", next.map(String::from).unwrap_or_default())),
                }
            }
            other => output.push(other),
        }
    }
    Ok(output)
}

/// What follows a backslash: a class of letters, one that does not print, or a letter that stands for itself.
fn escaped(letter: Option<char>, others: &[char]) -> Result<String, String> {
    match letter {
        Some(letter @ ('d' | 's' | 'w' | 'n' | 'r' | 't' | 'f' | 'v')) => Ok(format!("\\{letter}")),
        Some(letter) if others.contains(&letter) => Ok(format!("\\{letter}")),
        Some(letter) if letter.is_ascii_punctuation() => Ok(regex::escape(&letter.to_string())),
        Some(letter) => Err(format!("\"\\{letter}\"")),
        None => Err("a backslash at the end".to_owned()),
    }
}

/// The rest of a class of letters in brackets. The engine knows brackets in brackets and operations on sets,
/// the reference does not: there such letters stand for themselves.
fn class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, output: &mut String) -> Result<(), String> {
    output.push('[');
    if rest.next_if_eq(&'^').is_some() {
        output.push('^');
    }
    if rest.peek() == Some(&']') {
        return Err("an empty class of letters".to_owned());
    }
    loop {
        match rest.next() {
            None => return Err("a class of letters without end".to_owned()),
            Some(']') => break,
            Some('\\') => output.push_str(&escaped(rest.next(), &[])?),
            Some('[') => match rest.peek() {
                Some(':') => {
                    let name: String = rest.by_ref().skip(1).take_while(|letter| *letter != ':').collect();
                    if rest.next() != Some(']') {
                        return Err(format!("\"[:{name}\""));
                    }
                    let _ = write!(output, "[:{name}:]");
                }
                Some(kind @ ('.' | '=')) => return Err(format!("\"[{kind}\"")),
                _ => output.push_str("\\["),
            },
            Some('-') if rest.peek() == Some(&'-') => return Err("\"--\" in a class of letters".to_owned()),
            Some(letter @ ('&' | '~' | '^')) => {
                output.push('\\');
                output.push(letter);
            }
            Some(other) => output.push(other),
        }
    }
    output.push(']');
    Ok(())
}

/// Patterns that are asked all at once.
#[derive(Debug)]
pub(super) struct Patterns(Option<RegexSet>);

/// The patterns together are too much for so many names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooManyPatterns;

impl Patterns {
    /// Prepares patterns for so many names. What they may take falls with the number of names, so that the
    /// time for all of them is bounded.
    pub(super) fn new<'p>(
        patterns: impl Iterator<Item = &'p Pattern>,
        names: usize,
    ) -> Result<Self, TooManyPatterns> {
        let mut patterns = patterns.map(|pattern| pattern.translated.as_str()).peekable();
        if patterns.peek().is_none() {
            return Ok(Self(None));
        }
        let limit = ((1_usize << 32) / names.max(1)).min(8 * LARGEST);
        let set = RegexSetBuilder::new(patterns).unicode(false).size_limit(limit).build();
        set.map(|set| Self(Some(set))).map_err(|_| TooManyPatterns)
    }

    /// The indices of those that match somewhere in a name, in order.
    pub(super) fn matching(&self, name: &str) -> impl Iterator<Item = usize> + use<> {
        let matches = self.0.as_ref().map(|set| set.matches(name.as_bytes()));
        matches.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        let pattern: Pattern = pattern.parse().unwrap();
        Patterns::new([pattern].iter(), 1).unwrap().matching(name).count() == 1
    }

    #[test]
    fn patterns_are_searched_for_as_the_reference_does() {
        for (pattern, name) in [
            ("ATTN_V", "blk.0.attn_v.weight"),
            (r"blk\.(0|1)\.ffn_(up|gate)", "blk.1.ffn_gate.weight"),
            (r"^blk\.\d+\.attn_[^qk]", "blk.12.attn_v.weight"),
            (r"[[:digit:]]{2}\.(?:ffn)", "blk.12.ffn_up.weight"),
            ("[a[]b", "x[b"),
            (r"[&&~~^]", "a^"),
            // In lower case this is a class of digits.
            (r"\D\.ffn", "blk.7.ffn_up"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        assert!(!matches("[a&&b]", "c"));
        assert!(!matches("^attn", "blk.0.attn_v.weight"));
        assert!(!matches("é", "\u{e8}"));
    }

    #[test]
    fn what_is_not_supported_is_refused() {
        for (pattern, says) in [
            ("", "empty"),
            (r"(a)\1", "\"\\\\1\" is not supported"),
            ("a(?=b)", "\"(?=\" is not supported"),
            ("(?i)a", "\"(?i\" is not supported"),
            ("[]a]", "an empty class"),
            ("[[=a=]]", "\"[=\" is not supported"),
            ("a=b", "\"=\" is not supported"),
            ("[a--b]", "\"--\" in a class"),
            (r"\x41", "is not supported"),
            (r"a\", "at the end"),
            ("[a", "without end"),
            ("a(b", "is not a regular expression: unclosed group"),
            ("*a", "is not a regular expression: repetition operator missing expression"),
            ("(a{1000}){1000}", "repeats too much"),
            ("((((a{100}){100}){100}){100}){100}", "repeats too much"),
        ] {
            let message = pattern.parse::<Pattern>().unwrap_err().to_string();
            let message = message.replace("\\\\", "\\").replace("\\\"", "\"");
            assert!(message.contains(&says.replace("\\\\", "\\")), "{pattern}: {message}");
        }
        assert!("x".repeat(LONGEST + 1).parse::<Pattern>().is_err());
    }

    #[test]
    fn patterns_for_many_names_must_be_small() {
        let pattern: Pattern = "(a{100}){100}".parse().unwrap();
        assert!(Patterns::new([pattern.clone()].iter(), 1000).is_ok());
        assert!(Patterns::new([pattern].iter(), 1 << 18).is_err());
    }
}
