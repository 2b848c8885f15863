//! Jobs as clients and operators see them.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use futures_util::future::join_all;
use ollamake::model::{Digest, Layer, Manifest, MediaType, ModelConfig};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::operation::metric;
use crate::in_process::{InProcess, small_gguf};

/// A registry with one model, whose blobs do not come before it is opened.
pub(super) struct SlowRegistry {
    address: SocketAddr,
    pub(super) gate: watch::Sender<bool>,
    task: AbortHandle,
}

impl SlowRegistry {
    pub(super) async fn start() -> Self {
        let (weights, config) = (small_gguf(&[]), ModelConfig::default().to_bytes());
        let layer = |kind, bytes: &[u8]| Layer::new(kind, Digest::of(bytes), bytes.len() as u64);
        let layers = vec![layer(MediaType::Model, &weights)];
        let manifest = Manifest::new(layer(MediaType::Config, &config), layers).to_bytes();
        let (gate, opened) = watch::channel(false);
        let app = Router::new().fallback(move |request: Request| {
            let (weights, config, manifest) = (weights.clone(), config.clone(), manifest.clone());
            let mut opened = opened.clone();
            async move {
                let path = request.uri().path().to_owned();
                if path.contains("/manifests/") {
                    return (StatusCode::OK, manifest);
                }
                let _ = opened.wait_for(|is_open| *is_open).await;
                let blobs = [weights, config];
                match blobs.into_iter().find(|blob| path.ends_with(&Digest::of(blob).to_string())) {
                    Some(blob) => (StatusCode::OK, blob),
                    None => (StatusCode::NOT_FOUND, Vec::new()),
                }
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() }).abort_handle();
        Self { address, gate, task }
    }

    pub(super) fn model(&self, name: &str) -> String {
        format!("http://{}/team/{name}", self.address)
    }
}

impl Drop for SlowRegistry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How many jobs stand so, by stage: transfers that run and wait, then the same of those that compute.
async fn standing(server: &InProcess) -> [f64; 4] {
    let text = server.get("/metrics").await.body;
    [("transfer", "running"), ("transfer", "queued"), ("compute", "running"), ("compute", "queued")]
        .map(|(stage, state)| metric(&text, &format!("ollamake_jobs{{stage=\"{stage}\",state=\"{state}\"}}")))
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_wait_for_a_registry_keep_nobody_from_computing() {
    let registry = SlowRegistry::start().await;
    let server = InProcess::with(|config| {
        config.limits.jobs = 1;
        config.limits.transfers = 2;
    });
    let slow =
        join_all(["a", "b", "c"].map(|name| {
            server.create(json!({"model": name, "from": registry.model(name), "quantize": "q8_0"}))
        }));
    tokio::pin!(slow);
    let meanwhile = async {
        while standing(&server).await != [2.0, 1.0, 0.0, 0.0] {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let digest = server.upload(&small_gguf(&[("general.name", "mine")])).await.to_string();
        server.create(json!({"model": "mine", "files": {"m.gguf": digest}, "quantize": "q8_0"})).await;
        assert_eq!(standing(&server).await, [2.0, 1.0, 0.0, 0.0]);
    };
    tokio::select! {
        _ = &mut slow => panic!("the registry has not sent anything"),
        () = meanwhile => {}
    }
    registry.gate.send(true).unwrap();
    for lines in slow.await {
        let position = |text: &str| lines.iter().position(|line| line.starts_with(text)).expect(text);
        assert!(position("pulling manifest") < position("quantizing F16 model to Q8_0"), "{lines:?}");
    }
    assert_eq!(standing(&server).await, [0.0; 4]);
}

/// What a job is told to be, once it stands so.
pub(super) async fn until(server: &InProcess, id: &str, state: &str) -> serde_json::Value {
    for _ in 0..1000 {
        let job = server.get(&format!("/ollamake/v1/jobs/{id}")).await;
        assert_eq!(job.status, StatusCode::OK, "{}", job.body);
        let job = job.json();
        if job["state"] == state {
            return job;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("job {id} is never {state}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_detached_job_goes_on_alone_and_is_followed_from_anywhere() {
    let registry = SlowRegistry::start().await;
    let server = InProcess::new();
    let request = json!({"model": registry.model("m"), "insecure": true, "detach": true});
    let answer = server.post("/api/pull", request).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
    let id = answer.json()["job"].as_str().unwrap().to_owned();
    assert_eq!(answer.headers["ollamake-job"], id.as_str());
    let job = until(&server, &id, "running").await;
    assert_eq!(
        (&job["kind"], &job["stage"], &job["detached"]),
        (&json!("pull"), &json!("transfer"), &json!(true))
    );

    let path = format!("/ollamake/v1/jobs/{id}/events");
    let readers = join_all((0..3).map(|_| server.get(&path)));
    let open = async { registry.gate.send_replace(true) };
    let (readers, _) = tokio::join!(readers, open);
    for reader in &readers {
        assert_eq!(reader.statuses().last().map(String::as_str), Some("success"), "{}", reader.body);
        assert_eq!(reader.statuses()[0], "pulling manifest");
    }
    let job = until(&server, &id, "succeeded").await;
    let events = job["events"].as_u64().unwrap();
    let rest = server.get(&format!("{path}?from={events}")).await;
    assert_eq!(rest.statuses(), ["success"]);
    assert_eq!(server.get(&format!("{path}?from={}", events + 1)).await.status, StatusCode::BAD_REQUEST);
    let listed = server.get("/ollamake/v1/jobs?state=succeeded").await.json();
    assert_eq!(listed["jobs"].as_array().unwrap().len(), 1);
    assert_eq!(server.get("/ollamake/v1/jobs?state=running").await.json()["jobs"], json!([]));
    assert_eq!(server.get("/ollamake/v1/jobs?state=odd").await.status, StatusCode::BAD_REQUEST);

    let path = format!("/ollamake/v1/jobs/{id}");
    assert_eq!(server.call("DELETE", &path, "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(server.get(&path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(server.get("/ollamake/v1/jobs/none").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_stopped_by_anyone_and_kept_until_it_has_ended() {
    let registry = SlowRegistry::start().await;
    let server = InProcess::new();
    let request = json!({"model": registry.model("m"), "insecure": true, "detach": true});
    let answer = server.post("/api/pull", request).await;
    let id = answer.json()["job"].as_str().unwrap().to_owned();
    until(&server, &id, "running").await;
    let path = format!("/ollamake/v1/jobs/{id}");
    assert_eq!(server.call("DELETE", &path, "").await.status, StatusCode::CONFLICT);
    // A reader who comes and goes leaves it as it is.
    drop(server.get(&path).await);
    let stopped = server.post(&format!("{path}/stop"), json!({})).await.json();
    assert_eq!(stopped["state"], "stopped", "{stopped}");
    let told = server.get(&format!("{path}/events")).await;
    assert!(!told.error().is_empty(), "{}", told.body);
}
