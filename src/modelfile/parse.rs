//! From text to commands.

use super::command::Command;
use super::error::ModelfileError;
use super::excerpt::excerpt;
use super::parameter::{Name, parameter};
use super::quote;
use super::values::is_version;

/// The commands with their lines.
pub(super) fn parse(text: &str) -> Result<Vec<(usize, Command)>, ModelfileError> {
    let mut reader = Reader { rest: text, line: 1 };
    let mut commands = Vec::new();
    while let Some(command) = reader.command()? {
        commands.push(command);
    }
    if !commands.iter().any(|(_, command)| matches!(command, Command::From(_))) {
        return Err(ModelfileError::NoFrom);
    }
    Ok(commands)
}

/// The commands by their names, with how messages call them.
const COMMANDS: [(&str, Form); 13] = [
    ("FROM", Form::Text(Command::From)),
    ("ADAPTER", Form::Text(Command::Adapter)),
    ("DRAFT", Form::Text(Command::Draft)),
    ("TEMPLATE", Form::Text(Command::Template)),
    ("SYSTEM", Form::Text(Command::System)),
    ("LICENSE", Form::Text(Command::License)),
    ("RENDERER", Form::Text(Command::Renderer)),
    ("PARSER", Form::Text(Command::Parser)),
    ("REQUIRES", Form::Text(Command::Requires)),
    ("QUANTIZE", Form::Text(Command::Quantize)),
    ("RECIPE", Form::Text(Command::Recipe)),
    ("PARAMETER", Form::Parameter),
    ("MESSAGE", Form::Message),
];

/// What follows a command's name.
#[derive(Clone, Copy)]
enum Form {
    Text(fn(String) -> Command),
    /// A name and a value.
    Parameter,
    /// A role and a text.
    Message,
}

struct Reader<'t> {
    rest: &'t str,
    line: usize,
}

const NEWLINES: [char; 2] = ['\n', '\r'];

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t')
}

impl<'t> Reader<'t> {
    /// What is left of the line; the reader moves to the next one.
    fn take_line(&mut self) -> &'t str {
        let end = self.rest.find(NEWLINES).unwrap_or(self.rest.len());
        let (line, rest) = self.rest.split_at(end);
        let next = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix(NEWLINES));
        self.line += usize::from(next.is_some());
        self.rest = next.unwrap_or_default();
        line
    }

    /// The next word of the line, possibly empty.
    fn take_word(&mut self) -> &'t str {
        self.rest = self.rest.trim_start_matches(is_space);
        let end = self.rest.find(|c| is_space(c) || NEWLINES.contains(&c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn command(&mut self) -> Result<Option<(usize, Command)>, ModelfileError> {
        let line = loop {
            self.rest = self.rest.trim_start_matches(is_space);
            match self.rest.chars().next() {
                None => return Ok(None),
                Some('#' | '\n' | '\r') => self.take_line(),
                Some(_) => break self.line,
            };
        };
        let word = self.take_word();
        let Some((name, form)) = COMMANDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)) else {
            return Err(ModelfileError::UnknownCommand { line, got: excerpt(word) });
        };
        let command = match form {
            Form::Text(command) => command(self.value(name)?),
            Form::Parameter => self.parameter(name)?,
            Form::Message => self.message(name)?,
        };
        match &command {
            Command::From(value) if value.is_empty() => {
                Err(ModelfileError::MissingValue { line, command: name })
            }
            Command::Requires(value) if !is_version(value) => {
                Err(ModelfileError::Version { line, got: excerpt(value) })
            }
            _ => Ok(Some((line, command))),
        }
    }

    fn parameter(&mut self, command: &'static str) -> Result<Command, ModelfileError> {
        let line = self.line;
        let name = self.take_name(line)?;
        if matches!(name, Name::Bare("")) {
            return Err(ModelfileError::MissingValue { line, command });
        }
        let value = self.value(command)?;
        parameter(name, value).map_err(|source| ModelfileError::Parameter { line, source })
    }

    /// The next word of the line, or what stands in quotes there.
    fn take_name(&mut self, line: usize) -> Result<Name<'t>, ModelfileError> {
        self.rest = self.rest.trim_start_matches(is_space);
        let Some(text) = self.rest.strip_prefix('"') else { return Ok(Name::Bare(self.take_word())) };
        let end = text.find(|c| c == '"' || NEWLINES.contains(&c));
        match end.map(|end| text.split_at(end)) {
            Some((name, rest)) if rest.starts_with('"') => {
                self.rest = &rest[1..];
                Ok(Name::Quoted(name))
            }
            _ => Err(ModelfileError::UnclosedName { line }),
        }
    }

    fn message(&mut self, command: &'static str) -> Result<Command, ModelfileError> {
        let line = self.line;
        let role = self.take_word();
        if role.is_empty() {
            return Err(ModelfileError::MissingValue { line, command });
        }
        if !["system", "user", "assistant"].contains(&role) {
            return Err(ModelfileError::UnknownRole { line, got: excerpt(role) });
        }
        Ok(Command::Message { role: role.to_owned(), content: self.value(command)? })
    }

    /// The rest of the line, or of the lines up to the one that closes the quotes.
    fn value(&mut self, command: &'static str) -> Result<String, ModelfileError> {
        let line = self.line;
        if !self.rest.starts_with(is_space) {
            return Err(ModelfileError::MissingValue { line, command });
        }
        let text = self.rest.trim_start_matches(|c: char| c.is_whitespace() && !NEWLINES.contains(&c));
        let mut end = 0;
        self.rest = text;
        loop {
            let before = text.len() - self.rest.len();
            let content = self.take_line().trim_end();
            if !content.is_empty() {
                end = before + content.len();
            }
            if let Some(value) = quote::unquoted(&text[..end]) {
                return Ok(value.to_owned());
            }
            if self.rest.is_empty() {
                let quote = quote::opening(text).unwrap_or_default();
                return Err(ModelfileError::UnclosedQuote { line, command, quote });
            }
        }
    }
}
