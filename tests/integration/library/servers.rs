//! Servers that share a library: the program itself, as processes.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use ollamake::model::Digest;
use serde_json::{Value, json};

use crate::in_process::gguf;
use crate::registry::docker_registry::{DockerRegistry, Setup};
use crate::support::process::{Process, run, text};
use ollamake::gguf::Metadata;
use ollamake::tensor::ElementType;

/// A server with a store of its own.
pub(super) struct Server {
    pub(super) directory: tempfile::TempDir,
    environment: Vec<(String, String)>,
    pub(super) process: Process,
}

impl Server {
    /// A server of the library below `team` of a registry, with further settings.
    pub(super) fn of(registry: &str, settings: &[(&str, &str)]) -> Self {
        let library = format!("http://{registry}/team");
        let mut environment = vec![("OLLAMAKE_LIBRARY".to_owned(), library)];
        environment.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let directory = tempfile::tempdir().unwrap();
        let process = start(&directory, &environment);
        Self { directory, environment, process }
    }

    /// Kills it, and starts it again on the same store.
    pub(super) fn restart(&mut self) {
        self.process.kill();
        self.process = start(&self.directory, &self.environment);
    }

    /// The same with other settings; an empty one is none.
    pub(super) fn restart_with(&mut self, settings: &[(&str, &str)]) {
        for (name, value) in settings {
            self.environment.retain(|(other, _)| other != name);
            self.environment.push(((*name).to_owned(), (*value).to_owned()));
        }
        self.environment.retain(|(_, value)| !value.is_empty());
        self.restart();
    }

    pub(super) async fn send(&self, method: &str, path: &str, body: Vec<u8>) -> (u16, String) {
        ask(&self.process.address, method, path, body).await.unwrap()
    }

