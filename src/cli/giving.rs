//! How files of this machine come to the server: into the store itself where that is ours to write, so that
//! nothing is sent and perhaps nothing is copied, and by upload elsewhere.
//!
//! Whether the server works on the store of this machine's settings is a question to the server: it tells what
//! the directory of its store is known by, which no other directory on any machine has.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use serde_json::{Value, json};

use super::client::Client;
use super::files;
use super::format::count_of;
use super::parts::Files;
use super::progress::Progress;
use super::{CliError, Surroundings};
use crate::model::Digest;
use crate::store::{Blob, Imported, Store, StoreError};

/// Gives files to a server.
pub(super) struct Giver<'c> {
    client: &'c Client,
    surroundings: &'c Surroundings,
    progress: &'c Progress,
    /// The store that the server works on, if it is ours too; not known before it is needed.
    store: Option<Option<Store>>,
    /// What was put there must not be pruned before the model is made.
    leases: Vec<Blob>,
    /// Files that were copied although a link could be made.
    copied: usize,
}

impl<'c> Giver<'c> {
    pub(super) fn new(client: &'c Client, surroundings: &'c Surroundings, progress: &'c Progress) -> Self {
        Self { client, surroundings, progress, store: None, leases: Vec::new(), copied: 0 }
    }

    /// Gives the files and returns the request's object of names and digests; nothing for no files.
    pub(super) async fn give(&mut self, files: Files) -> Result<Option<Value>, CliError> {
        let mut digests: BTreeMap<String, Digest> = files.stored;
        for file in files.local {
            if self.store.is_none() {
                self.store = Some(self.client.store(self.surroundings).await);
            }
            let digest = match self.import(&file.path)? {
                Some(digest) => digest,
                None => self.upload(&file.path).await?,
            };
            digests.insert(file.name, digest);
        }
        Ok((!digests.is_empty()).then(|| json!(digests)))
    }

    /// Says what a person may want to know about the files once all are given.
    pub(super) fn conclude(&self) {
        if self.copied > 0 {
            self.progress.line(&format!(
                "{} copied, since what can be written to must not be a blob under a second name; without the \
                 right to write (chmod 444) a file of yours is linked",
                count_of(self.copied, "file")
            ));
        }
    }

    async fn upload(&self, path: &Path) -> Result<Digest, CliError> {
        let digest = tokio::task::block_in_place(|| files::digest(path, self.progress))?;
        self.client.upload(path, digest, self.progress).await?;
        Ok(digest)
    }

    /// Puts a file into the server's store. Nothing is answered where that cannot be.
    fn import(&mut self, path: &Path) -> Result<Option<Digest>, CliError> {
        let Some(Some(store)) = &self.store else { return Ok(None) };
        let file = File::open(path).map_err(CliError::file(path))?;
        let length = file.metadata().map_err(CliError::file(path))?.len();
        let bar = self.progress.bar(format!("adding {}", path.display()), length);
        let step = |count| {
            bar.inc(count);
            true
        };
        let imported = tokio::task::block_in_place(|| store.import(file, step));
        bar.finish();
        match imported {
            Ok(Some((committed, how))) => {
                self.copied += usize::from(how == Imported::CopiedForSafety);
                let digest = committed.blob.digest();
                self.leases.push(committed.blob);
                Ok(Some(digest))
            }
            // Somebody else's store: its server may write there.
            Ok(None) | Err(StoreError::ReadOnly { .. }) => Ok(None),
            Err(StoreError::FileChanged) => Err(CliError::FileChanged(path.to_owned())),
            Err(error) => Err(error.into()),
        }
    }
}
