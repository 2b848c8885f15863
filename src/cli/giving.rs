//! How files of this machine come to the server: into the store itself where that is ours to write, so that
//! nothing is sent and perhaps nothing is copied, and by upload elsewhere.
//!
//! Whether the server works on the store of this machine's settings is a question to the server: it tells
//! what the directory of its store is known by, which no other directory on any machine has.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use serde_json::{Value, json};

use super::client::Client;
use super::files::LocalFile;
use super::format::count_of;
use super::parts::Files;
use super::progress::Progress;
use super::sending::{Naming, lengths};
use super::task::Task;
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
        let Files { local, stored: mut digests, .. } = files;
        if !local.is_empty() && self.store.is_none() {
            self.store = Some(self.client.store(self.surroundings).await);
        }
        let rest = tokio::task::block_in_place(|| self.import(local, &mut digests))?;
        digests.extend(self.client.send_files(rest, self.progress).await?);
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

    /// Puts files into the server's store, as far as that can be; answers with those that have to be sent.
    fn import(
        &mut self,
        files: Vec<LocalFile>,
        digests: &mut BTreeMap<String, Digest>,
    ) -> Result<Vec<LocalFile>, CliError> {
        let Some(Some(store)) = self.store.clone().filter(|_| !files.is_empty()) else { return Ok(files) };
        let lengths = lengths(&files)?;
        let naming = Naming::new("adding", &files, &lengths);
        let task = self.progress.task(&naming.line(), naming.total());
        let mut rest = Vec::new();
        for (number, (file, length)) in files.into_iter().zip(lengths).enumerate() {
            naming.name(&task, number, &file, length);
            match self.import_one(&store, &file.path, &task)? {
                Some(digest) => drop(digests.insert(file.name, digest)),
                None => rest.push(file),
            }
        }
        Ok(rest)
    }

    /// Puts a file into the store. Nothing is answered where that cannot be.
    fn import_one(&mut self, store: &Store, path: &Path, task: &Task) -> Result<Option<Digest>, CliError> {
        let file = File::open(path).map_err(CliError::file(path))?;
        let step = |count| {
            task.add(count);
            true
        };
        match store.import(file, step) {
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
