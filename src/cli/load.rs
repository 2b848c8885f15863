//! `ollamake load [FILE]`

use std::fs::File;
use std::io::{self, IsTerminal, Read, stdin};
use std::path::{Path, PathBuf};

use clap::Args;

use super::progress::Progress;
use super::{CliError, Surroundings};
use crate::bundle;

/// Puts the models of a bundle into the store of this machine, under the names that they had; a server may
/// be running on it. Everything is verified on the way in.
#[derive(Debug, Args)]
pub(super) struct Load {
    /// A bundle of "ollamake save", or an OCI image layout as a tar file; "-", or none, is standard input
    file: Option<PathBuf>,
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
        let bar = Progress::new().bar("loading".to_owned(), length);
        let loaded = bundle::load(&store, stream, |read| bar.set_position(read))?;
        bar.finish_and_clear();
        for model in &loaded {
            let note = if model.replaced { ", in place of another" } else { "" };
            println!("loaded {}{note}", model.name.short());
        }
        Ok(())
    }
}
