//! The uploads that were begun, as their records tell.
//!
//! An upload is a partial file under an identifier. Its journal is its record too: it says what the client
//! told when it began, when the upload expires, and, once it is whole, what blob it became. The record stays
//! until then, so that a client that did not hear the end of it can still ask.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::disk::ignore_absence;
use super::journal::{Noted, Purpose, Terms, begin};
use super::length::Length;
use super::partial_paths::PartialPaths;
use super::prune::is_old;
use super::{PruneOptions, PruneReport, Shared, Store, StoreError, Tally, UploadId, lease};
use crate::locked::locked;
use crate::model::Digest;

/// No process takes longer to write a record.
const MAKING: Duration = Duration::from_secs(60);

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

    /// Whether somebody works on an upload at this moment, in any process.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn is_upload_in_use(&self, id: UploadId) -> Result<bool, StoreError> {
        match self.0.disk.open(&self.0.upload_paths(id).journal) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            // The lock goes with the file that was opened for it.
            journal => Ok(!lease::lock_alone(&*self.0.disk, &journal?)?),
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

impl Shared {
    pub(super) fn upload_paths(&self, id: UploadId) -> PartialPaths {
        PartialPaths::new(self.layout.uploads(), &id.to_string())
    }

    /// Seconds since 1970.
    fn now(&self) -> u64 {
        self.disk.now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
    }

    /// Every upload that has left something.
    fn uploads(&self) -> io::Result<HashSet<UploadId>> {
        let names = self.list_or_nothing(self.layout.uploads())?;
        Ok(names.iter().filter_map(|name| PartialPaths::name_of(name).parse().ok()).collect())
    }

    /// Makes the files of an upload, durably.
    fn make_record(&self, id: UploadId, purpose: &Purpose) -> io::Result<()> {
        let PartialPaths { file, journal } = self.upload_paths(id);
        self.with_directories(|| self.disk.create(&file))?;
        begin(&*self.disk, &self.disk.create(&journal)?, purpose)?;
        self.disk.sync_directory(self.layout.uploads())
    }

    pub(super) fn state_of(
        &self,
        id: UploadId,
        journal: &File,
        paths: &PartialPaths,
    ) -> Result<UploadState, StoreError> {
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
    pub(super) fn remove_idle_upload(&self, id: UploadId) -> io::Result<bool> {
        let PartialPaths { file, journal } = self.upload_paths(id);
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
            let PartialPaths { file, journal } = self.upload_paths(id);
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
