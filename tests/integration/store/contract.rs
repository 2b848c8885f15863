//! What any store has to do, whatever the disk under it.

use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::support::noise::noise;
use ollamake::model::{Digest, Layer, Manifest, MediaType, ModelConfig, Name};
use ollamake::store::{LocalDisk, Partial, PruneOptions, Store, StoreError};
use tempfile::TempDir;

/// A case of the contract and its name.
type Case = (&'static str, fn(&Store));

/// The whole contract.
pub(super) const CASES: &[Case] = &[
    ("a small blob comes back", a_small_blob_comes_back),
    ("a large blob comes back", a_large_blob_comes_back),
    ("an empty blob is a blob", an_empty_blob_is_a_blob),
    ("a blob appears at its commit", a_blob_appears_at_its_commit),
    ("a mismatch leaves nothing", a_mismatch_leaves_nothing),
    ("a blob that exists is kept", a_blob_that_exists_is_kept),
    ("a model is found in any letter case", a_model_is_found_in_any_letter_case),
    ("the bytes of a manifest are kept", the_bytes_of_a_manifest_are_kept),
    ("a manifest needs its blobs", a_manifest_needs_its_blobs),
    ("blobs go with their last user", blobs_go_with_their_last_user),
    ("a lease outlasts its model", a_lease_outlasts_its_model),
    ("a replaced model is handed back", a_replaced_model_is_handed_back),
    ("a copy shares its blobs", a_copy_shares_its_blobs),
    ("what is absent is said to be", what_is_absent_is_said_to_be),
    ("models are listed in order", models_are_listed_in_order),
    ("pruning keeps what is needed or young", pruning_keeps_what_is_needed_or_young),
    ("a download can be finished later", a_download_can_be_finished_later),
    ("a wrong download leaves nothing", a_wrong_download_leaves_nothing),
    ("a download takes its bytes in any order", a_download_takes_its_bytes_in_any_order),
    ("a check finds nothing in a whole store", a_check_finds_nothing_in_a_whole_store),
];

#[test]
fn a_local_store_fulfils_the_contract() {
    for (name, case) in CASES {
        println!("{name}");
        let directory = tempfile::tempdir().unwrap();
        case(&Store::open_on(LocalDisk, directory.path()).unwrap());
        assert_eq!(leftovers(directory.path()), 0, "{name}");
    }
}

/// A directory where nothing has to survive, in memory where there is a file system for that: tests that make
/// thousands of stores should not wait for a disk.
pub(super) fn scratch_directory() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

/// The number of files in the store that are neither blobs nor manifests.
pub(super) fn leftovers(root: &Path) -> usize {
    let temporary = std::fs::read_dir(root.join("ollamake/temporary")).unwrap().count();
    let blobs = std::fs::read_dir(root.join("blobs")).unwrap();
    let foreign = blobs.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name().into_string().unwrap();
        name.parse::<Digest>().is_err()
    });
    temporary + foreign.count()
}

pub(super) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// Makes a model of the given system prompt in the store.
pub(super) fn make_model(store: &Store, name: &Name, system: &str) -> Result<Manifest, StoreError> {
    let config = store.put_bytes(&ModelConfig::default().to_bytes())?.blob;
    let system = store.put_bytes(system.as_bytes())?.blob;
    let manifest = Manifest::new(
        Layer::new(MediaType::Config, config.digest(), config.length()),
        vec![Layer::new(MediaType::System, system.digest(), system.length())],
    );
    store.put_manifest(name, &manifest.to_bytes())?;
    Ok(manifest)
}

pub(super) fn write_blob(
    store: &Store,
    bytes: &[u8],
    expected: Option<Digest>,
) -> Result<Digest, StoreError> {
    let mut writer = store.create_blob();
    for piece in bytes.chunks(100_000) {
        writer.write_all(piece)?;
    }
    Ok(writer.commit(expected)?.blob.digest())
}

fn a_small_blob_comes_back(store: &Store) {
    let committed = store.put_bytes(b"hello").unwrap();
    assert!(!committed.existed);
    let expected = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    assert_eq!(committed.blob.digest().to_string(), expected);
    drop(committed);
    let blob = store.blob(expected.parse().unwrap()).unwrap();
    assert_eq!(blob.bytes().unwrap(), b"hello");
    assert_eq!(blob.read(5).unwrap(), b"hello");
    assert!(matches!(blob.read(4), Err(StoreError::DamagedBlob { .. })));
}

