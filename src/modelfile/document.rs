//! A whole Modelfile, and what it comes to.

use super::command::Command;
use super::error::ModelfileError;
use super::{encoding, parse, values};
use crate::model::{Message, ParameterKind, Parameters, parameter_kind};

/// A list of commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modelfile {
    /// With their lines.
    commands: Vec<(usize, Command)>,
}

impl Modelfile {
    /// Reads a Modelfile: UTF-8, with a byte order mark or without, or UTF-16, which its mark or its first
    /// letter tells.
    ///
    /// # Errors
    ///
    /// The first mistake, with its line. The values of known parameters and of `REQUIRES` are checked too.
    pub fn parse(bytes: &[u8]) -> Result<Self, ModelfileError> {
        parse::parse(&encoding::decode(bytes)?).map(|commands| Self { commands })
    }

    /// The same with further commands after its own. They stand in no line.
    #[must_use]
    pub fn followed_by(mut self, commands: impl IntoIterator<Item = Command>) -> Self {
        self.commands.extend(commands.into_iter().map(|command| (0, command)));
        self
    }

    /// The Modelfile that says only what a model is made from.
    pub fn from_source(source: &str) -> Self {
        Self { commands: vec![(1, Command::From(source.to_owned()))] }
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
