//! Blobs, manifests, leases, pruning.
//!
//! A [`Store`] is a directory in Ollama's layout, so that one store serves both programs:
//! `blobs/sha256-<hex>`, and names in `manifests/<host>/<namespace>/<model>/<tag>` and, since Ollama 0.35, in
//! `manifests-v2/`, which wins. What is only ours lies in `ollamake/` beside them. `docs/design/store.md`
//! says why the store is as it is.
//!
//! Three rules hold at every instant, also after a crash or a loss of power:
//!
//! 1. A blob that can be seen is complete and verified, and durable before anything that names it.
//! 2. A model is its old manifest or its new one, and all the blobs that a manifest names are there.
//!    What any document of any program names is kept, and nothing is removed while something cannot be
//!    understood.
//! 3. Nobody removes a file that somebody holds a lease on, in this process or in another.
//!
//! Everything here blocks; asynchronous callers use threads of their own.

mod account;
mod blob;
mod blob_place;
mod buffers;
mod check;
mod checksum;
mod digests;
mod directory_sync;
mod disk;
mod document;
mod download;
mod durable;
mod entry;
mod error;
mod eviction;
mod export;
mod find;
mod guests;
mod hashed;
mod hashing;
mod health;
mod hints;
mod identity;
mod import;
mod import_directories;
mod in_order;
mod index;
mod job_marks;
mod job_record;
mod journal;
mod known_guest;
mod layout;
mod lease;
mod length;
mod listing;
mod made;
mod manifests;
mod map;
mod measured;
mod named;
mod names;
mod naming;
mod ollamas_files;
mod output;
mod partial;
mod partial_paths;
mod per_blob;
mod per_file;
mod placing;
mod present;
mod provenance;
mod prune;
mod ranges;
mod reach;
mod recorded;
mod retire;
mod retirement;
mod spellings;
mod stamp;
mod stored_manifest;
mod temporary;
mod tree;
mod turn;
mod upload;
mod upload_id;
mod uploads;
mod used;
mod verified;
mod writeback;
mod writer;

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

pub use account::{Account, Tally};
pub use blob::{Blob, BlobReader, Committed};
pub use check::{BlobDamage, CheckProgress, CheckReport, DamagedBlob, Holder, MissingBlob};
pub use checksum::Checksum;
pub use disk::{Disk, LocalDisk};
pub use document::LONGEST_DOCUMENT;
pub use error::StoreError;
pub use export::Exported;
pub use guests::{Guest, GuestEntry, GuestName};
pub use import::Imported;
pub use import_directories::{ImportDirectories, ImportEntry};
pub use job_marks::Mark;
pub use job_record::{JobRecord, RecordLine};
pub use length::Length;
pub use listing::{DamagedModel, Listing};
pub use manifests::Placed;
pub use partial::Partial;
pub use per_blob::PerBlob;
pub use present::Present;
pub use prune::{PruneOptions, PruneReport};
pub use reach::Unread;
pub use recorded::RECORDS_KEPT;
pub use stamp::Stamp;
pub use stored_manifest::StoredManifest;
pub use turn::Turn;
pub use upload::{FoundUpload, Upload, UploadWriter};
pub use upload_id::{InvalidUploadId, UploadId};
pub use uploads::UploadState;
pub(crate) use writeback::Writeback;
pub use writer::{BlobWriter, Start};

use buffers::SpareBuffers;
use directory_sync::DirectorySync;
use hashed::Hashed;
use index::Index;
use job_marks::JobMarks;
use known_guest::KnownGuest;
use layout::Layout;
use named::Named;
use names::Names;
use per_file::PerFile;
use retirement::Retirement;
use spellings::Spellings;
use temporary::TemporaryFile;

use crate::model::Digest;

/// A store of models. Clones are the same store.
///
/// ```
/// use ollamake::model::Digest;
/// use ollamake::store::Store;
///
/// let directory = tempfile::tempdir()?;
/// let store = Store::open(directory.path())?;
/// // A blob goes by the digest of what it holds. It can be seen when it is complete, verified and durable.
/// let committed = store.put_bytes(b"{}")?;
/// let digest = Digest::of(b"{}");
/// assert!(store.contains(digest)?);
/// // As long as this value lives, no process removes the blob.
/// let blob = store.blob(digest)?;
/// assert_eq!(blob.bytes()?, b"{}");
/// assert!(store.list()?.is_empty());
/// # drop(committed);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Store(Arc<Shared>);

