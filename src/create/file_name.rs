//! The names that clients give to uploaded files. They say what a file is; they never become paths.
//!
//! Rule: Go's `fs.ValidPath`, which Ollama applies, and limits of our own.

use std::fmt;
use std::str::FromStr;

const LONGEST: usize = 1024;

/// A relative path with `/` between its parts, none of them empty, `.` or `..`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(String);

/// Why a text is not a file name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFileName {
    /// It is absolute or could lead out of its directory.
    #[error("file path must be relative")]
    NotRelative,
    /// It is written as on Windows.
    #[error("file path must have \"/\" between its parts, not \"\\\"")]
    Backslash,
    /// It is too long.
    #[error("file path must not be longer than {LONGEST} bytes, got {0}")]
    TooLong(usize),
    /// It holds a control character.
    #[error("file path must not contain control characters")]
    ControlCharacter,
}

impl FileName {
    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part after the last `/`.
    pub fn base(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// Whether it ends in `.` and this extension.
    pub fn has_extension(&self, extension: &str) -> bool {
        self.0.strip_suffix(extension).is_some_and(|rest| rest.ends_with('.'))
    }
}

impl FromStr for FileName {
    type Err = InvalidFileName;

    fn from_str(text: &str) -> Result<Self, InvalidFileName> {
        if text.len() > LONGEST {
            return Err(InvalidFileName::TooLong(text.len()));
        }
        if text.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(InvalidFileName::NotRelative);
        }
        if text.contains('\\') {
            return Err(InvalidFileName::Backslash);
        }
        if text.chars().any(char::is_control) {
            return Err(InvalidFileName::ControlCharacter);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_relative_paths_are_names() {
        for good in ["a.gguf", "dir/model.safetensors", "ä b", "..a", "a..b"] {
            assert!(good.parse::<FileName>().is_ok(), "{good}");
        }
        for bad in ["", "../x", "/abs", "a//b", "a/./b", "a/", ".", "..", "a\0b", "a\\b", &"x".repeat(10_000)]
        {
            assert!(bad.parse::<FileName>().is_err(), "{bad:?}");
        }
    }
}
