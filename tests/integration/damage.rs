//! Blobs that lose their contents behind the server's back: by a power loss, a bad disk, a copy that was
//! broken off. Nothing damaged is ever answered as present, used, or sent on, and whoever has the right bytes
//! mends it.

use std::fs;
use std::io::Read as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::Request;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use ollamake::model::{Digest, Layer, Manifest, MediaType, ModelConfig};

use crate::support::damage::{DAMAGES, Damage};
use crate::support::large_gguf::large_gguf;
use crate::support::process::{Process, command, run, text};

/// A server, a model in its store whose weights can be damaged, and a registry that has the model, too.
struct Scene {
    directory: tempfile::TempDir,
    server: Process,
    http: Client,
    weights: Vec<u8>,
    registry: Registry,
}

impl Scene {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let server = Process::start(directory.path(), &[]);
        // Another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder().no_proxy().build().unwrap();
        let weights = large_gguf(256, 1024);
        let registry = Registry::start(&weights).await;
        let scene = Self { directory, server, http, weights, registry };
        assert_eq!(scene.upload().await, StatusCode::CREATED);
        scene.create(json!({"model": "m", "files": {"m.gguf": scene.digest().to_string()}})).await.unwrap();
        scene.call("pull", json!({"model": scene.registry.name()})).await.unwrap();
        scene
    }

    fn digest(&self) -> Digest {
        Digest::of(&self.weights)
    }

    fn blob(&self) -> std::path::PathBuf {
        self.directory.path().join("blobs").join(self.digest().file_name())
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address)
    }

    async fn head(&self) -> StatusCode {
        self.http.head(self.url(&format!("/api/blobs/{}", self.digest()))).send().await.unwrap().status()
    }

    async fn upload(&self) -> StatusCode {
        let request = self.http.post(self.url(&format!("/api/blobs/{}", self.digest())));
        request.body(self.weights.clone()).send().await.unwrap().status()
    }

    async fn create(&self, body: Value) -> Result<(), String> {
        self.call("create", body).await
    }

    /// Calls something that may fail at once or in its stream.
    async fn call(&self, what: &str, body: Value) -> Result<(), String> {
        let answer = self.http.post(self.url(&format!("/api/{what}"))).json(&body).send().await.unwrap();
        let text = answer.text().await.unwrap();
        let last: Value = serde_json::from_str(text.lines().last().unwrap_or("{}")).unwrap();
        match last["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(()),
        }
    }

    fn assert_whole(&self, case: &str) {
        assert!(fs::read(self.blob()).unwrap() == self.weights, "{case}: the blob is not mended");
    }

    /// The same store under another process, which remembers nothing itself.
    fn restart(&mut self) {
        self.server.kill();
        self.server = Process::start(self.directory.path(), &[]);
    }
}

/// A registry with the model of the weights, which takes what it is sent.
struct Registry {
    host: String,
    sent: Arc<std::sync::Mutex<u64>>,
    task: tokio::task::JoinHandle<()>,
}

