//! What others do to the store between two steps of ours, and disks that fail for a moment.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ollamake::model::{Digest, Layer, Manifest, MediaType, ModelConfig};
use ollamake::store::{Disk, LocalDisk, PruneOptions, Store, StoreError};

use super::contract::{make_model, name, scratch_directory};
use crate::support::noise::noise;

const EVERYTHING: PruneOptions = PruneOptions { grace: Duration::ZERO, dry_run: false };

/// A step of the store.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    Open,
    Lock,
    Rename,
    RenameNew,
    Sync,
    List,
}

type Hook = dyn Fn(Step, &Path) -> io::Result<()> + Send + Sync;

/// A disk on which something happens just before a step. A sync is told the number of its file instead of a
/// path, a lock nothing.
struct DisturbedDisk(Box<Hook>);

impl DisturbedDisk {
    fn new(hook: impl Fn(Step, &Path) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Box::new(hook))
    }
}

impl Disk for DisturbedDisk {
    fn open(&self, path: &Path) -> io::Result<File> {
        self.0(Step::Open, path)?;
        LocalDisk.open(path)
    }

    fn lock_shared(&self, file: &File) -> io::Result<()> {
        self.0(Step::Lock, Path::new(""))?;
        LocalDisk.lock_shared(file)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0(Step::Rename, from)?;
        LocalDisk.rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0(Step::RenameNew, from)?;
        LocalDisk.rename_new(from, to)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.0(Step::Sync, Path::new(&file.metadata()?.ino().to_string()))?;
        LocalDisk.sync(file)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        self.0(Step::List, path)?;
        LocalDisk.list(path)
    }
}

fn blob_path(root: &Path, bytes: &[u8]) -> PathBuf {
    root.join("blobs").join(Digest::of(bytes).file_name())
}

#[test]
fn no_blob_goes_while_a_manifest_cannot_be_read() {
    for kind in [io::ErrorKind::PermissionDenied, io::ErrorKind::Other] {
        let directory = scratch_directory();
        let root = directory.path();
        let one = Store::open(root).unwrap();
        for model in ["a", "b"] {
            make_model(&one, &name(model), "shared").unwrap();
        }
        let unreadable = root.join("manifests/registry.ollama.ai/library/b/latest");
        let fails = Arc::new(AtomicBool::new(true));
        let failing = fails.clone();
        let disk = DisturbedDisk::new(move |step, path| {
            let hit = step == Step::Open && path == unreadable && failing.load(Ordering::Relaxed);
            if hit { Err(kind.into()) } else { Ok(()) }
        });
        let two = Store::open_on(disk, root).unwrap();
        two.remove(&name("a")).unwrap();
        assert!(one.contains(Digest::of(b"shared")).unwrap(), "{kind}: a blob of b has gone");
        assert!(two.remove_unused(&[Digest::of(b"shared")]).unwrap().is_empty());
        let report = two.prune(EVERYTHING).unwrap();
        assert_eq!((report.blobs, report.damaged), (vec![], vec![name("b")]));
        // When it can be read again, so does everything else go on.
        fails.store(false, Ordering::Relaxed);
        two.put_bytes(b"orphan").unwrap();
        assert_eq!(two.prune(EVERYTHING).unwrap().blobs, [(Digest::of(b"orphan"), 6)]);
        assert!(two.check(true, |_| {}).unwrap().is_clean());
    }
}

#[test]
fn what_a_lying_registry_sent_does_not_lengthen_a_blob() {
    let directory = scratch_directory();
    let store = Store::open(directory.path()).unwrap();
    let bytes = noise(1, 300_000);
    let digest = Digest::of(&bytes);
    // It said that there are more bytes, and began with the last ones.
    store.partial(digest, 400_000).unwrap().write_at(300_000, &noise(2, 100_000)).unwrap();
    let partial = store.partial(digest, 300_000).unwrap();
    assert_eq!(partial.received(), 0);
    partial.write_at(0, &bytes).unwrap();
    partial.commit().unwrap();
    assert_eq!(fs::read(blob_path(directory.path(), &bytes)).unwrap(), bytes);
}

#[test]
fn a_journal_without_its_bytes_is_not_believed() {
    let directory = scratch_directory();
    let store = Store::open(directory.path()).unwrap();
    let bytes = noise(3, 500_000);
    let digest = Digest::of(&bytes);
    let file = directory.path().join("ollamake/partial").join(digest.file_name());
    for received in [200_000, 500_000] {
        store.partial(digest, 500_000).unwrap().write_at(0, &bytes[..received]).unwrap();
        assert_eq!(store.partial(digest, 500_000).unwrap().received(), received as u64);
        // As a crash leaves it between the placing of the blob and the removal of its journal.
        fs::remove_file(&file).unwrap();
        assert_eq!(store.partial(digest, 500_000).unwrap().received(), 0);
    }
    let partial = store.partial(digest, 500_000).unwrap();
    partial.write_at(0, &bytes).unwrap();
    partial.commit().unwrap();
    assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 0);
}

