//! Parameters: names that are known, or in quotes to be taken as they are, and values of the types that the
//! names want.

use thiserror::Error;

use super::command::Command;
use super::excerpt::excerpt;
use super::values::typed;
use crate::model::{parameter_in_any_case, suggested_parameter};

/// Why a parameter was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "each message says what its variant is")]
pub enum ParameterError {
    #[error("the name of a parameter consists of letters, digits and underscores, unlike {got:?}")]
    Name { got: String },
    #[error(
        "parameter {got:?} is not known{}; to store it all the same put its name in quotes",
        meant.map(|name| format!("; the nearest that is: {name}")).unwrap_or_default()
    )]
    Unknown { got: String, meant: Option<&'static str> },
    #[error("parameter {name} must be {expected}, not {got:?}")]
    Value { name: String, expected: &'static str, got: String },
}

/// A parameter's name as it is written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Name<'t> {
    Bare(&'t str),
    /// Whatever stands between quotes.
    Quoted(&'t str),
}

impl Command {
    /// `PARAMETER`, its name written as in a Modelfile: a known one in any letter case, or in quotes any one.
    ///
    /// # Errors
    /// There is no such parameter, or the value is not of its type.
    pub fn parameter(name: &str, value: &str) -> Result<Self, ParameterError> {
        match name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(name) => parameter(Name::Quoted(name), value.to_owned()),
            None => parameter(Name::Bare(name), value.to_owned()),
        }
    }
}

/// The command of a name and a value.
pub(super) fn parameter(name: Name<'_>, value: String) -> Result<Command, ParameterError> {
    let name = match name {
        Name::Quoted(name) => name,
        Name::Bare(name) => known(name)?,
    };
    match typed(name, &value) {
        Ok(_) => Ok(Command::Parameter { name: name.to_owned(), value }),
        Err(expected) => Err(ParameterError::Value { name: name.to_owned(), expected, got: excerpt(&value) }),
    }
}

fn known(name: &str) -> Result<&'static str, ParameterError> {
    if let Some(known) = parameter_in_any_case(name) {
        return Ok(known);
    }
    let (got, meant) = (excerpt(name), suggested_parameter(name));
    let is_word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    // What somebody means is more help than a rule.
    Err(match is_word || meant.is_some() {
        true => ParameterError::Unknown { got, meant },
        false => ParameterError::Name { got },
    })
}
