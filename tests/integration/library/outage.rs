//! The library goes away, and comes back.

use std::time::Duration;

use serde_json::json;

use super::servers::{Server, weights};
use crate::registry::docker_registry::{DockerRegistry, Setup};

#[tokio::test(flavor = "multi_thread")]
async fn publishing_goes_on_when_the_library_is_back_after_a_restart_too() {
    let Some(mut registry) = DockerRegistry::start(&Setup::default()) else { return };
    let mut server = Server::of(&registry.host(), &[]);
    server.create("before", 1, json!({"publish": true})).await;
    registry.stop();

    // What is here works: nothing that only uses it asks the library.
    server.create("own", 2, json!({})).await;
    server.done("/api/create", json!({"model": "derived", "from": "before", "system": "x"})).await;
    assert_eq!(server.send("POST", "/api/show", br#"{"model": "own"}"#.to_vec()).await.0, 200);

    // A job that publishes waits, and its client may go.
    let digest = server.upload(&weights(3)).await;
    let request =
        json!({"model": "owed", "files": {"model.gguf": digest}, "quantize": "q8_0", "publish": true});
    let (path, body) = ("/api/create", request.to_string().into_bytes());
    let impatient = tokio::time::timeout(Duration::from_secs(3), server.send("POST", path, body)).await;
    assert!(impatient.is_err(), "{impatient:?}");
    let job = server.until_job("running").await;
    assert_eq!((&job["stage"], &job["detached"]), (&json!("publish"), &json!(true)), "{job}");
    let made = server.weights_of("owed").await;

    server.restart();
    let job = server.until_job("running").await;
    assert_eq!(job["stage"], "publish", "{job}");
    let id = job["id"].as_str().unwrap().to_owned();
    registry.start_again();
    let start = std::time::Instant::now();
    while server.get(&format!("/ollamake/v1/jobs/{id}")).await["state"] != "succeeded" {
        assert!(start.elapsed() < Duration::from_secs(60), "{}", server.process.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(server.listed("owed:latest").await.unwrap()["library"], "same");

    // What was made for it is remembered, after the restart too.
    let other = Server::of(&registry.host(), &[]);
    let statuses = other.create("mine", 3, json!({"quantize": "q8_0"})).await;
    assert!(statuses.iter().any(|status| status.starts_with("using what the library")), "{statuses:?}");
    assert_eq!(other.weights_of("mine").await, made);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_waits_for_the_library_no_longer_than_it_may() {
    let Some(mut registry) = DockerRegistry::start(&Setup::default()) else { return };
    let server = Server::of(&registry.host(), &[("OLLAMAKE_LIBRARY_WAIT_SECONDS", "0")]);
    registry.stop();
    let digest = server.upload(&weights(1)).await;
    let request = json!({"model": "m", "files": {"model.gguf": digest}, "publish": true});
    let lines = server.job("/api/create", request).await;
    let last = lines.last().unwrap();
    let error = last["error"].as_str().unwrap();
    assert!(
        error.starts_with("model 'm:latest' is here, but could not be published in the library"),
        "{error}"
    );
    assert!(error.contains("cannot be reached"), "{error}");
    assert!(last["hint"].as_str().unwrap().contains("ollamake push --library m:latest"), "{last}");
    // It is here all the same; and a model that is not is not looked for elsewhere.
    server.done("/api/create", json!({"model": "n", "from": "m", "system": "x"})).await;
    let lines = server.job("/api/pull", json!({"model": "nowhere"})).await;
    let error = lines.last().unwrap()["error"].as_str().unwrap();
    assert!(error.starts_with("library ") && error.contains("cannot be reached"), "{error}");
    assert!(
        lines.last().unwrap()["hint"].as_str().unwrap().contains("OLLAMAKE_LIBRARY_WAIT_SECONDS"),
        "{lines:?}"
    );

    registry.start_again();
    server.done("/api/push", json!({"model": "m", "library": true})).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_waits_for_the_library_can_be_stopped_and_so_can_its_server() {
    let Some(mut registry) = DockerRegistry::start(&Setup::default()) else { return };
    let mut server = Server::of(&registry.host(), &[]);
    registry.stop();
    let digest = server.upload(&weights(1)).await;
    for name in ["one", "two"] {
        let request =
            json!({"model": name, "files": {"model.gguf": digest}, "publish": true, "detach": true});
        assert_eq!(server.send("POST", "/api/create", request.to_string().into_bytes()).await.0, 202);
    }
    let job = server.until_job("running").await;
    let path = format!("/ollamake/v1/jobs/{}/stop", job["id"].as_str().unwrap());
    server.send("POST", &path, Vec::new()).await;
    server.until_job("stopped").await;
    server.process.signal(rustix::process::Signal::TERM);
    assert!(server.process.wait().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_removed_before_it_was_published_is_not_missed() {
    let Some(mut registry) = DockerRegistry::start(&Setup::default()) else { return };
    let server = Server::of(&registry.host(), &[]);
    registry.stop();
    let digest = server.upload(&weights(1)).await;
    let request = json!({"model": "gone", "files": {"model.gguf": digest}, "publish": true, "detach": true});
    server.send("POST", "/api/create", request.to_string().into_bytes()).await;
    loop {
        let job = server.until_job("running").await;
        if job["stage"] == "publish" {
            break;
        }
    }
    server.send("DELETE", "/api/delete", br#"{"model": "gone"}"#.to_vec()).await;
    registry.start_again();
    server.until_job("succeeded").await;
    assert!(server.listed("gone:latest").await.is_none());
}
