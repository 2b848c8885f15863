//! What is read of stores of newer versions of Ollama, and how it is written where a file system lacks
//! something.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use ollamake::model::{Digest, Manifest};
use ollamake::store::{Disk, LocalDisk, PruneOptions, Store, StoreError};
use serde_json::{Value, json};

use super::contract::{make_model, name};
use super::todays::{ALL_MEANS, Built, LIST, MANIFEST, Means, legacy, line, list_of, v2};

fn open(built: &Built) -> Store {
    Store::open(built.root()).unwrap()
}

fn listed(store: &Store) -> Vec<String> {
    store.list().unwrap().iter().map(|model| model.name.short()).collect()
}

/// The weights that a model is read to have, or why it has none.
fn weights(store: &Store, text: &str) -> Result<Digest, StoreError> {
    Ok(store.manifest(&name(text))?.manifest.layers[0].digest)
}

#[test]
fn what_is_no_name_is_not_listed() {
    let built = Built::new();
    let made = built.make("m");
    for place in [
        "manifests/m",
        "manifests/registry.ollama.ai/library/m",
        "manifests/registry.ollama.ai/library/deep/latest/latest",
        "manifests/registry.ollama.ai/library/m2/-bad tag",
        "manifests-v2/ollama.com/library/m2/.manifest-123",
        "manifests-v2/ollama.com/.library/m2/latest",
        "manifests-v3/ollama.com/library/m2/latest",
    ] {
        built.place(place, &made.bytes(), Means::Copy);
    }
    built.place(&v2("real"), &made.bytes(), Means::Link);
    // A blob that another program is writing.
    fs::write(built.root().join("blobs/sha256-123456"), b"half").unwrap();
    let store = open(&built);
    assert_eq!(listed(&store), ["real:latest"]);
    let check = store.check(true, |_| {}).unwrap();
    assert!(check.is_clean(), "{check:?}");
}

#[test]
fn the_newer_entry_wins_whatever_is_older() {
    let built = Built::new();
    let (old, new) = (built.make("old"), built.make("new"));
    built.place(&v2("m"), &new.bytes(), Means::Copy);
    let long_ago = SystemTime::now() - Duration::from_secs(1_000_000);
    fs::File::options().write(true).open(built.root().join(v2("m"))).unwrap().set_modified(long_ago).unwrap();
    built.place(&legacy("m"), &old.bytes(), Means::Copy);
    assert_eq!(weights(&open(&built), "m").unwrap(), new.blobs[1]);
}

/// A store whose blobs lie on another disk, as far as a test can have one.
fn with_blobs_elsewhere(built: &Built) -> PathBuf {
    let elsewhere = built.root().join("another disk");
    fs::rename(built.root().join("blobs"), &elsewhere).unwrap();
    symlink(&elsewhere, built.root().join("blobs")).unwrap();
    elsewhere
}

#[test]
fn links_are_followed_into_blobs_wherever_these_are() {
    for means in ALL_MEANS {
        let built = Built::new();
        let made = built.make("m");
        built.place(&v2("m"), &made.bytes(), means);
        built.place(&legacy("older"), &made.bytes(), means);
        with_blobs_elsewhere(&built);
        let orphan = built.blob(b"orphan");
        let store = open(&built);
        for model in ["m", "older"] {
            assert_eq!(weights(&store, model).unwrap(), made.blobs[1], "{means:?}");
        }
        let report = store.prune(PruneOptions { grace: Duration::ZERO, dry_run: false }).unwrap();
        assert_eq!((report.unread, report.blobs), (vec![], vec![(orphan, 6)]));
        make_model(&store, &name("m"), "replaced").unwrap();
        assert!(store.check(true, |_| {}).unwrap().is_clean());
    }
}

#[test]
fn a_link_may_spell_its_digest_in_capitals() {
    let built = Built::new();
    let made = built.make("m");
    let digest = built.blob(&made.bytes());
    let capitals = format!("sha256-{}", digest.hex().to_uppercase());
    fs::hard_link(built.blob_path(digest), built.root().join("blobs").join(&capitals)).unwrap();
    symlink(format!("../../../../blobs/{capitals}"), built.prepare(&v2("m"))).unwrap();
    assert_eq!(weights(&open(&built), "m").unwrap(), made.blobs[1]);
}

