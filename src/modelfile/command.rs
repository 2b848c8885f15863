//! The commands of a Modelfile.

use std::fmt;

use super::quote::{quoted, quoted_name};

/// One command. Its `Display` writes it as a line of a Modelfile, with the quotes that Ollama's `show` uses;
/// reading that gives the same command.
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
    /// `PARAMETER`: a name, which stands in quotes if it is not a known one, and the value as text.
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
    /// `RECIPE`: a file that says where the quantization differs from its type, or the JSON object itself. Only
    /// here.
    Recipe(String),
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
                return write!(f, "PARAMETER {} {}", quoted_name(name), quoted(value));
            }
            Command::Message { role, content } => {
                return write!(f, "MESSAGE {role} {}", quoted(content));
            }
        };
        write!(f, "{head} {}", quoted(value))
    }
}
