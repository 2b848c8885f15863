//! Settings that are not what they were, and a library that lets nobody write.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::servers::{Server, weights};
use crate::registry::docker_registry::{DockerRegistry, Setup};
use crate::registry::stub::{Asked, Stub, answer};

/// A job that publishes a model, and waits for a library that is away.
async fn owe(server: &Server, name: &str, seed: u8) -> String {
    let digest = server.upload(&weights(seed)).await;
    let request = json!({"model": name, "files": {"model.gguf": digest}, "publish": true, "detach": true});
    assert_eq!(server.send("POST", "/api/create", request.to_string().into_bytes()).await.0, 202);
    loop {
        let job = server.until_job("running").await;
        if job["stage"] == "publish" {
            return job["id"].as_str().unwrap().to_owned();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// How a job ends.
async fn end_of(server: &Server, job: &str) -> Value {
    let start = Instant::now();
    loop {
        let told = server.get(&format!("/ollamake/v1/jobs/{job}")).await;
        if !["queued", "running", "interrupted"].contains(&told["state"].as_str().unwrap()) {
            return told;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{told}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_library_than_before_costs_no_model_and_gets_what_is_owed() {
    let (Some(mut one), Some(other)) =
        (DockerRegistry::start(&Setup::default()), DockerRegistry::start(&Setup::default()))
    else {
        return;
    };
    let mut server = Server::of(&one.host(), &[]);
    for seed in 1..=2 {
        server.create(&format!("m{seed}"), seed, json!({"publish": true})).await;
    }
    one.stop();
    let job = owe(&server, "owed", 3).await;
    // By mistake, or not: the same models are not there.
    let library = format!("http://{}/team", other.host());
    let limit = weights(0).len().to_string();
    server.restart_with(&[("OLLAMAKE_LIBRARY", &library), ("OLLAMAKE_CACHE_SIZE", &limit)]);
    assert_eq!(end_of(&server, &job).await["state"], "succeeded");
    let start = Instant::now();
    while !server.process.log().contains("is not in the library as it is here") {
        assert!(start.elapsed() < Duration::from_secs(60), "the operator is not told");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for (seed, name) in [(1, "m1"), (2, "m2")] {
        let digest = ollamake::model::Digest::of(&weights(seed)).to_string();
        assert_eq!(server.weights_of(name).await, digest);
        let listed = server.listed(&format!("{name}:latest")).await.unwrap();
        assert!(listed["library"].is_null(), "{listed}");
    }
    let owed = server.listed("owed:latest").await.unwrap();
    assert!(owed["library"] == "same" || owed["library"] == "only", "{owed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_owed_to_a_library_that_is_set_no_more_is_told() {
    let Some(mut registry) = DockerRegistry::start(&Setup::default()) else { return };
    let mut server = Server::of(&registry.host(), &[]);
    registry.stop();
    let job = owe(&server, "owed", 1).await;
    server.restart_with(&[("OLLAMAKE_LIBRARY", "")]);
    let end = end_of(&server, &job).await;
    assert_eq!(end["state"], "failed", "{end}");
    let error = end["error"].as_str().unwrap();
    assert!(error.contains("'owed:latest'") && error.contains("OLLAMAKE_LIBRARY"), "{end}");
    // The model is here all the same, and can be published when it is set again.
    registry.start_again();
    let library = format!("http://{}/team", registry.host());
    server.restart_with(&[("OLLAMAKE_LIBRARY", &library)]);
    server.done("/api/push", json!({"model": "owed", "library": true})).await;
    assert_eq!(server.listed("owed:latest").await.unwrap()["library"], "same");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_library_that_is_only_read_keeps_no_model_from_being_made() {
    for (status, told) in [(403, "denies access"), (405, "answers 405")] {
        let registry = Stub::start(move |asked: &Asked| match asked.method.as_str() {
            "GET" | "HEAD" => answer(404, &[], ""),
            _ => answer(status, &[], r#"{"errors":[{"code":"X","message":"it is read-only"}]}"#),
        })
        .await;
        let server = Server::of(&registry.host(), &[]);
        let digest = server.upload(&weights(1)).await;
        let request =
            json!({"model": "m", "files": {"model.gguf": digest}, "quantize": "q8_0", "publish": true});
        // Nobody waits a week for it.
        let last = server.job("/api/create", request).await.pop().unwrap();
        let error = last["error"].as_str().unwrap();
        assert!(error.starts_with("model 'm:latest' is here, but could not be published"), "{last}");
        assert!(error.contains(told) && error.contains("it is read-only"), "{last}");
        assert!(last["hint"].as_str().unwrap().contains("ollamake push --library m:latest"), "{last}");
        server.done("/api/create", json!({"model": "n", "from": "m", "system": "x"})).await;
    }
}
