//! Attempts at an upload that takes several.
//!
//! There are two ways to end. Where the length was told, an upload is whole when all bytes are there, and the
//! store tells what blob it has become. Otherwise the client says when it is whole, and which blob that is:
//! it need not be told, so no record stays.
//!
//! Nobody says beforehand what the bytes should be, so nothing but their own hash speaks for them. While this
//! process lives, it remembers how far it has hashed each upload, and in which state the record was. After a
//! restart what is there is hashed again: a hash that was kept would vouch for bytes that may have been lost
//! since. For the same reason an upload ends when the disk says that it could not keep its bytes.

use std::sync::Arc;

use bytes::Bytes;

use super::checksum::{Checksum, Hasher};
use super::disk::ignore_absence;
use super::in_order::InOrder;
use super::journal::Noted;
use super::partial::Partial;
use super::stamp::Stamp;
use super::uploads::UploadState;
use super::{Shared, Store, StoreError, UploadId, lease};
use crate::locked::locked;
use crate::model::Digest;

/// An upload that somebody wants to go on with.
pub enum FoundUpload {
    /// It has become a blob already.
    Whole(UploadState),
    /// It has not, although perhaps all its bytes are there.
    Part(Box<Upload>),
}

/// An attempt at an upload. No other one can be under way, in any process.
pub struct Upload {
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

impl Store {
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
        if !lease::lock_alone(&*store.disk, &journal)? {
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
}

impl Upload {
    /// What was known of it when this attempt began.
    pub fn state(&self) -> &UploadState {
        &self.state
    }

    /// Takes bytes in. If a checksum is given, they count only if they match it.
    pub fn writer(self, checksum: Option<Checksum>) -> UploadWriter {
        let Self { store, id, state, partial } = self;
        let bytes = match checksum {
            None => Taken::Trusted(InOrder::new(partial, state.offset, &store.spare_buffers)),
            Some(expected) => Taken::Checked { partial, end: state.offset, hasher: Hasher::new(expected) },
        };
        UploadWriter { store, id, state, bytes }
    }

    /// Makes what has been received last. What the disk could not keep, nobody knows, so then all of it goes.
    fn pause(self) -> Result<UploadState, StoreError> {
        let Self { store, id, mut state, partial } = self;
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
    fn conclude(self, expected: Option<Digest>) -> Result<UploadState, StoreError> {
        let Self { store, id, mut state, mut partial } = self;
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
        let upload = self.end()?;
        match upload.state.length.exact() == Some(upload.partial.received()) {
            true => upload.conclude(None),
            false => upload.pause(),
        }
    }

    /// Ends the attempt and the upload: it becomes this blob, and is forgotten.
    ///
    /// # Errors
    /// [`StoreError::DigestMismatch`], after which nothing of the upload is left, and as of
    /// [`finish`](Self::finish).
    pub fn finish_as(self, digest: Digest) -> Result<UploadState, StoreError> {
        let upload = self.end()?;
        let (length, got) = (upload.state.length, upload.partial.received());
        if !length.allows(got) {
            upload.pause()?;
            return Err(StoreError::LengthMismatch { digest, expected: length.bound(), got });
        }
        let (store, id) = (upload.store.clone(), upload.id);
        let state = upload.conclude(Some(digest))?;
        store.remove_idle_upload(id)?;
        Ok(state)
    }

    /// The upload with all bytes of the attempt, if they are what they should be.
    fn end(self) -> Result<Upload, StoreError> {
        let Self { store, id, state, bytes } = self;
        match bytes {
            Taken::Trusted(bytes) => Ok(Upload { store, id, state, partial: bytes.finish()? }),
            Taken::Checked { partial, end, hasher } => {
                let upload = Upload { store, id, state, partial };
                if !hasher.matches() {
                    upload.pause()?;
                    return Err(StoreError::ChecksumMismatch);
                }
                upload.partial.count(upload.state.offset..end)?;
                Ok(upload)
            }
        }
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
        Upload { store, id, state, partial }.pause()
    }
}
