//! Files from outside that become blobs: those that change meanwhile, jobs that are stopped, and what is left
//! then.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ollamake::model::Digest;
use ollamake::store::{Disk, Imported, PruneOptions, Store, StoreError};
use tempfile::TempDir;

use crate::support::files::{names_in_store, unfinished};
use crate::support::noise::noise;

/// A disk that does not share blocks.
struct Plain;

impl Disk for Plain {
    fn clone_file(&self, _: &File, _: &File) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A store, and a file beside it that can be written to or not.
fn site(mode: u32) -> (TempDir, Store, PathBuf, Vec<u8>) {
    let directory = TempDir::new().unwrap();
    let store = Store::open_on(Plain, &directory.path().join("store")).unwrap();
    let (path, contents) = (directory.path().join("file"), noise(7, 2 << 20));
    fs::write(&path, &contents).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    (directory, store, path, contents)
}

fn left(directory: &Path) -> Vec<String> {
    [names_in_store(&directory.join("store")), unfinished(&directory.join("store"))].concat()
}

#[test]
fn a_file_that_changes_meanwhile_is_refused() {
    for mode in [0o644, 0o444] {
        let (directory, store, path, _) = site(mode);
        // Somebody has opened it before its rights were taken away.
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let writer = File::options().write(true).open(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let result = store.import(File::open(&path).unwrap(), |_| {
            std::os::unix::fs::FileExt::write_at(&writer, b"!", 1 << 20).unwrap();
            true
        });
        assert!(matches!(result, Err(StoreError::FileChanged)), "{mode:o}: {result:?}");
        drop(result);
        assert_eq!(left(directory.path()), Vec::<String>::new());
        assert_eq!(fs::metadata(&path).unwrap().nlink(), 1);
    }
}

#[test]
fn what_is_stopped_leaves_nothing() {
    for mode in [0o644, 0o444] {
        let (directory, store, path, contents) = site(mode);
        assert!(store.import(File::open(&path).unwrap(), |_| false).unwrap().is_none());
        assert_eq!(left(directory.path()), Vec::<String>::new());
        assert!(fs::read(&path).unwrap() == contents);
        assert_eq!(fs::metadata(&path).unwrap().nlink(), 1);
    }
}

#[test]
fn a_link_is_taken_for_what_it_is() {
    let (directory, store, path, contents) = site(0o444);
    let import = || store.import(File::open(&path).unwrap(), |_| true).unwrap().unwrap();
    let (committed, how) = import();
    assert_eq!((committed.blob.digest(), how), (Digest::of(&contents), Imported::Linked));
    assert!(committed.blob.bytes().unwrap() == contents);
    drop(committed);
    for _ in 0..2 {
        assert_eq!(import().1, Imported::Present);
        assert_eq!(fs::metadata(&path).unwrap().nlink(), 2, "the file and the blob");
        assert_eq!(unfinished(&directory.path().join("store")), Vec::<String>::new());
    }
    // It is pruned like any blob, and the file stays.
    let options = PruneOptions { grace: std::time::Duration::ZERO, dry_run: false };
    assert_eq!(store.prune(options).unwrap().blobs.len(), 1);
    assert!(fs::read(&path).unwrap() == contents);
    assert_eq!(fs::metadata(&path).unwrap().nlink(), 1);
}

#[test]
fn a_blob_of_a_file_that_was_changed_all_the_same_is_found_out() {
    let (_directory, store, path, contents) = site(0o444);
    let (committed, _) = store.import(File::open(&path).unwrap(), |_| true).unwrap().unwrap();
    let digest = committed.blob.digest();
    drop(committed);
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    fs::write(&path, noise(8, contents.len())).unwrap();
    assert!(!store.renew_if_whole(digest, None).unwrap());
    // Whoever has the bytes puts them in its place, and the file is nobody's any more.
    fs::write(path.with_extension("other"), &contents).unwrap();
    let other = File::open(path.with_extension("other")).unwrap();
    assert_eq!(store.import(other, |_| true).unwrap().unwrap().1, Imported::CopiedForSafety);
    assert!(store.renew_if_whole(digest, None).unwrap());
    assert_eq!(fs::metadata(&path).unwrap().nlink(), 1);
}

#[test]
fn what_somebody_has_locked_is_copied() {
    let (_directory, store, path, _) = site(0o444);
    let other = File::open(&path).unwrap();
    other.lock().unwrap();
    let (_, how) = store.import(File::open(&path).unwrap(), |_| true).unwrap().unwrap();
    assert_eq!(how, Imported::Copied);
}
