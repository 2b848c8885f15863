//! What transfers add to the bytes in and out: what has moved, and nothing that was there before.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use serde_json::json;

use super::model::Model;
use super::stub::{Asked, Stub, answer, blob_answer, registry_of};
use crate::in_process::InProcess;
use ollamake::model::Digest;

/// A registry that knows which repository has which blob.
async fn registry() -> Stub {
    let known = Arc::new(Mutex::new(HashSet::new()));
    Stub::start(move |asked: &Asked| {
        let mut known = known.lock().unwrap();
        let (repository, rest) =
            asked.uri.path().strip_prefix("/v2/").unwrap().split_once("/blobs/").unwrap_or_default();
        let blob = |repository: &str, digest: &str| format!("{repository} {digest}");
        match (asked.method.as_str(), asked.query("mount"), asked.query("digest")) {
            ("HEAD", ..) if known.contains(&blob(repository, rest)) => answer(200, &[], ""),
            ("HEAD", ..) => answer(404, &[], ""),
            ("POST", Some(digest), _) if known.contains(&blob(&asked.query("from").unwrap(), &digest)) => {
                known.insert(blob(repository, &digest));
                answer(201, &[], "")
            }
            ("POST", ..) => answer(202, &[("location", "session")], ""),
            ("PUT", _, Some(digest)) => {
                known.insert(blob(repository, &digest));
                answer(201, &[], "")
            }
            _ => answer(201, &[], ""),
        }
    })
    .await
}

async fn metric(server: &InProcess, name: &str) -> u64 {
    let text = server.get("/metrics").await.body;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap().parse::<f64>().unwrap() as u64
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_registry_has_is_not_sent() {
    let registry = registry().await;
    let server = InProcess::new();
    let model = Model::new(80, &[300_000, 20]);
    for (repository, sent) in [("one", model.size()), ("one", 0), ("two", 0)] {
        let name = format!("{}/team/{repository}", registry.host());
        model.put(&server.store, &name);
        let before = metric(&server, "ollamake_job_written_bytes_total").await;
        let answer = server.post("/api/push", json!({"model": name})).await;
        assert!(answer.body.contains("success"), "{}", answer.body);
        let after = metric(&server, "ollamake_job_written_bytes_total").await;
        assert_eq!(after - before, sent, "{repository}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_pull_has_left_is_not_read() {
    let model = Arc::new(Model::new(81, &[1_000_000]));
    let registry = registry_of(model.clone(), blob_answer).await;
    let server = InProcess::new();
    let layer = &model.blobs[0];
    let partial = server.store.partial(Digest::of(layer), layer.len() as u64).unwrap();
    partial.write_at(0, &layer[..600_000]).unwrap();
    let left = partial.received();
    drop(partial);
    assert!(left > 0);
    let answer = server.post("/api/pull", json!({"model": format!("{}/team/m", registry.host())})).await;
    assert!(answer.body.contains("success"), "{}", answer.body);
    assert_eq!(metric(&server, "ollamake_job_read_bytes_total").await, model.size() - left);
}
