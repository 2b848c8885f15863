//! Jobs that outlive the process of their server.

use std::path::Path;
use std::time::Duration;

use axum::http::StatusCode;
use futures_util::future::join_all;
use ollamake::model::Digest;
use ollamake::store::Store;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::jobs::{SlowRegistry, until};
use crate::in_process::{InProcess, small_gguf};

/// A server on the same store, as a later process would have it.
fn later(root: &Path) -> InProcess {
    InProcess::over(Store::open(root).unwrap(), TempDir::new().unwrap(), |_| ())
}

/// Leaves the record of a job whose process is no more.
fn leave_record(store: &Store, number: u64, kind: &str, request: Value, detached: bool) -> String {
    let asked = json!({
        "kind": kind, "model": "m", "asked": 1_700_000_000_000_000_000_u64, "detached": detached,
        "request": request, "needs": [],
    });
    drop(store.create_job_record(number, &asked.to_string()).unwrap());
    format!("{number:016x}")
}

fn job(id: &str) -> String {
    format!("/ollamake/v1/jobs/{id}")
}

#[tokio::test(flavor = "multi_thread")]
async fn ended_jobs_are_told_of_after_a_restart_as_before() {
    let server = InProcess::new();
    let root = server.directory.path();
    let weights = server.upload(&small_gguf(&[])).await.to_string();
    let request = json!({
        "model": "made", "files": {"m.gguf": weights}, "quantize": "q8_0", "password": "secret",
        "parameters": {"stop": ["a\nb"]},
    });
    let lines = server.create(request).await;
    let failing = json!({"model": "http://127.0.0.1:1/team/none", "insecure": true});
    server.post("/api/pull", failing).await;

    let listed = server.get("/ollamake/v1/jobs").await.json();
    let again = later(root);
    assert_eq!(again.get("/ollamake/v1/jobs").await.json(), listed);
    let jobs = listed["jobs"].as_array().unwrap();
    assert_eq!(jobs.iter().map(|job| &job["state"]).collect::<Vec<_>>(), ["succeeded", "failed"]);
    let (created, pulled) = (jobs[0]["id"].as_str().unwrap(), jobs[1]["id"].as_str().unwrap());

    let told = again.get(&job(created)).await.json();
    assert_eq!(told["request"]["files"], json!({"m.gguf": weights}));
    assert_eq!(told["request"]["parameters"], json!({"stop": ["a\nb"]}));
    assert!(!told.to_string().contains("secret"), "{told}");
    let manifest = again.store.manifest(&"made".parse().unwrap()).unwrap().digest;
    assert_eq!(told["models"], json!([{"model": "made:latest", "digest": manifest.to_string()}]));

    for (id, last) in [(created, "success"), (pulled, "")] {
        let path = format!("{}/events", job(id));
        let before = server.get(&path).await.body;
        assert_eq!(again.get(&path).await.body, before);
        let statuses = again.get(&path).await.statuses();
        assert_eq!(statuses.last().map_or("", String::as_str) == "success", last == "success", "{before}");
        let count = told["events"].as_u64().unwrap();
        let beyond = again.get(&format!("{path}?from={}", count + 1000)).await;
        assert_eq!(beyond.status, StatusCode::BAD_REQUEST, "{}", beyond.body);
    }
    let path = format!("{}/events", job(created));
    // Of progress the latest is kept.
    let told_again = again.get(&path).await.statuses();
    assert!(told_again.iter().all(|line| lines.contains(line)), "{told_again:?}");
    let events = told["events"].as_u64().unwrap();
    assert_eq!(again.get(&format!("{path}?from={events}")).await.statuses(), ["success"]);

    assert_eq!(again.call("DELETE", &job(created), "").await.status, StatusCode::NO_CONTENT);
    assert_eq!(later(root).get(&job(created)).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_another_process_is_let_alone_and_one_whose_process_is_gone_is_interrupted() {
    let registry = SlowRegistry::start().await;
    let server = InProcess::new();
    let root = server.directory.path();
    let request = json!({"model": registry.model("m"), "insecure": true, "detach": true});
    let id = server.post("/api/pull", request).await.json()["job"].as_str().unwrap().to_owned();
    until(&server, &id, "running").await;
    let beside = later(root);
    assert_eq!(beside.get("/ollamake/v1/jobs").await.json()["jobs"], json!([]));
    let resumed = beside.post(&format!("{}/resume", job(&id)), json!({})).await;
    assert_eq!(resumed.status, StatusCode::CONFLICT, "{}", resumed.body);
    registry.gate.send_replace(true);
    until(&server, &id, "succeeded").await;

    let gone = leave_record(&server.store, 7, "pull", json!({"model": "m"}), false);
    let after = later(root);
    let told = after.get(&job(&gone)).await.json();
    assert_eq!((&told["state"], &told["detached"]), (&json!("interrupted"), &json!(false)), "{told}");
    let said = after.get(&format!("{}/events", job(&gone))).await;
    assert!(said.error().contains("the server ended before the job did"), "{}", said.body);
    assert_eq!(after.call("DELETE", &job(&gone), "").await.status, StatusCode::NO_CONTENT);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_job_goes_on_when_it_is_asked_to() {
    let server = InProcess::new();
    let weights = server.upload(&small_gguf(&[])).await.to_string();
    let request = json!({"model": "made", "files": {"m.gguf": weights}, "quantize": "q8_0"});
    let id = leave_record(&server.store, 1, "create", request, false);
    let lost = json!({"model": "lost", "files": {"m.gguf": Digest::of(b"not here").to_string()}});
    let lost = leave_record(&server.store, 2, "create", lost, false);
    let dry = leave_record(&server.store, 3, "plan", json!({"model": "made"}), false);

    let after = later(server.directory.path());
    let resumed = after.post(&format!("{}/resume", job(&id)), json!({})).await;
    assert_eq!((resumed.status, resumed.json()), (StatusCode::ACCEPTED, json!({"job": id})));
    assert_eq!(resumed.headers["ollamake-job"], id.as_str());
    let told = until(&after, &id, "succeeded").await;
    assert_eq!((&told["detached"], &told["asked_at"]), (&json!(true), &json!("2023-11-14T22:13:20Z")));
    assert!(after.store.manifest(&"made".parse().unwrap()).is_ok());
    let again = after.post(&format!("{}/resume", job(&id)), json!({})).await;
    assert_eq!(again.status, StatusCode::CONFLICT, "{}", again.body);

    // What is not possible now may be later.
    let path = format!("{}/resume", job(&lost));
    let refused = after.post(&path, json!({})).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.body);
    assert_eq!(after.get(&job(&lost)).await.json()["state"], "interrupted");
    let refused = after.post(&format!("{}/resume", job(&dry)), json!({})).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_are_not_there_are_not_found_whatever_is_asked_of_them() {
    let server = InProcess::new();
    for id in ["none", "0", "0123456789abcdef", "0123456789ABCDEF", "0123456789abcdef0", "..%2Fmade", "%00"] {
        let path = job(id);
        for (method, path) in [
            ("GET", path.clone()),
            ("GET", format!("{path}/events")),
            ("DELETE", path.clone()),
            ("POST", format!("{path}/stop")),
            ("POST", format!("{path}/resume")),
        ] {
            let answer = server.call(method, &path, "").await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method} {path}: {}", answer.body);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_that_are_slow_or_leave_keep_nobody_from_reading() {
    let registry = SlowRegistry::start().await;
    let server = InProcess::new();
    let request = json!({"model": registry.model("m"), "insecure": true, "detach": true});
    let id = server.post("/api/pull", request).await.json()["job"].as_str().unwrap().to_owned();
    until(&server, &id, "running").await;
    let path = format!("{}/events", job(&id));
    let readers = (0..50).map(|number| {
        let (server, path) = (&server, &path);
        async move {
            let reading = server.get(path);
            match number % 3 {
                // It leaves before there is an end.
                0 => drop(tokio::time::timeout(Duration::from_millis(number), reading).await),
                // It begins when the job has long ended.
                1 => {
                    tokio::time::sleep(Duration::from_millis(10 * number)).await;
                    assert_eq!(reading.await.statuses().last().map(String::as_str), Some("success"));
                }
                _ => assert_eq!(reading.await.statuses().last().map(String::as_str), Some("success")),
            }
        }
    });
    let open = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        registry.gate.send_replace(true);
    };
    tokio::join!(join_all(readers), open);
    assert_eq!(until(&server, &id, "succeeded").await["detached"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn detached_jobs_are_bounded() {
    let registry = SlowRegistry::start().await;
    let server = InProcess::with(|config| {
        config.limits.transfers = 1;
        config.limits.queue = 3;
    });
    let (mut accepted, mut refused) = (Vec::new(), 0);
    for number in 0..20 {
        let request =
            json!({"model": registry.model(&format!("m{number}")), "insecure": true, "detach": true});
        let answer = server.post("/api/pull", request).await;
        match answer.status {
            StatusCode::ACCEPTED => accepted.push(answer.json()["job"].as_str().unwrap().to_owned()),
            StatusCode::SERVICE_UNAVAILABLE => {
                assert!(answer.json()["hint"].as_str().unwrap().contains("OLLAMAKE_MAX_QUEUE"));
                refused += 1;
            }
            status => panic!("{status}: {}", answer.body),
        }
    }
    assert!(accepted.len() <= 5 && refused == 20 - accepted.len(), "{} and {refused}", accepted.len());
    registry.gate.send_replace(true);
    for id in accepted {
        until(&server, &id, "succeeded").await;
    }
}
