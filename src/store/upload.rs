//! Uploads that take several attempts.
//!
//! An upload is a partial file under an identifier. Its journal is its record too: it says what the client
//! told when it began, when the upload expires, and, once it is whole, what blob it became. The record stays
//! until then, so that a client that did not hear the end of it can still ask.
//!
//! There are two ways to end. Where the length was told, an upload is whole when all bytes are there, and the
//! store tells what blob it has become. Otherwise the client says when it is whole, and which blob that is: it
//! need not be told, so no record stays.
//!
//! Nobody says beforehand what the bytes should be, so nothing but their own hash speaks for them. While this
//! process lives, it remembers how far it has hashed each upload, and in which state the record was. After a
//! restart what is there is hashed again: a hash that was kept would vouch for bytes that may have been lost
//! since. For the same reason an upload ends when the disk says that it could not keep its bytes.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::disk::ignore_absence;
use super::in_order::InOrder;
use super::journal::{Noted, Purpose, Terms, begin};
use super::length::Length;
use super::partial::{Partial, Paths, lock_alone, name_of, paths_in};
use super::prune::is_old;
use super::stamp::Stamp;
use super::{PruneOptions, PruneReport, Shared, Store, StoreError, Tally, UploadId, lease};
use crate::locked::locked;
use crate::model::Digest;

/// What is known of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadState {
    /// Its length when it is whole.
    pub length: Length,
    /// How many bytes are there.
    pub offset: u64,
    /// What the client told about it.
    pub metadata: String,
    /// When it is forgotten.
    pub expires: SystemTime,
    /// The blob that it has become.
    pub digest: Option<Digest>,
}

/// An upload that somebody wants to go on with.
pub enum FoundUpload {
    /// It is whole.
    Whole(UploadState),
    /// It is not.
    Part(Box<Upload>),
}

/// An attempt at an upload. No other one can be under way, in any process.
pub struct Upload {
    store: Arc<Shared>,
    id: UploadId,
    state: UploadState,
    partial: Partial,
}

/// What a client says that the bytes of one attempt hash to.
#[derive(Debug, Clone)]
pub enum Checksum {
    /// SHA-1
    Sha1([u8; 20]),
    /// SHA-256
    Sha256([u8; 32]),
}

/// An attempt whose bytes are all there.
struct Attempt {
    store: Arc<Shared>,
    id: UploadId,
    state: UploadState,
    partial: Partial,
}

/// Takes the bytes of one attempt in.
pub struct UploadWriter {
    store: Arc<Shared>,
    id: UploadId,
    state: UploadState,
    bytes: Taken,
}

/// Bytes on their way.
enum Taken {
    /// They count as they come.
    Trusted(InOrder),
    /// They count when all of them are there and match. Until then they are neither hashed nor noted.
    Checked { partial: Partial, end: u64, hasher: Hasher },
}

enum Hasher {
    Sha1(Sha1, [u8; 20]),
    Sha256(Sha256, [u8; 32]),
}

impl Store {
    /// Begins an upload of this length, which is forgotten after a time.
    ///
    /// # Errors
    /// [`StoreError::TooManyUploads`] if so many are known already, [`StoreError::NotEnoughSpace`], and what
    /// the operating system says.
    pub fn begin_upload(
        &self,
        length: Length,
        metadata: &str,
        lifetime: Duration,
        most: usize,
    ) -> Result<UploadId, StoreError> {
        let store = &self.0;
        if store.uploads()?.len() >= most {
            self.remove_expired_uploads()?;
            if store.uploads()?.len() >= most {
                return Err(StoreError::TooManyUploads { most });
            }
        }
        self.ensure_space(length.exact().unwrap_or(0))?;
        let id = UploadId::random();
        let expires = store.now().saturating_add(lifetime.as_secs());
        let purpose = Purpose { length, terms: Some(Terms { expires, metadata: metadata.to_owned() }) };
        if let Err(error) = store.make_record(id, &purpose) {
            store.remove_idle_upload(id)?;
            return Err(error.into());
        }
        Ok(id)
    }