fn a_large_blob_comes_back(store: &Store) {
    // Around the unit of writing, and far beyond it.
    for length in [65_535, 65_536, 65_537, 131_072, 1_000_000, 40 << 20] {
        let bytes = noise(length as u64, length);
        let expected = Digest::of(&bytes);
        assert_eq!(write_blob(store, &bytes, Some(expected)).unwrap(), expected);
        let blob = store.blob(expected).unwrap();
        assert_eq!(blob.length(), length as u64);
        assert_eq!(store.size(expected).unwrap(), Some(length as u64));
        assert!(blob.bytes().unwrap() == bytes);
        let mut reader = blob.reader();
        reader.seek(SeekFrom::End(-3)).unwrap();
        let mut tail = Vec::new();
        reader.read_to_end(&mut tail).unwrap();
        assert_eq!(tail, bytes[length - 3..]);
    }
}

fn an_empty_blob_is_a_blob(store: &Store) {
    let empty = write_blob(store, b"", None).unwrap();
    let blob = store.blob(empty).unwrap();
    assert_eq!((blob.length(), blob.bytes().unwrap()), (0, &[][..]));
}

fn a_blob_appears_at_its_commit(store: &Store) {
    let bytes = noise(1, 200_000);
    let mut writer = store.create_blob();
    writer.write_all(&bytes).unwrap();
    assert_eq!(writer.length(), 200_000);
    assert!(!store.contains(Digest::of(&bytes)).unwrap());
    drop(writer);
    assert!(!store.contains(Digest::of(&bytes)).unwrap());
    write_blob(store, &bytes, None).unwrap();
    assert!(store.contains(Digest::of(&bytes)).unwrap());
}

fn a_mismatch_leaves_nothing(store: &Store) {
    for length in [10, 300_000] {
        let (bytes, wrong) = (noise(2, length), Digest::of(b"something else"));
        let error = write_blob(store, &bytes, Some(wrong)).unwrap_err();
        let text = format!("digest mismatch, expected \"{wrong}\", got \"{}\"", Digest::of(&bytes));
        assert_eq!(error.to_string(), text);
        assert!(!store.contains(wrong).unwrap());
        assert!(!store.contains(Digest::of(&bytes)).unwrap());
    }
}

fn a_blob_that_exists_is_kept(store: &Store) {
    for length in [10, 300_000] {
        let bytes = noise(3, length);
        write_blob(store, &bytes, None).unwrap();
        let mut writer = store.create_blob();
        writer.write_all(&bytes).unwrap();
        assert!(writer.commit(None).unwrap().existed);
        assert!(store.put_bytes(&bytes).unwrap().existed);
    }
}

fn a_model_is_found_in_any_letter_case(store: &Store) {
    make_model(store, &name("Some/Model:Tag"), "one").unwrap();
    assert_eq!(store.manifest(&name("sOME/mODEL:tAG")).unwrap().name.short(), "Some/Model:Tag");
    make_model(store, &name("some/model:TAG"), "two").unwrap();
    make_model(store, &name("some/model:other"), "three").unwrap();
    let names: Vec<_> = store.list().unwrap().iter().map(|model| model.name.short()).collect();
    assert_eq!(names, ["Some/Model:Tag", "Some/Model:other"]);
    store.remove(&name("SOME/MODEL:TAG")).unwrap();
    store.remove(&name("some/MODEL:OTHER")).unwrap();
    assert!(store.list().unwrap().is_empty());
}

fn the_bytes_of_a_manifest_are_kept(store: &Store) {
    let manifest = make_model(store, &name("m"), "one").unwrap();
    let foreign = serde_json::to_vec_pretty(&manifest).unwrap();
    store.put_manifest(&name("m"), &foreign).unwrap();
    let model = store.manifest(&name("m")).unwrap();
    assert_eq!(model.bytes, foreign);
    assert_eq!(model.digest, Digest::of(&foreign));
    assert_eq!(model.manifest, manifest);
    assert_eq!(*store.config(&model).unwrap(), ModelConfig::default());
    for invalid in [&b""[..], b"{", b"[]", b"{\"schemaVersion\":2}"] {
        let error = store.put_manifest(&name("m"), invalid).unwrap_err();
        assert!(matches!(error, StoreError::InvalidManifest { .. }), "{error}");
    }
    assert_eq!(store.manifest(&name("m")).unwrap().bytes, foreign);
}

fn a_manifest_needs_its_blobs(store: &Store) {
    let absent = Digest::of(b"absent");
    let manifest = Manifest::new(Layer::new(MediaType::Config, absent, 6), Vec::new());
    let error = store.put_manifest(&name("m"), &manifest.to_bytes()).unwrap_err();
    assert!(matches!(error, StoreError::BlobNotFound { digest } if digest == absent));
    assert!(store.list().unwrap().is_empty());
}