struct Shared {
    disk: Arc<dyn Disk>,
    layout: Layout,
    blobs_directory: DirectorySync,
    /// Held from looking whether a blob exists until it does.
    placing: Mutex<()>,
    /// Held while names are resolved and entries in the directories of manifests come and go.
    naming: Mutex<()>,
    spellings: Spellings,
    index: Mutex<Index>,
    /// What blobs name that are documents, or may be.
    documents: PerBlob<Named>,
    /// What files name that were taken out of the store.
    quarantined: PerFile<Arc<Names>>,
    guests: PerFile<Arc<KnownGuest>>,
    job_marks: JobMarks,
    /// The blobs that were there when they were listed last.
    present: Mutex<Option<Arc<Present>>>,
    retirement: Retirement,
    spare_buffers: Arc<SpareBuffers>,
    /// How far uploads have been hashed on which nobody works at this moment, and the state of their records.
    hashed: Mutex<HashMap<UploadId, (Stamp, Hashed)>>,
    /// The state of the file of each blob in which its content is known.
    verified: PerBlob<Stamp>,
    /// The state of the file of each blob in which it is damaged, and the digest of its content.
    damaged: PerBlob<(Stamp, Digest)>,
    /// Held while a long blob is read to know whether it is whole.
    looking: Mutex<()>,
    /// The number of the file of each blob that is synced.
    durable: PerBlob<u64>,
}

impl Store {
    /// Opens the store in a directory, which is created if need be. A store that cannot be written to can
    /// still be read.
    ///
    /// # Errors
    /// What the operating system says when the directory is not there and cannot be created.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        Self::open_on(LocalDisk, root)
    }

    /// Opens a store on a disk with a behaviour of its own.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_on(disk: impl Disk, root: &Path) -> Result<Self, StoreError> {
        let store = Shared::new(disk, root);
        match store.make_directories() {
            Ok(()) => {
                store.clear_leftovers()?;
                store.rename_old_blobs()?;
            }
            Err(error) => match StoreError::from(error) {
                StoreError::ReadOnly { .. } if store.disk.metadata(root).is_ok() => {}
                error => return Err(error),
            },
        }
        Ok(Self(Arc::new(store)))
    }

    /// Opens a store that is there, and changes nothing in it by that.
    ///
    /// # Errors
    /// [`StoreError::NoStore`], or what the operating system says.
    pub fn open_existing(root: &Path) -> Result<Self, StoreError> {
        let store = Shared::new(LocalDisk, root);
        let blobs = store.disk.metadata(store.layout.blobs());
        match blobs.or_else(|_| store.disk.metadata(store.layout.manifests())) {
            Ok(metadata) if metadata.is_dir() => Ok(Self(Arc::new(store))),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Err(StoreError::NoStore),
        }
    }

    /// Whether the store has a blob.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn contains(&self, digest: Digest) -> Result<bool, StoreError> {
        Ok(self.size(digest)?.is_some())
    }

    /// Whether the store has a blob that is whole, of this length if one is given. Its age counts from now
    /// on, so that pruning spares it while the model that it is for is being made.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn renew_if_whole(&self, digest: Digest, length: Option<u64>) -> Result<bool, StoreError> {
        let Some(blob) = self.whole_blob(digest, length, || true)? else { return Ok(false) };
        self.renew(&blob);
        Ok(true)
    }

    /// Has a blob's age count from now on.
    pub fn renew(&self, blob: &Blob) {
        self.0.renew(blob);
    }

    /// The length of a blob in bytes, if the store has it.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn size(&self, digest: Digest) -> Result<Option<u64>, StoreError> {
        Ok(self.0.length_of(digest)?)
    }

    /// Opens a blob and takes a lease on it.
    ///
    /// # Errors
    /// [`StoreError::BlobNotFound`], or what the operating system says.
    pub fn blob(&self, digest: Digest) -> Result<Blob, StoreError> {
        self.0.usable_blob(digest)?.ok_or(StoreError::BlobNotFound { digest })
    }

    /// Stores a small blob. It is durable no later than a manifest that names it.
    ///
    /// # Errors
    /// What the operating system says when it cannot be written.
    pub fn put_bytes(&self, bytes: &[u8]) -> Result<Committed, StoreError> {
        self.0.place_bytes(Digest::of(bytes), bytes)
    }

    /// Makes sure that a job which is going to write `bytes` bytes has room for them.
    ///
    /// # Errors
    /// [`StoreError::NotEnoughSpace`]. Where the file system cannot tell, there is no error.
    pub fn ensure_space(&self, bytes: u64) -> Result<(), StoreError> {
        match self.0.disk.available_space(self.0.layout.root()) {
            Ok(available) if available < bytes => {
                Err(StoreError::NotEnoughSpace { needed: bytes, available })
            }
            _ => Ok(()),
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Store({})", self.0.layout.root().display())
    }
}