impl Registry {
    async fn start(weights: &[u8]) -> Self {
        let config = ModelConfig { model_format: "gguf".into(), ..ModelConfig::default() }.to_bytes();
        let layer = |kind, bytes: &[u8]| Layer::new(kind, Digest::of(bytes), bytes.len() as u64);
        let manifest =
            Manifest::new(layer(MediaType::Config, &config), vec![layer(MediaType::Model, weights)])
                .to_bytes();
        let blobs = Arc::new([manifest, config, weights.to_vec()]);
        let sent = Arc::new(std::sync::Mutex::new(0));
        let counted = sent.clone();
        let app = Router::new().fallback(move |request: Request| {
            let (blobs, counted) = (blobs.clone(), counted.clone());
            async move {
                let (parts, body) = request.into_parts();
                let path = parts.uri.path().to_owned();
                let found = match path.contains("/manifests/") {
                    true => Some(&blobs[0]),
                    false => blobs.iter().find(|blob| path.ends_with(&Digest::of(blob).to_string())),
                };
                let answer = axum::http::Response::builder();
                match (parts.method.as_str(), found) {
                    ("GET", Some(bytes)) => answer.body(axum::body::Body::from(bytes.clone())),
                    ("HEAD", _) => answer.status(404).body(axum::body::Body::empty()),
                    ("POST", _) => answer
                        .status(202)
                        .header("location", "/v2/team/m/blobs/uploads/session")
                        .body(axum::body::Body::empty()),
                    _ => {
                        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
                        *counted.lock().unwrap() += body.len() as u64;
                        answer.status(201).body(axum::body::Body::empty())
                    }
                }
                .unwrap()
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { host, sent, task }
    }

    fn name(&self) -> String {
        format!("{}/team/m", self.host)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_blob_is_missing_until_it_is_uploaded_or_pulled_again() {
    let mut scene = Scene::new().await;
    for damage in DAMAGES {
        for (restarts, mends) in [(false, "upload"), (true, "upload"), (false, "pull"), (true, "pull")] {
            let case = format!("{damage:?}, restarts: {restarts}, by {mends}");
            assert_eq!(scene.head().await, StatusCode::OK, "{case}");
            damage.afflict(&scene.blob());
            if restarts {
                scene.restart();
            }
            assert_eq!(scene.head().await, StatusCode::NOT_FOUND, "{case}");
            match mends {
                "upload" => assert_eq!(scene.upload().await, StatusCode::CREATED, "{case}"),
                _ => scene.call("pull", json!({"model": scene.registry.name()})).await.unwrap(),
            }
            scene.assert_whole(&case);
            assert_eq!(scene.head().await, StatusCode::OK, "{case}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_made_of_a_damaged_blob_nor_sent() {
    let mut scene = Scene::new().await;
    let digest = scene.digest().to_string();
    for damage in DAMAGES {
        for restarts in [false, true] {
            damage.afflict(&scene.blob());
            if restarts {
                scene.restart();
            }
            for (what, body) in [
                ("create", json!({"model": "n", "files": {"m.gguf": digest}})),
                ("create", json!({"model": "n", "from": "m"})),
                ("create", json!({"model": "n", "from": "m", "quantize": "q8_0"})),
                ("push", json!({"model": scene.registry.name()})),
            ] {
                let case = format!("{damage:?}, restarts: {restarts}, {what} {body}");
                let error = scene.call(what, body).await.expect_err(&case);
                assert!(error.contains(&digest) && error.contains("is damaged"), "{case}: {error}");
                assert!(error.contains("fsck --repair"), "{case}: {error}");
                assert!(!error.contains(scene.directory.path().to_str().unwrap()), "{case}: {error}");
            }
            assert_eq!(*scene.registry.sent.lock().unwrap(), 0);
            assert_eq!(scene.upload().await, StatusCode::CREATED);
        }
    }
    scene.create(json!({"model": "n", "from": "m", "quantize": "q8_0"})).await.unwrap();
    scene.call("push", json!({"model": scene.registry.name()})).await.unwrap();
}

/// What is shown of a damaged model is the damage, also by a process that has not seen it whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_model_whose_weights_cannot_be_read_is_shown_as_damaged() {
    let mut scene = Scene::new().await;
    let digest = scene.digest().to_string();
    for damage in [Damage::Zeroed, Damage::Cut, Damage::Emptied] {
        for restarts in [false, true] {
            damage.afflict(&scene.blob());
            if restarts {
                scene.restart();
            }
            let error = scene.call("show", json!({"model": "m"})).await.unwrap_err();
            assert!(error.contains(&digest) && error.contains("is damaged"), "{damage:?}: {error}");
            assert_eq!(scene.upload().await, StatusCode::CREATED);
            scene.call("show", json!({"model": "m"})).await.unwrap();
        }
    }
}

/// Texts are short, and none is shown or handed on that is not what was stored.
#[tokio::test(flavor = "multi_thread")]
async fn damaged_texts_are_neither_shown_nor_inherited() {
    let scene = Scene::new().await;
    let texts =
        json!({"system": "be brief and kind", "template": "{{ .Prompt }} and so on", "license": "none"});
    let mut request = json!({"model": "t", "from": "m"});
    request.as_object_mut().unwrap().extend(texts.as_object().unwrap().clone());
    scene.create(request).await.unwrap();
    for text in texts.as_object().unwrap().values().map(|text| text.as_str().unwrap()) {
        let digest = Digest::of(text.as_bytes());
        let path = scene.blob().with_file_name(digest.file_name());
        for damage in DAMAGES {
            damage.afflict(&path);
            for (what, body) in
                [("show", json!({"model": "t"})), ("create", json!({"model": "u", "from": "t"}))]
            {
                let case = format!("{damage:?} of {text:?}, {what}");
                let error = scene.call(what, body).await.expect_err(&case);
                assert!(
                    error.contains(&digest.to_string()) && error.contains("is damaged"),
                    "{case}: {error}"
                );
            }
            let request = scene.http.post(scene.url(&format!("/api/blobs/{digest}")));
            let status = request.body(text.to_owned()).send().await.unwrap().status();
            assert_eq!(status, StatusCode::CREATED);
        }
    }
    scene.call("show", json!({"model": "t"})).await.unwrap();
}

/// What was converted before is not taken for the result of the same conversion once it is damaged.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_result_is_made_again() {
    let scene = Scene::new().await;
    let quantize = json!({"model": "q", "from": "m", "quantize": "q8_0"});
    scene.create(quantize.clone()).await.unwrap();
    let blobs = scene.directory.path().join("blobs");
    let mut paths = fs::read_dir(&blobs).unwrap().map(|entry| entry.unwrap().path());
    let is_result =
        |path: &std::path::PathBuf| *path != scene.blob() && path.metadata().unwrap().len() > 100_000;
    let result = paths.find(is_result).unwrap();
    let before = fs::read(&result).unwrap();
    for damage in DAMAGES {
        damage.afflict(&result);
        scene.create(quantize.clone()).await.unwrap();
        assert!(fs::read(&result).unwrap() == before, "{damage:?}");
    }
}

/// What is known of blobs is known to the next process: nothing is read again to be sure.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_verified_once_is_not_read_again() {
    let mut scene = Scene::new().await;
    scene.restart();
    let before = bytes_read(scene.server.id());
    for _ in 0..20 {
        assert_eq!(scene.head().await, StatusCode::OK);
    }
    scene.call("pull", json!({"model": scene.registry.name()})).await.unwrap();
    let read = bytes_read(scene.server.id()) - before;
    assert!(read < scene.weights.len() as u64 / 2, "{read} bytes were read");
    // A file that was only touched is looked at once.
    fs::File::open(scene.blob()).unwrap().set_modified(SystemTime::now() - Duration::from_secs(90)).unwrap();
    let before = bytes_read(scene.server.id());
    for _ in 0..20 {
        assert_eq!(scene.head().await, StatusCode::OK);
    }
    let read = bytes_read(scene.server.id()) - before;
    assert!(read < 2 * scene.weights.len() as u64, "{read} bytes were read");
}

/// What a process has read so far, from sockets and from the memory of the system, too.
fn bytes_read(process: u32) -> u64 {
    let mut text = String::new();
    fs::File::open(format!("/proc/{process}/io")).unwrap().read_to_string(&mut text).unwrap();
    text.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_has_gone_is_made_again() {
    let scene = Scene::new().await;
    fs::remove_dir_all(scene.directory.path()).unwrap();
    assert_eq!(scene.head().await, StatusCode::NOT_FOUND);
    assert_eq!(scene.upload().await, StatusCode::CREATED);
    scene.create(json!({"model": "m", "files": {"m.gguf": scene.digest().to_string()}})).await.unwrap();
    scene.call("pull", json!({"model": scene.registry.name()})).await.unwrap();
    scene.assert_whole("after the store had gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_with_the_names_of_old_versions_are_renamed_and_leftovers_of_ollama_go() {
    let mut scene = Scene::new().await;
    let old = scene.blob().with_file_name(scene.digest().to_string());
    scene.server.kill();
    fs::rename(scene.blob(), &old).unwrap();
    let told = text(&run(scene.directory.path(), &["fsck"]));
    assert!(told.contains("old version"), "{told}");
    let names = ["-partial", "-partial-0"].map(|end| format!("sha256-{}{end}", "ab".repeat(32)));
    let paths = names.map(|name| scene.blob().with_file_name(name));
    for path in &paths {
        fs::write(path, [b'x'; 1000]).unwrap();
    }
    scene.restart();
    scene.assert_whole("renamed");
    assert!(!old.exists());
    assert_eq!(scene.head().await, StatusCode::OK);

    let prune = || text(&run(scene.directory.path(), &["prune"]));
    prune();
    assert!(paths.iter().all(|path| path.exists()), "young ones may be in use");
    let told = text(&run(scene.directory.path(), &["fsck"]));
    assert!(told.contains("2 unfinished parts"), "{told}");
    for path in &paths {
        fs::File::open(path)
            .unwrap()
            .set_modified(SystemTime::now() - Duration::from_secs(90 * 86_400))
            .unwrap();
    }
    prune();
    assert!(paths.iter().all(|path| !path.exists()));
    scene.assert_whole("pruned");
}

#[test]
fn a_store_that_is_not_there_is_told_as_what_lies_there() {
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("link");
    std::os::unix::fs::symlink("/nowhere/at/all", &link).unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "x").unwrap();
    for (models, says) in [
        (link.clone(), "is a link to /nowhere/at/all, which is not there"),
        (link.join("models"), "is a link to /nowhere/at/all, which is not there"),
        (file.clone(), "is not a directory"),
        (file.join("models"), "is not a directory"),
    ] {
        let output = command(&models, &["serve"]).output().unwrap();
        assert!(!output.status.success());
        assert!(text(&output).contains(says), "{}", text(&output));
    }
}
