//! To a real registry and back.

use super::docker_registry::{DockerRegistry, Setup, fixture};
use super::model::Model;
use super::{Site, impatient};
use crate::support::cutting_proxy::CuttingProxy;
use ollamake::registry::{Config, RegistryError};

#[tokio::test(flavor = "multi_thread")]
async fn a_model_comes_back_byte_for_byte() {
    let Some(registry) = DockerRegistry::start(&Setup::default()) else { return };
    let name = format!("{}/team/there-and-back:v1", registry.host());
    let model = Model::new(1, &[3_000_000, 700, 0]);
    let config = || Config { download_piece: 500_000, upload_piece: 1_000_000, ..impatient() };
    let (here, there) = (Site::with(config()), Site::with(config()));
    model.put(&here.store, &name);
    here.push(&name).await.unwrap();
    let events = here.events();
    assert_eq!(events.first().unwrap(), "RetrievingManifest");
    assert_eq!(events.last().unwrap(), "PushingManifest");

    let placed = there.pull(&name).await.unwrap();
    assert!(placed.replaced.is_none());
    model.assert_in(&there.store, &name);
    let events = there.events();
    assert_eq!(events.first().unwrap(), "PullingManifest");
    assert_eq!(events[events.len() - 2..], ["VerifyingDigest", "WritingManifest"]);

    // A model that was deleted here comes back, too.
    here.store.remove(&name.parse().unwrap()).unwrap();
    here.pull(&name).await.unwrap();
    model.assert_in(&here.store, &name);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_is_not_moved_again() {
    let Some(registry) = DockerRegistry::start(&Setup::default()) else { return };
    let proxy = CuttingProxy::start(registry.address(), u64::MAX, 0).await;
    let first = format!("{}/team/one:v1", proxy.host());
    let second = format!("{}/team/two:v1", proxy.host());
    let model = Model::new(2, &[2_000_000]);
    let site = Site::new();
    model.put(&site.store, &first);
    site.push(&first).await.unwrap();
    let sent = proxy.up();
    assert!(sent > model.size());

    // Neither in the same repository nor in another one of the registry, and not in the other direction.
    site.push(&first).await.unwrap();
    model.put(&site.store, &second);
    site.push(&second).await.unwrap();
    site.pull(&second).await.unwrap();
    assert!(proxy.up() - sent < 20_000, "{} bytes were sent again", proxy.up() - sent);
    assert!(proxy.down() < 20_000);

    let other = Site::new();
    other.pull(&second).await.unwrap();
    model.assert_in(&other.store, &second);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_certificate_of_a_registry_counts() {
    let Some(registry) = DockerRegistry::start(&Setup { tls: true, ..Setup::default() }) else { return };
    let name = format!("https://localhost:{}/team/secure", registry.address().port());
    let certificates = vec![std::fs::read(fixture("ca.pem")).unwrap()];
    let trusting = Site::with(Config { certificates: certificates.clone(), ..impatient() });
    let model = Model::new(3, &[100_000]);
    model.put(&trusting.store, &name);
    trusting.push(&name).await.unwrap();
    let other = Site::with(Config { certificates, ..impatient() });
    other.pull(&name).await.unwrap();
    model.assert_in(&other.store, &name);

    let error = Site::new().pull(&name).await.unwrap_err();
    assert!(matches!(error, RegistryError::Certificate { .. }), "{error}");
    assert!(
        error.to_string().contains("localhost") && error.to_string().contains("SSL_CERT_FILE"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_model_is_told_in_the_registrys_words() {
    let Some(registry) = DockerRegistry::start(&Setup::default()) else { return };
    let site = Site::new();
    let error = site.pull(&format!("{}/team/nowhere", registry.host())).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, RegistryError::NotFound { .. }), "{text}");
    assert!(text.contains("manifest unknown") && text.contains(&registry.host()), "{text}");
    assert!(site.files().is_empty(), "{:?}", site.files());
}
