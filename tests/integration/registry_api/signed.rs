//! Clients that sign in as Ollama's does: our own does it to Ollama's registry, and here to ours.

use std::path::Path;

use ollamake::config::{ApiKey, OllamaKey};
use ollamake::registry::Config;

use crate::registry::model::Model;
use crate::registry::{Site, impatient};
use crate::socket::Listening;

/// A key pair as Ollama makes it; the configuration that signs with it, and the public key.
fn key_pair(directory: &Path) -> (Config, String) {
    let key =
        ssh_key::PrivateKey::random(&mut ssh_key::rand_core::OsRng, ssh_key::Algorithm::Ed25519).unwrap();
    let path = directory.join("id_ed25519");
    key.write_openssh_file(&path, ssh_key::LineEnding::LF).unwrap();
    let public = key.public_key().to_openssh().unwrap();
    (Config { signing_key: Some(path), ..impatient() }, public)
}

async fn server(public: &str) -> Listening {
    let key = OllamaKey::parse(public).unwrap();
    Listening::with(move |config| {
        config.api_key = Some(ApiKey::parse("secret").unwrap());
        config.ollama_keys = vec![key];
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_with_a_known_key_pushes_and_pulls() {
    let directory = tempfile::tempdir().unwrap();
    let (config, public) = key_pair(directory.path());
    let server = server(&public).await;
    let model = Model::new(95, &[300_000]);
    let site = Site::with(config.clone());
    let name = format!("{}/team/signed", server.address);
    model.put(&site.store, &name);
    site.push(&name).await.unwrap();
    model.assert_in(&server.store, "team/signed");
    let other = Site::with(config);
    other.pull(&name).await.unwrap();
    model.assert_in(&other.store, &name);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_with_another_key_is_refused() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (_, public) = key_pair(one.path());
    let (config, _) = key_pair(other.path());
    let server = server(&public).await;
    let model = Model::new(96, &[3_000]);
    let site = Site::with(config);
    let name = format!("{}/team/signed", server.address);
    model.put(&site.store, &name);
    site.push(&name).await.unwrap_err();
    assert!(server.store.list().unwrap().is_empty());
}
