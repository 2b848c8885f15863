//! Registries that are not there, and disks that are full.

use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::model::Model;
use super::stub::{Asked, Stub, answer, blob_answer, registry_of};
use super::{Site, impatient};
use ollamake::model::Digest;
use ollamake::registry::{Client, Options, RegistryError};
use ollamake::store::{Disk, Store};

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_does_not_exist() {
    let error = Site::new().pull("registry.invalid/team/model").await.unwrap_err();
    assert!(matches!(error, RegistryError::UnknownHost { .. }), "{error}");
    assert!(
        error.to_string().contains("registry.invalid") && error.to_string().contains("spelling"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_where_nobody_listens() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let site = Site::new();
    let error = site.pull(&format!("{address}/team/model")).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unreachable { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains(&address.to_string()) && text.to_lowercase().contains("refused"), "{text}");
    assert_eq!(site.events(), ["PullingManifest"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_needs_consent() {
    let error = Site::new().pull("http://192.0.2.1/team/model").await.unwrap_err();
    assert!(
        matches!(error, RegistryError::PlainHttp { .. }) && error.to_string().contains("insecure"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_is_not_here_cannot_be_pushed() {
    let site = Site::new();
    let error = site.push("127.0.0.1:1/team/nothing").await.unwrap_err();
    assert!(error.to_string().contains("not found"), "{error}");
    assert_eq!(site.events(), ["RetrievingManifest", "NoManifest"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_cannot_fit_is_not_begun() {
    let stub = Stub::start(|_: &Asked| {
        let layer = r#"{"mediaType":"x","digest":"sha256:DIGEST","size":9000000000000000000}"#;
        let layer = layer.replace("DIGEST", &"ab".repeat(32));
        answer(200, &[], format!(r#"{{"schemaVersion":2,"config":{layer},"layers":[]}}"#))
    })
    .await;
    let site = Site::new();
    let error = site.pull(&format!("{}/team/huge", stub.host())).await.unwrap_err();
    assert!(error.to_string().contains("not enough space"), "{error}");
    assert_eq!(stub.asked().len(), 1);
}

/// A disk that is full after so many bytes.
struct SmallDisk(AtomicU64);

impl Disk for SmallDisk {
    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let take = |left: u64| left.checked_sub(bytes.len() as u64);
        if self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        std::os::unix::fs::FileExt::write_at(file, bytes, offset)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills() {
    let model = Arc::new(Model::new(40, &[4_000_000]));
    let stub = registry_of(model.clone(), blob_answer).await;
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open_on(SmallDisk(AtomicU64::new(2_000_000)), directory.path()).unwrap();
    let client = Client::new(impatient(), store.clone()).unwrap();
    let name = format!("{}/team/large", stub.host());
    let begun = Instant::now();
    let error = client.pull(&name.parse().unwrap(), Options::default(), |_| {}).await.unwrap_err();
    assert!(error.to_string().contains("no space left"), "{error}");
    assert!(!error.to_string().contains(directory.path().to_str().unwrap()), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(store.list().unwrap().is_empty());
    assert!(!store.contains(Digest::of(&model.blobs[0])).unwrap());
}

/// A disk with little room left.
struct NarrowDisk;

impl Disk for NarrowDisk {
    fn available_space(&self, _path: &Path) -> io::Result<u64> {
        Ok(600_000)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_been_fetched_needs_no_more_room() {
    let model = Arc::new(Model::new(41, &[1_000_000]));
    let stub = registry_of(model.clone(), blob_answer).await;
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open_on(NarrowDisk, directory.path()).unwrap();
    let client = Client::new(impatient(), store.clone()).unwrap();
    let name = format!("{}/team/large", stub.host());
    let model_name = name.parse().unwrap();
    let pull = || client.pull(&model_name, Options::default(), |_| {});
    let error = pull().await.unwrap_err();
    assert!(error.to_string().contains("not enough space"), "{error}");
    let layer = &model.blobs[0];
    store.partial(Digest::of(layer), 1_000_000).unwrap().write_at(0, &layer[..500_000]).unwrap();
    pull().await.unwrap();
    model.assert_in(&store, &name);
}
