//! `ollamake load [FILE]`

use std::fs::File;
use std::io::{self, IsTerminal, Read, stdin};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::progress::Progress;
use super::standard_output::print_line;
use super::{CliError, Surroundings};
use crate::bundle;

/// Puts the models of a bundle into the store of this machine, under the names that they had; a server may
/// be running on it. Everything is verified on the way in.
#[derive(Debug, Args)]
pub(super) struct Load {
    /// The bundle, which "ollamake save" has written, or an OCI image layout as a tar file; "-", or none, is
    /// standard input
    file: Option<PathBuf>,
    /// Print a JSON list of objects: model, digest, replaced
    #[arg(long)]
    json: bool,
}

impl Load {
    pub(super) fn run(self, surroundings: &Surroundings) -> Result<(), CliError> {
        let store = surroundings.config()?.open_store()?;
        let (stream, length): (Box<dyn Read>, u64) = match self.file.as_deref() {
            Some(path) if path != Path::new("-") => {
                let file = File::open(path).map_err(CliError::file(path))?;
                let length = file.metadata().map_err(CliError::file(path))?.len();
                (Box::new(io::BufReader::new(file)), length)
            }
            _ if stdin().is_terminal() => return Err(CliError::BundleFromTerminal),
            _ => (Box::new(stdin().lock()), 0),
        };
        let progress = Progress::new(surroundings.quiet);
        let task = progress.task("loading", length);
        let loaded = bundle::load(&store, stream, |read| task.set_position(read))?;
        task.finish();
        if self.json {
            let told = loaded.iter().map(|model| {
                let (name, digest) = (model.name.short(), model.digest.to_string());
                json!({"model": name, "digest": digest, "replaced": model.replaced})
            });
            return Ok(print_line(told.collect::<Value>())?);
        }
        for model in &loaded {
            let note = if model.replaced { ", in place of another" } else { "" };
            print_line(format_args!("loaded {}{note}", model.name.short()))?;
        }
        Ok(())
    }
}
