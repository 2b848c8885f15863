//! One store for several programs: another process of ours, and Ollama.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};

use ollamake::model::Digest;
use ollamake::store::{BlobDamage, DamagedBlob, PruneOptions, Store, StoreError};

use super::contract::{leftovers, make_model, name, write_blob};
use crate::support::noise::noise;

const EVERYTHING: PruneOptions = PruneOptions { grace: Duration::ZERO, dry_run: false };

/// Two handles on one directory share nothing in memory, like two processes.
fn two_stores() -> (tempfile::TempDir, Store, Store) {
    let directory = tempfile::tempdir().unwrap();
    let one = Store::open(directory.path()).unwrap();
    let two = Store::open(directory.path()).unwrap();
    (directory, one, two)
}

#[test]
fn a_lease_holds_in_another_process() {
    let (_directory, one, two) = two_stores();
    let lease = one.put_bytes(b"needed").unwrap().blob;
    assert!(two.prune(EVERYTHING).unwrap().blobs.is_empty());
    assert!(two.remove_unused(&[lease.digest()]).unwrap().is_empty());
    let digest = lease.digest();
    drop(lease);
    assert_eq!(two.prune(EVERYTHING).unwrap().blobs, [(digest, 6)]);
    assert!(!one.contains(digest).unwrap());
}

#[test]
fn a_blob_under_way_is_no_leftover() {
    let (directory, one, _two) = two_stores();
    let bytes = noise(1, 300_000);
    let mut writer = one.create_blob();
    writer.write_all(&bytes).unwrap();
    assert_eq!(leftovers(directory.path()), 1);
    let third = Store::open(directory.path()).unwrap();
    third.prune(EVERYTHING).unwrap();
    writer.commit(Some(Digest::of(&bytes))).unwrap();
    assert!(third.contains(Digest::of(&bytes)).unwrap());
}

#[test]
fn leftovers_of_a_dead_process_are_cleared_at_start() {
    let (directory, ..) = two_stores();
    fs::write(directory.path().join("ollamake/temporary/0123"), b"torn").unwrap();
    Store::open(directory.path()).unwrap();
    assert_eq!(leftovers(directory.path()), 0);
}

#[test]
fn a_model_of_another_process_is_seen_at_once() {
    let (_directory, one, two) = two_stores();
    for round in 0..20 {
        let prompt = format!("prompt {round}");
        make_model(&one, &name("m"), &prompt).unwrap();
        assert_eq!(two.list().unwrap()[0].manifest.layers[0].digest, Digest::of(prompt.as_bytes()));
        make_model(&one, &name("other"), &prompt).unwrap();
        assert_eq!(two.list().unwrap().len(), 2);
        two.remove(&name("other")).unwrap();
        assert_eq!(one.list().unwrap().len(), 1);
        assert!(one.contains(Digest::of(prompt.as_bytes())).unwrap(), "still named by m");
    }
}

fn manifest_path(root: &Path, model: &str) -> std::path::PathBuf {
    root.join("manifests/registry.ollama.ai/library").join(model).join("latest")
}

#[test]
fn a_manifest_written_in_place_is_given_a_moment() {
    let (directory, one, two) = two_stores();
    make_model(&one, &name("m"), "prompt").unwrap();
    let path = manifest_path(directory.path(), "m");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..100]).unwrap();
    let writer = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(15));
        fs::write(&path, &whole).unwrap();
    });
    assert_eq!(two.manifest(&name("m")).unwrap().manifest.layers.len(), 1);
    writer.join().unwrap();
    assert_eq!(one.list().unwrap().len(), 1);
}

#[test]
fn a_damaged_manifest_keeps_what_it_still_names() {
    let (directory, one, two) = two_stores();
    make_model(&one, &name("m"), "prompt").unwrap();
    make_model(&one, &name("twin"), "prompt").unwrap();
    make_model(&one, &name("other"), "else").unwrap();
    let path = manifest_path(directory.path(), "m");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 2]).unwrap();
    assert_eq!(two.list().unwrap().len(), 2);
    let error = two.manifest(&name("m")).unwrap_err();
    assert!(matches!(error, StoreError::DamagedManifest { .. }), "{error}");
    two.remove(&name("twin")).unwrap();
    assert!(two.contains(Digest::of(b"prompt")).unwrap());
    two.put_bytes(b"orphan").unwrap();
    let report = two.prune(EVERYTHING).unwrap();
    assert_eq!((report.blobs, report.damaged), (vec![], vec![name("m")]));
    let check = two.check(true, |_| {}).unwrap();
    assert_eq!(check.damaged_manifests.len(), 1);
    two.remove(&name("m")).unwrap();
    assert!(!two.contains(Digest::of(b"prompt")).unwrap());
    assert_eq!(two.prune(EVERYTHING).unwrap().blobs, [(Digest::of(b"orphan"), 6)]);
}

