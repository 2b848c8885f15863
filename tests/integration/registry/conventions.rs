//! What Ollama's own registry does differently: the signed challenge, blobs by redirect, uploads that go
//! directly to a storage service.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ssh_key::public::KeyData;

use super::model::Model;
use super::stub::{Asked, Stub, answer, blob_answer};
use super::{Site, impatient};
use ollamake::registry::{Config, Credentials, RegistryError};

/// Whether a question is signed as Ollama signs it: `GET,<url>,<base64 of the hex digest of nothing>`.
fn is_signed(asked: &Asked) -> bool {
    let Some((public, signature)) = asked.header("authorization").split_once(':') else { return false };
    let (public, signature) = (BASE64.decode(public).unwrap(), BASE64.decode(signature).unwrap());
    let key = ssh_key::PublicKey::from_bytes(&public).unwrap();
    let KeyData::Ed25519(key) = key.key_data() else { return false };
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let text = format!("GET,http://{}{},{}", asked.header("host"), asked.uri, BASE64.encode(empty));
    verifies(&key.0, text.as_bytes(), &signature)
}

/// The check of an ed25519 signature, by the library that makes our TLS connections.
fn verifies(key: &[u8; 32], text: &[u8], signature: &[u8]) -> bool {
    let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
    let ed25519 = algorithms.mapping.iter().find(|(scheme, _)| *scheme == rustls::SignatureScheme::ED25519);
    let (_, algorithms) = ed25519.unwrap();
    algorithms[0].verify_signature(key, text, signature).is_ok()
}

struct SignedRegistry {
    registry: Stub,
    storage: Stub,
    model: Arc<Model>,
}

