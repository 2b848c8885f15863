//! Names in both trees of manifests: what is read, and what readers of either find after we wrote.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use ollamake::model::{Digest, Manifest, Name, Reference};
use ollamake::store::{Holder, Store, StoreError};
use serde_json::Value;

use super::contract::{make_model, name};
use super::todays::{ALL_MEANS, Built, LIST, MANIFEST, Made, Means, anchor, legacy, line, list_of, v2};

fn open(built: &Built) -> Store {
    Store::open(built.root()).unwrap()
}

fn listed(store: &Store) -> Vec<String> {
    store.list().unwrap().iter().map(|model| model.name.short()).collect()
}

/// The weights of the model of this name.
fn weights(store: &Store, text: &str) -> Digest {
    store.manifest(&name(text)).unwrap().manifest.layers[0].digest
}

/// What a program finds that reads only the older tree: the manifest, and what it names.
fn legacy_manifest(built: &Built, model: &str) -> Manifest {
    Manifest::from_bytes(&fs::read(built.root().join(legacy(model))).unwrap()).unwrap()
}

fn entry_digest(built: &Built, place: &str) -> Digest {
    Digest::of(&fs::read(built.root().join(place)).unwrap())
}

#[test]
fn the_newer_entry_wins_and_a_dangling_one_falls_back() {
    for means in ALL_MEANS {
        let built = Built::new();
        let (old, new) = (built.make("old"), built.make("new"));
        built.place(&legacy("m"), &old.bytes(), Means::Copy);
        built.place(&v2("m"), &new.bytes(), means);
        let store = open(&built);
        assert_eq!((weights(&store, "m"), listed(&store)), (new.blobs[1], vec!["m:latest".to_owned()]));
        let dangling = built.prepare(&v2("m"));
        symlink(format!("../../../../blobs/{}", Digest::of(b"gone").file_name()), dangling).unwrap();
        assert_eq!((weights(&store, "m"), listed(&store)), (old.blobs[1], vec!["m:latest".to_owned()]));
        fs::write(built.prepare(&v2("m")), b"{").unwrap();
        let error = store.manifest(&name("m")).unwrap_err();
        assert!(matches!(error, StoreError::DamagedManifest { .. }), "{error}");
        let listing = store.listing().unwrap();
        assert_eq!((listing.models.len(), listing.damaged[0].name.short()), (0, "m:latest".to_owned()));
        store.remove(&name("m")).unwrap();
        assert!(!built.root().join(legacy("m")).exists());
        assert!(matches!(store.manifest(&name("m")), Err(StoreError::ModelNotFound { .. })));
    }
}

#[test]
fn every_spelling_of_a_name_is_one_name() {
    let built = Built::new();
    let made = ["a", "b", "c", "d", "e"].map(|what| built.make(what));
    built.place("manifests/ollama.com/library/a/latest", &made[0].bytes(), Means::Copy);
    built.place("manifests-v2/registry.ollama.ai/library/b/latest", &made[1].bytes(), Means::Link);
    built.place("manifests-v2/h%3A5000/n/c/t", &made[2].bytes(), Means::Link);
    built.place("manifests/h%3a5000/n/d/t", &made[3].bytes(), Means::Copy);
    built.place("manifests-v2/OLLAMA.com/Library/E/Latest", &made[4].bytes(), Means::Link);
    let store = open(&built);
    let names = ["a:latest", "b:latest", "E:Latest", "h:5000/n/c:t", "h:5000/n/d:t"];
    let mut found = listed(&store);
    found.sort();
    let mut expected = names.map(str::to_owned);
    expected.sort();
    assert_eq!(found, expected);
    for (text, made) in ["ollama.com/library/a", "B", "h:5000/n/C:T", "h:5000/n/d:t", "e"].iter().zip(&made) {
        assert_eq!(weights(&store, text), made.blobs[1], "{text}");
    }
    for text in names {
        store.remove(&name(text)).unwrap();
    }
    assert_eq!(listed(&store).len() + fs::read_dir(built.root().join("blobs")).unwrap().count(), 0);
}

#[test]
fn of_a_list_the_child_is_used_that_is_there_and_fits() {
    let built = Built::new();
    let children = ["one", "two", "three"].map(|what| built.make(what));
    let documents = children.each_ref().map(|child| Digest::of(&child.bytes()));
    let elements = [(documents[0], "MLX"), (documents[1], "ggml"), (documents[2], "LlamaCpp")];
    let digest = built.place(&v2("m"), &serde_json::to_vec(&list_of(&elements)).unwrap(), Means::Link);
    let store = open(&built);
    let listing = store.listing().unwrap();
    assert_eq!(listing.damaged[0].digest, Some(digest));
    let size = |children: &[Made]| -> u64 {
        let length = |digest| fs::metadata(built.blob_path(digest)).unwrap().len();
        children.iter().flat_map(|child| &child.blobs).map(|digest| length(*digest)).sum()
    };
    for (count, best) in [(1, 0), (2, 1), (3, 2)] {
        built.blob(&children[count - 1].bytes());
        for model in [store.manifest(&name("m")).unwrap(), store.list().unwrap()[0].clone()] {
            assert_eq!(model.manifest.layers[0].digest, children[best].blobs[1]);
            assert_eq!((model.digest, model.size), (digest, size(&children[..count])));
            assert_eq!(model.published(), children[best].bytes());
        }
    }
    let check = store.check(true, |_| {}).unwrap();
    assert!(check.is_clean() && check.absent.is_empty(), "{check:?}");
    fs::remove_file(built.blob_path(documents[0])).unwrap();
    let check = store.check(true, |_| {}).unwrap();
    assert!(check.is_clean() && check.absent == [(name("m"), documents[0])], "{check:?}");
    fs::remove_file(built.blob_path(children[1].blobs[1])).unwrap();
    let missing = store.check(true, |_| {}).unwrap().missing_blobs;
    let found = (missing[0].digest, missing[0].holder.clone());
    assert_eq!(found, (children[1].blobs[1], Holder::Model(name("m"))));
}

