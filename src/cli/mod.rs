//! The command line.
//!
//! The commands that make and move models are thin clients over HTTP: of the server at `OLLAMA_HOST`, or,
//! when that is this machine and none answers there, of one in this very process. `fsck`, `prune`, `export`,
//! `save`, `load` and `verify` work on the store's directory itself, beside a server or without one;
//! `quantize` needs neither.
//!
//! Standard output is what was asked for; progress, warnings and errors go to standard error.

#![warn(clippy::print_stdout, clippy::print_stderr)]

mod architectures;
mod client;
mod compare;
mod completions;
mod copy;
mod counted;
mod create;
mod elsewhere;
mod error;
mod export;
mod files;
mod format;
mod fsck;
mod giving;
mod hub_cache;
mod interruption;
mod jobs;
mod list;
mod load;
mod local_check;
mod local_error;
mod local_matrix;
mod local_model;
mod made;
mod manual;
mod mapped_file;
mod model_options;
mod new_file;
mod parts;
mod plan;
mod progress;
mod prune;
mod pull;
mod push;
pub mod quantize;
mod recipe;
mod recipe_options;
mod remove;
mod save;
mod screen;
mod sending;
mod show;
mod standard_output;
mod surroundings;
mod task;
mod tensor_types;
mod upload;
mod verify;

use clap::{ArgAction, CommandFactory as _, Parser, Subcommand};

use crate::config::{settings_text, variables_text};

pub use error::CliError;
pub use local_error::LocalModelError;
pub use screen::tell_error;
pub use standard_output::OutputError;
pub use surroundings::Surroundings;

/// Lines of the help are no longer than this.
const WIDTH: usize = 100;

/// What holds for all commands: their exit codes, and how they show progress.
const COMMON: &str = "\
Exit codes:
  0  it was done; or nobody reads any more what it prints
  1  it could not be done, and standard error says why; of fsck and verify: something is wrong
  2  the command line cannot be understood; of fsck and verify: it could not be found out

On a terminal, progress is a bar. Elsewhere, with NO_COLOR and with TERM=dumb, it is plain lines.
";

/// Make models for Ollama and llama.cpp
#[derive(Debug, Parser)]
#[command(
    name = "ollamake",
    version,
    about,
    arg_required_else_help = true,
    disable_version_flag = true,
    max_term_width = WIDTH,
    after_help = COMMON
)]
pub struct Arguments {
    /// Print the version
    #[arg(short, long, action = ArgAction::Version)]
    version: (),
    /// Print only what was asked for, warnings and errors
    #[arg(long, global = true, display_order = 900)]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server
    #[command(alias = "start", after_long_help = settings_text())]
    Serve,
    /// Create a model from files, a directory, another model, a Modelfile, or what this directory holds
    #[command(after_long_help = variables_text(CREATE))]
    Create(create::Create),
    /// List models
    #[command(visible_alias = "ls", after_long_help = variables_text(LIST))]
    List(list::List),
    /// Show what a model consists of
    #[command(after_long_help = variables_text(CLIENT))]
    Show(show::Show),
    /// Copy a model
    #[command(name = "cp", visible_alias = "copy", after_long_help = variables_text(CLIENT))]
    Copy(copy::Copy),
    /// Remove models
    #[command(name = "rm", visible_aliases = ["remove", "delete"], after_long_help = variables_text(CLIENT))]
    Remove(remove::Remove),
    /// Pull a model from a registry
    #[command(after_long_help = variables_text(TRANSFER))]
    Pull(pull::Pull),
    /// Push a model to a registry
    #[command(after_long_help = variables_text(TRANSFER))]
    Push(push::Push),
    /// Write models into one file, a bundle, to take them to another machine
    #[command(after_long_help = variables_text(STORE))]
    Save(save::Save),
    /// Put the models of a bundle into the store
    #[command(after_long_help = variables_text(STORE))]
    Load(load::Load),
    /// Check that every blob and every model of the store is whole
    #[command(after_long_help = variables_text(STORE))]
    Fsck(fsck::Fsck),
    /// Make a model again from its sources and compare the digests; nothing is kept
    #[command(after_long_help = variables_text(COMPUTING))]
    Verify(verify::Verify),
    /// Remove blobs and downloads that nothing needs
    #[command(after_long_help = variables_text(STORE))]
    Prune(prune::Prune),
    /// Quantize a GGUF file or a checkpoint, without a store; takes the options of llama-quantize
    #[command(after_long_help = variables_text(&["OLLAMAKE_SIMD"]))]
    Quantize(quantize::Quantize),
    /// Write the weights of a model into a GGUF file
    #[command(after_long_help = variables_text(STORE))]
    Export(export::Export),
    /// Tell how two models differ
    #[command(after_long_help = variables_text(CLIENT))]
    Compare(compare::Compare),
    /// List the jobs of the server, follow one, or stop one
    #[command(after_long_help = variables_text(CLIENT))]
    Jobs(jobs::Jobs),
    /// Print the recipe that makes another model like a model or a GGUF file
    #[command(after_long_help = variables_text(CLIENT))]
    Recipe(recipe::Recipe),
    /// List the model classes whose checkpoints are converted
    Architectures(architectures::Architectures),
    /// Print a script that completes this program's commands in a shell
    Completions(completions::Completions),
    /// Write manual pages into a directory
    Man(manual::Manual),
    #[command(flatten)]
    Elsewhere(elsewhere::Elsewhere),
}

