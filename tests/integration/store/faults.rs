//! Disks that fail, and processes that end, at every possible point.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use ollamake::model::Digest;
use ollamake::store::{Disk, FoundUpload, Length, LocalDisk, PruneOptions, Store, StoreError};

use super::contract::{leftovers, make_model, name, scratch_directory, write_blob};
use crate::support::noise::noise;

/// What happens at the chosen operation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    /// It fails for lack of space; a write gets half of its bytes down before.
    Full,
    /// It fails for lack of space, and so does everything after it.
    StaysFull,
    /// The process is gone: nothing after it happens, not even tidying up.
    Crash,
}

/// A disk that never loses power, and so is quick.
pub(super) struct UnsyncedDisk;

impl Disk for UnsyncedDisk {
    fn sync(&self, _file: &File) -> io::Result<()> {
        Ok(())
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.metadata(path).map(|_| ())
    }
}

/// A disk on which one operation that changes something fails.
pub(crate) struct FaultyDisk {
    pub(crate) fault: Fault,
    /// The operation at which it happens, counted from 0.
    pub(crate) at: usize,
    pub(crate) operations: Arc<AtomicUsize>,
}

impl FaultyDisk {
    /// Counts the operation; an error if it is not to happen.
    fn step(&self, frees: bool) -> io::Result<()> {
        let index = self.operations.fetch_add(1, Ordering::SeqCst);
        let fails = match self.fault {
            Fault::Full => index == self.at,
            Fault::StaysFull => index >= self.at && !frees,
            Fault::Crash => index >= self.at,
        };
        if fails { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl Disk for FaultyDisk {
    fn create(&self, path: &Path) -> io::Result<File> {
        self.step(false)?;
        LocalDisk.create(path)
    }

    fn update(&self, path: &Path) -> io::Result<File> {
        self.step(false)?;
        LocalDisk.update(path)
    }

    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        if let Err(error) = self.step(false) {
            LocalDisk.write_at(file, &bytes[..bytes.len() / 2], offset)?;
            return Err(error);
        }
        // Short writes are normal.
        LocalDisk.write_at(file, &bytes[..bytes.len().min(50_000)], offset)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.step(false)?;
        UnsyncedDisk.sync(file)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.step(false)?;
        UnsyncedDisk.sync_directory(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(false)?;
        LocalDisk.rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(false)?;
        LocalDisk.rename_new(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step(true)?;
        LocalDisk.remove(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.step(false)?;
        LocalDisk.create_directory(path)
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        self.step(true)?;
        LocalDisk.remove_directory(path)
    }
}

/// A bit of everything. Stops at the first error.
fn work(store: &Store) -> Result<(), StoreError> {
    let bytes = noise(1, 150_000);
    write_blob(store, &bytes, Some(Digest::of(&bytes)))?;
    make_model(store, &name("kept"), "new prompt")?;
    make_model(store, &name("fresh/model:x"), "prompt")?;
    store.copy(&name("kept"), &name("copy"))?;
    store.remove(&name("fresh/model:x"))?;
    let download = noise(2, 100_000);
    let partial = store.partial(Digest::of(&download), 100_000)?;
    partial.write_at(0, &download)?;
    partial.commit()?;
    upload_in_two(store, &noise(3, 100_000))?;
    store.prune(PruneOptions { grace: Duration::ZERO, dry_run: false })?;
    Ok(())
}

/// An upload in two attempts, whose record goes when it is done.
fn upload_in_two(store: &Store, bytes: &[u8]) -> Result<(), StoreError> {
    let id = store.begin_upload(Length::Exactly(bytes.len() as u64), "", Duration::from_secs(3600), 10)?;
    for half in bytes.chunks(bytes.len() / 2) {
        if let FoundUpload::Part(upload) = store.upload(id)? {
            let mut writer = upload.writer(None);
            writer.append(&Bytes::copy_from_slice(half))?;
            writer.finish()?;
        }
    }
    store.remove_upload(id)
}

/// Lets one operation of the work fail; answers whether the work got that far.
fn fail_at(fault: Fault, at: usize) -> bool {
    let directory = scratch_directory();
    let root = directory.path();
    make_model(&Store::open_on(UnsyncedDisk, root).unwrap(), &name("kept"), "old prompt").unwrap();

    let operations = Arc::new(AtomicUsize::new(0));
    let disk = FaultyDisk { fault, at, operations: operations.clone() };
    let outcome = Store::open_on(disk, root).and_then(|store| work(&store));
    let reached = operations.load(Ordering::SeqCst) > at;
    if !reached {
        outcome.unwrap();
        return false;
    }
    let finished = outcome.is_ok();
    if let Err(error) = outcome {
        assert!(matches!(error, StoreError::NoSpace { .. }), "{fault:?} at {at}: {error}");
    }
    if fault == Fault::StaysFull {
        assert_eq!(leftovers(root), 0, "{fault:?} at {at}");
    }

    let store = Store::open_on(UnsyncedDisk, root).unwrap();
    assert_eq!(leftovers(root), 0, "{fault:?} at {at}");
    let report = store.check(true, |_| {}).unwrap();
    assert!(report.is_clean(), "{fault:?} at {at}: {report:?}");
    let kept = store.manifest(&name("kept")).unwrap();
    let prompts = [Digest::of(b"old prompt"), Digest::of(b"new prompt")];
    assert!(prompts.contains(&kept.manifest.layers[0].digest), "{fault:?} at {at}");
    // Whatever happened, the work can be done now.
    if !finished {
        work(&store).unwrap();
    }
    let names: BTreeSet<_> = store.list().unwrap().iter().map(|model| model.name.short()).collect();
    assert_eq!(names, BTreeSet::from(["copy:latest".into(), "kept:latest".into()]));
    assert_eq!(store.manifest(&name("kept")).unwrap().manifest.layers[0].digest, prompts[1]);
    true
}

fn fail_at_every_operation(fault: Fault) {
    let points = (0..).take_while(|at| fail_at(fault, *at)).count();
    println!("{points} points");
    assert!(points > 40, "{points}");
}

#[test]
fn a_disk_that_is_full_once_does_no_harm() {
    fail_at_every_operation(Fault::Full);
}

#[test]
fn a_disk_that_stays_full_does_no_harm() {
    fail_at_every_operation(Fault::StaysFull);
}

#[test]
fn a_crash_at_any_point_does_no_harm() {
    fail_at_every_operation(Fault::Crash);
}

/// A disk that says how much is left.
struct SmallDisk;

impl Disk for SmallDisk {
    fn available_space(&self, _path: &Path) -> io::Result<u64> {
        Ok(1000)
    }
}

#[test]
fn lack_of_space_is_known_beforehand() {
    let directory = scratch_directory();
    let store = Store::open_on(SmallDisk, directory.path()).unwrap();
    store.ensure_space(1000).unwrap();
    let error = store.ensure_space(1001).unwrap_err();
    assert!(error.to_string().contains("1001 bytes needed, 1000 available"), "{error}");
    Store::open(directory.path()).unwrap().ensure_space(1).unwrap();
}

/// A disk to which nothing can be written.
pub(super) struct ReadOnlyDisk;

impl Disk for ReadOnlyDisk {
    fn create(&self, _path: &Path) -> io::Result<File> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn create_directory(&self, _path: &Path) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn remove(&self, _path: &Path) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
}

#[test]
fn a_store_that_cannot_be_written_to_can_be_read() {
    let directory = scratch_directory();
    make_model(&Store::open(directory.path()).unwrap(), &name("m"), "prompt").unwrap();
    std::fs::remove_dir_all(directory.path().join("ollamake")).unwrap();
    let store = Store::open_on(ReadOnlyDisk, directory.path()).unwrap();
    assert_eq!(store.list().unwrap().len(), 1);
    assert_eq!(store.blob(Digest::of(b"prompt")).unwrap().bytes().unwrap(), b"prompt");
    for error in [store.put_bytes(b"new").unwrap_err(), store.remove(&name("m")).unwrap_err()] {
        assert!(matches!(error, StoreError::ReadOnly { .. }), "{error}");
    }
    assert!(store.put_bytes(b"prompt").unwrap().existed);
}