fn blobs_go_with_their_last_user(store: &Store) {
    make_model(store, &name("one"), "first").unwrap();
    make_model(store, &name("two"), "second").unwrap();
    let config = Digest::of(&ModelConfig::default().to_bytes());
    store.remove(&name("one")).unwrap();
    assert!(!store.contains(Digest::of(b"first")).unwrap());
    assert!(store.contains(config).unwrap());
    store.remove(&name("two")).unwrap();
    assert!(!store.contains(Digest::of(b"second")).unwrap());
    assert!(!store.contains(config).unwrap());
}

fn a_lease_outlasts_its_model(store: &Store) {
    make_model(store, &name("m"), "needed").unwrap();
    let lease = store.blob(Digest::of(b"needed")).unwrap();
    store.remove(&name("m")).unwrap();
    let everything = PruneOptions { grace: Duration::ZERO, dry_run: false };
    assert!(store.prune(everything).unwrap().blobs.is_empty());
    assert!(store.contains(lease.digest()).unwrap());
    let clone = lease.clone();
    drop(lease);
    assert!(store.prune(everything).unwrap().blobs.is_empty());
    drop(clone);
    assert_eq!(store.prune(everything).unwrap().blobs, [(Digest::of(b"needed"), 6)]);
    assert!(!store.contains(Digest::of(b"needed")).unwrap());
}

fn a_replaced_model_is_handed_back(store: &Store) {
    let first = make_model(store, &name("m"), "first").unwrap();
    let second = {
        let system = store.put_bytes(b"second").unwrap().blob;
        Manifest::new(first.config.clone(), vec![Layer::new(MediaType::System, system.digest(), 6)])
    };
    let placed = store.put_manifest(&name("m"), &second.to_bytes()).unwrap();
    let replaced = placed.replaced.unwrap();
    assert_eq!(replaced.manifest, first);
    assert_eq!(placed.model.modified, store.manifest(&name("m")).unwrap().modified);
    let digests: Vec<_> = replaced.manifest.blobs().map(|layer| layer.digest).collect();
    assert_eq!(store.remove_unused(&digests).unwrap(), [Digest::of(b"first")]);
    assert!(store.contains(Digest::of(b"second")).unwrap());
    make_model(store, &name("m"), "third").unwrap();
    store.settle();
    store.retire(second.blobs().map(|layer| layer.digest));
    store.settle();
    assert!(!store.contains(Digest::of(b"second")).unwrap());
    assert!(store.contains(first.config.digest).unwrap());
}

fn a_copy_shares_its_blobs(store: &Store) {
    make_model(store, &name("source"), "prompt").unwrap();
    store.copy(&name("source"), &name("target")).unwrap();
    store.copy(&name("target"), &name("TARGET")).unwrap();
    let (source, target) =
        (store.manifest(&name("source")).unwrap(), store.manifest(&name("target")).unwrap());
    assert_eq!(source.bytes, target.bytes);
    store.remove(&name("source")).unwrap();
    assert!(store.contains(Digest::of(b"prompt")).unwrap());
    assert_eq!(store.list().unwrap().len(), 1);
}

fn what_is_absent_is_said_to_be(store: &Store) {
    let absent = Digest::of(b"absent");
    assert!(!store.contains(absent).unwrap());
    assert_eq!(store.size(absent).unwrap(), None);
    let error = store.blob(absent).unwrap_err();
    assert!(matches!(error, StoreError::BlobNotFound { digest } if digest == absent), "{error}");
    for error in [
        store.manifest(&name("absent")).unwrap_err(),
        store.remove(&name("absent")).unwrap_err(),
        store.copy(&name("absent"), &name("other")).unwrap_err(),
    ] {
        assert!(matches!(error, StoreError::ModelNotFound { .. }), "{error}");
        assert_eq!(error.to_string(), "model 'absent:latest' not found");
    }
    assert!(store.remove_unused(&[absent]).unwrap().is_empty());
}

fn models_are_listed_in_order(store: &Store) {
    for text in ["b", "a:2", "a", "host.example:5000/ns/m:t"] {
        make_model(store, &name(text), text).unwrap();
    }
    let listed = |store: &Store| -> Vec<String> {
        store.list().unwrap().iter().map(|model| model.name.short()).collect()
    };
    assert_eq!(listed(store), ["host.example:5000/ns/m:t", "a:2", "a:latest", "b:latest"]);
    store.remove(&name("a")).unwrap();
    assert_eq!(listed(store), ["host.example:5000/ns/m:t", "a:2", "b:latest"]);
    make_model(store, &name("a"), "again").unwrap();
    assert_eq!(listed(store).len(), 4);
}