#[test]
fn a_download_outlives_a_disk_that_cannot_take_its_name() {
    let directory = scratch_directory();
    let full = Arc::new(AtomicBool::new(true));
    let is_full = full.clone();
    let disk = DisturbedDisk::new(move |step, _| {
        let hit = step == Step::RenameNew && is_full.load(Ordering::Relaxed);
        if hit { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    });
    let store = Store::open_on(disk, directory.path()).unwrap();
    let bytes = noise(4, 500_000);
    let digest = Digest::of(&bytes);
    let partial = store.partial(digest, 500_000).unwrap();
    partial.write_at(0, &bytes).unwrap();
    partial.commit().unwrap_err();
    assert!(store.partial_length(digest) >= 500_000, "{}", store.partial_length(digest));
    full.store(false, Ordering::Relaxed);
    let partial = store.partial(digest, 500_000).unwrap();
    assert_eq!(partial.received(), 500_000);
    assert!(partial.commit().unwrap().blob.bytes().unwrap() == bytes);
    assert_eq!(store.partial_length(digest), 0);
}

#[test]
fn a_blob_that_was_replaced_while_it_was_read_is_not_taken_for_the_damaged_one() {
    let directory = scratch_directory();
    let root = directory.path().to_owned();
    let bytes = noise(5, 300_000);
    let path = blob_path(&root, &bytes);
    let (target, whole) = (path.clone(), bytes.clone());
    let disk = DisturbedDisk::new(move |step, from| {
        if step == Step::Rename && from == target {
            let other = target.with_extension("other");
            fs::write(&other, &whole)?;
            fs::rename(other, &target)?;
        }
        Ok(())
    });
    let store = Store::open_on(disk, &root).unwrap();
    fs::write(&path, &bytes[..1000]).unwrap();
    assert!(!store.quarantine(Digest::of(&bytes)).unwrap());
    assert_eq!(fs::read(&path).unwrap(), bytes);
    assert_eq!(fs::read_dir(root.join("ollamake/quarantine")).unwrap().count(), 0);
}

#[test]
fn no_lease_is_had_on_a_blob_whose_name_is_gone() {
    let directory = scratch_directory();
    let root = directory.path().to_owned();
    let elsewhere = root.join("elsewhere");
    let path = blob_path(&root, b"linked");
    let links: [fn(&Path, &Path) -> io::Result<()>; 2] =
        [|from, to| fs::hard_link(from, to), |from, to| std::os::unix::fs::symlink(from, to)];
    for link in links {
        let (armed, target) = (Arc::new(AtomicBool::new(false)), path.clone());
        let is_armed = armed.clone();
        let disk = DisturbedDisk::new(move |step, _| {
            if step == Step::Lock && is_armed.swap(false, Ordering::Relaxed) {
                // Another process was quicker with its claim.
                fs::remove_file(&target)?;
            }
            Ok(())
        });
        let store = Store::open_on(disk, &root).unwrap();
        fs::write(&elsewhere, b"linked").unwrap();
        link(&elsewhere, &path).unwrap();
        assert_eq!(store.blob(Digest::of(b"linked")).unwrap().bytes().unwrap(), b"linked");
        armed.store(true, Ordering::Relaxed);
        let gone = store.blob(Digest::of(b"linked"));
        assert!(matches!(gone, Err(StoreError::BlobNotFound { .. })), "{gone:?}");
        fs::remove_file(&elsewhere).unwrap();
    }
}

#[test]
fn blobs_of_other_programs_are_synced_before_they_are_named() {
    let directory = scratch_directory();
    let root = directory.path();
    let synced = Arc::new(Mutex::new(HashSet::new()));
    let seen = synced.clone();
    let disk = DisturbedDisk::new(move |step, file| {
        if step == Step::Sync {
            seen.lock().unwrap().insert(file.to_owned());
        }
        Ok(())
    });
    let store = Store::open_on(disk, root).unwrap();
    let config = ModelConfig::default().to_bytes();
    let contents = [&config[..], b"prompt"];
    let files = contents.map(|bytes| {
        let path = blob_path(root, bytes);
        fs::write(&path, bytes).unwrap();
        PathBuf::from(fs::metadata(path).unwrap().ino().to_string())
    });
    let layer = |kind, bytes: &[u8]| Layer::new(kind, Digest::of(bytes), bytes.len() as u64);
    let manifest =
        Manifest::new(layer(MediaType::Config, &config), vec![layer(MediaType::System, b"prompt")]);
    store.put_manifest(&name("m"), &manifest.to_bytes()).unwrap();
    assert!(files.iter().all(|file| synced.lock().unwrap().remove(file)), "not all are synced");
    // Once is enough.
    store.put_manifest(&name("n"), &manifest.to_bytes()).unwrap();
    assert!(!files.iter().any(|file| synced.lock().unwrap().contains(file)));
}

#[test]
fn nothing_is_pruned_while_manifests_are_out_of_sight() {
    for lost in ["manifests", "manifests/registry.ollama.ai", "manifests/registry.ollama.ai/library"] {
        let directory = scratch_directory();
        let root = directory.path();
        make_model(&Store::open(root).unwrap(), &name("m"), "prompt").unwrap();
        let (there, away) = (root.join(lost), root.join("away"));
        let hide: [fn(&Path); 2] = [
            |path| std::os::unix::fs::symlink("/mnt/not/there", path).unwrap(),
            |path| fs::write(path, b"a file").unwrap(),
        ];
        // Below the root a file is somebody else's, as in Ollama's own store.
        for hide in &hide[..if lost == "manifests" { 2 } else { 1 }] {
            fs::rename(&there, &away).unwrap();
            hide(&there);
            let store = Store::open_existing(root).unwrap();
            assert!(matches!(store.prune(EVERYTHING), Err(StoreError::LostManifests { .. })), "{lost}");
            assert!(matches!(store.check(false, |_| {}), Err(StoreError::LostManifests { .. })), "{lost}");
            assert!(store.remove_unused(&[Digest::of(b"prompt")]).unwrap().is_empty());
            assert!(Store::open(root).is_ok() || lost == "manifests", "{lost}");
            fs::remove_file(&there).unwrap();
            fs::rename(&away, &there).unwrap();
            assert!(store.prune(EVERYTHING).unwrap().blobs.is_empty());
            assert_eq!(store.list().unwrap().len(), 1);
        }
    }
}

#[test]
fn manifests_are_seen_though_a_directory_above_them_is_replaced() {
    for looked_at in ["library", "library/m"] {
        let directory = scratch_directory();
        let root = directory.path();
        make_model(&Store::open(root).unwrap(), &name("m"), "prompt").unwrap();
        let host = root.join("manifests/registry.ollama.ai");
        let (place, replaced) = (host.join(looked_at), Arc::new(AtomicBool::new(false)));
        let is_replaced = replaced.clone();
        let disk = DisturbedDisk::new(move |step, path| {
            if step == Step::List && path == place && !is_replaced.swap(true, Ordering::Relaxed) {
                // As where one program removes the only model of it and another makes one.
                let (old, new) = (host.join("library"), host.join("new"));
                fs::create_dir(&new)?;
                fs::rename(old.join("m"), new.join("m"))?;
                fs::remove_dir(&old)?;
                fs::rename(new, old)?;
            }
            Ok(())
        });
        let store = Store::open_on(disk, root).unwrap();
        let report = store.prune(EVERYTHING).unwrap();
        assert!(replaced.load(Ordering::Relaxed), "{looked_at} was not listed");
        assert_eq!((report.blobs, report.damaged), (vec![], vec![]), "{looked_at}");
        assert_eq!(store.list().unwrap().len(), 1, "{looked_at}");
    }
}

#[test]
fn what_is_no_file_is_not_waited_for_and_does_not_stop_anybody() {
    let directory = scratch_directory();
    let root = directory.path();
    let store = Store::open(root).unwrap();
    make_model(&store, &name("m"), "prompt").unwrap();
    let digest = Digest::of(b"a pipe");
    let file_name = digest.file_name();
    let own = root.join("ollamake");
    let places =
        [root.join("blobs"), own.join("temporary"), own.join("partial"), own.join("made")].map(|directory| {
            fs::create_dir_all(&directory).unwrap();
            directory.join(&file_name)
        });
    let make: [fn(&Path); 3] = [
        |path| rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RWXU).unwrap(),
        |path| fs::create_dir(path).unwrap(),
        |path| std::os::unix::fs::symlink("/dev/zero", path).unwrap(),
    ];
    for make in make {
        places.iter().for_each(|path| make(path));
        let store = Store::open(root).unwrap();
        store.blob(digest).unwrap_err();
        store.partial(digest, 5).unwrap_err();
        store.prune(EVERYTHING).unwrap();
        store.account().unwrap();
        let report = store.check(true, |_| {}).unwrap();
        let damaged: Vec<_> = report.damaged_blobs.iter().map(|blob| blob.digest).collect();
        assert_eq!(damaged, [digest]);
        for path in &places {
            let _ = fs::remove_file(path);
            let _ = fs::remove_dir(path);
        }
    }
    assert!(store.check(true, |_| {}).unwrap().is_clean());
}