    /// What is known of an upload.
    ///
    /// # Errors
    /// [`StoreError::UploadNotFound`], [`StoreError::UploadExpired`], and what the operating system says.
    pub fn upload_state(&self, id: UploadId) -> Result<UploadState, StoreError> {
        let (store, paths) = (&self.0, self.0.upload_paths(id));
        let journal = match store.disk.open(&paths.journal) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::UploadNotFound { id });
            }
            answer => answer?,
        };
        store.state_of(id, &journal, &paths)
    }

    /// Goes on with an upload.
    ///
    /// # Errors
    /// [`StoreError::UploadInUse`] if somebody else is at it, [`StoreError::UploadNotFound`],
    /// [`StoreError::UploadExpired`], and what the operating system says.
    pub fn upload(&self, id: UploadId) -> Result<FoundUpload, StoreError> {
        let (store, paths) = (&self.0, self.0.upload_paths(id));
        // One that is not there is not to be made.
        self.upload_state(id)?;
        let journal = store.disk.update(&paths.journal)?;
        if !lock_alone(&*store.disk, &journal)? {
            return Err(StoreError::UploadInUse { id });
        }
        let noted = match Noted::read(&*store.disk, &journal)? {
            Some(noted) if lease::is_linked(&journal)? => noted,
            _ => {
                // It has gone just now, and what is there now is what we made.
                ignore_absence(store.disk.remove(&paths.journal))?;
                return Err(StoreError::UploadNotFound { id });
            }
        };
        let state = store.state_of(id, &journal, &paths)?;
        if state.digest.is_some() {
            return Ok(FoundUpload::Whole(state));
        }
        let known = locked(&store.hashed).remove(&id);
        let stamp = Stamp::from(&journal.metadata()?);
        // Another process may have gone on, or begun anew.
        let hashed = known.filter(|(then, _)| *then == stamp).map(|(_, hashed)| hashed).unwrap_or_default();
        let partial = store.go_on(paths, journal, &noted.purpose, hashed)?;
        let partial = partial.ok_or(StoreError::UploadNotFound { id })?;
        Ok(FoundUpload::Part(Box::new(Upload { store: store.clone(), id, state, partial })))
    }

    /// Whether somebody works on an upload at this moment, in any process.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn is_upload_in_use(&self, id: UploadId) -> Result<bool, StoreError> {
        match self.0.disk.open(&self.0.upload_paths(id).journal) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            // The lock goes with the file that was opened for it.
            journal => Ok(!lock_alone(&*self.0.disk, &journal?)?),
        }
    }

    /// Forgets an upload, and removes what is there of it. A blob that it has become stays.
    ///
    /// # Errors
    /// As of [`upload`](Self::upload).
    pub fn remove_upload(&self, id: UploadId) -> Result<(), StoreError> {
        self.upload_state(id)?;
        match self.0.remove_idle_upload(id)? {
            true => Ok(()),
            false => Err(StoreError::UploadInUse { id }),
        }
    }

    /// Removes the uploads that have expired.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn remove_expired_uploads(&self) -> Result<(), StoreError> {
        let options = PruneOptions::default();
        Ok(self.0.prune_uploads(options, &mut PruneReport::default())?)
    }
}

impl Upload {
    /// What was known of it when this attempt began.
    pub fn state(&self) -> &UploadState {
        &self.state
    }

    /// Takes bytes in. If a checksum is given, they count only if they match it.
    pub fn writer(self, checksum: Option<Checksum>) -> UploadWriter {
        let Self { store, id, state, partial } = self;
        let hasher = checksum.map(|checksum| match checksum {
            Checksum::Sha1(expected) => Hasher::Sha1(Sha1::new(), expected),
            Checksum::Sha256(expected) => Hasher::Sha256(Sha256::new(), expected),
        });
        let bytes = match hasher {
            None => Taken::Trusted(InOrder::new(partial, state.offset, &store.spare_buffers)),
            Some(hasher) => Taken::Checked { partial, end: state.offset, hasher },
        };
        UploadWriter { store, id, state, bytes }
    }
}

impl UploadWriter {
    /// Where the next byte goes.
    pub fn position(&self) -> u64 {
        match &self.bytes {
            Taken::Trusted(bytes) => bytes.position(),
            Taken::Checked { end, .. } => *end,
        }
    }

    /// Takes in bytes as they are. Their memory is needed until they are written and hashed.
    ///
    /// # Errors
    /// [`StoreError::UploadTooLong`] if there are more than there should be, none of which is taken; what the
    /// operating system says.
    pub fn append(&mut self, piece: &Bytes) -> Result<(), StoreError> {
        let most = self.state.length.bound();
        if piece.len() as u64 > most - self.position() {
            return Err(StoreError::UploadTooLong { length: most });
        }
        match &mut self.bytes {
            Taken::Trusted(bytes) => bytes.append(piece)?,
            Taken::Checked { partial, end, hasher } => {
                partial.write_uncounted(*end, piece)?;
                hasher.update(piece);
                *end += piece.len() as u64;
            }
        }
        Ok(())
    }

