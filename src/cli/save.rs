//! `ollamake save MODEL... [-o FILE]`

use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use clap::Args;
use serde_json::json;

use super::error::parse_name;
use super::format::{bytes, count_of};
use super::interruption::interruption;
use super::new_file::NewFile;
use super::progress::Progress;
use super::standard_output::{print_line, stream};
use super::{CliError, Surroundings};
use crate::bundle::{self, BundleError};

/// Writes an OCI image layout as a tar stream, from the store of this machine, for "ollamake load"; skopeo
/// and oras read it, too.
#[derive(Debug, Args)]
pub(super) struct Save {
    /// The models to write
    #[arg(required = true, value_name = "MODEL")]
    models: Vec<String>,
    /// Write to this file; "-", or none, is standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print a JSON object: file, models, blobs, bytes
    #[arg(long, requires = "output")]
    json: bool,
}

impl Save {
    pub(super) fn run(self, surroundings: &Surroundings) -> Result<(), CliError> {
        let store = surroundings.config()?.open_existing_store()?;
        let mut models = Vec::new();
        for name in &self.models {
            models.push(store.manifest(&parse_name(name)?)?);
        }
        let progress = Progress::new(surroundings.quiet);
        let task = progress.task(&format!("saving {}", count_of(models.len(), "model")), 0);
        let interrupted = interruption();
        let goes_on = |written, total| {
            task.set_length(total);
            task.set_position(written);
            !interrupted.load(Ordering::Relaxed)
        };
        let path = self.output.as_deref().filter(|path| *path != Path::new("-"));
        let saved = match path {
            Some(path) => {
                let mut file = NewFile::create(path).map_err(CliError::file(path))?;
                let saved = bundle::save(&store, &models, BufWriter::new(&mut file), goes_on)?;
                file.complete().and_then(|()| file.publish()).map_err(CliError::file(path))?;
                saved
            }
            None => {
                let out = stream().ok_or(CliError::BundleToTerminal)?;
                bundle::save(&store, &models, out, goes_on).map_err(|error| match error {
                    BundleError::Write(source) => CliError::Output(source.into()),
                    other => other.into(),
                })?
            }
        };
        task.finish();
        if let (true, Some(path)) = (self.json, path) {
            let names: Vec<_> = models.iter().map(|model| model.name.short()).collect();
            let told = json!({"file": path, "models": names, "blobs": saved.blobs, "bytes": saved.bytes});
            return Ok(print_line(told)?);
        }
        let (models, blobs) = (count_of(models.len(), "model"), count_of(saved.blobs, "blob"));
        progress.line(&format!("saved {models} with {blobs}, {}", bytes(saved.bytes)));
        Ok(())
    }
}
