//! A library that does not tell the truth, is read-only, full, or slow.

use std::sync::Arc;
use std::time::Duration;

use ollamake::registry::RegistryError;

use super::Machine;
use crate::registry::model::Model;
use crate::registry::stub::{Asked, Stub, answer};

/// A machine with an older model and the one that was used last.
fn machine(registry: &Stub, older: &Model) -> Machine {
    let machine = Machine::of(&registry.host());
    older.put(&machine.store, "older");
    std::thread::sleep(Duration::from_millis(20));
    Model::new(9000, &[1000]).put(&machine.store, "last");
    machine
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_evicted_on_a_word_that_does_not_hold() {
    let model = Arc::new(Model::new(7000, &[50_000]));
    // Says yes to everything, or holds another manifest, or blobs of another length, or of none.
    let lies: [fn(&Asked, &Model) -> axum::response::Response; 4] = [
        |_, _| answer(200, &[], ""),
        |asked, model| match asked.uri.path().contains("/manifests/") {
            true => answer(200, &[], Model::new(1, &[10]).manifest),
            false => answer(200, &[("content-length", &model.blobs[0].len().to_string())], ""),
        },
        |asked, model| match asked.uri.path().contains("/manifests/") {
            true => answer(200, &[], model.manifest.clone()),
            false => answer(200, &[("content-length", "1")], "x"),
        },
        |asked, model| match asked.uri.path().contains("/manifests/") {
            true => answer(200, &[], model.manifest.clone()),
            false => answer(404, &[], ""),
        },
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        let told = model.clone();
        let registry = Stub::start(move |asked: &Asked| lie(asked, &told)).await;
        let machine = machine(&registry, &model);
        let evicted = machine.client.evict(1, |_| false).await;
        assert!(evicted.is_ok_and(|evicted| evicted.gone.is_empty()), "lie {number}");
        model.assert_in(&machine.store, "older");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_moves_while_it_is_looked_at_stays() {
    let model = Arc::new(Model::new(7100, &[50_000]));
    let told = model.clone();
    let registry = Stub::start(move |asked: &Asked| match asked.uri.path().contains("/manifests/") {
        true => answer(200, &[], told.manifest.clone()),
        false => {
            let blob = told.blob(asked.uri.path().rsplit('/').next().unwrap()).unwrap();
            answer(200, &[], blob.clone())
        }
    })
    .await;
    let machine = machine(&registry, &model);
    let before = machine.store.manifest(&"older".parse().unwrap()).unwrap();
    // It was looked at; now another one has its name.
    Model::new(7200, &[50_000]).put(&machine.store, "older");
    assert_eq!(machine.store.evict(&before).unwrap(), None);
    Model::new(7200, &[50_000]).assert_in(&machine.store, "older");
    // The truth is believed.
    model.put(&machine.store, "older");
    std::thread::sleep(Duration::from_millis(20));
    machine.store.note_used(&machine.store.manifest(&"last".parse().unwrap()).unwrap());
    assert_eq!(machine.client.evict(1, |_| false).await.unwrap().gone.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_library_that_takes_nothing_is_told_at_once() {
    for (status, body) in [(405, "read-only"), (403, "denied"), (507, "no room")] {
        let registry = Stub::start(move |asked: &Asked| match asked.method.as_str() {
            "GET" | "HEAD" => answer(404, &[], ""),
            _ => answer(status, &[], format!(r#"{{"errors":[{{"code":"X","message":"{body}"}}]}}"#)),
        })
        .await;
        let machine = Machine::of(&registry.host());
        Model::new(7300, &[1000]).put(&machine.store, "m");
        let error = machine.publish("m").await.unwrap_err();
        assert!(error.to_string().contains(body), "{error}");
        assert!(!error.is_transient(), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_library_is_not_waited_for_when_it_only_saves_work() {
    let registry = Stub::start(|_: &Asked| {
        std::thread::sleep(Duration::from_millis(300));
        answer(503, &[], "")
    })
    .await;
    let machine = Machine::of(&registry.host());
    let digest = ollamake::model::Digest::of(b"x");
    let found = machine.client.recall(digest, &[(digest, 1)], None, |_| ()).await;
    assert!(matches!(found, Err(RegistryError::Refused { status: 503, .. }) | Ok(None)), "{found:?}");
}
