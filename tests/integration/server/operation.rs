//! What an operator needs: a key, health, metrics, identifiers of requests.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use ollamake::config::ApiKey;
use ollamake::model::Digest;
use ollamake::store::{Disk, LocalDisk, Store};
use serde_json::json;

use crate::in_process::{InProcess, small_gguf};

const ROUTES: [(&str, &str); 13] = [
    ("GET", "/"),
    ("HEAD", "/"),
    ("GET", "/api/version"),
    ("GET", "/api/tags"),
    ("GET", "/v1/models"),
    ("GET", "/metrics"),
    ("POST", "/api/show"),
    ("POST", "/api/create"),
    ("POST", "/api/pull"),
    ("POST", "/api/chat"),
    ("DELETE", "/api/delete"),
    ("GET", "/nothing/here"),
    ("GET", "//healthz"),
];

fn locked() -> InProcess {
    InProcess::with(|config| config.api_key = Some(ApiKey::parse("sesame").unwrap()))
}

#[tokio::test]
async fn without_the_key_nothing_is_answered_but_health() {
    let server = locked();
    let blob = format!("/api/blobs/{}", Digest::of(b"hello"));
    for (method, path) in ROUTES.into_iter().chain([("HEAD", &*blob), ("POST", &*blob)]) {
        for wrong in ["", "Bearer", "Bearer ", "Bearer sesam", "Bearer sesame2", "Basic sesame", "sesame"] {
            let answer = server.call_with(method, path, &[("Authorization", wrong)], "{}").await;
            assert_eq!(answer.status, 401, "{method} {path} {wrong:?}");
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
            if method != "HEAD" {
                assert!(answer.error().starts_with("unauthorized: "), "{}", answer.body);
            }
        }
        let answer = server.call_with(method, path, &[("Authorization", "bearer sesame")], "{}").await;
        assert_ne!(answer.status, 401, "{method} {path}");
    }
    assert_eq!(server.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn a_browser_may_ask_whether_it_may_show_the_key() {
    let server = locked();
    let asking = [("Origin", "http://localhost:3000"), ("Access-Control-Request-Headers", "authorization")];
    let answer = server.call_with("OPTIONS", "/api/create", &asking, "{}").await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.headers["access-control-allow-origin"], "http://localhost:3000");
    assert!(answer.headers["access-control-allow-headers"].to_str().unwrap().contains("Authorization"));
    // So that the page can read why it was refused.
    let answer = server.call_with("POST", "/api/create", &asking, "{}").await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.headers["access-control-allow-origin"], "http://localhost:3000");
    // The key does not open the door to foreign pages.
    let foreign = [("Origin", "http://evil.example"), ("Authorization", "Bearer sesame")];
    assert_eq!(server.call_with("GET", "/api/tags", &foreign, "").await.status, 403);
}

#[tokio::test]
async fn health_tells_whether_the_store_can_be_written_and_leaves_nothing() {
    let server = InProcess::new();
    let before = server.files();
    let answer = server.get("/healthz").await;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({"status": "ok", "store": "writable"})));
    assert_eq!(server.files(), before);
    std::fs::remove_dir_all(server.directory.path().join("ollamake")).unwrap();
    let answer = server.get("/healthz").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["status"]), (200, &json!("ok")));
    assert_ne!(answer.json()["store"], "writable");
    assert!(!answer.body.contains(&*server.directory.path().to_string_lossy()), "{}", answer.body);
}

/// A disk that hangs as long as it is told to, and how many questions have waited for it.
#[derive(Default)]
struct HangingDisk {
    hangs: Arc<AtomicBool>,
    waiting: Arc<AtomicUsize>,
}

