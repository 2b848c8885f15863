//! Blobs from files that lie outside of the store, without a second copy where that is possible.
//!
//! | way | what it takes | why it is safe |
//! |---|---|---|
//! | shared | a file system that clones files | whoever changes the file gets blocks of their own |
//! | linked | the same file system, and a file that nobody is going to change | see [`is_settled`] |
//! | copied | room | |
//!
//! Whatever the way, all bytes are hashed, and the blob is visible only when it is durable.

use std::fs::{File, Metadata};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use rustix::process::geteuid;

use super::disk::read_full_at;
use super::hashed::{Hashed, UNIT};
use super::stamp::{Stamp, identity};
use super::temporary::TemporaryFile;
use super::{Committed, Shared, Store, StoreError};
use crate::model::Digest;

/// Shorter files are copied without further ado.
const SHORT: u64 = UNIT as u64;

/// How the bytes of a file came into the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Imported {
    /// The store had them already.
    Present,
    /// The file system shares them until one of the two is changed.
    Shared,
    /// The blob is the file itself under a second name.
    Linked,
    /// They were copied.
    Copied,
    /// They were copied although a link could be made: the file may be changed, and the blob would be with
    /// it.
    CopiedForSafety,
}

impl Store {
    /// Makes a blob of an open file. `goes_on` gets the number of bytes of each step of hashing; nothing is
    /// answered, and nothing is left, when it says no.
    ///
    /// # Errors
    /// [`StoreError::FileChanged`], [`StoreError::NotEnoughSpace`], or what the operating system says.
    pub fn import(
        &self,
        file: File,
        goes_on: impl Fn(u64) -> bool,
    ) -> Result<Option<(Committed, Imported)>, StoreError> {
        let import = Import { store: &self.0, file: Arc::new(file), goes_on };
        import.run(self)
    }
}

struct Import<'s, G> {
    store: &'s Arc<Shared>,
    file: Arc<File>,
    goes_on: G,
}

impl<G: Fn(u64) -> bool> Import<'_, G> {
    fn run(self, store: &Store) -> Result<Option<(Committed, Imported)>, StoreError> {
        let metadata = self.file.metadata()?;
        let length = metadata.len();
        if length >= SHORT {
            if let Some(clone) = self.store.cloned(&self.file)? {
                return self.place(clone, Imported::Shared);
            }
            if is_settled(&metadata)
                && let Some(link) = self.store.linked(&self.file)?
            {
                return self.place(link, Imported::Linked);
            }
        }
        // To know whether the store has it takes a pass over the file, which is spared where no blob is as long.
        let mut known = None;
        if length < SHORT || self.store.has_blob_of(length)? {
            let Some((digest, length)) = self.hash(&self.file)? else { return Ok(None) };
            if let Some(blob) = store.whole_blob(digest, Some(length), || (self.goes_on)(0))? {
                self.store.renew(&blob);
                return Ok(Some((Committed { blob, existed: true }, Imported::Present)));
            }
            known = Some(digest);
        }
        store.ensure_space(length)?;
        let could_be_linked = length >= SHORT && !is_settled(&metadata) && self.store.is_beside(&metadata);
        let how = if could_be_linked { Imported::CopiedForSafety } else { Imported::Copied };
        Ok(self.copy(store, known, &metadata)?.map(|committed| (committed, how)))
    }

    /// Hashes a file of the store's directory and makes it the blob.
    fn place(
        &self,
        temporary: TemporaryFile,
        how: Imported,
    ) -> Result<Option<(Committed, Imported)>, StoreError> {
        let Some((digest, length)) = self.hash(temporary.file())? else { return Ok(None) };
        if let Some(blob) = self.store.find_blob(digest)?.filter(|blob| is_same(blob.file(), &self.file)) {
            // A name more or less is another state of the file, in which it has to be known again.
            drop(temporary);
            self.store.note_whole(digest, blob.file());
            self.store.renew(&blob);
            return Ok(Some((Committed { blob, existed: true }, Imported::Present)));
        }
        let placed = self.store.place(digest, length, || {
            self.store.disk.sync(temporary.file())?;
            Ok(temporary)
        })?;
        let committed = self.store.make_durable(placed)?;
        // A file that is old would count as one that nobody has wanted for long.
        self.store.renew(&committed.blob);
        let how = if committed.existed { Imported::Present } else { how };
        Ok(Some((committed, how)))
    }

    /// Copies the file as it was in this state, if its content has the digest that is known of it.
    fn copy(
        &self,
        store: &Store,
        known: Option<Digest>,
        metadata: &Metadata,
    ) -> Result<Option<Committed>, StoreError> {
        let mut writer = store.create_blob();
        let (mut buffer, mut position) = (vec![0; UNIT], 0);
        while position < metadata.len() {
            let count = read_full_at(&*self.store.disk, &self.file, &mut buffer, position)?;
            writer.write_all(&buffer[..count])?;
            position += count as u64;
            // Writing hashes, unless that was done before.
            let hashed = if known.is_none() { count as u64 } else { 0 };
            if !(self.goes_on)(hashed) {
                return Ok(None);
            }
            if count == 0 {
                break;
            }
        }
        if position != metadata.len() || Stamp::from(&self.file.metadata()?) != Stamp::from(metadata) {
            return Err(StoreError::FileChanged);
        }
        writer.commit(known).map(Some).map_err(|error| match error {
            StoreError::DigestMismatch { .. } => StoreError::FileChanged,
            other => other,
        })
    }

    /// The digest and the length of a file that nobody changes meanwhile.
    fn hash(&self, file: &File) -> Result<Option<(Digest, u64)>, StoreError> {
        let read = Hashed::of_file(&*self.store.disk, file, &mut vec![0; UNIT], &self.goes_on)?;
        let Some((hashed, state)) = read else { return Ok(None) };
        let length = hashed.position();
        match state {
            Some(state) if state.length() == length => Ok(Some((hashed.digest(), length))),
            _ => Err(StoreError::FileChanged),
        }
    }
}