    /// The lines of a job.
    pub(super) async fn job(&self, path: &str, body: Value) -> Vec<Value> {
        let (_, text) = self.send("POST", path, body.to_string().into_bytes()).await;
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The statuses of a job that succeeds.
    pub(super) async fn done(&self, path: &str, body: Value) -> Vec<String> {
        let lines = self.job(path, body).await;
        assert_eq!(lines.last().unwrap()["status"], "success", "{lines:?}");
        lines.iter().filter_map(|line| Some(line["status"].as_str()?.to_owned())).collect()
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        let (status, text) = self.send("GET", path, Vec::new()).await;
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Uploads a file.
    pub(super) async fn upload(&self, bytes: &[u8]) -> String {
        let digest = Digest::of(bytes).to_string();
        let (status, text) = self.send("POST", &format!("/api/blobs/{digest}"), bytes.to_vec()).await;
        assert!(status < 300, "{status} {text}");
        digest
    }

    /// Makes a model of the weights with a seed.
    pub(super) async fn create(&self, name: &str, seed: u8, more: Value) -> Vec<String> {
        let digest = self.upload(&weights(seed)).await;
        let mut body = json!({"model": name, "files": {"model.gguf": digest}});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.done("/api/create", body).await
    }

    /// What is listed of a model, with what the library has of it.
    pub(super) async fn listed(&self, name: &str) -> Option<Value> {
        let tags = self.get("/api/tags?library=true").await;
        tags["models"].as_array().unwrap().iter().find(|model| model["name"] == name).cloned()
    }

    /// The digest of the weights of a model.
    pub(super) async fn weights_of(&self, name: &str) -> String {
        let manifest = self.get(&format!("/ollamake/v1/models/{name}/manifest")).await;
        manifest["layers"][0]["digest"].as_str().unwrap().to_owned()
    }

    /// The job of a kind that stands so, once there is one.
    pub(super) async fn until_job(&self, state: &str) -> Value {
        let start = Instant::now();
        loop {
            let jobs = self.get("/ollamake/v1/jobs").await;
            let found = jobs["jobs"].as_array().unwrap().iter().find(|job| job["state"] == state);
            if let Some(job) = found {
                return job.clone();
            }
            assert!(start.elapsed() < Duration::from_secs(60), "no job is {state}: {jobs}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// What a server answers, unless it goes away.
pub(super) async fn ask(
    address: &str,
    method: &str,
    path: &str,
    body: Vec<u8>,
) -> reqwest::Result<(u16, String)> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{address}{path}");
    let answer = http.request(method.parse().unwrap(), url).body(body).send().await?;
    Ok((answer.status().as_u16(), answer.text().await?))
}

/// The bytes of the files of a directory.
pub(super) fn bytes_in(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).unwrap();
    entries.filter_map(|entry| entry.ok()?.metadata().ok()).map(|metadata| metadata.len()).sum()
}

fn start(directory: &tempfile::TempDir, environment: &[(String, String)]) -> Process {
    let environment: Vec<_> =
        environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    Process::start(directory.path(), &environment)
}

/// A model of a quarter of a million weights, other ones for each seed.
pub(super) fn weights(seed: u8) -> Vec<u8> {
    let mut metadata = Metadata::new();
    metadata.set("general.architecture", "llama");
    metadata.set("general.file_type", 1_u32);
    metadata.set("llama.block_count", 1_u32);
    let names = ["token_embd.weight", "blk.0.ffn_up.weight", "blk.0.ffn_down.weight", "output.weight"];
    let mut bytes = gguf(&metadata, &names.map(|name| (name, &[256, 256][..], ElementType::F16)));
    let end = bytes.len();
    bytes[end - 2..].copy_from_slice(&[seed, 0x3c]);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_on_one_server_costs_the_next_only_the_download() {
    let Some(registry) = DockerRegistry::start(&Setup::default()) else { return };
    let one = Server::of(&registry.host(), &[("OLLAMAKE_PUBLISH", "1")]);
    let other = Server::of(&registry.host(), &[]);
    let statuses = one.create("base", 1, json!({})).await;
    let library = format!("{}/team", registry.host());
    assert!(statuses.contains(&format!("publishing base:latest in the library {library}")), "{statuses:?}");
    one.done("/api/create", json!({"model": "base:q4", "from": "base", "quantize": "q4_K_M"})).await;

    // The base comes from the library, and so does what was made of it, without being computed.
    let statuses =
        other.done("/api/create", json!({"model": "mine", "from": "base", "quantize": "q4_K_M"})).await;
    let remembered = format!("using what the library {library} remembers to have been made");
    assert!(statuses.contains(&remembered), "{statuses:?}");
    assert_eq!(other.weights_of("mine").await, one.weights_of("base:q4").await);
    let written = |jobs: Value| jobs["jobs"].as_array().unwrap().last().unwrap()["bytes_out"].clone();
    assert_eq!(written(other.get("/ollamake/v1/jobs").await), 0);
    // What was fetched is remembered here, too: the next time nothing moves.
    let statuses =
        other.done("/api/create", json!({"model": "again", "from": "base", "quantize": "q4_K_M"})).await;
    assert!(!statuses.contains(&remembered), "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quantization_of_uploaded_files_is_remembered_whatever_the_models_are_called() {
    let Some(registry) = DockerRegistry::start(&Setup::default()) else { return };
    let (one, other) = (Server::of(&registry.host(), &[]), Server::of(&registry.host(), &[]));
    one.create("a", 2, json!({"quantize": "q8_0", "publish": true})).await;
    let statuses = other.create("b", 2, json!({"quantize": "q8_0"})).await;
    assert!(statuses.iter().any(|status| status.starts_with("using what the library")), "{statuses:?}");
    assert_eq!(one.weights_of("a").await, other.weights_of("b").await);
    // Other weights are another file.
    let statuses = other.create("c", 3, json!({"quantize": "q8_0"})).await;
    assert!(!statuses.iter().any(|status| status.starts_with("using what the library")), "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn listings_tell_what_the_library_has() {
    let Some(registry) = DockerRegistry::start(&Setup::default()) else { return };
    let (one, other) = (Server::of(&registry.host(), &[]), Server::of(&registry.host(), &[]));
    one.create("shared", 1, json!({"publish": true})).await;
    one.create("own", 2, json!({})).await;
    one.create("changed", 3, json!({"publish": true})).await;
    other.create("changed", 4, json!({"publish": true})).await;

    let mark = |model: Option<Value>| model.map(|model| model["library"].clone());
    assert_eq!(mark(one.listed("shared:latest").await), Some(json!("same")));
    assert_eq!(mark(one.listed("own:latest").await), Some(Value::Null));
    // The last one won; the other one is told when it looks again.
    assert_eq!(mark(one.listed("changed:latest").await), Some(json!("other")));
    assert_eq!(mark(other.listed("changed:latest").await), Some(json!("same")));
    let only = other.listed("shared:latest").await.unwrap();
    assert_eq!((&only["library"], only["size"].as_u64() > Some(1000)), (&json!("only"), true), "{only}");
    assert!(other.listed("own:latest").await.is_none());
    // Who asks as Ollama's clients do hears what is here.
    let names = |tags: Value| {
        let models = tags["models"].as_array().unwrap().clone();
        models.iter().map(|model| model["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(other.get("/api/tags").await), ["changed:latest"]);

    let host = other.process.address.clone();
    let output = crate::support::process::command(other.directory.path(), &["list", "--library"])
        .env("OLLAMA_HOST", host)
        .output()
        .unwrap();
    assert!(text(&output).contains("in the library only"), "{}", text(&output));

    let statuses = one.done("/api/pull", json!({"model": "changed"})).await;
    let told = |status: &String| {
        status.starts_with("warning: 'changed:latest' was another model here before, sha256:")
    };
    assert!(statuses.iter().any(told), "{statuses:?}");
    assert_eq!(one.weights_of("changed").await, other.weights_of("changed").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_place_in_the_library_is_told_before_anything_is_made() {
    let Some(registry) = DockerRegistry::start(&Setup::default()) else { return };
    let server = Server::of(&registry.host(), &[("OLLAMAKE_PUBLISH", "1")]);
    let digest = server.upload(&weights(1)).await;
    let files = json!({"model.gguf": digest});
    let create = |name: &str, publish: Value| json!({"model": name, "files": files, "publish": publish});
    let lines = server.job("/api/create", create("example.com/team/m", json!(true))).await;
    assert!(lines[0]["error"].as_str().unwrap().contains("has no place in a library"), "{lines:?}");
    // Where it is only the rule, it does not hold for such a name, nor for who does not want it.
    server.done("/api/create", create("example.com/team/m", Value::Null)).await;
    server.done("/api/create", create("m", json!(false))).await;
    assert_eq!(server.listed("m:latest").await.unwrap()["library"], Value::Null);
    server.done("/api/push", json!({"model": "m", "library": true})).await;
    assert_eq!(server.listed("m:latest").await.unwrap()["library"], "same");

    // Without a library nothing can be published.
    let alone = tempfile::tempdir().unwrap();
    let server = Process::start(alone.path(), &[]);
    let answer = crate::support::process::last_line(&server, "create", create("m", json!(true))).await;
    assert!(answer["error"].as_str().unwrap().contains("OLLAMAKE_LIBRARY"), "{answer}");
}

#[test]
fn two_libraries_by_mistake_keep_the_server_from_starting() {
    let directory = tempfile::tempdir().unwrap();
    for (name, value, told) in [
        ("OLLAMAKE_LIBRARY", "a.example/x,b.example/y", "there is one library"),
        ("OLLAMAKE_LIBRARY", "a.example", "the path is missing"),
        ("OLLAMAKE_CACHE_SIZE", "1000000", "OLLAMAKE_LIBRARY is not"),
    ] {
        let output =
            crate::support::process::command(directory.path(), &["serve"]).env(name, value).output().unwrap();
        assert!(!output.status.success() && text(&output).contains(told), "{}", text(&output));
    }
    assert!(fs::read_dir(directory.path()).unwrap().next().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_keeps_within_its_size_and_what_gave_way_comes_back_when_it_is_needed() {
    let Some(registry) = DockerRegistry::start(&Setup::default()) else { return };
    let limit = 3 * weights(0).len() as u64;
    let settings = [("OLLAMAKE_CACHE_SIZE", &*limit.to_string()), ("RUST_LOG", "info")];
    let server = Server::of(&registry.host(), &settings);
    for seed in 1..=6 {
        server.create(&format!("m{seed}"), seed, json!({"publish": true})).await;
    }
    let bytes = || bytes_in(&server.directory.path().join("blobs"));
    let start = Instant::now();
    while bytes() > limit {
        assert!(start.elapsed() < Duration::from_secs(60), "{} bytes: {}", bytes(), server.process.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(server.listed("m1:latest").await.unwrap()["library"], "only");
    assert_eq!(server.listed("m6:latest").await.unwrap()["library"], "same");
    server.done("/api/create", json!({"model": "from-one", "from": "m1", "system": "x"})).await;
    assert_eq!(server.weights_of("from-one").await, Digest::of(&weights(1)).to_string());
    let output = run(server.directory.path(), &["fsck"]);
    assert!(output.status.success(), "{}", text(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_larger_than_the_cache_is_warned_of() {
    let Some(registry) = DockerRegistry::start(&Setup::default()) else { return };
    let server = Server::of(&registry.host(), &[("OLLAMAKE_CACHE_SIZE", "1000")]);
    let statuses = server.create("large", 1, json!({"publish": true})).await;
    let is_told = |status: &String| status.contains("more than OLLAMAKE_CACHE_SIZE=1000");
    assert!(statuses.iter().any(is_told), "{statuses:?}");
    // It is the one that was used last, so it stays.
    assert!(server.listed("large:latest").await.is_some_and(|model| model["library"] == "same"));
    let start = Instant::now();
    while !server.process.log().contains("nothing more can be evicted") {
        assert!(start.elapsed() < Duration::from_secs(60), "the operator is not told");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