#[test]
fn a_dangling_link_is_a_finding() {
    let built = Built::new();
    built.place(&legacy("m"), &built.make("m").bytes(), Means::Copy);
    symlink("../../../../blobs/none", built.prepare(&v2("m"))).unwrap();
    let check = open(&built).check(true, |_| {}).unwrap();
    assert_eq!((check.findings(), check.dangling), (1, vec![v2("m")]));
}

#[test]
fn conversions_are_hidden_and_kept() {
    let built = Built::new();
    let made = built.make("m");
    let hex = Digest::of(&made.bytes()).hex();
    for (model, tag, is_shown) in [("llamacpp", hex.as_str(), false), ("llamacpp", "latest", true)] {
        let place = format!("manifests/registry.ollama.ai/library/{model}/{tag}");
        built.place(&place, &made.bytes(), Means::Copy);
        let shown = format!("{model}:{tag}");
        let store = open(&built);
        assert_eq!(listed(&store).contains(&shown), is_shown, "{shown}");
        assert_eq!(weights(&store, &shown), made.blobs[1]);
    }
    let store = open(&built);
    store.remove(&name("llamacpp")).unwrap();
    assert!(made.blobs.iter().all(|digest| built.has(*digest)));
    store.remove(&name(&format!("llamacpp:{hex}"))).unwrap();
    assert!(!made.blobs.iter().any(|digest| built.has(*digest)));
}

#[test]
fn models_are_known_by_their_digests_too() {
    let built = Built::new();
    let children = ["one", "two"].map(|what| built.make(what));
    let documents = children.each_ref().map(|child| built.blob(&child.bytes()));
    let list = list_of(&[(documents[0], "llamacpp"), (documents[1], "mlx")]);
    built.place(&v2("m"), &line(&list), Means::Link);
    let store = open(&built);
    let found = |text: &str| -> Option<Digest> {
        let reference: Reference = text.parse().unwrap();
        match store.find(&reference) {
            Ok(model) => Some(model.manifest.layers[0].digest),
            Err(StoreError::ModelNotFound { .. }) => None,
            Err(error) => panic!("{text}: {error}"),
        }
    };
    let second = documents[1];
    let weights = children[1].blobs[1];
    for text in [second.to_string(), second.file_name(), second.hex()[..12].to_owned()] {
        assert_eq!(found(&text), Some(weights), "{text}");
    }
    assert_eq!(found(&format!("m@{}", second.file_name())), Some(weights));
    assert_eq!(found(&format!("m@{}", Digest::of(b"other").file_name())), None);
    for text in [weights.to_string(), weights.hex()[..20].to_owned(), Digest::of(b"other").to_string()] {
        assert_eq!(found(&text), None, "{text}");
    }
    let copied: Name = name("copied");
    store.copy_of(&Reference::Digest(second), &copied).unwrap();
    assert_eq!(entry_digest(&built, &v2("copied")), second);
}

/// After a write a reader of either tree finds the model, and nothing is wrong.
#[track_caller]
fn assert_both_find(built: &Built, model: &str, weights: Digest) {
    let store = open(built);
    assert_eq!(store.manifest(&name(model)).unwrap().manifest.layers[0].digest, weights);
    let link = built.root().join(v2(model));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    let target = fs::read_link(&link).unwrap();
    assert!(target.starts_with("../../../../blobs"), "{target:?}");
    let anchor = legacy_manifest(built, model);
    assert_eq!(anchor.layers[0].digest, weights);
    let entry = anchor.layers.iter().find(|layer| layer.media_type.is_document()).unwrap();
    assert_eq!(entry.digest.file_name(), target.file_name().unwrap().to_str().unwrap());
    assert!(anchor.blobs().all(|layer| built.has(layer.digest)));
    let check = store.check(true, |_| {}).unwrap();
    assert!(check.is_clean(), "{check:?}");
}