impl HangingDisk {
    fn hang(&self) {
        if self.hangs.load(Ordering::Relaxed) {
            self.waiting.fetch_add(1, Ordering::Relaxed);
        }
        while self.hangs.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Disk for HangingDisk {
    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.hang();
        LocalDisk.write_at(file, bytes, offset)
    }

    fn available_space(&self, path: &Path) -> io::Result<u64> {
        self.hang();
        LocalDisk.available_space(path)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_metrics_are_told_while_the_disk_hangs() {
    let directory = tempfile::tempdir().unwrap();
    let disk = HangingDisk::default();
    let (hangs, waiting) = (Arc::clone(&disk.hangs), Arc::clone(&disk.waiting));
    let store = Store::open_on(disk, directory.path()).unwrap();
    let server = InProcess::over(store, directory, |_| ());
    hangs.store(true, Ordering::Relaxed);
    for answer in join_all(["/healthz", "/metrics", "/healthz"].map(|path| server.get(path))).await {
        assert_eq!(answer.status, 200);
        if answer.body.starts_with('{') {
            assert_eq!(answer.json()["store"], "the disk does not answer within 2 s");
        }
    }
    assert_eq!(waiting.load(Ordering::Relaxed), 1, "each question holds a thread");
    hangs.store(false, Ordering::Relaxed);
    assert_eq!(server.get("/healthz").await.json()["store"], "writable");
}

/// A disk that cannot open a file, for a while.
#[derive(Default)]
struct BlockedDisk(Arc<Mutex<Option<PathBuf>>>);

impl Disk for BlockedDisk {
    fn open(&self, path: &Path) -> io::Result<File> {
        match &*self.0.lock().unwrap() {
            Some(blocked) if blocked == path => Err(io::ErrorKind::Other.into()),
            _ => LocalDisk.open(path),
        }
    }
}

#[tokio::test]
async fn what_could_not_be_read_for_a_moment_is_listed_afterwards() {
    let directory = tempfile::tempdir().unwrap();
    let first = InProcess::over(Store::open(directory.path()).unwrap(), directory, |_| ());
    let digest = first.upload(&small_gguf(&[])).await;
    first.create(json!({"model": "m", "files": {"m.gguf": digest.to_string()}})).await;
    let expected = first.get("/api/tags").await.json();

    let disk = BlockedDisk::default();
    let blocked = Arc::clone(&disk.0);
    let store = Store::open_on(disk, first.directory.path()).unwrap();
    let second = InProcess::over(store, tempfile::tempdir().unwrap(), |_| ());
    *blocked.lock().unwrap() = Some(first.directory.path().join("blobs").join(digest.file_name()));
    assert_ne!(second.get("/api/tags").await.json(), expected, "it is read from somewhere else");
    *blocked.lock().unwrap() = None;
    assert_eq!(second.get("/api/tags").await.json(), expected);
}

/// The value of a metric, named with its labels.
pub(super) fn metric(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
}

#[tokio::test]
async fn metrics_count_what_was_done() {
    let server = InProcess::new();
    let contents = small_gguf(&[]);
    let digest = server.upload(&contents).await;
    server.create(json!({"model": "m", "files": {"m.gguf": digest.to_string()}, "quantize": "q8_0"})).await;
    server.post("/api/show", json!({"model": "nope"})).await;
    let answer = server.get("/metrics").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["content-type"], "text/plain; version=0.0.4");
    let value = |name: &str| metric(&answer.body, name);
    let requests = |method, route, status| {
        value(&format!(
            "ollamake_http_requests_total{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}}"
        ))
    };
    assert_eq!(requests("POST", "/api/blobs/{digest}", "2xx"), 1.0);
    assert_eq!(requests("POST", "/api/create", "2xx"), 1.0);
    assert_eq!(requests("POST", "/api/show", "4xx"), 1.0);
    assert_eq!(value("ollamake_http_request_duration_seconds_count{route=\"/api/show\"}"), 1.0);
    assert_eq!(value("ollamake_uploaded_bytes_total"), contents.len() as f64);
    assert_eq!(value("ollamake_jobs_ended_total{kind=\"create\",state=\"succeeded\"}"), 1.0);
    assert_eq!(value("ollamake_jobs_ended_total{kind=\"pull\",state=\"failed\"}"), 0.0);
    assert_eq!(value("ollamake_jobs{stage=\"compute\",state=\"running\"}"), 0.0);
    assert_eq!(value("ollamake_job_read_bytes_total"), contents.len() as f64);
    assert!(value("ollamake_job_written_bytes_total") > 0.0);
    assert!(value("ollamake_job_phase_seconds_total{phase=\"quantize\"}") > 0.0);
    assert_eq!(value("ollamake_job_phase_seconds_total{phase=\"convert\"}"), 0.0);
    assert!(value("ollamake_store_available_bytes") > 0.0);
    if cfg!(target_os = "linux") {
        assert!(value("process_resident_memory_bytes") > 1e6);
    }
}

#[tokio::test]
async fn no_client_can_make_the_metrics_grow() {
    let server = InProcess::new();
    let series = async || {
        let text = server.get("/metrics").await.body;
        let names = text.lines().filter_map(|line| line.split_once(' ')).map(|(name, _)| name.to_owned());
        names.collect::<BTreeSet<_>>()
    };
    let ask = async |number: usize| {
        server.get(&format!("/nothing/{number}")).await;
        server.call(&format!("METHOD{number}"), "/api/tags", "").await;
        server.get(&format!("/v1/models/model{number}")).await;
        server.call("HEAD", &format!("/api/blobs/{}", Digest::of(&[number as u8])), "").await;
    };
    ask(0).await;
    series().await;
    let before = series().await;
    for number in 1..50 {
        ask(number).await;
    }
    assert_eq!(series().await, before);
}

#[tokio::test]
async fn a_request_keeps_its_identifier_if_it_is_plain() {
    let server = InProcess::new();
    let id = async |headers: &[(&str, &str)]| {
        let answer = server.call_with("GET", "/api/version", headers, "{}").await;
        answer.headers["x-request-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(id(&[("X-Request-Id", "trace-1.2:3")]).await, "trace-1.2:3");
    let long = "x".repeat(1000);
    let mut made = BTreeSet::new();
    for bad in ["a b", "\"}{", &long] {
        made.insert(id(&[("X-Request-Id", bad)]).await);
    }
    made.insert(id(&[]).await);
    assert_eq!(made.len(), 4);
    assert!(made.iter().all(|id| id.len() == 16));
}

#[tokio::test]
async fn a_request_that_names_too_many_files_is_refused() {
    let server = InProcess::with(|config| config.limits.files = 3);
    let digest = server.upload(&small_gguf(&[])).await.to_string();
    for field in ["files", "adapters"] {
        let files: serde_json::Map<_, _> =
            (0..4).map(|number| (format!("{number}.gguf"), json!(digest))).collect();
        let answer = server.post("/api/create", json!({"model": "m", "from": "m", field: files})).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert_eq!(answer.error(), format!("{field} must not name more than 3 files, got 4"));
    }
}

#[tokio::test]
async fn draft_models_are_refused_and_not_left_out_in_silence() {
    let server = InProcess::new();
    let digest = server.upload(&small_gguf(&[])).await.to_string();
    let files = json!({"m.gguf": digest});
    for (field, value) in [("draft_files", files.clone()), ("draft_quantize", json!("q8_0"))] {
        let answer = server.post("/api/create", json!({"model": "m", "files": files, field: value})).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert!(answer.error().starts_with(field), "{}", answer.body);
    }
    // What clients send that know the fields and do not use them.
    server.create(json!({"model": "m", "files": files, "draft_files": {}, "draft_quantize": ""})).await;
}
