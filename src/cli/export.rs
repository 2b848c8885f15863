//! `ollamake export MODEL FILE`

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::error::parse_reference;
use super::format::bytes;
use super::new_file::NewFile;
use super::progress::Progress;
use super::standard_output::{OutputError, print_line, stream};
use super::{CliError, Surroundings};
use crate::library::{Descriptions, Parts, Weights};
use crate::model::Reference;
use crate::store::{Blob, Exported, Store, StoreError};

/// The weights of a model as a GGUF file, from the store of this machine. The file shares the room of the
/// store's blob where the file system can do that, and is a copy elsewhere.
#[derive(Debug, Args)]
pub(super) struct Export {
    /// The model whose weights are wanted
    model: String,
    /// The file to write, or "-" for standard output; of a model that was split into several files, each gets
    /// "-00001-of-00003" and so on before ".gguf"
    file: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
    /// Give the blob itself a second name instead of copying it. The file must never be changed then: that
    /// would damage the store
    #[arg(long)]
    hard_link: bool,
    /// Print a JSON list of objects: file, size, digest, how
    #[arg(long)]
    json: bool,
}

impl Export {
    pub(super) fn run(self, surroundings: &Surroundings) -> Result<(), CliError> {
        let reference: Reference = parse_reference(&self.model)?;
        let store = surroundings.config()?.open_existing_store()?;
        let model = store.find(&reference)?;
        store.ensure_parts(&model)?;
        let parts = Parts::read(&store, &Descriptions::new(store.clone()), &model)?;
        let weights = Weights::open(&store, &parts)?;
        let files = weights.files();
        if files.is_empty() {
            return Err(CliError::NoWeights(model.name.short()));
        }
        let progress = Progress::new(surroundings.quiet);
        if self.file == Path::new("-") {
            return self.stream(&store, files, &progress);
        }
        let targets: Vec<PathBuf> =
            (1..=files.len()).map(|number| self.target(number, files.len())).collect();
        if let Some(taken) = targets.iter().find(|path| !self.force && path.exists()) {
            return Err(CliError::Exists(taken.clone()));
        }
        let mut done = Vec::new();
        for (blob, path) in files.iter().zip(&targets) {
            let how = self.write(&store, blob, path, &progress)?;
            if !self.json {
                print_line(format_args!("{} ({}, {how})", path.display(), bytes(blob.length())))?;
            }
            let (size, digest) = (blob.length(), blob.digest().to_string());
            done.push(json!({"file": path, "size": size, "digest": digest, "how": how}));
        }
        if self.json {
            print_line(json!(done))?;
        }
        Ok(())
    }

    /// Writes the one file to standard output.
    fn stream(&self, store: &Store, files: &[Blob], progress: &Progress) -> Result<(), CliError> {
        if self.json || self.hard_link {
            return Err(CliError::OnlyFile { option: if self.json { "--json" } else { "--hard-link" } });
        }
        let [blob] = files else { return Err(CliError::SeveralFiles { count: files.len() }) };
        let mut out = stream().ok_or(CliError::FileToTerminal)?;
        store.ensure_whole(blob, || true)?;
        let task = progress.task("writing to standard output", blob.length());
        let (mut buffer, mut position) = (vec![0; 1 << 20], 0);
        loop {
            match blob.read_at(&mut buffer, position).map_err(StoreError::from)? {
                0 => return Ok(out.flush().map_err(OutputError::from)?),
                count => {
                    out.write_all(&buffer[..count]).map_err(OutputError::from)?;
                    position += count as u64;
                    task.set_position(position);
                }
            }
        }
    }

    /// Where one of so many files goes, the first being 1. llama.cpp finds shards by such names.
    fn target(&self, number: usize, count: usize) -> PathBuf {
        if count == 1 {
            return self.file.clone();
        }
        let name = self.file.file_name().unwrap_or_default().to_string_lossy();
        let stem = name.strip_suffix(".gguf").unwrap_or(&name);
        self.file.with_file_name(format!("{stem}-{number:05}-of-{count:05}.gguf"))
    }

    /// Makes a file of a blob; it appears when it is complete. Answers how.
    fn write(
        &self,
        store: &Store,
        blob: &Blob,
        path: &Path,
        progress: &Progress,
    ) -> Result<&'static str, CliError> {
        // What is damaged must not leave the store as if it were whole.
        store.ensure_whole(blob, || true)?;
        let failed = || CliError::file(path);
        if self.hard_link {
            if self.force && path.exists() {
                fs::remove_file(path).map_err(failed())?;
            }
            blob.link_to(path).map_err(failed())?;
            progress.line("the file is the store's own: whoever changes it damages the store");
            return Ok("hard link");
        }
        let mut file = NewFile::create(path).map_err(failed())?;
        let task = progress.task(&format!("writing {}", path.display()), blob.length());
        let how = blob.export(file.as_file_mut(), |written| task.set_position(written)).map_err(failed())?;
        file.complete().map_err(failed())?;
        task.finish();
        let published = if self.force { file.publish() } else { file.publish_beside() };
        published.map_err(failed())?;
        Ok(match how {
            Exported::Shared => "shared with the store",
            Exported::Copied => "copied",
        })
    }
}
