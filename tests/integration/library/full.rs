//! A library whose disk is full: jobs say so and what to do about it, and go on when there is room again.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use ollamake::model::Digest;
use ollamake::registry::RegistryError;
use serde_json::{Value, json};

use super::Machine;
use super::servers::{Server, weights};
use crate::registry::docker_registry::{DockerRegistry, Setup};
use crate::registry::model::Model;
use crate::registry::resumable_registry::ResumableRegistry;
use crate::registry::stub::{Asked, Stub, answer};
use crate::support::process::text;

/// Publishes a model without following the job; its identifier, once it has said that there is no room.
async fn publish_until_full(server: &Server, name: &str, seed: u8) -> String {
    let digest = server.upload(&weights(seed)).await;
    let request = json!({"model": name, "files": {"model.gguf": digest}, "publish": true, "detach": true});
    let (status, text) = server.send("POST", "/api/create", request.to_string().into_bytes()).await;
    assert_eq!(status, 202, "{text}");
    let job = server.until_job("running").await["id"].as_str().unwrap().to_owned();
    let said = hear(server, &job, "has no room for").await;
    assert!(said.contains("waiting for the library"), "{said}");
    assert!(hear(server, &job, "collect its garbage").await.contains("more room"), "{said}");
    job
}

/// What a job says, until it says this.
async fn hear(server: &Server, job: &str, wanted: &str) -> String {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{}/ollamake/v1/jobs/{job}/events", server.process.address);
    let (mut answer, mut said) = (http.get(url).send().await.unwrap(), String::new());
    while !said.contains(wanted) {
        let piece = tokio::time::timeout(Duration::from_secs(90), answer.chunk()).await;
        let piece = piece.expect("the job says nothing more").unwrap();
        said += &String::from_utf8_lossy(&piece.unwrap_or_else(|| panic!("the job has ended: {said}")));
    }
    said
}

/// Waits until something holds.
async fn until(server: &Server, holds: impl AsyncFn() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < Duration::from_secs(90), "{}", server.process.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn is_done(server: &Server, job: &str) -> bool {
    let job: Value = server.get(&format!("/ollamake/v1/jobs/{job}")).await;
    assert!(job["state"] == "running" || job["state"] == "succeeded", "{job}");
    job["state"] == "succeeded"
}

#[tokio::test(flavor = "multi_thread")]
async fn publishing_goes_on_when_there_is_room_again_after_a_restart_too() {
    let registry = ResumableRegistry::with_room(Some(weights(0).len() / 2)).await;
    let mut server = Server::of(&registry.address().to_string(), &[]);
    let job = publish_until_full(&server, "large", 1).await;
    // What was sent of it is taken back, or it would be in its own way.
    until(&server, async || registry.unfinished() == 0).await;
    assert!(!registry.has(&weights(1)));
    server.restart();
    assert_eq!(server.until_job("running").await["stage"], "publish");
    registry.make_room();
    until(&server, async || is_done(&server, &job).await).await;
    assert!(registry.has(&weights(1)));
    let manifest: Value = serde_json::from_slice(&registry.manifest()).unwrap();
    assert_eq!(manifest["layers"][0]["digest"], *server.weights_of("large").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_wait_is_told_that_there_is_no_room() {
    let registry = Stub::start(|asked: &Asked| match asked.method.as_str() {
        "GET" | "HEAD" => answer(404, &[], ""),
        _ => answer(507, &[], r#"{"errors":[{"code":"X","message":"2 bytes left"}]}"#),
    })
    .await;
    let machine = Machine::of(&registry.host());
    Model::new(7300, &[1000]).put(&machine.store, "m");
    let error = machine.publish("m").await.unwrap_err();
    assert!(matches!(error, RegistryError::NoRoom { .. }), "{error}");
    assert!(error.to_string().contains("2 bytes left") && error.may_be_mended(), "{error}");
    // Each blob is sent once: nobody makes room within seconds.
    assert!(registry.asked().iter().filter(|asked| asked.method == "POST").count() <= 2);

    let server = Server::of(&registry.host(), &[("OLLAMAKE_LIBRARY_WAIT_SECONDS", "0")]);
    let digest = server.upload(&weights(1)).await;
    let request = json!({"model": "m", "files": {"model.gguf": digest}, "publish": true});
    let last = server.job("/api/create", request).await.pop().unwrap();
    let told = last["error"].as_str().unwrap();
    assert!(told.starts_with("model 'm:latest' is here") && told.contains("has no room for"), "{last}");
    assert!(last["hint"].as_str().unwrap().contains("ollamake push --library m:latest"), "{last}");
}

/// A small disk in memory, where this user may have one; it goes with this value.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn of(bytes: usize) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let size = format!("size={bytes}");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(directory.path()).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(directory)),
            Ok(output) => {
                println!("skipped: no small disk can be had here ({})", text(&output).trim());
                None
            }
            Err(error) => {
                println!("skipped: no small disk can be had here ({error})");
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).output();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dockers_registry_on_a_full_disk_is_waited_for_and_costs_no_model() {
    let Some(disk) = SmallDisk::of(2 * weights(0).len()) else { return };
    // Somebody else's file takes most of it.
    let others = disk.path().join("others");
    std::fs::write(&others, vec![1; weights(0).len() * 3 / 2]).unwrap();
    let data = disk.path().join("data");
    let setup = Setup {
        storage: Some(format!("{{filesystem: {{rootdirectory: {}}}}}", data.display())),
        ..Setup::default()
    };
    let Some(registry) = DockerRegistry::start(&setup) else { return };
    let limit = weights(0).len() / 2;
    let settings = [("OLLAMAKE_CACHE_SIZE", &*limit.to_string()), ("RUST_LOG", "info")];
    let mut server = Server::of(&registry.host(), &settings);
    let job = publish_until_full(&server, "large", 1).await;
    // The store takes more than it may, and still nothing goes that is nowhere else.
    server.create("other", 2, json!({"publish": false})).await;
    until(&server, async || server.process.log().contains("nothing more can be evicted")).await;
    server.restart();
    assert_eq!(server.until_job("running").await["stage"], "publish");
    for name in ["large:latest", "other:latest"] {
        assert!(server.listed(name).await.is_some_and(|model| model["library"].is_null()), "{name}");
    }
    std::fs::remove_file(&others).unwrap();
    until(&server, async || is_done(&server, &job).await).await;
    // Now it may go, and comes back.
    server.done("/api/create", json!({"model": "newest", "from": "other", "system": "x"})).await;
    until(&server, async || server.listed("large:latest").await.unwrap()["library"] == "only").await;
    server.done("/api/pull", json!({"model": "large"})).await;
    assert_eq!(server.weights_of("large").await, Digest::of(&weights(1)).to_string());
}
