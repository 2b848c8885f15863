//! The store as the library's cache.

use std::time::Duration;

use super::Machine;
use crate::registry::docker_registry::{DockerRegistry, Setup};
use crate::registry::model::Model;

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
    std::fs::remove_dir_all(registry.data()).unwrap();
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
    std::fs::remove_dir_all(blob).unwrap();
    let evicted = machine.client.evict(1, |_| false).await.unwrap();
    assert!(evicted.gone.is_empty(), "{evicted:?}");
    // What is published again is whole again.
    machine.publish("lost").await.unwrap();
    assert_eq!(machine.client.evict(1, |_| false).await.unwrap().gone.len(), 1);
}