    /// Ends the attempt. If all bytes are there now, the upload becomes a blob.
    ///
    /// # Errors
    /// [`StoreError::ChecksumMismatch`], which leaves the upload as it was before the attempt; what the
    /// operating system says.
    pub fn finish(self) -> Result<UploadState, StoreError> {
        let Attempt { store, id, state, partial } = self.end()?;
        match state.length.exact() == Some(partial.received()) {
            true => conclude(&store, id, state, partial, None),
            false => pause(&store, id, state, partial),
        }
    }

    /// Ends the attempt and the upload: it becomes this blob, and is forgotten.
    ///
    /// # Errors
    /// [`StoreError::DigestMismatch`], after which nothing of the upload is left, and as of
    /// [`finish`](Self::finish).
    pub fn finish_as(self, digest: Digest) -> Result<UploadState, StoreError> {
        let Attempt { store, id, state, partial } = self.end()?;
        if !state.length.allows(partial.received()) {
            let (expected, got) = (state.length.bound(), partial.received());
            pause(&store, id, state, partial)?;
            return Err(StoreError::LengthMismatch { digest, expected, got });
        }
        let state = conclude(&store, id, state, partial, Some(digest))?;
        store.remove_idle_upload(id)?;
        Ok(state)
    }

    /// All bytes of the attempt, if they are what they should be.
    fn end(self) -> Result<Attempt, StoreError> {
        let Self { store, id, state, bytes } = self;
        let partial = match bytes {
            Taken::Trusted(bytes) => bytes.finish()?,
            Taken::Checked { partial, end, hasher } => {
                if !hasher.matches() {
                    pause(&store, id, state, partial)?;
                    return Err(StoreError::ChecksumMismatch);
                }
                partial.count(state.offset..end)?;
                partial
            }
        };
        Ok(Attempt { store, id, state, partial })
    }

    /// Ends an attempt of which not all bytes came. Those that did count, unless they were to be checked.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn break_off(self) -> Result<UploadState, StoreError> {
        let Self { store, id, state, bytes } = self;
        let partial = match bytes {
            Taken::Trusted(bytes) => bytes.finish()?,
            Taken::Checked { partial, .. } => partial,
        };
        pause(&store, id, state, partial)
    }
}

/// Makes what has been received last. What the disk could not keep, nobody knows, so then all of it goes.
fn pause(
    store: &Arc<Shared>,
    id: UploadId,
    mut state: UploadState,
    partial: Partial,
) -> Result<UploadState, StoreError> {
    state.offset = partial.received();
    match partial.pause() {
        Ok((hashed, stamp)) => {
            // What could not be written may have been hashed.
            if let Some(stamp) = stamp.filter(|_| hashed.position() <= state.offset) {
                locked(&store.hashed).insert(id, (stamp, hashed));
            }
            Ok(state)
        }
        Err(error) => {
            store.remove_idle_upload(id)?;
            Err(error.into())
        }
    }
}

/// Makes a blob of an upload that is whole: this one, if the client has said which.
fn conclude(
    store: &Arc<Shared>,
    id: UploadId,
    mut state: UploadState,
    mut partial: Partial,
    expected: Option<Digest>,
) -> Result<UploadState, StoreError> {
    let forget = |partial: Partial, error: StoreError| {
        drop(partial);
        store.remove_idle_upload(id)?;
        Err(error)
    };
    if let Err(error) = partial.sync() {
        return forget(partial, error.into());
    }
    // From here on the record says what became of the bytes, wherever they are found.
    let digest = match partial.conclude(expected) {
        Err(error @ StoreError::DigestMismatch { .. }) => return forget(partial, error),
        concluded => concluded?,
    };
    state.offset = partial.received();
    partial.become_blob(digest)?;
    state.digest = Some(digest);
    Ok(state)
}

impl Hasher {
    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(hasher, _) => hasher.update(bytes),
            Self::Sha256(hasher, _) => hasher.update(bytes),
        }
    }

    fn matches(self) -> bool {
        match self {
            Self::Sha1(hasher, expected) => hasher.finalize()[..] == expected,
            Self::Sha256(hasher, expected) => hasher.finalize()[..] == expected,
        }
    }
}

