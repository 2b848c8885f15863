//! Stores of every kind at random: nothing that is reachable is ever removed, by the store's own functions or
//! by the program that is run on it.
//!
//! What is reachable is computed here anew, from what the store was built of, by a search of texts alone.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ollamake::model::Digest;
use ollamake::store::{PruneOptions, Store};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::json;

use super::contract::name;
use super::todays::{ALL_MEANS, Built, LIST, MANIFEST, Made, Means, anchor, legacy, line, list_of, v2};
use crate::support::process::{run, serve_until_pruned, text};

const STORES: u64 = 60;
const STEPS: usize = 8;
const MODELS: [&str; 4] = ["a", "b", "c", "d"];
const RUNNERS: [&str; 4] = ["llamacpp", "ggml", "mlx", ""];

/// On one store of so many the program itself is run.
const STORES_A_PROCESS: u64 = 6;

/// Places where a manifest can lie that is of no model, or of none that is listed.
const ODD_PLACES: [&str; 7] = [
    "manifests/loose",
    "manifests/registry.ollama.ai/library/odd/-bad tag",
    "manifests/registry.ollama.ai/library/odd/deeper/and/deeper",
    "manifests-v2/ollama.com/library/odd/.manifest-123",
    "manifests-v2/h%3a5000/n/odd/t",
    "manifests-v3/anything",
    "Manifests/x/y/z/t",
];

/// The hexadecimal digits of every digest in a text that begins with any spelling of the function's name.
fn hexes(text: &str) -> Vec<String> {
    let folded = text.to_lowercase().replace("\\u003a", ":").replace('-', ":");
    let after = folded.split("sha256:").skip(1);
    let digits =
        after.filter_map(|rest| rest.get(..64)).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
    digits.map(str::to_owned).collect()
}

/// The text of every file below a directory, and the digest of each.
fn texts(directory: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            texts(&path, found);
        } else if path.is_file()
            && let Ok(bytes) = fs::read(&path)
        {
            // The entry may be a copy of a blob.
            found.push(format!("sha256:{}", Digest::of(&bytes).hex()));
            found.push(String::from_utf8_lossy(&bytes).into_owned());
        }
    }
}

/// Every digest that something reaches: every text is searched, those of documents in blobs too.
fn named(built: &Built, documents: &BTreeSet<String>) -> BTreeSet<String> {
    let mut pending = Vec::new();
    for entry in fs::read_dir(built.root()).unwrap() {
        let tree = entry.unwrap();
        if tree.file_name().to_string_lossy().to_lowercase().starts_with("manifests") {
            texts(&tree.path(), &mut pending);
        }
    }
    let mut named = BTreeSet::new();
    while let Some(text) = pending.pop() {
        for hex in hexes(&text) {
            let is_document = documents.contains(&hex);
            let path = blob(built, &hex);
            if named.insert(hex)
                && is_document
                && let Ok(bytes) = fs::read(path)
            {
                pending.push(String::from_utf8_lossy(&bytes).into_owned());
            }
        }
    }
    named
}

fn blob(built: &Built, hex: &str) -> PathBuf {
    built.root().join("blobs").join(format!("sha256-{hex}"))
}

/// Documents among the blobs, also those that were made since.
fn note_documents(built: &Built, documents: &mut BTreeSet<String>) {
    for entry in fs::read_dir(built.root().join("blobs")).unwrap() {
        let path = entry.unwrap().path();
        if fs::read(&path).is_ok_and(|bytes| bytes.starts_with(b"{\"schemaVersion\"")) {
            documents.insert(path.to_str().unwrap().rsplit('-').next().unwrap().to_owned());
        }
    }
}

fn respell(random: &mut StdRng, text: Vec<u8>) -> Vec<u8> {
    let text = String::from_utf8(text).unwrap();
    let spelling = *["sha256:", "sha256-", "SHA256:", "sha256\\u003a"].choose(random).unwrap();
    text.replace("sha256:", spelling).into_bytes()
}

