//! The store as the library's cache.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::Duration;

use ollamake::model::{Digest, Manifest};
use serde_json::json;

use super::Machine;
use crate::registry::docker_registry::{DockerRegistry, Setup};
use crate::registry::model::Model;
use crate::support::files::files;

const SIZE: usize = 300_000;

/// A machine with these models, which are in the library, and used in this order.
pub(super) async fn machine_with(registry: &str, names: &[&str]) -> Machine {
    let machine = Machine::of(registry);
    for (seed, name) in names.iter().enumerate() {
        Model::new(1000 + 10 * seed as u64, &[SIZE]).put(&machine.store, name);
        machine.publish(name).await.unwrap();
        // What counts is not in which order the files were made.
        tokio::time::sleep(Duration::from_millis(20)).await;
        machine.store.note_used(&machine.store.manifest(&name.parse().unwrap()).unwrap());
    }
    machine
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_library_holds_gives_way_and_comes_back() {
    let Some(registry) = DockerRegistry::start(&Setup::default()) else { return };
    let machine = machine_with(&registry.host(), &["a", "b", "c"]).await;
    let nothing = machine.client.evict(10 << 20, |_| false).await.unwrap();
    assert!(nothing.gone.is_empty() && nothing.left > 3 * SIZE as u64, "{nothing:?}");

    // Room for two: the one that was used longest ago goes.
    let evicted = machine.client.evict(2 * SIZE as u64 + 10_000, |_| false).await.unwrap();
    assert_eq!(evicted.gone.iter().map(|(name, _)| name.short()).collect::<Vec<_>>(), ["a:latest"]);
    assert!(evicted.gone[0].1 > SIZE as u64 && evicted.left < 2 * SIZE as u64 + 10_000, "{evicted:?}");
    assert_eq!(machine.models(), ["b:latest", "c:latest"]);
    assert!(machine.fetch("a").await.unwrap().is_some());
    Model::new(1000, &[SIZE]).assert_in(&machine.store, "a");

    // Room for less than one: the one that was used last stays.
    let evicted = machine.client.evict(1, |_| false).await.unwrap();
    assert_eq!(evicted.gone.len(), 2, "{evicted:?}");
    assert_eq!(machine.models(), ["a:latest"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_used_stays() {
    let Some(registry) = DockerRegistry::start(&Setup::default()) else { return };
    let machine = machine_with(&registry.host(), &["leased", "spared", "free", "last"]).await;
    let leased = machine.store.manifest(&"leased".parse().unwrap()).unwrap();
    let lease = machine.store.blob(leased.manifest.layers[0].digest).unwrap();
    let evicted = machine.client.evict(1, |name| name.model() == "spared").await.unwrap();
    assert_eq!(evicted.gone.iter().map(|(name, _)| name.model()).collect::<Vec<_>>(), ["free"]);
    assert_eq!(machine.models(), ["last:latest", "leased:latest", "spared:latest"]);
    drop(lease);
    machine.client.evict(1, |_| false).await.unwrap();
    assert_eq!(machine.models(), ["last:latest"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_that_models_share_stay_for_the_others() {
    let Some(registry) = DockerRegistry::start(&Setup::default()) else { return };
    let machine = machine_with(&registry.host(), &["one", "last"]).await;
    // A second name for the same weights, which nobody has published.
    machine.store.copy(&"one".parse().unwrap(), &"own".parse().unwrap()).unwrap();
    let evicted = machine.client.evict(1, |_| false).await.unwrap();
    let freed = evicted.gone.iter().find(|(name, _)| name.model() == "one").map(|(_, freed)| *freed);
    assert_eq!(freed, Some(0), "{evicted:?}");
    Model::new(1000, &[SIZE]).assert_in(&machine.store, "own");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_elsewhere_stays_whatever_the_limit() {
    let Some(mut registry) = DockerRegistry::start(&Setup::default()) else { return };
    let machine = machine_with(&registry.host(), &["moved", "held", "last"]).await;
    Model::new(2000, &[SIZE]).put(&machine.store, "own");
    machine.store.copy(&"last".parse().unwrap(), &"example.com/team/last".parse().unwrap()).unwrap();
    machine.store.note_used(&machine.store.manifest(&"last".parse().unwrap()).unwrap());
    // Somebody else has published another model under one of the names.
    let other = Machine::of(&registry.host());
    Model::new(3000, &[SIZE]).put(&other.store, "moved");
    other.publish("moved").await.unwrap();

    let evicted = machine.client.evict(1, |_| false).await.unwrap();
    let gone: Vec<_> = evicted.gone.iter().map(|(name, _)| name.short()).collect();
    assert!(gone.contains(&"held:latest".to_owned()), "{evicted:?}");
    assert_eq!(evicted.other.iter().map(|(name, _)| name.model()).collect::<Vec<_>>(), ["moved"]);
    Model::new(1000, &[SIZE]).assert_in(&machine.store, "moved");
    Model::new(2000, &[SIZE]).assert_in(&machine.store, "own");

    // A library that is away, and one that was wiped.
    let before = machine.models();
    registry.stop();
    machine.client.evict(1, |_| false).await.unwrap_err();
    assert_eq!(machine.models(), before);
    fs::remove_dir_all(registry.data()).unwrap();
    registry.start_again();
    let evicted = machine.client.evict(1, |_| false).await.unwrap();
    assert!(evicted.gone.is_empty(), "{evicted:?}");
    assert_eq!(machine.models(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_library_that_has_lost_a_blob_costs_no_model() {
    let Some(registry) = DockerRegistry::start(&Setup::default()) else { return };
    let machine = machine_with(&registry.host(), &["lost", "last"]).await;
    let model = machine.store.manifest(&"lost".parse().unwrap()).unwrap();
    let hex = model.manifest.layers[0].digest.hex();
    let blob = registry.data().join("docker/registry/v2/blobs/sha256").join(&hex[..2]).join(&hex);
    fs::remove_dir_all(blob).unwrap();
    let evicted = machine.client.evict(1, |_| false).await.unwrap();
    assert!(evicted.gone.is_empty(), "{evicted:?}");
    // What is published again is whole again.
    machine.publish("lost").await.unwrap();
    assert_eq!(machine.client.evict(1, |_| false).await.unwrap().gone.len(), 1);
}

/// Where today's versions of Ollama name a model of the default host, and where older ones do.
fn entries(machine: &Machine, name: &str) -> [PathBuf; 2] {
    ["manifests-v2/ollama.com", "manifests/registry.ollama.ai"]
        .map(|host| machine.directory.path().join(host).join("library").join(name).join("latest"))
}

/// Puts a model in its place once more, so that it is the one that was used last.
fn use_again(machine: &Machine, name: &str) {
    let name = name.parse().unwrap();
    let bytes = machine.store.manifest(&name).unwrap().bytes.clone();
    machine.store.put_manifest(&name, &bytes).unwrap();
}

/// Gives a model the entries that today's versions of Ollama give it: a link to its manifest, and an anchor.
fn rename_anew(machine: &Machine, name: &str) {
    let [newer, older] = entries(machine, name);
    fs::create_dir_all(newer.parent().unwrap()).unwrap();
    symlink("nowhere", &newer).unwrap();
    use_again(machine, name);
    let bytes = machine.store.manifest(&name.parse().unwrap()).unwrap().bytes.clone();
    assert!(fs::read(&newer).unwrap() == bytes && fs::read(&older).unwrap() != bytes, "{name}");
}

/// The names that have entries, in whatever tree.
fn named(machine: &Machine) -> Vec<String> {
    let all = ["manifests", "manifests-v2"].map(|tree| files(&machine.directory.path().join(tree)));
    let name = |path: PathBuf| path.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
    let mut names: Vec<_> = all.into_iter().flatten().map(name).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_the_newer_tree_give_way_with_all_that_they_are() {
    let Some(registry) = DockerRegistry::start(&Setup::default()) else { return };
    let names = ["linked", "twin", "copied", "alone", "hollow", "last"];
    let machine = machine_with(&registry.host(), &names).await;
    for name in &names[..4] {
        rename_anew(&machine, name);
        let [newer, older] = entries(&machine, name);
        let blob = fs::canonicalize(&newer).unwrap();
        match *name {
            "linked" => continue,
            // Where no link could be made, a second name of the blob, or its bytes.
            "twin" => fs::remove_file(&newer).and_then(|()| fs::hard_link(blob, &newer)).unwrap(),
            "copied" => {
                fs::remove_file(&newer).unwrap();
                fs::copy(blob, &newer).unwrap();
            }
            // Versions before 0.40 leave no anchor.
            _ => fs::remove_file(&older).unwrap(),
        }
    }
    // A link that leads nowhere hides nothing.
    let [newer, _] = entries(&machine, "hollow");
    fs::create_dir_all(newer.parent().unwrap()).unwrap();
    symlink("../../../../blobs/sha256-absent", &newer).unwrap();
    use_again(&machine, "last");

    let evicted = machine.client.evict(1, |_| false).await.unwrap();
    let mut gone: Vec<_> = evicted.gone.iter().map(|(name, _)| name.model().to_owned()).collect();
    gone.sort();
    let mut expected = names[..5].to_vec();
    expected.sort_unstable();
    assert_eq!(gone, expected, "{evicted:?}");
    assert!(evicted.gone.iter().all(|(_, freed)| *freed > SIZE as u64), "{evicted:?}");
    assert_eq!(named(&machine), ["last"]);
    // Nothing is left of them, their manifests included.
    let blobs = fs::read_dir(machine.directory.path().join("blobs")).unwrap().count();
    assert_eq!(blobs, Model::new(0, &[SIZE]).blobs.len());
    assert!(machine.store.check(true, |_| {}).unwrap().is_clean());
    assert!(machine.fetch("linked").await.unwrap().is_some());
    Model::new(1000, &[SIZE]).assert_in(&machine.store, "linked");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_entry_hides_is_not_lost() {
    let Some(registry) = DockerRegistry::start(&Setup::default()) else { return };
    let machine = machine_with(&registry.host(), &["hides", "listed", "last"]).await;
    rename_anew(&machine, "hides");
    // Older versions have put another model under the name, which only they see.
    let hidden = Model::new(5000, &[SIZE]);
    hidden.put(&machine.store, "hidden");
    let [(_, from), (_, to)] = ["hidden", "hides"].map(|name| entries(&machine, name).into());
    fs::rename(from, to).unwrap();
    // And a list, of which the library gets the one manifest that is used here.
    let child = machine.store.manifest(&"listed".parse().unwrap()).unwrap().bytes.clone();
    let child = machine.store.put_bytes(&child).unwrap().blob.digest();
    let list = json!({"schemaVersion": 2, "manifests": [
        {"mediaType": Manifest::MEDIA_TYPE, "digest": child, "runner": "ggml"},
        {"mediaType": Manifest::MEDIA_TYPE, "digest": Digest::of(b"absent"), "runner": "mlx"},
    ]});
    machine.store.restore(&"listed".parse().unwrap(), list.to_string().as_bytes()).unwrap();
    machine.publish("listed").await.unwrap();
    use_again(&machine, "last");

    let before = named(&machine);
    let evicted = machine.client.evict(1, |_| false).await.unwrap();
    assert!(evicted.gone.is_empty(), "{evicted:?}");
    assert_eq!(named(&machine), before);
    Model::new(1000, &[SIZE]).assert_in(&machine.store, "hides");
    assert!(hidden.blobs.iter().all(|blob| machine.store.contains(Digest::of(blob)).unwrap()));
    // Whoever asks for the list all the same hears that it stays.
    let listed = machine.store.manifest(&"listed".parse().unwrap()).unwrap();
    assert_eq!(machine.store.evict(&listed).unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_of_the_newer_tree_that_moved_meanwhile_keeps_its_model() {
    let machine = Machine::of("127.0.0.1:9");
    let (old, new) = (Model::new(6000, &[SIZE]), Model::new(6100, &[SIZE]));
    old.put(&machine.store, "m");
    rename_anew(&machine, "m");
    let before = machine.store.manifest(&"m".parse().unwrap()).unwrap();
    new.put(&machine.store, "m");
    let [_, older] = entries(&machine, "m");
    let anchor = fs::read(&older).unwrap();
    assert_eq!(machine.store.evict(&before).unwrap(), None);
    new.assert_in(&machine.store, "m");
    assert!(fs::read(&older).unwrap() == anchor);
    assert!(machine.store.check(true, |_| {}).unwrap().is_clean());
}
