//! Files on their way to the server: hashed, and of those that it does not have the bytes sent.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read};

use reqwest::Method;
use sha2::{Digest as _, Sha256};

use super::CliError;
use super::client::Client;
use super::files::LocalFile;
use super::format::{bytes, count_of};
use super::progress::Progress;
use super::task::Task;
use crate::model::Digest;

/// Shorter files are not told one by one.
const SMALL: u64 = 1_000_000;

/// A file, its length and its digest.
struct Hashed {
    file: LocalFile,
    length: u64,
    digest: Digest,
}

impl Client {
    /// Sends files; answers with their digests by their names.
    pub(super) async fn send_files(
        &self,
        files: Vec<LocalFile>,
        progress: &Progress,
    ) -> Result<BTreeMap<String, Digest>, CliError> {
        let hashed = tokio::task::block_in_place(|| hash(files, progress))?;
        let (mut asked, mut absent) = (HashSet::new(), Vec::new());
        for file in &hashed {
            // Two files may have the same content.
            if asked.insert(file.digest) && !self.has(file.digest).await? {
                absent.push(file);
            }
        }
        self.send_absent(&absent, progress).await?;
        Ok(hashed.into_iter().map(|Hashed { file, digest, .. }| (file.name, digest)).collect())
    }

    async fn has(&self, digest: Digest) -> Result<bool, CliError> {
        match self.send(self.request(Method::HEAD, &format!("/api/blobs/{digest}"))).await {
            Ok(_) => Ok(true),
            Err(CliError::Server(_)) => Ok(false),
            Err(other) => Err(other),
        }
    }

    async fn send_absent(&self, files: &[&Hashed], progress: &Progress) -> Result<(), CliError> {
        if files.is_empty() {
            return Ok(());
        }
        let named: Vec<_> = files.iter().map(|file| file.file.clone()).collect();
        let lengths: Vec<_> = files.iter().map(|file| file.length).collect();
        let naming = Naming::new("uploading", &named, &lengths);
        let task = progress.task(&naming.line(), naming.total);
        let mut sent = 0;
        for (number, Hashed { file, length, digest }) in files.iter().enumerate() {
            naming.name(&task, number, file, *length);
            self.upload(&file.path, *digest, *length, (&task, sent), progress).await?;
            sent += length;
        }
        Ok(())
    }
}

/// How long files are.
pub(super) fn lengths(files: &[LocalFile]) -> Result<Vec<u64>, CliError> {
    let length = |file: &LocalFile| fs::metadata(&file.path).map(|metadata| metadata.len());
    files.iter().map(|file| length(file).map_err(CliError::file(&file.path))).collect()
}

/// The digests of files.
fn hash(files: Vec<LocalFile>, progress: &Progress) -> Result<Vec<Hashed>, CliError> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let lengths = lengths(&files)?;
    let naming = Naming::new("hashing", &files, &lengths);
    let task = progress.task(&naming.line(), naming.total);
    let mut hashed = Vec::with_capacity(files.len());
    for (number, (file, length)) in files.into_iter().zip(lengths).enumerate() {
        naming.name(&task, number, &file, length);
        let digest = digest(&file, &task)?;
        hashed.push(Hashed { file, length, digest });
    }
    Ok(hashed)
}

/// The digest of a file's content.
fn digest(LocalFile { path, .. }: &LocalFile, task: &Task) -> Result<Digest, CliError> {
    let mut file = File::open(path).map_err(CliError::file(path))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(Digest::from_bytes(hasher.finalize().into())),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                task.add(count as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(CliError::file(path)(error)),
        }
    }
}

/// How what is done to files is told: long ones by their names, the others together.
pub(super) struct Naming {
    verb: &'static str,
    /// The one file's name, if there is one.
    only: Option<String>,
    count: usize,
    total: u64,
}

impl Naming {
    pub(super) fn new(verb: &'static str, files: &[LocalFile], lengths: &[u64]) -> Self {
        let only = match files {
            [file] => Some(file.name.clone()),
            _ => None,
        };
        let total = lengths.iter().fold(0_u64, |sum, length| sum.saturating_add(*length));
        Self { verb, only, count: files.len(), total }
    }

    /// The bytes of all.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// What is told where there is no bar.
    pub(super) fn line(&self) -> String {
        let what = self.only.clone().unwrap_or_else(|| count_of(self.count, "file"));
        format!("{} {what} ({})", self.verb, bytes(self.total))
    }

    /// Calls the bar after the file that is next.
    pub(super) fn name(&self, task: &Task, number: usize, file: &LocalFile, length: u64) {
        let verb = self.verb;
        task.name(&match self.count {
            1 => format!("{verb} {}", file.name),
            _ if length < SMALL => format!("{verb} small files"),
            count => format!("{verb} {} of {count}: {}", number + 1, file.name),
        });
    }
}