#[test]
fn a_host_on_another_disk_is_a_finding_and_keeps_every_blob() {
    let built = Built::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let made = built.make("m");
    let entry = elsewhere.path().join("library/m/latest");
    fs::create_dir_all(entry.parent().unwrap()).unwrap();
    fs::write(entry, made.bytes()).unwrap();
    for tree in ["manifests", "manifests-v2"] {
        let host = built.prepare(&format!("{tree}/far.example"));
        symlink(elsewhere.path(), &host).unwrap();
        let store = open(&built);
        assert_eq!(listed(&store), [""; 0]);
        let report = store.prune(PruneOptions { grace: Duration::ZERO, dry_run: false }).unwrap();
        assert_eq!(report.blobs, []);
        for unread in [report.unread, store.check(true, |_| {}).unwrap().unread] {
            assert_eq!(unread[0].place, format!("{tree}/far.example"), "{unread:?}");
            assert!(unread[0].problem.contains("lies elsewhere"), "{unread:?}");
        }
        assert!(made.blobs.iter().all(|digest| built.has(*digest)));
        fs::remove_file(host).unwrap();
    }
}

#[test]
fn elements_of_lists_are_read_as_ollama_reads_them() {
    let built = Built::new();
    let [one, two] = ["one", "two"].map(|what| built.make(what));
    let [first, second] = [&one, &two].map(|made| built.blob(&made.bytes()).to_string());
    let reference = |media_type: &str, digest: &str, runner: &str| -> Value {
        json!({"mediaType": media_type, "digest": digest, "runner": runner})
    };
    let inline = |runner: &str| {
        let mut manifest = two.manifest.clone();
        manifest["runner"] = runner.into();
        manifest
    };
    let untyped = json!({"digest": second, "runner": "llamacpp"});
    let nested = built.blob(&line(&list_of(&[(first.parse().unwrap(), "")]))).to_string();
    let cases = [
        ("without a media type", json!([reference(MANIFEST, &first, "ggml"), untyped]), Some(&two)),
        (
            "another media type is passed over",
            json!([
                reference("application/x-other", &second, "llamacpp"),
                reference(MANIFEST, &first, "mlx")
            ]),
            Some(&one),
        ),
        ("inline", json!([reference(MANIFEST, &first, "ggml"), inline("LlamaCpp")]), Some(&two)),
        (
            "the child's own runner counts",
            json!([reference(MANIFEST, &first, "ggml"), inline("mlx")]),
            Some(&one),
        ),
        (
            "the older name of a runner",
            json!([reference(MANIFEST, &first, ""), inline("ollama")]),
            Some(&two),
        ),
        ("no runner before mlx", json!([reference(MANIFEST, &first, "mlx"), inline("")]), Some(&two)),
        ("a list in a list", json!([reference(MANIFEST, &nested, "llamacpp")]), None),
        ("nothing", json!([]), None),
    ];
    for (case, manifests, expected) in cases {
        let list = json!({"schemaVersion": 2, "mediaType": LIST, "manifests": manifests});
        built.place(&v2("m"), &serde_json::to_vec(&list).unwrap(), Means::Copy);
        match (weights(&open(&built), "m"), expected) {
            (Ok(digest), Some(made)) => assert_eq!(digest, made.blobs[1], "{case}"),
            (Err(StoreError::DamagedManifest { .. }), None) => {}
            (other, _) => panic!("{case}: {other:?}"),
        }
    }
}

#[test]
fn every_spelling_of_a_digest_is_read() {
    let built = Built::new();
    let made = built.make("m");
    let text = String::from_utf8(made.bytes()).unwrap();
    let capitals = |text: &str| {
        let parts = text.split("sha256:").enumerate();
        let respelled = parts.map(|(index, part)| match index {
            0 => part.to_owned(),
            _ => format!("SHA256-{}{}", part[..64].to_uppercase(), &part[64..]),
        });
        respelled.collect::<String>()
    };
    for spelled in [text.replace("sha256:", "sha256-"), capitals(&text)] {
        built.place(&v2("m"), spelled.as_bytes(), Means::Link);
        let store = open(&built);
        assert_eq!(weights(&store, "m").unwrap(), made.blobs[1], "{spelled}");
        assert!(store.check(true, |_| {}).unwrap().is_clean());
    }
}

/// A disk on which an entry of the newer tree is out of sight at the first looks, as when another program
/// replaces it.
struct Flickering(AtomicUsize);

impl Disk for Flickering {
    fn metadata_of_link(&self, path: &Path) -> io::Result<fs::Metadata> {
        let is_entry = path.ends_with("ollama.com/library/m/latest");
        if is_entry
            && self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
        {
            return Err(io::ErrorKind::NotFound.into());
        }
        LocalDisk.metadata_of_link(path)
    }
}

#[test]
fn a_name_that_comes_back_within_a_moment_is_found() {
    let built = Built::new();
    let (old, new) = (built.make("old"), built.make("new"));
    built.place(&v2("m"), &new.bytes(), Means::Copy);
    let store = Store::open_on(Flickering(AtomicUsize::new(2)), built.root()).unwrap();
    assert_eq!(weights(&store, "m").unwrap(), new.blobs[1]);
    // What has gone for longer is gone; what older versions know is read then.
    built.place(&legacy("m"), &old.bytes(), Means::Copy);
    fs::remove_file(built.root().join(v2("m"))).unwrap();
    assert_eq!(weights(&store, "m").unwrap(), old.blobs[1]);
}

