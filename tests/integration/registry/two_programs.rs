//! Two programs, one store, one model at the same time: one waits for the other, says so, and neither fails.

use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use axum::body::{Body, Bytes};

use super::model::Model;
use super::stub::{Asked, Stub, answer};
use crate::support::large_gguf::large_gguf;
use crate::support::process::{Process, command, text};
use ollamake::model::Digest;
use ollamake::store::Store;
use serde_json::json;

/// A registry of one model that sends slowly, and counts what it sends of blobs.
async fn slow_registry(model: Arc<Model>, pause: Duration, sent: Arc<AtomicU64>) -> Stub {
    Stub::start(move |asked: &Asked| {
        if asked.uri.path().contains("/manifests/") {
            return answer(200, &[], model.manifest.clone());
        }
        let blob = model.blob(asked.uri.path().rsplit('/').next().unwrap()).unwrap();
        let range = asked.range(blob.len()).unwrap_or(0..blob.len());
        let header = format!("bytes {}-{}/{}", range.start, range.end - 1, blob.len());
        let pieces: Vec<Bytes> = blob[range].chunks(64 << 10).map(Bytes::copy_from_slice).collect();
        let state = (pieces.into_iter(), sent.clone());
        let body = futures_util::stream::unfold(state, move |(mut pieces, sent)| async move {
            tokio::time::sleep(pause).await;
            let piece = pieces.next()?;
            sent.fetch_add(piece.len() as u64, Relaxed);
            Some((Ok::<_, std::io::Error>(piece), (pieces, sent)))
        });
        answer(206, &[("content-range", &header)], Body::from_stream(body))
    })
    .await
}

async fn finished(child: std::process::Child) -> Output {
    tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_pulls_of_a_model_wait_for_each_other() {
    let model = Arc::new(Model::new(320, &[2_000_000, 1_000_000, 700_000]));
    let sent = Arc::new(AtomicU64::new(0));
    let registry = slow_registry(model.clone(), Duration::from_millis(20), sent.clone()).await;
    let directory = tempfile::tempdir().unwrap();
    let name = format!("{}/team/m", registry.host());
    let pulls: Vec<_> = (0..3)
        .map(|_| {
            let mut pull = command(directory.path(), &["pull", &name]);
            finished(pull.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
        })
        .collect();
    let mut told = String::new();
    for pull in pulls {
        let output = pull.await;
        assert!(output.status.success(), "{}", text(&output));
        told.push_str(&text(&output));
    }
    model.assert_in(&Store::open(directory.path()).unwrap(), &name);
    assert!(told.contains("waiting for another program, which fetches blob"), "{told}");
    // Next to nothing is fetched twice.
    assert!(sent.load(Relaxed) < model.size() + 200_000, "{} of {}", sent.load(Relaxed), model.size());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_program_has_fetched_counts_for_the_one_that_waited() {
    let model = Arc::new(Model::new(321, &[8_000_000]));
    let sent = Arc::new(AtomicU64::new(0));
    let registry = slow_registry(model.clone(), Duration::from_millis(10), sent.clone()).await;
    let directory = tempfile::tempdir().unwrap();
    let name = format!("{}/team/m", registry.host());
    let start = || {
        let mut pull = command(directory.path(), &["pull", &name]);
        pull.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let mut first = start();
    while sent.load(Relaxed) < 1_000_000 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let second = start();
    while sent.load(Relaxed) < 5_000_000 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    first.kill().unwrap();
    first.wait().unwrap();
    let output = finished(second).await;
    assert!(output.status.success(), "{}", text(&output));
    model.assert_in(&Store::open(directory.path()).unwrap(), &name);
    // Lost is what was on its way to the disk, not the ranges that it belonged to.
    assert!(sent.load(Relaxed) < model.size() + 2_500_000, "{} of {}", sent.load(Relaxed), model.size());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_conversions_of_the_same_wait_for_each_other() {
    let directory = tempfile::tempdir().unwrap();
    let servers = [Process::start(directory.path(), &[]), Process::start(directory.path(), &[])];
    let weights = large_gguf(1024, 12_288);
    let digest = Digest::of(&weights).to_string();
    // Another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = |server: &Process, path: &str| format!("http://{}{path}", server.address);
    let upload = http.post(url(&servers[0], &format!("/api/blobs/{digest}"))).body(weights);
    assert_eq!(upload.send().await.unwrap().status(), 201);
    let create = async |server: &Process, name: &str| {
        let body = json!({"model": name, "files": {"m.gguf": digest}, "quantize": "q3_K_S"});
        let answer = http.post(url(server, "/api/create")).json(&body).send().await.unwrap();
        answer.text().await.unwrap()
    };
    let (one, two) = tokio::join!(create(&servers[0], "one"), create(&servers[1], "two"));
    for told in [&one, &two] {
        assert!(told.trim_end().ends_with(r#"{"status":"success"}"#), "{told}");
    }
    let waiting = "waiting for another job, which makes the same";
    assert_ne!(one.contains(waiting), two.contains(waiting), "{one}\n{two}");
    let store = Store::open(directory.path()).unwrap();
    let weights_of = |name: &str| store.manifest(&name.parse().unwrap()).unwrap().manifest.layers[0].digest;
    assert_eq!(weights_of("one"), weights_of("two"));
}
