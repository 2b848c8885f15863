//! Repositories of GGUF files: as Ollama asks for them, and by their files where the registry cannot serve
//! them.

use ollamake::model::{Digest, Layer, Manifest, MediaType};
use tempfile::TempDir;

use super::stub_hub::{COMMIT, Repository, StubHub};
use super::{layers, run};
use crate::in_process::small_gguf;

#[tokio::test(flavor = "multi_thread")]
async fn a_model_of_the_registry_is_pulled_as_ollama_pulls_it() {
    let (weights, config) = (small_gguf(&[]), br#"{"model_format":"gguf","model_family":"llama"}"#.to_vec());
    let layer = |kind, bytes: &[u8]| Layer::new(kind, Digest::of(bytes), bytes.len() as u64);
    let manifest = Manifest::new(layer(MediaType::Config, &config), vec![layer(MediaType::Model, &weights)]);
    let files = vec![("m-Q4_K_M.gguf".to_owned(), weights.clone()), ("config".to_owned(), config)];
    let repository = Repository { manifest: Some(manifest.to_bytes()), ..Repository::new(files) };
    let hub = StubHub::start(repository).await;
    let models = TempDir::new().unwrap();
    for (from, tag) in
        [("hf.co/owner/some.repo:Q4_K_M", "Q4_K_M"), ("huggingface.co/owner/some.repo", "latest")]
    {
        let (done, said) = run(models.path(), &hub.endpoint(), &["create", "m", from], &[]).await;
        assert!(done, "{said}");
        assert_eq!(layers(models.path(), "m")[0], (MediaType::Model, Digest::of(&weights)));
        let asked: Vec<String> = hub.asked().iter().map(|asked| asked.uri.to_string()).collect();
        assert!(asked.contains(&format!("/v2/owner/some.repo/manifests/{tag}")), "{asked:?}");
        assert!(asked.iter().all(|asked| asked.starts_with("/v2/")), "{asked:?}");
        // It has its own name too, as if it had been pulled.
        layers(models.path(), &format!("hf.co/owner/some.repo:{tag}"));
    }
    let (done, said) =
        run(models.path(), &hub.endpoint(), &["pull", "hf.co/owner/some.repo:Q4_K_M"], &[]).await;
    assert!(done, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_registry_cannot_serve_is_chosen_by_name() {
    let (small, other) = (small_gguf(&[]), small_gguf(&[("general.name", "other")]));
    let file = |name: &str, bytes: &[u8]| (name.to_owned(), bytes.to_vec());
    let files = vec![file("m-Q4_K_M.gguf", &small), file("m-Q8_0.gguf", &other), file("README.md", b"# m")];
    let hub = StubHub::start(Repository::new(files)).await;
    let models = TempDir::new().unwrap();
    let create = async |from: &str| run(models.path(), &hub.endpoint(), &["create", "m", from], &[]).await;
    let (done, said) = create("hf.co/owner/some.repo:q8_0").await;
    assert!(done, "{said}");
    assert_eq!(layers(models.path(), "m")[0].1, Digest::of(&other));
    for from in ["hf.co/owner/some.repo", "hf.co/owner/some.repo@main"] {
        let (done, said) = create(from).await;
        assert!(!done && said.contains("there are several models, m-Q4_K_M.gguf, m-Q8_0.gguf"), "{said}");
    }
    let (done, said) = create("hf.co/owner/some.repo:Q5_K_M").await;
    assert!(!done && said.contains("no GGUF file has \"Q5_K_M\" in its name"), "{said}");
    let asked = hub.asked();
    assert!(asked.iter().any(|asked| asked.uri.path().contains(COMMIT)));
}
