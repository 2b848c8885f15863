//! Looking whether the store is whole.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::entry::Content;
use super::hashed::UNIT;
use super::ollamas_files::has_old_name;
use super::reach::Reach;
use super::{GuestName, Shared, Store, StoreError, Unread, lease};
use crate::model::{Digest, Name};

/// How often something that seems to be missing is looked for. It takes a model that is removed and made
/// again between any two looks to be wrong after the last.
const LOOKS: usize = 4;

/// What is wrong with a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// The number of blobs looked at.
    pub blobs: usize,
    /// The number of bytes that they have.
    pub bytes: u64,
    /// The number of manifests looked at.
    pub manifests: usize,
    /// Blobs whose content is not what their name says, or cannot be read.
    pub damaged_blobs: Vec<DamagedBlob>,
    /// Manifests of models that cannot be read, and why.
    pub damaged_manifests: Vec<(Name, String)>,
    /// What else is found where manifests are, or is named as one, and cannot be read or understood.
    pub unread: Vec<Unread>,
    /// Blobs that a manifest names and that are not there, or not in the length that it states.
    pub missing_blobs: Vec<MissingBlob>,
    /// Links where manifests are that lead nowhere.
    pub dangling: Vec<String>,
    /// Files among the blobs that are neither blobs nor what a program puts there while it writes one.
    pub foreign: Vec<String>,
    /// Manifests of lists that are not in the store, and the models of the lists. Nothing is wrong with that.
    pub absent: Vec<(Name, Digest)>,
}

/// A blob that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedBlob {
    /// What it is called.
    pub digest: Digest,
    /// What is wrong with it.
    pub damage: BlobDamage,
    /// What needs it.
    pub holders: Vec<Holder>,
}

/// What needs a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// A model.
    Model(Name),
    /// An image or an artifact.
    Guest(GuestName),
}

/// What is wrong with a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobDamage {
    /// It has the content of another.
    Content {
        /// The digest of its content.
        got: Digest,
    },
    /// It cannot be read, for a reason that may pass.
    Unreadable(io::ErrorKind),
}

/// A blob that a manifest names and that is not there as it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingBlob {
    /// What the manifest is of.
    pub holder: Holder,
    /// The blob.
    pub digest: Digest,
    /// The length that the manifest states, in bytes.
    pub expected: u64,
    /// The length that it has, if it is there.
    pub got: Option<u64>,
}

/// How far the reading of blobs has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckProgress {
    /// The number of bytes read.
    pub read: u64,
    /// The number of bytes that all blobs had at the beginning.
    pub total: u64,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Model(name) => formatter.write_str(&name.short()),
            Self::Guest(name) => name.fmt(formatter),
        }
    }
}

impl CheckReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.findings() == 0
    }

    /// The number of things that are wrong.
    pub fn findings(&self) -> usize {
        self.damaged_blobs.len()
            + self.damaged_manifests.len()
            + self.unread.len()
            + self.missing_blobs.len()
            + self.dangling.len()
            + self.foreign.len()
    }
}

impl Store {
    /// Looks whether every manifest can be read and all its blobs are there, and, if `contents` is set,
    /// whether the content of every blob is what its name says. Blobs are read on all cores; `goes_on` is
    /// called while they are, and what it does not want to know any more is not looked at.
    ///
    /// # Errors
    /// What the operating system says about the directories. What it says about a blob is in the report.
    pub fn check_while(
        &self,
        contents: bool,
        goes_on: impl Fn(CheckProgress) -> bool + Sync,
    ) -> Result<CheckReport, StoreError> {
        let mut report = CheckReport::default();
        let census = self.0.whole_census()?;
        report.manifests = census.entries.iter().filter(|entry| entry.name.is_some()).count();
        for unread in self.0.reach(&census, &mut |_| ())? {
            match unread {
                Unread { model: Some(model), place, problem } if !place.starts_with("blobs/") => {
                    report.damaged_manifests.push((model, format!("{problem} (in {place})")));
                }
                unread => report.unread.push(unread),
            }
        }
        for entry in &census.entries {
            if matches!(entry.content, Content::Dangling(_)) {
                report.dangling.push(entry.place.clone());
            }
        }
        report.absent = self.0.absent(&census);
        report.foreign = self.0.foreign_files()?;
        report.missing_blobs = self.0.missing_blobs()?;

        let mut blobs: Vec<(Digest, u64)> = Vec::new();
        for digest in self.0.list_blobs()? {
            match self.size(digest) {
                Ok(Some(length)) => blobs.push((digest, length)),
                // A blob that was removed in between is not missed.
                Ok(None) => {}
                // Reading it will tell.
                Err(_) => blobs.push((digest, 0)),
            }
        }
        report.blobs = blobs.len();
        report.bytes = blobs.iter().map(|(_, length)| length).sum();
        if !contents {
            return Ok(report);
        }
        // The longest first, so that none is left over when the others are done.
        blobs.sort_unstable_by_key(|(digest, length)| (std::cmp::Reverse(*length), *digest));
        let read = AtomicU64::new(0);
        let damage = |buffer: &mut Vec<u8>, (digest, _): (Digest, u64)| {
            let content = self.0.content_of(digest, buffer, |count| {
                let read = read.fetch_add(count, Ordering::Relaxed) + count;
                goes_on(CheckProgress { read, total: report.bytes })
            });
            match content {
                Ok(Some(got)) if got != digest => Some((digest, BlobDamage::Content { got })),
                Ok(_) => None,
                Err(error) => Some((digest, BlobDamage::Unreadable(error.kind()))),
            }
        };
        // One at a time, since they are of very different lengths.
        let blobs = blobs.into_par_iter().with_max_len(1);
        let found: BTreeMap<_, _> = blobs.map_init(|| vec![0; UNIT], damage).flatten_iter().collect();
        if !found.is_empty() {
            // The damage explains that the length is wrong.
            report
                .missing_blobs
                .retain(|missing| missing.got.is_none() || !found.contains_key(&missing.digest));
            let mut users = self.0.users()?;
            let finding = |(digest, damage)| {
                let holders = users.remove(&digest).unwrap_or_default();
                DamagedBlob { digest, damage, holders }
            };
            report.damaged_blobs = found.into_iter().map(finding).collect();
        }
        Ok(report)
    }

