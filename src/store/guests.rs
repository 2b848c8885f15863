//! Guests: images and artifacts that were pushed here and are no models, kept for their repositories.
//!
//! `ollamake/guests/<repository>/<label>` is a document, byte for byte; the label is a tag or the document's
//! own digest. Nothing of a guest is ever put where Ollama reads names. Its blobs lie among the others, and
//! whatever stands in its document is named. What it says of other documents is not followed: each of them is
//! a guest or a model itself.

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::disk::{ignore_absence, read_up_to};
use super::document::LONGEST_DOCUMENT;
use super::known_guest::KnownGuest;
use super::names::Names;
use super::{Blob, Shared, Store, StoreError, Tally, Unread};
use crate::model::{Descriptor, Digest, Label, OciDocument, Repository};

/// A guest: what it is called, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestName {
    /// The repository that it is kept for.
    pub repository: Repository,
    /// What it is called there.
    pub label: Label,
}

/// The document of a guest.
#[derive(Debug, Clone)]
pub struct Guest {
    /// The digest of its bytes.
    pub digest: Digest,
    /// The file, byte for byte.
    pub bytes: Vec<u8>,
    /// What it says.
    pub document: OciDocument,
}

/// What is called something in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestEntry {
    /// What it is called.
    pub label: Label,
    /// The digest of its document.
    pub digest: Digest,
    /// The length of its document in bytes.
    pub size: u64,
    /// The manifest that it tells something about.
    pub subject: Option<Digest>,
}

/// A file among the guests.
struct Found {
    directory: String,
    file: String,
    /// What it is, or why nobody knows.
    content: Result<Arc<KnownGuest>, String>,
}

impl Store {
    /// Keeps a document for a repository, durably; answers with what its label named before. The caller holds
    /// leases on the blobs that it names.
    ///
    /// # Errors
    /// [`StoreError::InvalidManifest`], or what the operating system says.
    pub fn keep_guest(
        &self,
        name: &GuestName,
        bytes: &[u8],
        leases: &[Blob],
    ) -> Result<Vec<Digest>, StoreError> {
        let store = &self.0;
        understand(bytes).map_err(|problem| StoreError::InvalidManifest { problem })?;
        store.ensure_durable(leases)?;
        let before = store.known_guest(&name.repository.directory(), &name.label.to_string());
        let mut temporary = store.write_temporary(bytes)?;
        let (directory, path) = store.guest_paths(name);
        // One that removes the last guest of a repository removes its directory.
        loop {
            store.make_directory(store.layout.own())?;
            store.make_directory(store.layout.guests())?;
            store.make_directory(&directory)?;
            match temporary.replace(&path) {
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound && !store.disk.is_listed(&directory) => {}
                answer => break answer?,
            }
        }
        store.disk.sync_directory(&directory)?;
        Ok(before.map(|known| known.names.iter().map(|(digest, _)| digest).collect()).unwrap_or_default())
    }

    /// The guest that has a label in a repository; by a digest it is found whatever it is called.
    ///
    /// # Errors
    /// [`StoreError::InvalidManifest`] of one that is damaged, or what the operating system says.
    pub fn guest(&self, repository: &Repository, label: &Label) -> Result<Option<Guest>, StoreError> {
        let store = &self.0;
        let labels = match label {
            Label::Tag(_) => vec![label.clone()],
            Label::Digest(digest) => store.labels_of(repository, *digest)?,
        };
        for label in labels {
            let name = GuestName { repository: repository.clone(), label };
            let file = match store.disk.open(&store.guest_paths(&name).1) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                answer => answer?,
            };
            let bytes = read_up_to(&*store.disk, &file, LONGEST_DOCUMENT)?;
            let invalid = |problem| StoreError::InvalidManifest { problem };
            let document = understand(&bytes).map_err(invalid)?;
            return Ok(Some(Guest { digest: Digest::of(&bytes), bytes, document }));
        }
        Ok(None)
    }

    /// Everything that is called something in a repository, in the order of the labels.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn guests_of(&self, repository: &Repository) -> Result<Vec<GuestEntry>, StoreError> {
        let entry = |(label, known): (Label, Arc<KnownGuest>)| {
            let KnownGuest { digest, size, subject, .. } = *known;
            GuestEntry { label, digest, size, subject }
        };
        let mut guests: Vec<_> = self.0.labelled(repository)?.map(entry).collect();
        guests.sort_unstable_by(|one, other| one.label.cmp(&other.label));
        Ok(guests)
    }

    /// The repositories that have guests.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn guest_repositories(&self) -> Result<Vec<Repository>, StoreError> {
        let names = self.0.list_or_nothing(self.0.layout.guests())?;
        let repositories = names.iter().filter_map(|name| Repository::of_directory(name));
        // One that is just being removed is empty.
        let is_inhabited = |repository: &Repository| {
            self.0.labelled(repository).is_ok_and(|mut labelled| labelled.next().is_some())
        };
        Ok(repositories.filter(is_inhabited).collect())
    }

    /// Removes a tag, or by a digest a guest with all its tags; answers with what it named, nothing if there
    /// is none. Blobs stay: see [`remove_unused`](Self::remove_unused).
    ///
    /// # Errors
    /// What the operating system says.
    pub fn dismiss_guest(
        &self,
        repository: &Repository,
        label: &Label,
    ) -> Result<Option<Vec<Digest>>, StoreError> {
        let store = &self.0;
        let labelled: Vec<_> = store.labelled(repository)?.collect();
        let mut named = None;
        for (other, known) in labelled {
            let is_meant = match label {
                Label::Tag(_) => other == *label,
                Label::Digest(wanted) => known.digest == *wanted,
            };
            if !is_meant {
                continue;
            }
            let (directory, path) =
                store.guest_paths(&GuestName { repository: repository.clone(), label: other });
            store.guests.remove(&path);
            if ignore_absence(store.disk.remove(&path))? {
                store.disk.sync_directory(&directory)?;
                named.get_or_insert_with(Vec::new).extend(known.names.iter().map(|(digest, _)| digest));
            }
        }
        // It stays as long as there is something in it.
        let directory = store.layout.guests().join(repository.directory());
        if named.is_some() && store.disk.remove_directory(&directory).is_ok() {
            store.disk.sync_directory(store.layout.guests())?;
        }
        Ok(named)
    }
}