/// Whether both are one file, under whatever names.
fn is_same(one: &File, other: &File) -> bool {
    let known = |file: &File| file.metadata().map(|metadata| identity(&metadata)).ok();
    known(one).is_some() && known(one) == known(other)
}

/// Whether a file is going to stay as it is, so that it may be a blob under a second name. Nobody may write
/// to it, and only its owner could change that, who is ourselves: so it is as safe as the blobs that we
/// write. Whoever shares the store has to be able to read it.
fn is_settled(metadata: &Metadata) -> bool {
    const WRITABLE: u32 = 0o222;
    const READABLE: u32 = 0o444;
    let mode = metadata.mode();
    mode & WRITABLE == 0 && mode & READABLE == READABLE && metadata.uid() == geteuid().as_raw()
}

impl Shared {
    /// A temporary file that shares the room of a file, if the file system can do that.
    fn cloned(&self, file: &File) -> io::Result<Option<TemporaryFile>> {
        let temporary = self.new_temporary()?;
        Ok(self.disk.clone_file(file, temporary.file()).is_ok().then_some(temporary))
    }

    /// A second name for a file among the temporary ones, if there can be one.
    fn linked(&self, file: &Arc<File>) -> io::Result<Option<TemporaryFile>> {
        // Who has a lock on it means to change it; and a lease would have to wait for them.
        if file.try_lock_shared().is_err() {
            return Ok(None);
        }
        self.with_directories(|| TemporaryFile::link(self.disk.clone(), self.layout.temporary(), file))
    }

    /// Whether any blob is as long.
    fn has_blob_of(&self, length: u64) -> io::Result<bool> {
        let is_as_long = |digest| {
            let metadata = self.disk.metadata(&self.layout.blob(digest));
            metadata.is_ok_and(|metadata| metadata.len() == length)
        };
        Ok(self.list_blobs()?.into_iter().any(is_as_long))
    }

    /// Whether something is on the file system of the store.
    fn is_beside(&self, metadata: &Metadata) -> bool {
        let own = self.disk.metadata(self.layout.temporary());
        own.is_ok_and(|own| own.dev() == metadata.dev())
    }
}
