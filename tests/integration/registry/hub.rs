//! The Hugging Face Hub as a source: a stub of its API, and one line against it.

mod cache;
mod gguf;
mod lies;
mod stub_hub;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use ollamake::model::{Digest, HubModel, MediaType};
use ollamake::registry::RegistryError;
use ollamake::registry::hub::Hub;
use ollamake::store::Store;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::stub::{Asked, answer};
use super::{Site, impatient};
use crate::support::cutting_proxy::CuttingProxy;
use crate::support::process::{Process, command, last_line, text};
use stub_hub::{COMMIT, Repository, StubHub, TOKEN};

const ONE_LINE: [&str; 5] = ["create", "mine", "hf.co/owner/some.repo", "-q", "q4_K_M"];

/// The files of a checkpoint as it lies in a directory.
fn checkpoint() -> (PathBuf, Vec<(String, Vec<u8>)>) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/tiny-checkpoint");
    let entries = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap());
    let read = |entry: fs::DirEntry| {
        (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).unwrap())
    };
    let mut files: Vec<_> = entries.map(read).collect();
    files.sort();
    (directory, files)
}

/// A repository with more than the files of its checkpoint.
fn repository() -> Repository {
    let (_, mut files) = checkpoint();
    for (name, contents) in [
        (".gitattributes", "*.safetensors filter=lfs"),
        ("README.md", "---\nlicense: mit\n---\n"),
        ("picture.png", "not needed"),
        ("onnx/model.onnx", "not needed"),
        ("original/model.safetensors", "not needed"),
    ] {
        files.push((name.to_owned(), contents.as_bytes().to_vec()));
    }
    Repository::new(files)
}

