//! What a Modelfile can say, as options. They come after what it says.

use clap::Args;

use super::CliError;
use crate::modelfile::Command;

/// The options.
#[derive(Debug, Default, Args)]
pub(super) struct ModelOptions {
    /// Set the system message
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// Set the template of prompts, in Go's language
    #[arg(long, value_name = "TEXT")]
    template: Option<String>,
    /// Set a parameter, such as temperature=0.5; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    parameter: Vec<String>,
    /// Add the text of a license; may be repeated
    #[arg(long, value_name = "TEXT")]
    license: Vec<String>,
    /// Add an adapter: a GGUF file, or a directory with adapter_config.json; may be repeated with --merge
    #[arg(long, value_name = "PATH")]
    adapter: Vec<String>,
}

/// A command that an option stands for.
pub(super) struct Given {
    /// How the option is called.
    pub(super) option: &'static str,
    pub(super) command: Command,
}

impl ModelOptions {
    /// The commands that the options stand for.
    pub(super) fn commands(&self) -> Result<Vec<Given>, CliError> {
        fn each<'o>(
            option: &'static str,
            values: impl IntoIterator<Item = &'o String>,
            command: fn(String) -> Command,
        ) -> impl Iterator<Item = Given> {
            values.into_iter().map(move |value| Given { option, command: command(value.clone()) })
        }
        let mut given: Vec<Given> = each("--system", &self.system, Command::System)
            .chain(each("--template", &self.template, Command::Template))
            .chain(each("--license", &self.license, Command::License))
            .chain(each("--adapter", &self.adapter, Command::Adapter))
            .collect();
        for text in &self.parameter {
            let option = "--parameter";
            let refused = |source: CliError| CliError::Option { option, source: Box::new(source) };
            let (name, value) =
                text.split_once('=').ok_or_else(|| refused(CliError::NotAPair { text: text.clone() }))?;
            let command = Command::parameter(name.trim(), value).map_err(|error| refused(error.into()))?;
            given.push(Given { option, command });
        }
        Ok(given)
    }
}
