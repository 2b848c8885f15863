//! Connections that break, and pulls that are given up and taken up again.

use std::time::Duration;

use super::docker_registry::{DockerRegistry, Setup};
use super::model::Model;
use super::resumable_registry::ResumableRegistry;
use super::stub::{Asked, Stub, answer};
use super::{Site, impatient};
use crate::support::cutting_proxy::CuttingProxy;
use axum::body::{Body, Bytes};
use ollamake::registry::{Client, Config};
use ollamake::store::Store;

const MEGABYTE: usize = 1_000_000;

fn in_pieces() -> Config {
    Config { download_piece: 4_000_000, upload_piece: 4_000_000, ..impatient() }
}

fn assert_little_was_repeated(moved: u64, size: u64) {
    println!("{moved} bytes moved for {size}");
    assert!(moved >= size && moved < size + size / 2, "{moved} bytes moved for {size}");
}

/// `docker-registry` gives a session up when a piece of it was cut short; the blob is sent anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_cut_upload_to_docker_registry_succeeds() {
    let Some(registry) = DockerRegistry::start(&Setup::default()) else { return };
    let model = Model::new(20, &[24 * MEGABYTE]);
    let proxy = CuttingProxy::start(registry.address(), 10_000_000, 1).await;
    let site = Site::with(in_pieces());
    let name = format!("{}/team/up", proxy.host());
    model.put(&site.store, &name);
    site.push(&name).await.unwrap();
    assert_eq!(proxy.cuts(), 1, "the proxy has to break connections");
    assert_little_was_repeated(proxy.up(), model.size());

    let other = Site::new();
    let direct = format!("{}/team/up", registry.host());
    other.pull(&direct).await.unwrap();
    model.assert_in(&other.store, &direct);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_upload_is_resumed_where_the_registry_can() {
    let model = Model::new(23, &[24 * MEGABYTE]);
    // In the middle, and then again and again.
    for (limit, cuts) in [(13_000_000, 1), (5_000_000, 3)] {
        let registry = ResumableRegistry::start().await;
        let proxy = CuttingProxy::start(registry.address(), limit, cuts).await;
        let site = Site::with(in_pieces());
        let name = format!("{}/team/up", proxy.host());
        model.put(&site.store, &name);
        site.push(&name).await.unwrap();
        assert_eq!(proxy.cuts(), cuts, "the proxy has to break connections");
        assert_little_was_repeated(proxy.up(), model.size());
        assert_eq!(registry.manifest(), model.manifest);
        assert!(model.blobs.iter().all(|blob| registry.has(blob)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_download_is_resumed() {
    let Some(registry) = DockerRegistry::start(&Setup::default()) else { return };
    let model = Model::new(21, &[24 * MEGABYTE]);
    let site = Site::new();
    let direct = format!("{}/team/down", registry.host());
    model.put(&site.store, &direct);
    site.push(&direct).await.unwrap();
    for (limit, cuts) in [(3_000_000, 1), (2_500_000, 4)] {
        let proxy = CuttingProxy::start(registry.address(), limit, cuts).await;
        let name = format!("{}/team/down", proxy.host());
        let other = Site::with(in_pieces());
        other.pull(&name).await.unwrap();
        model.assert_in(&other.store, &name);
        assert_eq!(proxy.cuts(), cuts, "the proxy has to break connections");
        assert_little_was_repeated(proxy.down(), model.size());
    }
}

/// A registry with one model that sends slowly.
async fn slow_registry(model: Model) -> Stub {
    let model = std::sync::Arc::new(model);
    Stub::start(move |asked: &Asked| {
        if asked.uri.path().contains("/manifests/") {
            return answer(200, &[], model.manifest.clone());
        }
        let digest = asked.uri.path().rsplit('/').next().unwrap();
        let blob = model.blob(digest).unwrap();
        let range = asked.range(blob.len()).unwrap_or(0..blob.len());
        let header = format!("bytes {}-{}/{}", range.start, range.end - 1, blob.len());
        let pieces: Vec<Bytes> = blob[range].chunks(100_000).map(Bytes::copy_from_slice).collect();
        let body = futures_util::stream::unfold(pieces.into_iter(), |mut pieces| async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Some((Ok::<_, std::io::Error>(pieces.next()?), pieces))
        });
        answer(206, &[("content-range", &header)], Body::from_stream(body))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_pull_is_taken_up_by_another_process() {
    let model = || Model::new(22, &[16 * MEGABYTE]);
    let registry = slow_registry(model()).await;
    let proxy = CuttingProxy::start(registry.host().parse().unwrap(), u64::MAX, 0).await;
    let name = format!("{}/team/given-up", proxy.host());

    let site = Site::with(in_pieces());
    let some_has_come = async {
        while proxy.down() < 3_000_000 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        result = site.pull(&name) => panic!("the pull has to be cancelled while it runs: {result:?}"),
        () = some_has_come => {}
    }
    assert!(proxy.down() < 14_000_000, "{}", proxy.down());
    assert!(site.store.list().unwrap().is_empty());

    // The download ends soon after the last one who wanted it.
    let mut earlier = u64::MAX;
    while proxy.down() != earlier {
        earlier = proxy.down();
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(proxy.down() < 14_000_000, "the download goes on though nobody waits for it");

    // Nothing in memory is left.
    let Site { directory, store, client, .. } = site;
    drop((client, store));
    let store = Store::open(directory.path()).unwrap();
    let client = Client::new(in_pieces(), store.clone()).unwrap();
    let options = ollamake::registry::Options::default();
    client.pull(&name.parse().unwrap(), options, |_| {}).await.unwrap();
    model().assert_in(&store, &name);
    assert_little_was_repeated(proxy.down(), model().size());
}
