//! The command line.
//!
//! The commands that make and move models are thin clients over HTTP: of the server at `OLLAMA_HOST`, or,
//! when that is this machine and none answers there, of one in this very process. `fsck`, `prune`, `export`,
//! `save`, `load` and `verify` work on the store's directory itself, beside a server or without one; `quantize`
//! needs neither.

mod architectures;
mod client;
mod compare;
mod copy;
mod create;
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
mod mapped_file;
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
mod show;
mod surroundings;
mod tensor_types;
mod upload;
mod verify;

use clap::{ArgAction, Parser, Subcommand};

use crate::config::settings_text;

pub use error::CliError;
pub use surroundings::Surroundings;

/// Make models for Ollama and llama.cpp.
#[derive(Debug, Parser)]
#[command(name = "ollamake", version, about, arg_required_else_help = true, disable_version_flag = true)]
pub struct Arguments {
    /// Print the version
    #[arg(short, long, action = ArgAction::Version)]
    version: (),
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server
    #[command(alias = "start", after_long_help = settings_text())]
    Serve,
    /// Create a model from files, a directory, another model, a Modelfile, or what this directory holds
    Create(create::Create),
    /// List models
    #[command(alias = "ls")]
    List(list::List),
    /// Show what a model consists of
    Show(show::Show),
    /// Copy a model
    #[command(name = "cp")]
    Copy(copy::Copy),
    /// Remove models
    #[command(name = "rm")]
    Remove(remove::Remove),
    /// Pull a model from a registry
    Pull(pull::Pull),
    /// Push a model to a registry
    Push(push::Push),
    /// Write models into one file, a bundle, to take them to another machine
    Save(save::Save),
    /// Put the models of a bundle into the store
    Load(load::Load),
    /// Check that every blob and every model of the store is whole
    Fsck(fsck::Fsck),
    /// Make a model again from its sources and compare the digests; nothing is kept
    Verify(verify::Verify),
    /// Remove blobs and downloads that nothing needs
    Prune(prune::Prune),
    /// Quantize a GGUF file or a checkpoint, without a store; takes the options of llama-quantize
    Quantize(quantize::Quantize),
    /// Write the weights of a model into a GGUF file
    Export(export::Export),
    /// Tell how two models differ
    Compare(compare::Compare),
    /// List the jobs of the server, follow one, or stop one
    Jobs(jobs::Jobs),
    /// Print the recipe that makes another model like a model or a GGUF file
    Recipe(recipe::Recipe),
    /// List the model classes whose checkpoints are converted
    Architectures(architectures::Architectures),
}

impl Arguments {
    /// Whether this process is to be a server.
    pub fn is_server(&self) -> bool {
        matches!(self.command, Command::Serve)
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
            Command::Quantize(command) => Ok(tokio::task::block_in_place(|| command.run())?),
            Command::Export(command) => tokio::task::block_in_place(|| command.run(surroundings)),
            Command::Compare(command) => command.run(surroundings).await,
            Command::Jobs(command) => command.run(surroundings).await,
            Command::Recipe(command) => command.run(surroundings).await,
            Command::Architectures(command) => {
                command.run();
                Ok(())
            }
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