impl Shared {
    fn guest_paths(&self, name: &GuestName) -> (PathBuf, PathBuf) {
        let directory = self.layout.guests().join(name.repository.directory());
        let path = directory.join(name.label.to_string());
        (directory, path)
    }

    /// What is called something in a repository, as far as it can be read.
    fn labelled(
        &self,
        repository: &Repository,
    ) -> io::Result<impl Iterator<Item = (Label, Arc<KnownGuest>)> + use<'_>> {
        let directory = repository.directory();
        let names = self.list_or_nothing(&self.layout.guests().join(&directory))?;
        Ok(names.into_iter().filter_map(move |name| {
            let label = name.parse().ok()?;
            Some((label, self.known_guest(&directory, &name).ok()?))
        }))
    }

    fn labels_of(&self, repository: &Repository, digest: Digest) -> io::Result<Vec<Label>> {
        let labelled = self.labelled(repository)?;
        Ok(labelled.filter(|(_, known)| known.digest == digest).map(|(label, _)| label).collect())
    }

    /// Calls `visit` with everything that guests name; answers with those of which nobody knows that.
    pub(super) fn guests_name(&self, visit: &mut impl FnMut(Digest)) -> io::Result<Vec<Unread>> {
        let mut unread = Vec::new();
        for Found { directory, file, content } in self.found_guests()? {
            match content {
                Ok(known) => known.names.iter().for_each(|(digest, _)| visit(digest)),
                Err(problem) => {
                    let place = format!("ollamake/guests/{directory}/{file}");
                    unread.push(Unread { place, model: None, problem });
                }
            }
        }
        Ok(unread)
    }

    /// The blobs of all guests, each with the guest that it is of.
    pub(super) fn parts_of_guests(&self) -> io::Result<Vec<(GuestName, Descriptor)>> {
        let mut parts = Vec::new();
        for Found { directory, file, content } in self.found_guests()? {
            let name = Repository::of_directory(&directory).zip(file.parse().ok());
            if let (Some((repository, label)), Ok(known)) = (name, content) {
                let name = GuestName { repository, label };
                parts.extend(known.parts.iter().map(|part| (name.clone(), part.clone())));
            }
        }
        Ok(parts)
    }

    /// How many documents are guests, and the bytes of the blobs that they consist of.
    pub(super) fn tally_guests(&self) -> io::Result<Tally> {
        let found = self.found_guests()?;
        let known: Vec<_> = found.into_iter().filter_map(|found| found.content.ok()).collect();
        let documents: HashSet<Digest> = known.iter().map(|known| known.digest).collect();
        let parts: BTreeSet<Digest> =
            known.iter().flat_map(|known| known.parts.iter().map(|part| part.digest)).collect();
        let mut bytes = 0;
        for part in parts {
            bytes += self.length_of(part)?.unwrap_or(0);
        }
        Ok(Tally { files: documents.len(), bytes })
    }

    fn found_guests(&self) -> io::Result<Vec<Found>> {
        let mut found = Vec::new();
        for directory in self.list_or_nothing(self.layout.guests())? {
            let files = match self.list_or_nothing(&self.layout.guests().join(&directory)) {
                // Somebody has put a file there; it is read as one.
                Err(error) if error.kind() == io::ErrorKind::NotADirectory => Vec::new(),
                files => files?,
            };
            for file in files {
                let content = match self.known_guest(&directory, &file) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) if error.raw_os_error().is_some() => Err(error.kind().to_string()),
                    known => known.map_err(|error| error.to_string()),
                };
                found.push(Found { directory: directory.clone(), file, content });
            }
        }
        Ok(found)
    }

    /// A guest, which is read again only if its file has changed.
    fn known_guest(&self, directory: &str, file: &str) -> io::Result<Arc<KnownGuest>> {
        let path = self.layout.guests().join(directory).join(file);
        self.guests.get(&*self.disk, &path, |opened| {
            let bytes = read_up_to(&*self.disk, opened, LONGEST_DOCUMENT)?;
            let document = understand(&bytes).map_err(io::Error::other)?;
            let digest = Digest::of(&bytes);
            if let Ok(Label::Digest(expected)) = file.parse()
                && expected != digest
            {
                return Err(io::Error::other(format!("its content is {digest}")));
            }
            let names = Names::in_document(&bytes)?.with_leaf(digest);
            let (size, parts) = (bytes.len() as u64, document.blobs().cloned().collect());
            Ok(Arc::new(KnownGuest { digest, size, subject: document.subject, names, parts }))
        })
    }
}

/// What the bytes of a guest's document say.
fn understand(bytes: &[u8]) -> Result<OciDocument, String> {
    match bytes.len() {
        length if length > LONGEST_DOCUMENT => {
            Err(format!("at most {LONGEST_DOCUMENT} bytes expected, it has more"))
        }
        _ => OciDocument::parse(bytes, None).map_err(|error| error.to_string()),
    }
}

impl std::fmt::Display for GuestName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.label {
            Label::Tag(tag) => write!(formatter, "{}:{tag}", self.repository),
            Label::Digest(digest) => write!(formatter, "{}@{digest}", self.repository),
        }
    }
}