impl Shared {
    fn upload_paths(&self, id: UploadId) -> Paths {
        paths_in(self.layout.uploads(), &id.to_string())
    }

    /// Seconds since 1970.
    fn now(&self) -> u64 {
        self.disk.now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
    }

    /// Every upload that has left something.
    fn uploads(&self) -> io::Result<HashSet<UploadId>> {
        let names = self.list_or_nothing(self.layout.uploads())?;
        Ok(names.iter().filter_map(|name| name_of(name).parse().ok()).collect())
    }

    /// Makes the files of an upload, durably.
    fn make_record(&self, id: UploadId, purpose: &Purpose) -> io::Result<()> {
        let Paths { file, journal } = self.upload_paths(id);
        self.with_directories(|| self.disk.create(&file))?;
        begin(&*self.disk, &self.disk.create(&journal)?, purpose)?;
        self.disk.sync_directory(self.layout.uploads())
    }

    fn state_of(&self, id: UploadId, journal: &File, paths: &Paths) -> Result<UploadState, StoreError> {
        let noted = Noted::read(&*self.disk, journal)?;
        let Some((noted, terms)) = noted.and_then(|noted| {
            let terms = noted.purpose.terms.clone()?;
            Some((noted, terms))
        }) else {
            return Err(StoreError::UploadNotFound { id });
        };
        if terms.expires <= self.now() {
            return Err(StoreError::UploadExpired { id });
        }
        let length = noted.purpose.length;
        let mut state = UploadState {
            length,
            offset: 0,
            metadata: terms.metadata,
            expires: UNIX_EPOCH + Duration::from_secs(terms.expires),
            digest: None,
        };
        let there = self.disk.metadata(&paths.file).map(|metadata| metadata.len());
        match noted.digest {
            Some(digest) if there.is_err() => {
                if let Some(bytes) = self.length_of(digest)?.filter(|bytes| length.allows(*bytes)) {
                    (state.offset, state.digest) = (bytes, Some(digest));
                }
            }
            _ if noted.fits(there.unwrap_or(0)) => state.offset = noted.received.prefix(),
            // What was promised is not there.
            _ => {}
        }
        Ok(state)
    }

    /// Removes an upload, unless somebody works on it.
    fn remove_idle_upload(&self, id: UploadId) -> io::Result<bool> {
        let Paths { file, journal } = self.upload_paths(id);
        let lock = match self.disk.open(&journal).or_else(|_| self.disk.open(&file)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            answer => answer?,
        };
        if !lease::claim(&*self.disk, &lock) {
            return Ok(false);
        }
        locked(&self.hashed).remove(&id);
        // The record goes last, so that nothing is without one.
        ignore_absence(self.disk.remove(&file))?;
        ignore_absence(self.disk.remove(&journal))?;
        Ok(true)
    }

    /// Removes uploads that have expired. What has no record is judged by its age.
    pub(super) fn prune_uploads(&self, options: PruneOptions, report: &mut PruneReport) -> io::Result<()> {
        for id in self.uploads()? {
            let Paths { file, journal } = self.upload_paths(id);
            let record = self.disk.open(&journal).ok();
            let noted = record.as_ref().map(|record| Noted::read(&*self.disk, record)).transpose()?.flatten();
            let has_expired = match noted.and_then(|noted| noted.purpose.terms) {
                Some(terms) => terms.expires <= self.now(),
                None => {
                    let metadata = self.disk.metadata(&journal).or_else(|_| self.disk.metadata(&file));
                    metadata.is_ok_and(|metadata| is_old(&metadata, options.grace.max(MAKING)))
                }
            };
            if !has_expired {
                continue;
            }
            let length = self.disk.metadata(&file).map_or(0, |metadata| metadata.len());
            if options.dry_run || self.remove_idle_upload(id)? {
                report.uploads += 1;
                report.freed += length;
            }
        }
        Ok(())
    }

    /// Uploads that are not whole yet, but for their records.
    pub(super) fn tally_uploads(&self) -> io::Result<Tally> {
        let mut tally = Tally::default();
        for id in self.uploads()? {
            if let Ok(metadata) = self.disk.metadata(&self.upload_paths(id).file) {
                tally.add(metadata.len());
            }
        }
        Ok(tally)
    }
}

/// No process takes longer to write a record.
const MAKING: Duration = Duration::from_secs(60);