#[test]
fn a_name_that_is_in_the_newer_tree_is_written_to_both() {
    let occupy: [fn(&Built, &Path); 4] = [
        |built, path| {
            let blob = built.blob(&built.make("before").bytes());
            symlink(format!("../../../../blobs/{}", blob.file_name()), path).unwrap();
        },
        |built, path| fs::write(path, built.make("before").bytes()).unwrap(),
        |_, path| symlink("../../../../blobs/none", path).unwrap(),
        |_, path| rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RWXU).unwrap(),
    ];
    for occupy in occupy {
        let built = Built::new();
        occupy(&built, &built.prepare(&v2("m")));
        let alias = "manifests/ollama.com/library/m/latest";
        built.place(alias, &built.make("alias").bytes(), Means::Copy);
        built.place(&legacy("m"), &built.make("older").bytes(), Means::Copy);
        let store = open(&built);
        let manifest = make_model(&store, &name("m"), "a prompt").unwrap();
        assert_both_find(&built, "m", manifest.layers[0].digest);
        assert!(!built.root().join(alias).exists());
    }
}

#[test]
fn a_copy_is_the_same_entry_in_the_same_tree() {
    let built = Built::new();
    let child = built.make("child");
    let document = built.blob(&child.bytes());
    let absent = Digest::of(b"absent");
    let bytes = serde_json::to_vec(&list_of(&[(absent, "mlx"), (document, "ggml")])).unwrap();
    let digest = built.place(&v2("list"), &bytes, Means::Copy);
    built.place(&legacy("plain"), &built.make("plain").bytes(), Means::Copy);
    let store = open(&built);
    store.copy(&name("list"), &name("copy")).unwrap();
    assert_eq!(entry_digest(&built, &v2("copy")), digest);
    assert_both_find(&built, "copy", child.blobs[1]);
    let anchor = legacy_manifest(&built, "copy");
    let documents: Vec<_> =
        anchor.layers[1..].iter().map(|layer| (layer.media_type.to_string(), layer.digest)).collect();
    assert_eq!(documents, [(LIST.to_owned(), digest), (MANIFEST.to_owned(), document)]);
    // Over a name that has both, and from one that has only the older one.
    store.copy(&name("plain"), &name("copy")).unwrap();
    assert_both_find(&built, "copy", built.make("plain").blobs[1]);
    store.copy(&name("plain"), &name("other")).unwrap();
    assert!(!built.root().join(v2("other")).exists());
    store.remove(&name("list")).unwrap();
    assert!(!child.blobs.iter().chain([&document]).any(|digest| built.has(*digest)));
}

#[test]
fn deleting_takes_the_anchor_with_it_and_leaves_what_others_name() {
    let built = Built::new();
    let children = ["one", "two"].map(|what| built.make(what));
    let documents = children.each_ref().map(|child| built.blob(&child.bytes()));
    let list = line(&list_of(&[(documents[0], "ggml"), (documents[1], "mlx")]));
    let digest = built.place(&v2("m"), &list, Means::Link);
    let anchor = line(&anchor(&children[0], &[(LIST, digest), (MANIFEST, documents[0])]));
    built.place(&legacy("m"), &anchor, Means::Copy);
    built.place(&legacy("neighbour"), &children[1].bytes(), Means::Copy);
    let store = open(&built);
    store.remove(&name("m")).unwrap();
    assert!(!built.root().join(legacy("m")).exists() && !built.root().join(v2("m")).exists());
    assert!(children[1].blobs.iter().all(|digest| built.has(*digest)));
    assert!(!children[0].blobs.iter().chain([&digest, &documents[0]]).any(|digest| built.has(*digest)));
}

#[test]
fn an_anchor_alone_is_a_model_without_its_documents() {
    let built = Built::new();
    let child = built.make("child");
    let document = built.blob(&child.bytes());
    built.place(&legacy("m"), &line(&anchor(&child, &[(MANIFEST, document)])), Means::Copy);
    let model = open(&built).manifest(&name("m")).unwrap();
    assert_eq!(model.manifest.layers.len(), 1);
    let published: Value = serde_json::from_slice(model.published()).unwrap();
    assert_eq!(published["layers"].as_array().unwrap().len(), 1);
    let sizes: u64 =
        child.blobs.iter().map(|digest| fs::metadata(built.blob_path(*digest)).unwrap().len()).sum();
    assert_eq!(model.size, sizes);
}

#[test]
fn whatever_takes_the_place_of_a_model_can_be_deleted() {
    let occupy: [fn(&Path); 5] = [
        |path| fs::write(path, b"{").unwrap(),
        |path| symlink("/dev/zero", path).unwrap(),
        |path| symlink("latest", path).unwrap(),
        |path| symlink("nowhere", path).unwrap(),
        |path| rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RWXU).unwrap(),
    ];
    for place in [v2("m"), legacy("m")] {
        for occupy in occupy {
            let built = Built::new();
            built.place(&legacy("other"), &built.make("other").bytes(), Means::Copy);
            occupy(&built.prepare(&place));
            let store = open(&built);
            assert_eq!(listed(&store), ["other:latest"]);
            store.manifest(&name("m")).unwrap_err();
            store.remove(&name("m")).unwrap();
            assert!(fs::symlink_metadata(built.root().join(&place)).is_err());
            assert!(store.check(true, |_| {}).unwrap().is_clean());
        }
    }
}