/// Runs a command whose server lives in its own process; what it said.
async fn run(
    models: &Path,
    endpoint: &str,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> (bool, String) {
    let mut command = command(models, arguments);
    command.env("HF_ENDPOINT", endpoint).envs(environment.iter().copied()).current_dir(models);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    (output.status.success(), text(&output))
}

/// The layers of a model.
fn layers(models: &Path, name: &str) -> Vec<(MediaType, Digest)> {
    let store = Store::open(models).unwrap();
    let model = store.manifest(&name.parse().unwrap()).unwrap();
    model.manifest.layers.iter().map(|layer| (layer.media_type.clone(), layer.digest)).collect()
}

/// The model that the one line makes of the same files when they lie in a directory.
async fn made_of_local_files(files: &[(String, Vec<u8>)]) -> Vec<(MediaType, Digest)> {
    let (models, directory) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    for (name, contents) in files.iter().filter(|(name, _)| !name.contains('/')) {
        fs::write(directory.path().join(name), contents).unwrap();
    }
    let path = directory.path().display().to_string();
    let (done, said) =
        run(models.path(), "https://unused.example", &["create", "mine", &path, "-q", "q4_K_M"], &[]).await;
    assert!(done, "{said}");
    layers(models.path(), "mine")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_line_makes_the_model_that_local_files_make() {
    let repository = repository();
    let expected = made_of_local_files(&repository.files).await;
    let hub = StubHub::start(repository).await;
    let models = TempDir::new().unwrap();
    let (done, said) = run(models.path(), &hub.endpoint(), &ONE_LINE, &[]).await;
    assert!(done, "{said}");
    assert_eq!(layers(models.path(), "mine"), expected);
    assert!(said.contains("listing the files of hf.co/owner/some.repo"), "{said}");
    assert!(said.contains(&format!("fetching 6 files of hf.co/owner/some.repo at {COMMIT}")), "{said}");

    let asked: Vec<String> = hub.asked().iter().map(|asked| asked.uri.to_string()).collect();
    // As Ollama asks, then the revision, then page after page.
    assert_eq!(asked[0], "/v2/owner/some.repo/manifests/latest");
    assert_eq!(asked[1], "/api/models/owner/some.repo/revision/main");
    assert!(asked[2].starts_with(&format!("/api/models/owner/some.repo/tree/{COMMIT}?")), "{asked:?}");
    assert!(asked.iter().filter(|asked| asked.contains("/tree/")).count() > 3, "{asked:?}");
    for file in asked.iter().filter_map(|asked| asked.split_once("/resolve/")).map(|(_, file)| file) {
        let (commit, path) = file.split_once('/').unwrap();
        assert_eq!(commit, COMMIT);
        assert!(!["picture.png", ".gitattributes"].contains(&path) && !path.contains('/'), "{path}");
    }
    // Nothing has to be fetched twice.
    let before = hub.stored();
    let (done, said) = run(models.path(), &hub.endpoint(), &ONE_LINE, &[]).await;
    assert!(done, "{said}");
    assert_eq!(hub.stored(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_is_taken_at_its_commit_and_stands_in_the_record() {
    let hub = StubHub::start(repository()).await;
    let models = TempDir::new().unwrap();
    let server = Process::start(models.path(), &[("HF_ENDPOINT", &hub.endpoint())]);
    let from = "hf.co/owner/some.repo@refs/pr/1";
    let last = last_line(&server, "create", json!({"model": "m", "from": from})).await;
    assert_eq!(last["status"], "success", "{last}");
    let asked: Vec<String> = hub.asked().iter().map(|asked| asked.uri.to_string()).collect();
    assert_eq!(asked[0], "/api/models/owner/some.repo/revision/refs%2Fpr%2F1");

    let url = format!("http://{}/ollamake/v1/models/m/provenance", server.address);
    let record: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    let sources = record["predicate"]["buildDefinition"]["resolvedDependencies"].as_array().unwrap().clone();
    let uri = |name: &str| {
        let source = sources.iter().find(|source| source["name"] == name).unwrap();
        source["uri"].as_str().unwrap().to_owned()
    };
    for name in ["config.json", "model.safetensors"] {
        assert_eq!(uri(name), format!("{}/owner/some.repo/resolve/{COMMIT}/{name}", hub.endpoint()));
    }
    // It can be made again of what was fetched.
    let (done, said) = run(models.path(), "https://unused.example", &["verify", "m"], &[]).await;
    assert!(done && said.contains("the same model"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_fetches_nothing() {
    let hub = StubHub::start(repository()).await;
    let models = TempDir::new().unwrap();
    let arguments = [&ONE_LINE[..], &["--dry-run", "--json"]].concat();
    let (done, said) = run(models.path(), &hub.endpoint(), &arguments, &[]).await;
    assert!(done && said.contains("\"pulls\":\"hf.co/owner/some.repo\""), "{said}");
    // It tells what would be fetched, and fetches nothing.
    assert!(hub.asked().is_empty());
    assert!(Store::open(models.path()).unwrap().list().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_storage_that_the_hub_leads_to_sees_no_token() {
    let hub = StubHub::start(repository().gated()).await;
    let models = TempDir::new().unwrap();
    let (done, said) = run(models.path(), &hub.endpoint(), &ONE_LINE, &[("HF_TOKEN", TOKEN)]).await;
    assert!(done, "{said}");
    assert!(hub.asked().iter().all(|asked| asked.header("authorization") == format!("Bearer {TOKEN}")));
    let stored = hub.asked_of_storage();
    assert!(!stored.is_empty());
    assert!(stored.iter().all(|asked| !asked.headers.contains_key("authorization")), "{stored:?}");
    assert!(!said.contains(TOKEN), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gated_repository_says_what_to_do() {
    let hub = StubHub::start(repository().gated()).await;
    let models = TempDir::new().unwrap();
    for environment in [&[][..], &[("HF_TOKEN", "hf_of_another")]] {
        let (done, said) = run(models.path(), &hub.endpoint(), &ONE_LINE, environment).await;
        assert!(!done, "{said}");
        for words in ["hf.co/owner/some.repo is gated", "agree to its conditions", "HF_TOKEN"] {
            assert!(said.contains(words), "{said}");
        }
        assert!(Store::open(models.path()).unwrap().list().unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_told_apart() {
    let hub = StubHub::start(repository()).await;
    let models = TempDir::new().unwrap();
    for (from, says) in [
        ("hf.co/owner/other", "the Hub has no repository hf.co/owner/other, or it is private"),
        ("hf.co/owner/some.repo@none", "does not exist"),
        ("hf.co/owner/some.repo:Q4_K_M", "there are no GGUF files"),
        ("hf.co/owner", "has no repository"),
    ] {
        let (done, said) = run(models.path(), &hub.endpoint(), &["create", "m", from], &[]).await;
        assert!(!done && said.contains(says), "{from}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_transfer_goes_on() {
    let repository = repository();
    let size = repository.files.iter().map(|(_, bytes)| bytes.len() as u64).max().unwrap();
    let expected = made_of_local_files(&repository.files).await;
    let mut hub = StubHub::start(repository).await;
    let storage = CuttingProxy::start(hub.storage_address(), size / 5, 4).await;
    hub.keep_at(&storage.host());
    let models = TempDir::new().unwrap();
    let (done, said) = run(models.path(), &hub.endpoint(), &ONE_LINE, &[]).await;
    assert!(done, "{said}");
    assert_eq!(storage.cuts(), 4, "the proxy has to break connections");
    assert!(storage.down() < size * 3 / 2, "{} bytes came for {size}", storage.down());
    assert_eq!(layers(models.path(), "mine"), expected);
}

/// The weights, sent so slowly that one can be in time.
fn slowly(asked: &Asked, weights: &[u8]) -> Response {
    let range = asked.range(weights.len()).unwrap_or(0..weights.len());
    let header = format!("bytes {}-{}/{}", range.start, range.end - 1, weights.len());
    let status = if asked.range(weights.len()).is_some() { 206 } else { 200 };
    let pieces: Vec<Bytes> = weights[range].chunks(16 << 10).map(Bytes::copy_from_slice).collect();
    let body = futures_util::stream::unfold(pieces.into_iter(), |mut pieces| async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Some((Ok::<_, std::io::Error>(pieces.next()?), pieces))
    });
    answer(status, &[("content-range", &header)], Body::from_stream(body))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_a_killed_server_goes_on_where_it_was() {
    let repository = repository();
    let expected = made_of_local_files(&repository.files).await;
    let weights = repository.files.iter().find(|(name, _)| name == "model.safetensors").unwrap().1.clone();
    let digest = Digest::of(&weights);
    let hub = StubHub::lying(repository, move |asked: &Asked| {
        asked.uri.path().ends_with("/model.safetensors").then(|| slowly(asked, &weights))
    })
    .await;
    let models = TempDir::new().unwrap();
    let environment = [("HF_ENDPOINT", hub.endpoint())];
    let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut server = Process::start(models.path(), &environment);
    let request =
        json!({"model": "mine", "from": "hf.co/owner/some.repo", "quantize": "q4_K_M", "detach": true});
    let job = last_line(&server, "create", request).await;
    let partial = models.path().join("ollamake/partial").join(digest.file_name());
    while fs::metadata(&partial).map_or(0, |file| file.len()) < 500_000 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.kill();
    let before = hub.asked().len();
    let server = Process::start(models.path(), &environment);
    let url = format!("http://{}/ollamake/v1/jobs/{}", server.address, job["job"].as_str().unwrap());
    loop {
        let job: Value = reqwest::get(&url).await.unwrap().json().await.unwrap();
        match job["state"].as_str().unwrap() {
            "queued" | "running" | "interrupted" => tokio::time::sleep(Duration::from_millis(20)).await,
            state => break assert_eq!(state, "succeeded", "{job}"),
        }
    }
    assert_eq!(layers(models.path(), "mine"), expected);
    let again = hub.asked().split_off(before);
    let ranges: Vec<_> = again.iter().filter(|asked| asked.uri.path().ends_with(".safetensors")).collect();
    assert!(!ranges.is_empty() && ranges.iter().all(|asked| asked.header("range").starts_with("bytes=")));
}

#[tokio::test]
async fn a_hub_that_is_not_there_is_named() {
    let site = Site::with(ollamake::registry::Config {
        hub: Hub::new("http://127.0.0.1:1", None).unwrap(),
        ..impatient()
    });
    let model = HubModel::parse("hf.co/o/r").unwrap().unwrap();
    let error = site.client.list(&model, |_| ()).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unreachable { .. }), "{error}");
}