/// A registry that lets in who has signed, and keeps its blobs elsewhere.
async fn signed_registry() -> SignedRegistry {
    let model = Arc::new(Model::new(50, &[1_500_000, 30]));
    let stored = model.clone();
    let storage = Stub::start(move |asked: &Asked| match asked.method.as_str() {
        "PUT" => answer(200, &[], ""),
        _ => blob_answer(asked, stored.blob(asked.uri.path().rsplit('/').next().unwrap()).unwrap()),
    })
    .await;
    let (served, elsewhere) = (model.clone(), storage.host());
    let registry = Stub::start(move |asked: &Asked| {
        let path = asked.uri.path();
        if path == "/token" {
            return match is_signed(asked) {
                true => answer(200, &[], r#"{"token":"granted"}"#),
                false => answer(401, &[], r#"{"error":"sign in"}"#),
            };
        }
        if asked.header("authorization") != "Bearer granted" {
            let realm = format!("http://{}/token", asked.header("host"));
            let challenge =
                format!(r#"Bearer realm="{realm}",service="stub",scope="repository:team/m:pull,push""#);
            return answer(401, &[("www-authenticate", &challenge)], "{}");
        }
        let location = |kind: &str| format!("http://{elsewhere}/{kind}/{}", path.rsplit('/').next().unwrap());
        match (asked.method.as_str(), path) {
            ("GET", path) if path.contains("/manifests/") => answer(200, &[], served.manifest.clone()),
            ("PUT", path) if path.contains("/manifests/") => answer(201, &[], ""),
            ("GET", _) => answer(307, &[("location", &location("data"))], ""),
            ("HEAD", _) => answer(404, &[], ""),
            ("POST", _) => answer(
                202,
                &[
                    ("docker-upload-location", "/v2/team/m/blobs/uploads/session?state=1"),
                    ("x-direct-upload-url", &location("direct")),
                    ("x-signed-header-x-amz-tag", "blob"),
                    ("x-signed-header-content-length", "1"),
                    ("x-signed-header-host", "elsewhere.example"),
                ],
                "",
            ),
            ("PUT", _) => answer(201, &[], ""),
            _ => answer(405, &[], ""),
        }
    })
    .await;
    SignedRegistry { registry, storage, model }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_challenge_is_signed_and_the_storage_service_sees_no_credentials() {
    let SignedRegistry { registry, storage, model } = signed_registry().await;
    let home = tempfile::tempdir().unwrap();
    let signing_key = Some(home.path().join(".ollama/id_ed25519"));
    let site = Site::with(Config { signing_key, download_piece: 400_000, ..impatient() });
    let name = format!("{}/team/m", registry.host());
    site.pull(&name).await.unwrap();
    model.assert_in(&site.store, &name);
    assert!(home.path().join(".ollama/id_ed25519").exists());

    let signed: Vec<_> = registry.asked().into_iter().filter(is_signed).collect();
    assert_eq!(signed.len(), 1);
    assert_eq!(signed[0].query("service").as_deref(), Some("stub"));
    assert_eq!(signed[0].query("scope").as_deref(), Some("repository:team/m:pull,push"));
    assert_eq!(signed[0].query("nonce").unwrap().len(), 22);

    let asked = storage.asked();
    // Four ranges of the large layer, the small one and the configuration.
    assert_eq!(asked.len(), 6, "{asked:?}");
    assert!(asked.iter().all(|asked| !asked.headers.contains_key("authorization")), "{asked:?}");
    // The registry is asked once for a blob: after that we know where it lies.
    assert_eq!(registry.asked().iter().filter(|asked| asked.uri.path().contains("/blobs/")).count(), 3);

    site.push(&name).await.unwrap();
    let sent: Vec<_> = storage.asked().into_iter().filter(|asked| asked.method == "PUT").collect();
    assert_eq!(sent.len(), model.blobs.len());
    assert!(sent.iter().all(|asked| !asked.headers.contains_key("authorization")));
    assert!(sent.iter().all(|asked| asked.header("x-amz-tag") == "blob"));
    for asked in &sent {
        let lengths: Vec<_> = asked.headers.get_all("content-length").iter().collect();
        assert_eq!(lengths, [&asked.body.len().to_string()]);
        assert_eq!(asked.header("host"), storage.host());
    }
    let sizes: usize = sent.iter().map(|asked| asked.body.len()).sum();
    assert_eq!(sizes as u64, model.size());
    let manifest = registry
        .asked()
        .into_iter()
        .find(|asked| asked.uri.path() == "/v2/team/m/manifests/latest" && asked.method == "PUT");
    assert_eq!(manifest.unwrap().body, model.manifest);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_the_error_says_so() {
    let SignedRegistry { registry, .. } = signed_registry().await;
    let error = Site::new().pull(&format!("{}/team/m", registry.host())).await.unwrap_err();
    assert!(
        matches!(error, RegistryError::SigningKey { .. }) && error.to_string().contains("id_ed25519"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_gets_no_password() {
    let model = Arc::new(Model::new(51, &[100_000]));
    let stored = model.clone();
    let storage = Stub::start(move |asked: &Asked| {
        blob_answer(asked, stored.blob(asked.uri.path().rsplit('/').next().unwrap()).unwrap())
    })
    .await;
    let (served, elsewhere) = (model.clone(), storage.host());
    let login = format!("Basic {}", BASE64.encode("alice:wonder"));
    let registry = Stub::start(move |asked: &Asked| {
        let path = asked.uri.path();
        if asked.header("authorization") != login {
            return answer(401, &[("www-authenticate", "Basic realm=\"stub\"")], "");
        }
        match path.contains("/manifests/") {
            true => answer(200, &[], served.manifest.clone()),
            false => {
                let location = format!("http://{elsewhere}/{}", path.rsplit('/').next().unwrap());
                answer(302, &[("location", &location)], "")
            }
        }
    })
    .await;
    let mut credentials = Credentials::none();
    credentials.insert(&registry.host(), "alice", "wonder");
    let site = Site::with(Config { credentials, ..impatient() });
    let name = format!("{}/team/m", registry.host());
    site.pull(&name).await.unwrap();
    model.assert_in(&site.store, &name);
    assert_eq!(storage.asked().len(), 2);
    assert!(storage.asked().iter().all(|asked| !asked.headers.contains_key("authorization")));
}

/// More than the requests that are under way at once, so that none finds every new token used up.
const TOKEN_USES: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_expires_is_renewed() {
    let model = Arc::new(Model::new(52, &[1_000_000]));
    let served = model.clone();
    let (issued, used) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let state = Arc::new((issued, used));
    let counted = state.clone();
    let registry = Stub::start(move |asked: &Asked| {
        let (issued, used) = &*counted;
        let path = asked.uri.path();
        if path == "/token" {
            used.store(0, Ordering::Relaxed);
            let number = issued.fetch_add(1, Ordering::Relaxed) + 1;
            return answer(200, &[], format!(r#"{{"access_token":"number-{number}"}}"#));
        }
        let current = format!("Bearer number-{}", issued.load(Ordering::Relaxed));
        if asked.header("authorization") != current || used.fetch_add(1, Ordering::Relaxed) >= TOKEN_USES {
            let challenge = format!(r#"Bearer realm="http://{}/token""#, asked.header("host"));
            return answer(401, &[("www-authenticate", &challenge)], "");
        }
        match path.contains("/manifests/") {
            true => answer(200, &[], served.manifest.clone()),
            false => blob_answer(asked, served.blob(path.rsplit('/').next().unwrap()).unwrap()),
        }
    })
    .await;
    let site = Site::with(Config { download_piece: 50_000, ..impatient() });
    let name = format!("{}/team/m", registry.host());
    site.pull(&name).await.unwrap();
    model.assert_in(&site.store, &name);
    assert!((3..=6).contains(&state.0.load(Ordering::Relaxed)), "{}", state.0.load(Ordering::Relaxed));
}
