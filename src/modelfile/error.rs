//! Why a Modelfile was refused.
//!
//! The phrases that people know from Ollama begin the messages; what was found and what to do follows.

use thiserror::Error;

use super::parameter::ParameterError;

/// A mistake in a Modelfile, with its line from 1.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "each message says what its variant is")]
pub enum ModelfileError {
    #[error("no FROM line: add one that names a model, a file or a directory")]
    NoFrom,
    #[error(
        "(line {line}): command must be one of \"from\", \"license\", \"template\", \"system\", \"adapter\", \
         \"draft\", \"renderer\", \"parser\", \"parameter\", \"message\", \"requires\", \"quantize\", or \
         \"recipe\", not {got:?}"
    )]
    UnknownCommand { line: usize, got: String },
    #[error("(line {line}): message role must be one of \"system\", \"user\", or \"assistant\", not {got:?}")]
    UnknownRole { line: usize, got: String },
    #[error("(line {line}): {command} needs a value on the same line")]
    MissingValue { line: usize, command: &'static str },
    #[error("(line {line}): unexpected EOF: the value of {command} that begins here needs a closing {quote}")]
    UnclosedQuote { line: usize, command: &'static str, quote: &'static str },
    #[error("(line {line}): {source}")]
    Parameter { line: usize, source: ParameterError },
    #[error("(line {line}): the name of a parameter needs a closing quote on the same line")]
    UnclosedName { line: usize },
    #[error("(line {line}): requires must be a valid semver (e.g. 0.14.0), not {got:?}")]
    Version { line: usize, got: String },
    #[error(
        "(line {line}): the text is not UTF-8: the bytes {got} mean nothing in it; save the file as UTF-8"
    )]
    Encoding { line: usize, got: String },
}