/// Fills a store; answers with the digests of all documents that were ever blobs.
fn build(random: &mut StdRng, built: &Built) -> BTreeSet<String> {
    let mut documents = BTreeSet::new();
    let pool: Vec<Made> = (0..4).map(|number| built.make(&format!("child {number}"))).collect();
    let mut document = |built: &Built, bytes: &[u8]| {
        documents.insert(Digest::of(bytes).hex());
        built.blob(bytes)
    };
    for model in MODELS {
        let child = pool.choose(random).unwrap().clone();
        let means = *ALL_MEANS.choose(random).unwrap();
        if random.random_bool(0.5) {
            let bytes = respell(random, child.bytes());
            built.place(&legacy(model), &bytes, Means::Copy);
        }
        let entry = match random.random_range(0..6) {
            0 => continue,
            1 => respell(random, child.bytes()),
            2 => {
                let inline = json!({"schemaVersion": 2, "mediaType": LIST, "manifests": [child.manifest]});
                document(built, child.manifest.to_string().as_bytes());
                line(&inline)
            }
            3 => {
                let inner = document(built, &child.bytes());
                let nested = document(built, &line(&list_of(&[(inner, "")])));
                line(&list_of(&[(nested, "")]))
            }
            _ => {
                let mut children = Vec::new();
                for _ in 0..random.random_range(1..4) {
                    let bytes = pool.choose(random).unwrap().bytes();
                    let bytes = respell(random, bytes);
                    let digest =
                        if random.random_bool(0.2) { Digest::of(&bytes) } else { document(built, &bytes) };
                    children.push((digest, *RUNNERS.choose(random).unwrap()));
                }
                respell(random, serde_json::to_vec(&list_of(&children)).unwrap())
            }
        };
        let digest = document(built, &entry);
        built.place(&v2(model), &entry, means);
        if random.random_bool(0.5) {
            let anchor = line(&anchor(&child, &[(LIST, digest), (MANIFEST, Digest::of(&child.bytes()))]));
            built.place(&legacy(model), &anchor, Means::Copy);
        }
        if random.random_bool(0.1) {
            let target = format!("../../../../blobs/{}", Digest::of(b"gone").file_name());
            symlink(target, built.prepare(&v2(model))).unwrap();
        }
        if random.random_bool(0.3) {
            let place = *ODD_PLACES.choose(random).unwrap();
            let bytes = pool.choose(random).unwrap().bytes();
            built.place(place, &respell(random, bytes), Means::Copy);
        }
    }
    built.blob(b"nobody names this");
    plant_what_cannot_be_read(random, built, &pool[0]);
    documents
}

/// Puts something into a store that nobody can understand, or, mostly, nothing.
fn plant_what_cannot_be_read(random: &mut StdRng, built: &Built, made: &Made) {
    match random.random_range(0..12) {
        0 => fs::write(built.prepare(&legacy("torn")), &made.bytes()[..100]).unwrap(),
        1 => {
            let pipe = built.prepare(&v2("pipe"));
            rustix::fs::mkfifoat(rustix::fs::CWD, pipe, rustix::fs::Mode::RWXU).unwrap();
        }
        2 => {
            let place = built.prepare("manifests/nameless/x");
            fs::write(place.with_file_name(OsStr::from_bytes(b"\xff")), made.bytes()).unwrap();
        }
        3 => symlink("/", built.prepare("manifests-v2/disk")).unwrap(),
        _ => {}
    }
}

/// Runs the program on a store, and tells what.
fn run_program(random: &mut StdRng, built: &Built) -> String {
    // There is always something to be removed.
    built.blob(&random.random::<u64>().to_le_bytes());
    if random.random_bool(0.5) {
        return format!("the program prunes: {}", text(&run(built.root(), &["prune", "--grace", "0"])));
    }
    format!("the program serves: {}", serve_until_pruned(built.root()))
}

/// Does something, and tells what.
fn step(random: &mut StdRng, built: &Built, runs_programs: bool) -> String {
    if runs_programs && random.random_bool(0.4) {
        return run_program(random, built);
    }
    let store = Store::open(built.root()).unwrap();
    let (one, two) = (*MODELS.choose(random).unwrap(), *MODELS.choose(random).unwrap());
    let done = match random.random_range(0..5) {
        0 | 1 => {
            let report = store.prune(PruneOptions { grace: Duration::ZERO, dry_run: false });
            format!("prune: {:?}", report.map(|report| report.blobs.len()))
        }
        2 => format!("copy {one} to {two}: {:?}", store.copy(&name(one), &name(two)).map(|_| ())),
        3 => format!("remove {one}: {:?}", store.remove(&name(one))),
        _ => {
            let made = super::contract::make_model(&store, &name(one), two);
            format!("create {one}: {:?}", made.map(|_| ()))
        }
    };
    store.settle();
    done
}

#[test]
fn what_is_reachable_is_never_removed() {
    let seed: u64 = std::env::var("OLLAMAKE_SEED")
        .map_or_else(|_| rand::random::<u32>().into(), |seed| seed.parse().unwrap());
    println!("OLLAMAKE_SEED={seed}");
    let mut removed_by_programs = 0;
    for number in 0..STORES {
        let runs_programs = number % STORES_A_PROCESS == 0;
        let mut random = StdRng::seed_from_u64(seed.wrapping_add(number));
        let built = Built::new();
        let mut documents = build(&mut random, &built);
        let mut history = Vec::new();
        for _ in 0..STEPS {
            let before = named(&built, &documents);
            let was_there: Vec<_> = before.iter().filter(|hex| blob(&built, hex).exists()).cloned().collect();
            let blobs = || fs::read_dir(built.root().join("blobs")).unwrap().count();
            let count = blobs();
            history.push(step(&mut random, &built, runs_programs));
            if history.last().unwrap().starts_with("the program") {
                // It was given one more.
                removed_by_programs += count + 1 - blobs();
            }
            note_documents(&built, &mut documents);
            let after = named(&built, &documents);
            let lost: Vec<_> =
                was_there.iter().filter(|hex| after.contains(*hex) && !blob(&built, hex).exists()).collect();
            assert!(lost.is_empty(), "seed {}: {history:#?} lost {lost:?}", seed.wrapping_add(number));
        }
    }
    assert!(removed_by_programs > 0, "programs removed nothing at all");
}
