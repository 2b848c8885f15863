//! `ollamake fsck` and `ollamake prune`, as processes beside a server or without one.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ollamake::model::{Digest, Layer, Manifest, MediaType, ModelConfig};
use ollamake::store::Store;

use super::support::files::files;
use super::support::process::{run, text};

/// A store with a model of two layers, and the digests of these.
fn store_with_model() -> (tempfile::TempDir, Store, [Digest; 2]) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let layer = |kind, bytes: &[u8]| {
        let blob = store.put_bytes(bytes).unwrap().blob;
        Layer::new(kind, blob.digest(), blob.length())
    };
    let config = layer(MediaType::Config, &ModelConfig::default().to_bytes());
    let layers = vec![layer(MediaType::System, b"be brief"), layer(MediaType::License, &[b'x'; 300_000])];
    let digests = [layers[0].digest, layers[1].digest];
    let manifest = Manifest::new(config, layers).to_bytes();
    for name in ["one", "two"] {
        store.put_manifest(&name.parse().unwrap(), &manifest).unwrap();
    }
    (directory, store, digests)
}

fn blob(root: &Path, digest: Digest) -> PathBuf {
    root.join("blobs").join(digest.file_name())
}

#[test]
fn a_whole_store_is_left_as_it_is() {
    let (directory, ..) = store_with_model();
    let root = directory.path();
    fs::write(root.join("ollamake/temporary/0123"), b"left over").unwrap();
    let before = files(root);
    for arguments in [&["fsck"][..], &["fsck", "--repair"], &["prune", "--dry-run", "--grace", "0"]] {
        let output = run(root, arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output));
        assert!(text(&output).contains("1 temporary file"), "{}", text(&output));
        assert_eq!(files(root), before, "{arguments:?}");
    }
    let output = text(&run(root, &["fsck"]));
    assert!(output.contains("3 blobs (293 KiB) and 2 models checked"), "{output}");
}

