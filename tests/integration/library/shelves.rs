//! What names mean in the library, and what it says that it holds.

use super::Machine;
use crate::registry::docker_registry::{DockerRegistry, Setup};
use crate::registry::model::Model;

#[tokio::test(flavor = "multi_thread")]
async fn what_one_machine_publishes_another_finds_under_the_same_name() {
    let Some(registry) = DockerRegistry::start(&Setup::default()) else { return };
    let (one, other) = (Machine::of(&registry.host()), Machine::of(&registry.host()));
    let models = [("tiny", 1), ("alice/Tiny:Q4_K_M", 2), ("tiny:v2", 3)];
    for (name, seed) in models {
        let model = Model::new(seed * 100, &[100_000, 10]);
        model.put(&one.store, name);
        let published = one.publish(name).await.unwrap();
        assert_eq!(published.displaced, None, "{name}");
    }
    for (name, seed) in models {
        assert!(other.fetch(name).await.unwrap().is_some(), "{name}");
        Model::new(seed * 100, &[100_000, 10]).assert_in(&other.store, name);
    }
    assert!(other.fetch("nowhere").await.unwrap().is_none());
    assert!(other.fetch("tiny:nowhere").await.unwrap().is_none());

    // By its full name it is the same model.
    let full = format!("{}/team/tiny:v2", registry.host());
    assert!(other.fetch(&full).await.unwrap().is_some());
    Model::new(300, &[100_000, 10]).assert_in(&other.store, &full);
    // A name of another registry is none of the library's.
    let error = one.publish("example.com/team/tiny").await.unwrap_err();
    assert!(error.to_string().contains("has no place in a library"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_library_tells_what_it_holds() {
    let Some(registry) = DockerRegistry::start(&Setup::default()) else { return };
    let machine = Machine::of(&registry.host());
    assert_eq!(machine.client.shelved().await.unwrap(), []);
    let mut expected = Vec::new();
    for (name, seed) in [("alice/m:v1", 10), ("m:latest", 20), ("m:v2", 30)] {
        let model = Model::new(seed, &[1000]);
        model.put(&machine.store, name);
        machine.publish(name).await.unwrap();
        let digest = machine.store.manifest(&name.parse().unwrap()).unwrap().digest;
        expected.push((name.to_owned(), digest, model.size()));
    }
    let shelved = machine.client.shelved().await.unwrap();
    let shelved: Vec<_> =
        shelved.into_iter().map(|model| (model.name.short(), model.digest, model.size)).collect();
    assert_eq!(shelved, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_of_two_models_under_one_name_wins_and_both_hear_of_it() {
    let Some(registry) = DockerRegistry::start(&Setup::default()) else { return };
    let (one, other) = (Machine::of(&registry.host()), Machine::of(&registry.host()));
    let (first, second) = (Model::new(40, &[5000]), Model::new(50, &[5000]));
    first.put(&one.store, "m");
    second.put(&other.store, "m");
    let lost = one.publish("m").await.unwrap();
    let won = other.publish("m").await.unwrap();
    assert_eq!(won.displaced, Some(lost.digest));
    // To publish the same again takes nobody's place.
    assert_eq!(other.publish("m").await.unwrap().displaced, None);
    let placed = one.fetch("m").await.unwrap().unwrap();
    assert_eq!(placed.replaced.unwrap().digest, lost.digest);
    second.assert_in(&one.store, "m");
}
