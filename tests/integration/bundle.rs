//! Bundles: out of one store, into another.

mod hostile;
mod skopeo;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use ollamake::bundle::{Loaded, load, save};
use ollamake::model::{Digest, Layer, Manifest, MediaType, ModelConfig, Name};
use ollamake::store::{PruneOptions, Store};
use serde_json::{Value, json};
use tar::{Archive, Builder, EntryType, Header};

use crate::support::process::{command, run, text};

const SHARED: &[u8] = b"weights that several models share";

fn put(store: &Store, kind: MediaType, bytes: &[u8]) -> Layer {
    let blob = store.put_bytes(bytes).unwrap().blob;
    Layer::new(kind, blob.digest(), blob.length())
}

/// A manifest of shared weights and a system prompt of its own.
fn manifest(store: &Store, system: &str) -> Vec<u8> {
    let config = put(store, MediaType::Config, &ModelConfig::default().to_bytes());
    let layers = vec![put(store, MediaType::Model, SHARED), put(store, MediaType::System, system.as_bytes())];
    Manifest::new(config, layers).to_bytes()
}

/// A store with two models that share their weights, and a list of manifests, one of which is not there.
fn source() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    for name in ["one", "team/two:tag"] {
        store.put_manifest(&name.parse().unwrap(), &manifest(&store, name)).unwrap();
    }
    let child = store.put_bytes(&manifest(&store, "three")).unwrap().blob;
    let kind = "application/vnd.docker.distribution.manifest.v2+json";
    let absent = json!({"mediaType": kind, "digest": Digest::of(b"absent"), "runner": "mlx"});
    let here = json!({"mediaType": kind, "digest": child.digest(), "runner": "ggml"});
    let list = json!({"schemaVersion": 2, "manifests": [absent, here]}).to_string();
    store.restore(&name("three"), list.as_bytes()).unwrap();
    (directory, store)
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// The models of a store, each with its document.
fn documents(store: &Store) -> BTreeMap<String, Vec<u8>> {
    store.list().unwrap().iter().map(|model| (model.name.short(), model.bytes.clone())).collect()
}

fn saved(store: &Store) -> Vec<u8> {
    let mut bytes = Vec::new();
    save(store, &store.list().unwrap(), &mut bytes, |_, _| true).unwrap();
    bytes
}

/// The files of a bundle, in their order.
fn entries(bundle: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = Archive::new(bundle);
    let read = |entry: std::io::Result<tar::Entry<'_, _>>| {
        let mut entry = entry.unwrap();
        let (path, mut bytes) = (entry.path().unwrap().to_str().unwrap().to_owned(), Vec::new());
        entry.read_to_end(&mut bytes).unwrap();
        (path, bytes)
    };
    archive.entries().unwrap().map(read).collect()
}