#[test]
fn ports_are_written_as_ollama_writes_them() {
    let built = Built::new();
    let made = built.make("m");
    built.place(&v2("m"), &made.bytes(), Means::Link);
    let store = open(&built);
    store.copy(&name("m"), &name("h.example:5000/n/c:t")).unwrap();
    assert!(
        fs::symlink_metadata(built.root().join("manifests-v2/h.example%3A5000/n/c/t")).unwrap().is_symlink()
    );
    assert!(built.root().join("manifests/h.example:5000/n/c/t").is_file());
    assert_eq!(weights(&store, "h.example:5000/n/c:t").unwrap(), made.blobs[1]);
    store.remove(&name("h.example:5000/n/c:t")).unwrap();
    for gone in ["manifests-v2/h.example%3A5000", "manifests/h.example:5000"] {
        assert!(!built.root().join(gone).exists(), "{gone} is empty and stays");
    }
}

#[test]
fn deleting_takes_what_the_shadowed_manifest_alone_named() {
    let built = Built::new();
    let (old, new) = (built.make("old"), built.make("new"));
    built.place(&legacy("m"), &old.bytes(), Means::Copy);
    built.place("manifests/ollama.com/library/m/latest", &built.make("alias").bytes(), Means::Copy);
    built.place(&v2("m"), &new.bytes(), Means::Link);
    let store = open(&built);
    store.remove(&name("m")).unwrap();
    assert_eq!(listed(&store), [""; 0]);
    assert_eq!(fs::read_dir(built.root().join("blobs")).unwrap().count(), 0);
    for tree in ["manifests", "manifests-v2"] {
        assert_eq!(fs::read_dir(built.root().join(tree)).unwrap().count(), 0, "{tree}");
    }
}

/// A file system without symbolic links, or without hard links either.
struct WithoutLinks {
    with_hard_links: bool,
}

impl Disk for WithoutLinks {
    fn make_link(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn make_hard_link(&self, file: &Path, path: &Path) -> io::Result<()> {
        match self.with_hard_links {
            true => LocalDisk.make_hard_link(file, path),
            false => Err(io::ErrorKind::Unsupported.into()),
        }
    }
}

#[test]
fn an_entry_is_a_hard_link_or_a_copy_where_links_cannot_be_made() {
    use std::os::unix::fs::MetadataExt as _;
    for with_hard_links in [true, false] {
        let built = Built::new();
        built.place(&v2("m"), &built.make("before").bytes(), Means::Link);
        let store = Store::open_on(WithoutLinks { with_hard_links }, built.root()).unwrap();
        let manifest = make_model(&store, &name("m"), "a prompt").unwrap();
        let entry = fs::symlink_metadata(built.root().join(v2("m"))).unwrap();
        assert!(entry.is_file());
        let model = store.manifest(&name("m")).unwrap();
        let blob = fs::metadata(built.blob_path(model.digest)).unwrap();
        assert_eq!(entry.ino() == blob.ino(), with_hard_links);
        assert_eq!(model.manifest.layers[0].digest, manifest.layers[0].digest);
        let anchor = Manifest::from_bytes(&fs::read(built.root().join(legacy("m"))).unwrap()).unwrap();
        assert_eq!(anchor.layers[0].digest, manifest.layers[0].digest);
        assert!(store.check(true, |_| {}).unwrap().is_clean());
    }
}

#[test]
fn a_name_that_was_made_again_is_as_young_as_its_entry() {
    let built = Built::new();
    let made = built.make("m");
    let digest = built.place(&v2("m"), &made.bytes(), Means::Link);
    let entry = built.root().join(v2("m"));
    let long_ago = rustix::fs::Timespec { tv_sec: 1_600_000_000, tv_nsec: 0 };
    let age = |path: &Path| {
        let times = rustix::fs::Timestamps { last_access: long_ago, last_modification: long_ago };
        rustix::fs::utimensat(rustix::fs::CWD, path, &times, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).unwrap();
    };
    age(&entry);
    age(&built.blob_path(digest));
    let store = open(&built);
    let listed = || store.list().unwrap()[0].modified;
    let before = listed();
    assert_eq!(before, SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000));
    assert_eq!(listed(), before);
    // The same document under the same name, by remove and link.
    fs::remove_file(&entry).unwrap();
    symlink(format!("../../../../blobs/{}", digest.file_name()), &entry).unwrap();
    let expected = fs::symlink_metadata(&entry).unwrap().modified().unwrap();
    assert_eq!((listed(), store.manifest(&name("m")).unwrap().modified), (expected, expected));
}
