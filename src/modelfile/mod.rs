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
//! Commands are case-insensitive and may come in any order; a value runs to the end of its line, or to the
//! line that closes its quotes. The grammar is that of Ollama (`parser/parser.go`); where Ollama loses text
//! without a word (characters that do not print, a parameter's name after two spaces) it is kept here. A
//! parameter that is not known is a mistake unless its name stands in quotes, as `show` writes it.

mod command;
mod document;
mod encoding;
mod error;
mod excerpt;
mod parameter;
mod parse;
mod quote;
mod values;

pub use command::Command;
pub use document::Modelfile;
pub use error::ModelfileError;
pub use parameter::ParameterError;