/// A tar stream of these files.
fn tar_of(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (path, bytes) in entries {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_size(bytes.len() as u64);
        builder.append_data(&mut header, path, bytes.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn loaded(store: &Store, bundle: &[u8]) -> Vec<Loaded> {
    load(store, bundle, |_| {}).unwrap()
}

/// A store to load into.
fn target() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    (directory, store)
}

#[test]
fn models_come_back_byte_for_byte_and_share_what_they_shared() {
    let (_source, store) = source();
    let bundle = saved(&store);
    assert!(bundle == saved(&store), "the same models give the same bytes");
    let shared = |(path, bytes): &(String, Vec<u8>)| {
        assert!(!path.starts_with("blobs/") || path.ends_with(&Digest::of(bytes).hex()), "{path}");
        bytes == SHARED
    };
    assert_eq!(entries(&bundle).iter().filter(|entry| shared(entry)).count(), 1);

    let (_target, other) = target();
    let models = loaded(&other, &bundle);
    assert_eq!(models.len(), 3);
    assert!(models.iter().all(|model| !model.replaced));
    assert_eq!(documents(&other), documents(&store));
    assert!(other.check(true, |_| {}).unwrap().is_clean());
    // The manifests for other programs are not kept.
    let options = PruneOptions { grace: std::time::Duration::ZERO, dry_run: false };
    assert_eq!(other.prune(options).unwrap().blobs, []);

    assert_eq!(loaded(&other, &bundle), models, "again, which changes nothing");
}

#[test]
fn a_model_of_the_same_name_is_replaced() {
    let (_source, store) = source();
    let (_target, other) = target();
    other.put_manifest(&name("one"), &manifest(&other, "another")).unwrap();
    let models = loaded(&other, &saved(&store));
    let replaced: Vec<_> =
        models.iter().filter(|model| model.replaced).map(|model| model.name.short()).collect();
    assert_eq!(replaced, ["one:latest"]);
    other.settle();
    assert!(other.blob(Digest::of(b"another")).is_err(), "what nobody needs any more goes");
}

#[test]
fn other_programs_find_an_image_layout() {
    let (_source, store) = source();
    let files: BTreeMap<_, _> = entries(&saved(&store)).into_iter().collect();
    assert_eq!(files["oci-layout"], br#"{"imageLayoutVersion":"1.0.0"}"#);
    let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
    assert_eq!(index["mediaType"], "application/vnd.oci.image.index.v1+json");
    let mut names = Vec::new();
    for element in index["manifests"].as_array().unwrap() {
        assert_eq!(element["mediaType"], "application/vnd.oci.image.manifest.v1+json");
        let blob = |described: &Value| {
            let bytes = &files[&format!("blobs/{}", described["digest"].as_str().unwrap().replace(':', "/"))];
            assert_eq!(described["size"], bytes.len());
            bytes
        };
        let manifest: Value = serde_json::from_slice(blob(element)).unwrap();
        assert_eq!(manifest["mediaType"], element["mediaType"]);
        assert_eq!(manifest["schemaVersion"], 2);
        blob(&manifest["config"]);
        let kinds = manifest["layers"].as_array().unwrap().iter().map(|layer| {
            blob(layer);
            layer["mediaType"].as_str().unwrap().rsplit('.').next().unwrap().to_owned()
        });
        assert_eq!(kinds.collect::<Vec<_>>(), ["model", "system"]);
        names.push(element["annotations"]["org.opencontainers.image.ref.name"].as_str().unwrap().to_owned());
    }
    assert_eq!(names, ["one:latest", "three:latest", "team/two:tag"]);
}

#[test]
fn layouts_of_other_programs_are_read() {
    let (_source, store) = source();
    let mut files = entries(&saved(&store));
    files.reverse();
    // Without our annotation, as another program leaves a model that it copied out of a bundle.
    for (path, bytes) in &mut files {
        if path == "index.json" {
            let mut index: Value = serde_json::from_slice(bytes).unwrap();
            for element in index["manifests"].as_array_mut().unwrap() {
                element["annotations"].as_object_mut().unwrap().remove("dev.ollamake.manifest").unwrap();
            }
            *bytes = index.to_string().into_bytes();
        }
        *path = format!("./{path}");
    }
    files.insert(0, ("./manifest.json".to_owned(), b"[]".to_vec()));
    let (_target, other) = target();
    assert_eq!(loaded(&other, &tar_of(&files)).len(), 3);
    let one = other.manifest(&name("one")).unwrap();
    assert_eq!(one.manifest.layers, store.manifest(&name("one")).unwrap().manifest.layers);
    assert!(other.check(true, |_| {}).unwrap().is_clean());
}

#[test]
fn damaged_models_are_not_saved() {
    let (directory, store) = source();
    std::fs::write(directory.path().join("blobs").join(Digest::of(SHARED).file_name()), b"short").unwrap();
    let mut bytes = Vec::new();
    let error = save(&store, &store.list().unwrap(), &mut bytes, |_, _| true).unwrap_err();
    assert!(error.to_string().contains("is damaged"), "{error}");
    assert!(bytes.is_empty(), "nothing is written");
}

#[test]
fn the_commands_take_files_and_streams() {
    let (from, store) = source();
    let (to, other) = target();
    let file = from.path().join("b.tar");
    let path = file.to_str().unwrap();
    let output = run(from.path(), &["save", "one", "three", "-o", path]);
    assert!(output.status.success() && text(&output).contains("2 models"), "{}", text(&output));
    let output = run(to.path(), &["load", path]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "loaded one:latest\nloaded three:latest\n");
    assert_eq!(documents(&other)["three:latest"], documents(&store)["three:latest"]);

    let output = run(from.path(), &["save", "team/two:tag"]);
    assert!(output.status.success(), "{}", text(&output));
    let stream = from.path().join("stream");
    std::fs::write(&stream, &output.stdout).unwrap();
    let input = std::fs::File::open(&stream).unwrap();
    let output = command(to.path(), &["load"]).stdin(input).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "loaded team/two:tag\n");

    let missing = run(from.path(), &["save", "absent", "-o", path]);
    assert!(
        !missing.status.success() && text(&missing).contains("'absent:latest' not found"),
        "{}",
        text(&missing)
    );
    assert!(Path::new(path).exists(), "the file of before stays");
}
