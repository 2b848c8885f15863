//! Commands of Ollama that this program does not have, and what to use in their place.

use clap::{Args, Subcommand};

/// Commands of other programs, which are not listed.
#[derive(Debug, Subcommand)]
pub(super) enum Elsewhere {
    /// Run a model
    #[command(hide = true)]
    Run(Anything),
    /// List running models
    #[command(hide = true)]
    Ps(Anything),
    /// Stop a running model
    #[command(hide = true)]
    Stop(Anything),
    /// Sign in to ollama.com
    #[command(hide = true, aliases = ["login", "signout", "logout"])]
    Signin(Anything),
    /// Start a program with a model
    #[command(hide = true)]
    Launch(Anything),
}

/// Arguments that nobody looks at.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(super) struct Anything {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    _rest: Vec<String>,
}

impl Elsewhere {
    /// What to use instead.
    pub(super) fn says(&self) -> &'static str {
        match self {
            Self::Run(_) => {
                "ollamake makes models and does not run them; \"ollama run\" does, on the same store, and \
                 llama.cpp runs what \"ollamake export MODEL FILE\" writes"
            }
            Self::Ps(_) => {
                "ollamake runs no models, so none is running; \"ollama ps\" lists those of Ollama, and \
                 \"ollamake jobs\" what this server is at"
            }
            Self::Stop(_) => {
                "ollamake runs no models; \"ollama stop\" stops those of Ollama, and \"ollamake jobs --stop \
                 ID\" a job of this server"
            }
            Self::Signin(_) => {
                "ollamake has no accounts of its own; \"ollama signin\" signs in with the key that both \
                 programs show to ollama.com, and other registries take \"docker login\" or \
                 OLLAMAKE_REGISTRY_USER and OLLAMAKE_REGISTRY_PASSWORD"
            }
            Self::Launch(_) => "ollamake starts no other programs; \"ollama launch\" does",
        }
    }
}