    /// The same to the end; `progress` is called while blobs are read.
    ///
    /// # Errors
    /// As those of [`check_while`](Self::check_while).
    pub fn check(
        &self,
        contents: bool,
        progress: impl Fn(CheckProgress) + Sync,
    ) -> Result<CheckReport, StoreError> {
        self.check_while(contents, |reached| {
            progress(reached);
            true
        })
    }

    /// Takes the blobs out of the store that a check has found to have the content of another; answers with
    /// those that were still so.
    ///
    /// # Errors
    /// As those of [`quarantine`](Self::quarantine).
    pub fn repair(&self, report: &CheckReport) -> Result<Vec<Digest>, StoreError> {
        let mut repaired = Vec::new();
        for blob in &report.damaged_blobs {
            if matches!(blob.damage, BlobDamage::Content { .. }) && self.quarantine(blob.digest)? {
                repaired.push(blob.digest);
            }
        }
        Ok(repaired)
    }

    /// Takes a blob whose content is not what its name says out of the store, into a directory where nothing
    /// looks for it, so that it can be uploaded or pulled again. `false` if it is whole, or not there.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn quarantine(&self, digest: Digest) -> Result<bool, StoreError> {
        let store = &self.0;
        // It may have been replaced since it was found to be damaged.
        let Some(blob) = store.find_blob(digest)? else { return Ok(false) };
        if store.read_through(&blob, &mut vec![0; UNIT], |_| true)? == Some(digest) {
            return Ok(false);
        }
        let directory = store.layout.quarantine();
        let (from, to) = (store.layout.blob(digest), directory.join(digest.file_name()));
        store.make_directory(store.layout.own())?;
        store.make_directory(directory)?;
        store.disk.rename(&from, &to)?;
        if !lease::leads_to(&*store.disk, &to, blob.file())? {
            // It was replaced while it was read, and what replaced it has been moved.
            return match store.disk.rename_new(&to, &from) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error.into()),
                _ => Ok(false),
            };
        }
        store.disk.sync_directory(directory)?;
        store.disk.sync_directory(store.layout.blobs())?;
        Ok(true)
    }
}

impl Shared {
    /// The digest of a blob's content, if it is there. `goes_on` gets the number of bytes of each step, and
    /// says whether to go on.
    fn content_of(
        &self,
        digest: Digest,
        buffer: &mut [u8],
        goes_on: impl Fn(u64) -> bool,
    ) -> io::Result<Option<Digest>> {
        let Some(blob) = self.find_blob(digest)? else { return Ok(None) };
        self.read_through(&blob, buffer, goes_on)
    }

    /// What is missing at every look. A model that is removed or replaced between the look at its manifest
    /// and that at its blobs takes them with it.
    fn missing_blobs(&self) -> io::Result<Vec<MissingBlob>> {
        let mut missing: Option<Vec<MissingBlob>> = None;
        for _ in 0..LOOKS {
            let mut seen = Vec::new();
            let models = self.parts(&self.census()).into_iter();
            let of_models = models.map(|(name, layer)| (Holder::Model(name), layer.digest, layer.size));
            let guests = self.parts_of_guests()?.into_iter();
            let of_guests = guests.map(|(name, part)| (Holder::Guest(name), part.digest, part.size));
            for (holder, digest, expected) in of_models.chain(of_guests) {
                let got = self.length_of(digest)?;
                if got != Some(expected) {
                    seen.push(MissingBlob { holder, digest, expected, got });
                }
            }
            if let Some(before) = missing {
                seen.retain(|now| before.contains(now));
            }
            if seen.is_empty() {
                return Ok(seen);
            }
            missing = Some(seen);
        }
        Ok(missing.unwrap_or_default())
    }

    /// Files among the blobs that are not blobs. Ollama writes `sha256-<random>` and
    /// `sha256-<digits>-partial`.
    fn foreign_files(&self) -> io::Result<Vec<String>> {
        let names = match self.disk.list(self.layout.blobs()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            names => names?,
        };
        let names = names.iter().map(|name| name.to_string_lossy());
        let is_foreign =
            |name: &str| !name.starts_with("sha256-") && !name.starts_with('.') && !has_old_name(name);
        let foreign = names.filter(|name| is_foreign(name));
        let mut places: Vec<_> = foreign.map(|name| format!("blobs/{name}")).collect();
        places.sort();
        Ok(places)
    }

    /// What needs each blob.
    fn users(&self) -> io::Result<HashMap<Digest, Vec<Holder>>> {
        let mut users: HashMap<_, Vec<_>> = HashMap::new();
        for entry in self.census().entries {
            let Some((name, names)) = entry.name.as_ref().zip(entry.content.names()) else { continue };
            Reach::new(self).follow(names, None, &mut |digest| {
                let (holder, holders) = (Holder::Model(name.clone()), users.entry(digest).or_default());
                if holders.last() != Some(&holder) {
                    holders.push(holder);
                }
            });
        }
        for (name, part) in self.parts_of_guests()? {
            users.entry(part.digest).or_default().push(Holder::Guest(name));
        }
        Ok(users)
    }
}