#[test]
fn what_is_foreign_in_the_directories_is_left_alone() {
    let (directory, store, _) = two_stores();
    make_model(&store, &name("m"), "prompt").unwrap();
    let blobs = directory.path().join("blobs");
    let foreign = [
        blobs.join("sha256-0123-partial-0"),
        blobs.join(".DS_Store"),
        directory.path().join("manifests/.DS_Store"),
        directory.path().join("manifests/registry.ollama.ai/library/m/.hidden"),
    ];
    for path in &foreign {
        fs::write(path, b"x").unwrap();
    }
    fs::create_dir(manifest_path(directory.path(), "m").with_file_name("directory")).unwrap();
    assert_eq!(store.list().unwrap().len(), 1);
    assert!(store.prune(EVERYTHING).unwrap().blobs.is_empty());
    assert!(store.check(true, |_| {}).unwrap().is_clean());
    // What might be a manifest, but for its place, is found, and nothing is removed any more.
    let readme = directory.path().join("manifests/registry.ollama.ai/library/README");
    fs::write(&readme, b"x").unwrap();
    let unread = store.check(true, |_| {}).unwrap().unread;
    assert_eq!(unread[0].place, "manifests/registry.ollama.ai/library/README");
    assert_eq!(store.prune(EVERYTHING).unwrap().unread, unread);
    fs::remove_file(readme).unwrap();
    let notes = blobs.join("notes");
    fs::write(&notes, b"x").unwrap();
    assert_eq!(store.check(true, |_| {}).unwrap().foreign, ["blobs/notes"]);
    fs::remove_file(notes).unwrap();
    store.remove(&name("m")).unwrap();
    assert!(foreign.iter().all(|path| path.exists()));
}

#[test]
fn manifests_that_are_blobs_keep_their_blobs() {
    let (directory, store, _) = two_stores();
    make_model(&store, &name("m"), "prompt").unwrap();
    let model = store.manifest(&name("m")).unwrap();
    let manifest_blob = store.put_bytes(&model.bytes).unwrap().blob.digest();
    let other = directory.path().join("manifests-v2/ollama.com/library/n");
    fs::create_dir_all(&other).unwrap();
    let target = directory.path().join("blobs").join(manifest_blob.file_name());
    std::os::unix::fs::symlink(target, other.join("latest")).unwrap();
    store.remove(&name("m")).unwrap();
    assert!(store.prune(EVERYTHING).unwrap().blobs.is_empty());
    for digest in model.manifest.blobs().map(|layer| layer.digest).chain([manifest_blob]) {
        assert!(store.contains(digest).unwrap());
    }
}

#[test]
fn a_torn_blob_is_replaced_and_a_damaged_one_is_found() {
    let (directory, store, _) = two_stores();
    let bytes = noise(8, 200_000);
    write_blob(&store, &bytes, None).unwrap();
    let path = directory.path().join("blobs").join(Digest::of(&bytes).file_name());
    fs::write(&path, b"").unwrap();
    assert!(matches!(store.verify(Digest::of(&bytes)), Err(StoreError::DamagedBlob { .. })));
    write_blob(&store, &bytes, None).unwrap();
    store.verify(Digest::of(&bytes)).unwrap();

    let mut damaged = bytes.clone();
    damaged[100_000] ^= 1;
    fs::write(&path, &damaged).unwrap();
    let report = store.check(true, |_| {}).unwrap();
    let damage = BlobDamage::Content { got: Digest::of(&damaged) };
    assert_eq!(report.damaged_blobs, [DamagedBlob { digest: Digest::of(&bytes), damage, holders: vec![] }]);
    assert!(store.quarantine(Digest::of(&bytes)).unwrap());
    assert!(!store.contains(Digest::of(&bytes)).unwrap());
    write_blob(&store, &bytes, None).unwrap();
    assert!(store.check(true, |_| {}).unwrap().is_clean());
    assert!(!store.quarantine(Digest::of(&bytes)).unwrap(), "what has come back whole stays");
}

#[test]
fn age_decides_what_pruning_keeps() {
    let (directory, store, _) = two_stores();
    let age = |path: &Path| {
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(7200)).unwrap();
    };
    let old = store.put_bytes(b"old").unwrap().blob.digest();
    let used_again = store.put_bytes(b"used again").unwrap().blob.digest();
    let young = store.put_bytes(b"young").unwrap().blob.digest();
    for digest in [old, used_again] {
        age(&directory.path().join("blobs").join(digest.file_name()));
    }
    assert!(store.put_bytes(b"used again").unwrap().existed);
    for seed in [1, 2] {
        let bytes = noise(seed, 1000);
        store.partial(Digest::of(&bytes), 1000).unwrap().write_at(0, &bytes[..500]).unwrap();
    }
    age(&directory.path().join("ollamake/partial").join(Digest::of(&noise(1, 1000)).file_name()));
    let report = store.prune(PruneOptions::default()).unwrap();
    assert_eq!(report.blobs, [(old, 3)]);
    assert_eq!((report.partial_downloads, report.freed), (1, 503));
    assert!(store.contains(young).unwrap() && store.contains(used_again).unwrap());
    assert_eq!(store.partial(Digest::of(&noise(1, 1000)), 1000).unwrap().received(), 0);
    assert_eq!(store.partial(Digest::of(&noise(2, 1000)), 1000).unwrap().received(), 500);
}

#[test]
fn no_message_names_a_path() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    fs::remove_dir_all(directory.path().join("ollamake")).unwrap();
    fs::write(directory.path().join("ollamake"), b"in the way").unwrap();
    let error = store.put_bytes(b"x").unwrap_err();
    assert!(!error.to_string().contains('/'), "{error}");
    fs::write(directory.path().join("file"), b"").unwrap();
    let error = Store::open(&directory.path().join("file")).unwrap_err();
    assert!(!error.to_string().contains(directory.path().to_str().unwrap()), "{error}");
}