#[test]
fn a_damaged_blob_is_found_and_taken_out() {
    let (directory, store, [system, license]) = store_with_model();
    let root = directory.path();
    fs::write(blob(root, license), [b'y'; 300_000]).unwrap();
    for arguments in [&["fsck"][..], &["fsck", "--repair"]] {
        assert!(store.contains(license).unwrap());
        let output = run(root, arguments);
        assert_eq!(output.status.code(), Some(1));
        let output = text(&output);
        assert!(
            output.contains(&format!("damaged blob {license}\n  needed by: one:latest, two:latest")),
            "{output}"
        );
        assert!(output.contains("the store has 1 problem"), "{output}");
        assert_eq!(output.contains("repaired: "), arguments.len() > 1, "{output}");
    }
    assert!(root.join("ollamake/quarantine").join(license.file_name()).exists());
    assert!(store.contains(system).unwrap());
    let output = run(root, &["fsck"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains(&format!("missing blob {license}\n  needed by: one:latest")));
    assert!(text(&output).contains("the store has 2 problems"));
    store.put_bytes(&[b'x'; 300_000]).unwrap();
    assert_eq!(run(root, &["fsck"]).status.code(), Some(0));
}

#[test]
fn what_manifests_say_is_checked() {
    let (directory, _, [system, _]) = store_with_model();
    let root = directory.path();
    let library = root.join("manifests/registry.ollama.ai/library");
    let whole = fs::read_to_string(library.join("one/latest")).unwrap();
    let wrong = whole.replacen("\"size\":8", "\"size\":9", 1);
    assert_ne!(whole, wrong);
    fs::write(library.join("one/latest"), wrong).unwrap();
    fs::write(library.join("two/latest"), &whole[..whole.len() / 2]).unwrap();
    let output = run(root, &["fsck", "--repair"]);
    assert_eq!(output.status.code(), Some(1));
    let output = text(&output);
    assert!(
        output
            .contains(&format!("blob {system} has 8 bytes, its manifest states 9\n  needed by: one:latest"))
    );
    assert!(output.contains("damaged manifest of two:latest: "), "{output}");
    assert!(output.contains("\"ollamake rm two:latest\""), "{output}");
}

#[test]
fn what_is_no_store_cannot_be_checked() {
    let directory = tempfile::tempdir().unwrap();
    for models in [directory.path().to_owned(), directory.path().join("none")] {
        let output = run(&models, &["fsck"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output).contains("there is no model store in this directory; set OLLAMA_MODELS"));
        assert_eq!(run(&models, &["prune"]).status.code(), Some(1));
    }
    assert!(files(directory.path()).is_empty());
}

#[test]
fn pruning_frees_what_nobody_needs() {
    let (directory, store, digests) = store_with_model();
    let root = directory.path();
    let old = store.put_bytes(&[b'o'; 2000]).unwrap().blob.digest();
    let young = store.put_bytes(b"young").unwrap().blob.digest();
    let in_use = store.put_bytes(b"in use").unwrap().blob;
    for digest in [old, in_use.digest(), digests[0]] {
        let file = File::options().write(true).open(blob(root, digest)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(7200)).unwrap();
    }
    let output = text(&run(root, &["prune", "--dry-run"]));
    assert!(
        output.starts_with(&format!("{old}  2.0 KiB\nwould free 2.0 KiB (2000 bytes): 1 blob, ")),
        "{output}"
    );
    assert!(store.contains(old).unwrap());
    let output = text(&run(root, &["prune"]));
    assert!(output.starts_with("freed 2.0 KiB (2000 bytes): 1 blob, "), "{output}");
    assert!(!store.contains(old).unwrap());
    let output = text(&run(root, &["prune", "--grace", "0"]));
    assert!(output.starts_with("freed 5 B (5 bytes): 1 blob, "), "{output}");
    assert!(!store.contains(young).unwrap());
    assert!(store.contains(in_use.digest()).unwrap(), "another process holds a lease on it");
    drop(in_use);
    let manifest = root.join("manifests/registry.ollama.ai/library/one/latest");
    fs::write(manifest, b"{").unwrap();
    let output = run(root, &["prune", "--grace", "0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("no blob is removed as long as"), "{}", text(&output));
}

#[test]
fn what_keeps_every_blob_is_named_and_does_not_stop_the_check() {
    let (directory, store, [system, _]) = store_with_model();
    let root = directory.path();
    let orphan = store.put_bytes(b"orphan").unwrap().blob.digest();
    let place = "manifests-v2/ollama.com/library/m/latest";
    let entry = root.join(place);
    fs::create_dir_all(entry.parent().unwrap()).unwrap();
    let make: [fn(&Path); 4] = [
        |path| rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RWXU).unwrap(),
        |path| std::os::unix::fs::symlink("/etc/passwd", path).unwrap(),
        |path| std::os::unix::fs::symlink("latest", path).unwrap(),
        |path| fs::write(path, b"root:x:0:0 is not a manifest").unwrap(),
    ];
    for make in make {
        make(&entry);
        let output = run(root, &["fsck"]);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        let told = text(&output);
        assert!(
            told.contains("damaged manifest of m:latest: ")
                && told.contains(place)
                && told.contains("3 models"),
            "{told}"
        );
        assert!(!told.contains("root:x"), "{told}");
        let output = run(root, &["prune", "--grace", "0"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output).contains(place) && !text(&output).contains("root:x"), "{}", text(&output));
        assert!(store.contains(orphan).unwrap() && store.contains(system).unwrap());
        fs::remove_file(&entry).unwrap();
    }
    // A file that anybody might leave there, without any digest, is told each time until it goes.
    let note = root.join("manifests/registry.ollama.ai/README.txt");
    fs::write(&note, b"models of the team").unwrap();
    for command in ["prune", "fsck"] {
        let output = run(root, &[command]);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        assert!(text(&output).contains("manifests/registry.ollama.ai/README.txt"), "{}", text(&output));
    }
    fs::remove_file(note).unwrap();
    assert_eq!(run(root, &["prune"]).status.code(), Some(0));
    // A link that leads nowhere is told, and stops nothing.
    std::os::unix::fs::symlink("../../../../blobs/none", &entry).unwrap();
    let output = run(root, &["fsck"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains(&format!("{place} is a link that leads nowhere")), "{}", text(&output));
    assert_eq!(run(root, &["prune", "--grace", "0"]).status.code(), Some(0));
    assert!(!store.contains(orphan).unwrap());
    // A disk that is not there: nobody can look.
    fs::remove_dir_all(root.join("manifests-v2")).unwrap();
    std::os::unix::fs::symlink("/mnt/not/there", root.join("manifests-v2")).unwrap();
    let output = run(root, &["fsck"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("manifests-v2"), "{}", text(&output));
}