fn pruning_keeps_what_is_needed_or_young(store: &Store) {
    make_model(store, &name("m"), "needed").unwrap();
    let orphan = store.put_bytes(b"orphan").unwrap().blob.digest();
    assert!(store.prune(PruneOptions::default()).unwrap().blobs.is_empty());
    let dry = store.prune(PruneOptions { grace: Duration::ZERO, dry_run: true }).unwrap();
    assert_eq!((dry.blobs, dry.freed), (vec![(orphan, 6)], 6));
    assert!(store.contains(orphan).unwrap());
    let wet = store.prune(PruneOptions { grace: Duration::ZERO, dry_run: false }).unwrap();
    assert_eq!(wet.blobs, [(orphan, 6)]);
    assert!(!store.contains(orphan).unwrap());
    assert!(store.contains(Digest::of(b"needed")).unwrap());
    assert_eq!(store.prune(PruneOptions { grace: Duration::ZERO, dry_run: false }).unwrap().blobs, []);
}

fn missing(partial: &Partial) -> Vec<(u64, u64)> {
    partial.missing().into_iter().map(|range| (range.start, range.end)).collect()
}

fn a_download_can_be_finished_later(store: &Store) {
    let bytes = noise(4, 1_000_000);
    let partial = store.partial(Digest::of(&bytes), 1_000_000).unwrap();
    assert_eq!(missing(&partial), [(0, 1_000_000)]);
    partial.write_at(0, &bytes[..400_000]).unwrap();
    partial.write_at(900_000, &bytes[900_000..]).unwrap();
    let busy = store.partial(Digest::of(&bytes), 1_000_000).unwrap_err();
    assert!(matches!(busy, StoreError::Busy { .. }), "{busy}");
    drop(partial);
    assert!(!store.contains(Digest::of(&bytes)).unwrap());

    let partial = store.partial(Digest::of(&bytes), 1_000_000).unwrap();
    assert_eq!((missing(&partial), partial.received()), (vec![(400_000, 900_000)], 500_000));
    let incomplete = partial.commit().unwrap_err();
    assert!(matches!(incomplete, StoreError::LengthMismatch { got: 500_000, .. }), "{incomplete}");

    let partial = store.partial(Digest::of(&bytes), 1_000_000).unwrap();
    partial.write_at(300_000, &bytes[300_000..]).unwrap();
    let committed = partial.commit().unwrap();
    assert!(!committed.existed);
    assert!(committed.blob.bytes().unwrap() == bytes);
    assert_eq!(store.partial(Digest::of(&bytes), 1_000_000).unwrap().received(), 0);
    store.partial(Digest::of(&bytes), 1_000_000).unwrap().discard().unwrap();
}

fn a_wrong_download_leaves_nothing(store: &Store) {
    let (bytes, wrong) = (noise(5, 500_000), noise(6, 500_000));
    let partial = store.partial(Digest::of(&bytes), 500_000).unwrap();
    let beyond = partial.write_at(499_999, &[0; 2]).unwrap_err();
    assert!(matches!(beyond, StoreError::LengthMismatch { got: 500_001, .. }), "{beyond}");
    partial.write_at(0, &wrong).unwrap();
    let error = partial.commit().unwrap_err();
    assert!(matches!(error, StoreError::DigestMismatch { got, .. } if got == Digest::of(&wrong)), "{error}");
    assert!(!store.contains(Digest::of(&bytes)).unwrap());
    assert!(!store.contains(Digest::of(&wrong)).unwrap());
    let partial = store.partial(Digest::of(&bytes), 500_000).unwrap();
    assert_eq!(partial.received(), 0);
    drop(partial);
    // Another length is another download.
    let partial = store.partial(Digest::of(&bytes), 499_999).unwrap();
    assert_eq!(partial.received(), 0);
    partial.discard().unwrap();
}

fn a_download_takes_its_bytes_in_any_order(store: &Store) {
    let bytes = noise(7, 3_000_000);
    let partial = store.partial(Digest::of(&bytes), 3_000_000).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (partial, bytes) = (&partial, &bytes);
            scope.spawn(move || {
                // Every piece is delivered twice.
                let mut pieces: Vec<usize> = (0..60).map(|piece| piece % 30).collect();
                pieces.rotate_left(thread * 7);
                for piece in pieces.into_iter().filter(|piece| (piece + thread).is_multiple_of(2)) {
                    let range = piece * 100_000..(piece + 1) * 100_000;
                    partial.write_at(range.start as u64, &bytes[range]).unwrap();
                }
            });
        }
    });
    assert!(partial.commit().unwrap().blob.bytes().unwrap() == bytes);
}

fn a_check_finds_nothing_in_a_whole_store(store: &Store) {
    make_model(store, &name("m"), "prompt").unwrap();
    let seen = AtomicU64::new(0);
    let report = store
        .check(true, |progress| {
            seen.fetch_max(progress.read, Ordering::SeqCst);
        })
        .unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!((report.blobs, report.manifests, report.bytes), (2, 1, seen.into_inner()));
}
