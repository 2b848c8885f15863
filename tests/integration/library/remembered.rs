//! What was made of what, remembered in the library.

use ollamake::model::Digest;
use ollamake::registry::MadeFile;

use super::Machine;
use crate::registry::docker_registry::{DockerRegistry, Setup};
use crate::registry::model::Model;

/// What a machine has made of two sources for a model that it has published.
async fn made(machine: &Machine, name: &str, seed: u64) -> (MadeFile, u64) {
    let model = Model::new(seed, &[400_000]);
    model.put(&machine.store, name);
    machine.publish(name).await.unwrap();
    let sources = vec![(Digest::of(b"one"), 3), (Digest::of(b"two"), 3)];
    let recipe = Digest::of(name.as_bytes());
    let blob = Digest::of(&model.blobs[0]);
    (MadeFile { recipe, sources, blob }, model.blobs[0].len() as u64)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_machine_has_made_another_fetches() {
    let Some(registry) = DockerRegistry::start(&Setup::default()) else { return };
    let (one, other) = (Machine::of(&registry.host()), Machine::of(&registry.host()));
    let recall = async |made: &MadeFile, size| {
        let found = other.client.recall(made.recipe, &made.sources, size, |_| ()).await.unwrap();
        found.map(|blob| blob.digest())
    };
    let mut all = Vec::new();
    for (name, seed) in [("a", 10), ("b", 20), ("c", 30)] {
        let (made, size) = made(&one, name, seed).await;
        assert_eq!(recall(&made, Some(size)).await, None, "{name}");
        one.client.remember(&made, &name.parse().unwrap()).await.unwrap();
        // Twice is once.
        one.client.remember(&made, &name.parse().unwrap()).await.unwrap();
        all.push((made, size));
    }
    for (made, size) in &all {
        assert_eq!(recall(made, Some(*size)).await, Some(made.blob));
        assert_eq!(recall(made, None).await, Some(made.blob));
        // Another size, other sources, or another recipe: another file.
        assert_eq!(recall(made, Some(size + 1)).await, None);
        let fewer = MadeFile { sources: made.sources[..1].to_vec(), ..made.clone() };
        assert_eq!(recall(&fewer, Some(*size)).await, None);
        let unknown = MadeFile { recipe: Digest::of(b"another"), ..made.clone() };
        assert_eq!(recall(&unknown, Some(*size)).await, None);
    }
    // None of that is a model.
    assert_eq!(one.client.shelved().await.unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_that_remember_at_the_same_time_lose_hardly_anything_and_break_nothing() {
    let Some(registry) = DockerRegistry::start(&Setup::default()) else { return };
    let names = ["a", "b", "c", "d", "e", "f"];
    let machines = names.iter().enumerate().map(|(number, name)| {
        let machine = Machine::of(&registry.host());
        async move {
            let (made, _) = made(&machine, name, 100 * number as u64).await;
            machine.client.remember(&made, &name.parse().unwrap()).await.unwrap();
            made
        }
    });
    let (mut found, other) = (0, Machine::of(&registry.host()));
    for made in futures_util::future::join_all(machines).await {
        let blob = other.client.recall(made.recipe, &made.sources, None, |_| ()).await.unwrap();
        assert!(blob.as_ref().is_none_or(|blob| blob.digest() == made.blob));
        found += usize::from(blob.is_some());
    }
    assert!(found > 0, "nothing is remembered");
    // Who remembers again what was lost finds a place for it.
    let (again, _) = made(&other, "a", 0).await;
    other.client.remember(&again, &"a".parse().unwrap()).await.unwrap();
    assert!(other.client.recall(again.recipe, &again.sources, None, |_| ()).await.unwrap().is_some());
}