/// The variables that commands read which ask a server, `create` and `list` among them, which transfer
/// models, which work on the store, and which compute.
const CLIENT: &[&str] = &["OLLAMA_HOST", "OLLAMA_MODELS", "OLLAMAKE_API_KEY", "OLLAMAKE_API_KEY_FILE"];
const CREATE: &[&str] = &[
    "OLLAMA_HOST",
    "OLLAMA_MODELS",
    "OLLAMAKE_API_KEY",
    "OLLAMAKE_API_KEY_FILE",
    "HF_HOME",
    "HF_HUB_CACHE",
    "OLLAMAKE_LIBRARY",
    "OLLAMAKE_PUBLISH",
];
const LIST: &[&str] =
    &["OLLAMA_HOST", "OLLAMA_MODELS", "OLLAMAKE_API_KEY", "OLLAMAKE_API_KEY_FILE", "OLLAMAKE_LIBRARY"];
const TRANSFER: &[&str] = &[
    "OLLAMA_HOST",
    "OLLAMA_MODELS",
    "OLLAMAKE_API_KEY",
    "OLLAMAKE_API_KEY_FILE",
    "OLLAMAKE_REGISTRY",
    "OLLAMAKE_REGISTRY_USER",
    "OLLAMAKE_REGISTRY_PASSWORD",
    "DOCKER_CONFIG",
    "HTTPS_PROXY",
    "NO_PROXY",
    "OLLAMAKE_LIBRARY",
];
const STORE: &[&str] = &["OLLAMA_MODELS"];
const COMPUTING: &[&str] = &["OLLAMA_MODELS", "OLLAMAKE_JOB_MEMORY", "OLLAMAKE_JOB_THREADS", "OLLAMAKE_SIMD"];

impl Arguments {
    /// Whether this process is to be a server.
    pub fn is_server(&self) -> bool {
        matches!(self.command, Command::Serve)
    }

    /// Whether only what is asked for, warnings and errors are to be said.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Does what was asked. Errors are for people; the caller prints them.
    pub async fn run(self, surroundings: &Surroundings) -> Result<(), CliError> {
        outlive_limits();
        match self.command {
            Command::Serve => {
                let config = surroundings.config()?.clone();
                (surroundings.serve)(config).await.map_err(CliError::Start)
            }
            Command::Create(command) => command.run(surroundings).await,
            Command::List(command) => command.run(surroundings).await,
            Command::Show(command) => command.run(surroundings).await,
            Command::Copy(command) => command.run(surroundings).await,
            Command::Remove(command) => command.run(surroundings).await,
            Command::Pull(command) => command.run(surroundings).await,
            Command::Push(command) => command.run(surroundings).await,
            Command::Save(command) => tokio::task::block_in_place(|| command.run(surroundings)),
            Command::Load(command) => tokio::task::block_in_place(|| command.run(surroundings)),
            Command::Fsck(command) => tokio::task::block_in_place(|| command.run(surroundings)),
            Command::Verify(command) => tokio::task::block_in_place(|| command.run(surroundings)),
            Command::Prune(command) => tokio::task::block_in_place(|| command.run(surroundings)),
            Command::Quantize(command) => {
                Ok(tokio::task::block_in_place(|| command.run(surroundings.quiet))?)
            }
            Command::Export(command) => tokio::task::block_in_place(|| command.run(surroundings)),
            Command::Compare(command) => command.run(surroundings).await,
            Command::Jobs(command) => command.run(surroundings).await,
            Command::Recipe(command) => command.run(surroundings).await,
            Command::Architectures(command) => Ok(command.run()?),
            Command::Completions(command) => Ok(command.run(Self::command())?),
            Command::Man(command) => command.run(Self::command()),
            Command::Elsewhere(command) => Err(CliError::Elsewhere(command.says())),
        }
    }
}

/// A file that outgrows what the process may write is an error like a full disk, not the end of the process.
fn outlive_limits() {
    use tokio::signal::unix::{SignalKind, signal};
    /// `SIGXFSZ`, the same on all but MIPS and PA-RISC.
    const FILE_SIZE_EXCEEDED: i32 = 25;
    // The handler stays when this is dropped. Without it such a process just ends.
    drop(signal(SignalKind::from_raw(FILE_SIZE_EXCEEDED)));
}
