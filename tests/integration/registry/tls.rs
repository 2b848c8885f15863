//! Registries that speak TLS: whose certificates count, and what is spoken on this machine where nobody says.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::model::Model;
use super::stub::{Asked, Stub, answer, blob_answer};
use super::tls_front::{TlsFront, ToPlain};
use super::{Site, impatient};
use crate::support::process::{command, text};
use ollamake::registry::{Config, Options, RegistryError};

const KEY: &str = "self-signed-key.pem";

/// A registry of one model that takes others, too.
async fn registry(model: Arc<Model>) -> Stub {
    Stub::start(move |asked: &Asked| {
        let path = asked.uri.path();
        match asked.method.as_str() {
            "GET" if path.contains("/manifests/") => answer(200, &[], model.manifest.clone()),
            "GET" if path == "/v2/" => answer(200, &[], "{}"),
            "GET" => blob_answer(asked, model.blob(path.rsplit('/').next().unwrap()).unwrap()),
            "HEAD" => answer(404, &[], ""),
            "POST" => answer(202, &[("location", "/v2/team/m/blobs/uploads/session")], ""),
            _ => answer(201, &[], ""),
        }
    })
    .await
}

fn trusting(certificate: &str) -> Config {
    let pem = std::fs::read(super::docker_registry::fixture(certificate)).unwrap();
    Config { certificates: vec![pem], ..impatient() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_signs_itself_counts_if_it_is_trusted() {
    let model = Arc::new(Model::new(300, &[300_000]));
    let inner = registry(model.clone()).await;
    let front = TlsFront::start("self-signed.pem", KEY, &inner.host(), ToPlain::Refuses).await;
    let name = format!("https://{}/team/m", front.host());
    let site = Site::with(trusting("self-signed.pem"));
    site.pull(&name).await.unwrap();
    model.assert_in(&site.store, &name);
    site.push(&name).await.unwrap();

    // Another one of the same key is not this one, nor does anybody else know it.
    for config in [trusting("other-name.pem"), impatient()] {
        let error = Site::with(config).pull(&name).await.unwrap_err();
        assert!(matches!(error, RegistryError::Certificate { .. }), "{error}");
        assert!(error.to_string().contains("UnknownIssuer") && error.to_string().contains("SSL_CERT_FILE"));
    }
}

/// Hostile input: `trusted-certificate-of-another`.
#[tokio::test(flavor = "multi_thread")]
async fn names_and_dates_of_a_trusted_certificate_count() {
    for (certificate, problem) in [("other-name.pem", "not valid for name"), ("expired.pem", "expired")] {
        let inner = registry(Arc::new(Model::new(301, &[10]))).await;
        let front = TlsFront::start(certificate, KEY, &inner.host(), ToPlain::Refuses).await;
        let site = Site::with(trusting(certificate));
        let error = site.pull(&format!("https://{}/team/m", front.host())).await.unwrap_err();
        assert!(matches!(error, RegistryError::Certificate { .. }), "{error}");
        assert!(error.to_string().contains(problem), "{certificate}: {error}");
        assert!(inner.asked().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_on_this_machine_is_spoken_to_as_it_speaks() {
    for to_plain in [ToPlain::Refuses, ToPlain::Alerts] {
        let model = Arc::new(Model::new(302, &[300_000]));
        let inner = registry(model.clone()).await;
        let front = TlsFront::start("self-signed.pem", KEY, &inner.host(), to_plain).await;
        let name = format!("{}/team/m", front.host());
        let site = Site::with(trusting("self-signed.pem"));
        site.pull(&name).await.unwrap();
        model.assert_in(&site.store, &name);
        site.push(&name).await.unwrap();

        // Whom we cannot verify is told apart from whom we do not understand.
        let error = Site::new().pull(&name).await.unwrap_err();
        assert!(matches!(error, RegistryError::Certificate { .. }), "{error}");
        // Who says that it is plain means it.
        let plain = format!("http://{}/team/m", front.host());
        let error = Site::new().pull(&plain).await.unwrap_err();
        assert!(
            matches!(error, RegistryError::Refused { status: 400, .. } | RegistryError::Interrupted { .. }),
            "{error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_registry_that_is_asked_over_tls_says_so() {
    let inner = registry(Arc::new(Model::new(303, &[10]))).await;
    let site = Site::new();
    let name = format!("https://{}/team/m", inner.host()).parse().unwrap();
    let error = site.client.pull(&name, Options::default(), |_| {}).await.unwrap_err();
    assert!(matches!(error, RegistryError::NoTls { .. }) && error.to_string().contains("http://"), "{error}");
}

/// Whether a plain registry is bad or TLS was meant is found out, and no attempt is lost by that.
#[tokio::test(flavor = "multi_thread")]
async fn a_plain_registry_that_stumbles_at_first_is_asked_again() {
    let model = Arc::new(Model::new(304, &[10_000]));
    let served = model.clone();
    let stumbles = Arc::new(std::sync::atomic::AtomicUsize::new(2));
    let inner = Stub::start(move |asked: &Asked| {
        let left = stumbles.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1));
        match left {
            Ok(_) if asked.uri.path().contains("/manifests/") => {
                let broken =
                    futures_util::stream::once(async { Err::<Vec<u8>, _>(std::io::Error::other("")) });
                answer(200, &[], axum::body::Body::from_stream(broken))
            }
            _ if asked.uri.path().contains("/manifests/") => answer(200, &[], served.manifest.clone()),
            _ => blob_answer(asked, served.blob(asked.uri.path().rsplit('/').next().unwrap()).unwrap()),
        }
    })
    .await;
    let site = Site::new();
    let name = format!("{}/team/m", inner.host());
    site.pull(&name).await.unwrap();
    model.assert_in(&site.store, &name);
}

/// The program itself, with the variable that everybody knows.
#[tokio::test(flavor = "multi_thread")]
async fn ssl_cert_file_names_the_certificate() {
    let model = Arc::new(Model::new(305, &[100_000]));
    let inner = registry(model.clone()).await;
    let front = TlsFront::start("self-signed.pem", KEY, &inner.host(), ToPlain::Refuses).await;
    let directory = tempfile::tempdir().unwrap();
    let name = format!("{}/team/m", front.host());
    let mut pull = command(directory.path(), &["pull", &name]);
    pull.env("SSL_CERT_FILE", super::docker_registry::fixture("self-signed.pem"));
    let output = tokio::task::spawn_blocking(move || pull.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", text(&output));
    model.assert_in(&ollamake::store::Store::open(directory.path()).unwrap(), &name);
}