impl Shared {
    fn new(disk: impl Disk, root: &Path) -> Self {
        let layout = Layout::new(root);
        Self {
            disk: Arc::new(disk),
            blobs_directory: DirectorySync::default(),
            placing: Mutex::new(()),
            naming: Mutex::new(()),
            spellings: Spellings::default(),
            index: Mutex::default(),
            documents: PerBlob::default(),
            quarantined: PerFile::default(),
            guests: PerFile::default(),
            job_marks: JobMarks::default(),
            present: Mutex::default(),
            retirement: Retirement::default(),
            spare_buffers: Arc::default(),
            hashed: Mutex::default(),
            verified: PerBlob::default(),
            damaged: PerBlob::default(),
            looking: Mutex::new(()),
            durable: PerBlob::default(),
            layout,
        }
    }

    fn make_directories(&self) -> io::Result<()> {
        let root = self.layout.root();
        let above = root.ancestors().skip(1).filter(|path| !path.as_os_str().is_empty());
        let missing: Vec<_> = above.take_while(|path| self.disk.metadata(path).is_err()).collect();
        for directory in missing.into_iter().rev().chain(self.layout.directories()) {
            self.make_directory(directory)?;
        }
        Ok(())
    }

    /// Creates a directory durably, unless it is there.
    fn make_directory(&self, directory: &Path) -> io::Result<()> {
        loop {
            let create = || self.disk.create_directory(directory);
            let error = match self.spellings.carry_over(&*self.disk, directory, true, create) {
                Ok(()) => break,
                Err(error) => error,
            };
            match self.disk.metadata(directory) {
                Ok(metadata) if metadata.is_dir() => return Ok(()),
                // It was there, and another program has removed it just now.
                Err(gone)
                    if error.kind() == io::ErrorKind::AlreadyExists
                        && gone.kind() == io::ErrorKind::NotFound
                        && !self.disk.is_listed(directory) => {}
                _ => return Err(error),
            }
        }
        match directory.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => self.disk.sync_directory(parent),
            _ => Ok(()),
        }
    }

    /// A temporary file.
    fn new_temporary(&self) -> io::Result<TemporaryFile> {
        self.with_directories(|| TemporaryFile::create(self.disk.clone(), self.layout.temporary()))
    }

    /// Does something in a directory of the store. If there is none any more, since somebody has removed the
    /// store under us, its directories are made again.
    fn with_directories<T>(&self, work: impl Fn() -> io::Result<T>) -> io::Result<T> {
        match work() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make_directories()?;
                work()
            }
            answer => answer,
        }
    }

    fn length_of(&self, digest: Digest) -> io::Result<Option<u64>> {
        match self.disk.metadata(&self.layout.blob(digest)) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn find_blob(&self, digest: Digest) -> io::Result<Option<Blob>> {
        let path = self.layout.blob(digest);
        loop {
            let file = match self.disk.open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            };
            let blob = Blob::lease(self.disk.clone(), digest, file)?;
            // A blob that was removed between opening and leasing may have come back since.
            if lease::leads_to(&*self.disk, &path, blob.file())? {
                return Ok(Some(blob));
            }
        }
    }

    /// A temporary file with these contents, synced.
    fn write_temporary(&self, bytes: &[u8]) -> io::Result<TemporaryFile> {
        let temporary = self.write_unsynced(bytes)?;
        self.disk.sync(temporary.file())?;
        Ok(temporary)
    }

    /// A temporary file with these contents, of which a loss of power may leave anything.
    fn write_unsynced(&self, bytes: &[u8]) -> io::Result<TemporaryFile> {
        let temporary = self.new_temporary()?;
        disk::write_all_at(&*self.disk, temporary.file(), bytes, 0)?;
        Ok(temporary)
    }
}
