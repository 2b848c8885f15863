//! Blobs that lose their contents while no server runs. Nothing is made of them, and all of them heal.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use ollamake::model::Digest;
use rand::Rng as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::api::{Api, Outcome};
use super::snapshot::names;
use super::world::World;
use crate::support::damage::DAMAGES;
use crate::support::process::{run, text};

/// So many blobs are damaged at a time, at most.
const MOST: usize = 6;

/// What was damaged, with the right contents.
pub(super) type Damaged = BTreeMap<Digest, Bytes>;

fn blob(root: &Path, digest: Digest) -> PathBuf {
    root.join("blobs").join(digest.file_name())
}

/// Damages some blobs of a store on which nobody works.
pub(super) fn afflict(root: &Path, random: &mut StdRng) -> Damaged {
    let mut paths: Vec<_> =
        fs::read_dir(root.join("blobs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut damaged = Damaged::new();
    for _ in 0..MOST.min(paths.len()) {
        let path = paths.swap_remove(random.random_range(0..paths.len()));
        let contents = fs::read(&path).unwrap();
        if contents.len() < 3 {
            continue;
        }
        DAMAGES[random.random_range(0..DAMAGES.len())].afflict(&path);
        damaged.insert(Digest::of(&contents), contents.into());
    }
    damaged
}

/// Finds that everything damaged counts as missing, that it is named, and that no model is made of it; then
/// mends it, by pulls where the registry has it and by uploads otherwise.
pub(super) async fn heal(root: &Path, world: &World, api: &Api, damaged: &Damaged) {
    let told = text(&run(root, &["fsck"]));
    for digest in damaged.keys() {
        assert!(!api.has(*digest).await.unwrap(), "{digest} is damaged");
        assert!(told.contains(&digest.to_string()), "{digest} is not named: {told}");
    }
    for name in models_of(root, damaged).into_iter().take(2) {
        let made = api.job("create", &json!({"model": "heir", "from": name})).await;
        assert!(matches!(&made, Outcome::Refused(why) if why.contains("damaged")), "{name}: {made:?}");
    }
    for (digest, contents) in damaged {
        let has = |model: &super::registry::Model| model.blobs.iter().any(|blob| blob == contents);
        let mended = match world.registry.models.iter().position(has) {
            Some(number) => {
                let name = format!("{}/healing/pulled-{number}:latest", world.registry.address);
                api.job("pull", &json!({"model": name})).await
            }
            None => api.upload(&digest.to_string(), contents, std::time::Duration::ZERO).await,
        };
        assert_eq!(mended, Outcome::Done, "{digest}");
        assert!(fs::read(blob(root, *digest)).unwrap() == *contents, "{digest} is not mended");
        assert!(api.has(*digest).await.unwrap(), "{digest} is mended");
    }
}

/// Models that have a part which is damaged, and a manifest which is not.
fn models_of(root: &Path, damaged: &Damaged) -> Vec<String> {
    let is_damaged = |digest: &Digest| damaged.contains_key(digest);
    let mut models = Vec::new();
    for (name, path) in names(root) {
        let target = fs::canonicalize(&path).unwrap();
        if target
            .file_name()
            .and_then(|name| name.to_str()?.parse().ok())
            .is_some_and(|blob| is_damaged(&blob))
        {
            continue;
        }
        let manifest: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let layers = manifest["layers"].as_array().unwrap().iter().chain([&manifest["config"]]);
        let mut digests = layers.map(|layer| layer["digest"].as_str().unwrap().parse().unwrap());
        if digests.any(|digest| is_damaged(&digest)) {
            models.push(name);
        }
    }
    models
}
