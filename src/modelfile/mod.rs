//! The Modelfile language: what a model is made of, as a text of commands.
//!
//! ```text
//! # a comment
//! FROM llama3.2
//! SYSTEM """You are
//! a pirate."""
//! PARAMETER temperature 0.5
//! ```
//!
//! Commands are case-insensitive and may come in any order; a value runs to the end of its line, or to the line
//! that closes its quotes. The grammar is that of Ollama (`parser/parser.go`); where Ollama loses text without a
//! word (characters that do not print, a parameter's name after two spaces) it is kept here.

mod error;
mod parse;
mod quote;
mod values;

use std::fmt;

use crate::model::{Message, ParameterKind, Parameters, parameter_kind};

pub use error::ParseError;

/// One command. Its `Display` writes it as a line of a Modelfile, with the quotes that Ollama's `show` uses; reading
/// that gives the same command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `FROM`: a model, a file or a directory.
    From(String),
    /// `ADAPTER`: a file or a directory.
    Adapter(String),
    /// `DRAFT`: a file or a directory with the model for speculative decoding.
    Draft(String),
    /// `TEMPLATE`: a Go template.
    Template(String),
    /// `SYSTEM`: the system message.
    System(String),
    /// `PARAMETER`: a name of letters, digits and underscores, and the value as text.
    Parameter {
        /// Such as `temperature`.
        name: String,
        /// Such as `0.5`.
        value: String,
    },
    /// `LICENSE`: the text of a license.
    License(String),
    /// `MESSAGE`: one message of the conversation's beginning.
    Message {
        /// `system`, `user` or `assistant`.
        role: String,
        /// The text.
        content: String,
    },
    /// `RENDERER`: the name of a built-in writer of prompts.
    Renderer(String),
    /// `PARSER`: the name of a built-in reader of answers.
    Parser(String),
    /// `REQUIRES`: the lowest version of the runtime.
    Requires(String),
    /// `QUANTIZE`: the type that the weights are quantized to. Only here, not in Ollama's Modelfiles.
    Quantize(String),
    /// `RECIPE`: a file with what the quantization deviates from its type in, or the JSON object itself. Only here.
    Recipe(String),
}

/// A list of commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modelfile {
    /// With their lines.
    commands: Vec<(usize, Command)>,
}

impl Modelfile {
    /// Reads a Modelfile: UTF-8, or UTF-16 or UTF-8 behind a byte order mark. Bytes that are no text become
    /// U+FFFD.
    ///
    /// # Errors
    ///
    /// The first mistake, with its line. The values of known parameters and of `REQUIRES` are checked too.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        parse::parse(&parse::decode(bytes)).map(|commands| Self { commands })
    }

    /// The commands in order.
    pub fn commands(&self) -> impl ExactSizeIterator<Item = &Command> {
        self.commands.iter().map(|(_, command)| command)
    }

    /// The commands in order, each with the line that it begins in, from 1.
    pub fn lines(&self) -> impl ExactSizeIterator<Item = (usize, &Command)> {
        self.commands.iter().map(|(line, command)| (*line, command))
    }

    fn values<'m>(
        &'m self,
        pick: impl Fn(&'m Command) -> Option<&'m String>,
    ) -> impl Iterator<Item = &'m str> {
        self.commands().filter_map(pick).map(String::as_str)
    }

    /// The texts of all licenses, in order.
    pub fn licenses(&self) -> impl Iterator<Item = &str> {
        self.values(|command| if let Command::License(value) = command { Some(value) } else { None })
    }

    /// The template; the last one counts.
    #[must_use]
    pub fn template(&self) -> Option<&str> {
        self.values(|command| if let Command::Template(value) = command { Some(value) } else { None }).last()
    }

    /// The system message; the last one counts.
    #[must_use]
    pub fn system(&self) -> Option<&str> {
        self.values(|command| if let Command::System(value) = command { Some(value) } else { None }).last()
    }

    /// The renderer's name; the last one counts.
    #[must_use]
    pub fn renderer(&self) -> Option<&str> {
        self.values(|command| if let Command::Renderer(value) = command { Some(value) } else { None }).last()
    }

    /// The parser's name; the last one counts.
    #[must_use]
    pub fn parser(&self) -> Option<&str> {
        self.values(|command| if let Command::Parser(value) = command { Some(value) } else { None }).last()
    }

    /// The required version without a leading `v`; the last one counts.
    #[must_use]
    pub fn requires(&self) -> Option<&str> {
        let last = self
            .values(|command| if let Command::Requires(value) = command { Some(value) } else { None })
            .last();
        last.map(|version| version.strip_prefix('v').unwrap_or(version))
    }

    /// The type that the weights are quantized to; the last one counts.
    #[must_use]
    pub fn quantize(&self) -> Option<&str> {
        self.values(|command| if let Command::Quantize(value) = command { Some(value) } else { None }).last()
    }

    /// The messages, in order.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        let message = |command: &Command| match command {
            Command::Message { role, content } => Some(Message {
                role: role.clone(),
                content: content.clone(),
                thinking: String::new(),
                images: Vec::new(),
                tool_calls: Vec::new(),
                tool_name: String::new(),
                tool_call_id: String::new(),
            }),
            _ => None,
        };
        self.commands().filter_map(message).collect()
    }

    /// The parameters in the types that their names want. A repeated list grows; of any other the last one
    /// counts. A parameter that is not known keeps its text.
    #[must_use]
    pub fn parameters(&self) -> Parameters {
        let mut parameters = Parameters::new();
        for command in self.commands() {
            let Command::Parameter { name, value } = command else { continue };
            if parameter_kind(name) == Some(ParameterKind::Strings) {
                let list = parameters.entry(name.clone()).or_insert_with(|| Vec::<String>::new().into());
                list.as_array_mut()
                    .expect("only lists are stored under this name")
                    .push(value.as_str().into());
            } else {
                let typed = values::typed(name, value).unwrap_or_else(|_| value.as_str().into());
                parameters.insert(name.clone(), typed);
            }
        }
        parameters
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (head, value) = match self {
            Command::From(value) => ("FROM", value),
            Command::Adapter(value) => ("ADAPTER", value),
            Command::Draft(value) => ("DRAFT", value),
            Command::Template(value) => ("TEMPLATE", value),
            Command::System(value) => ("SYSTEM", value),
            Command::License(value) => ("LICENSE", value),
            Command::Renderer(value) => ("RENDERER", value),
            Command::Parser(value) => ("PARSER", value),
            Command::Requires(value) => ("REQUIRES", value),
            Command::Quantize(value) => ("QUANTIZE", value),
            Command::Recipe(value) => ("RECIPE", value),
            Command::Parameter { name, value } => {
                return write!(f, "PARAMETER {name} {}", quote::quoted(value));
            }
            Command::Message { role, content } => {
                return write!(f, "MESSAGE {role} {}", quote::quoted(content));
            }
        };
        write!(f, "{head} {}", quote::quoted(value))
    }
}
