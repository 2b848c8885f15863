//! Jobs that want the same blob at the same time.

use std::time::Duration;

use super::model::Model;
use super::stub::{Asked, Stub, answer};
use super::{Site, impatient};
use axum::body::{Body, Bytes};
use ollamake::registry::{Options, RegistryError};

/// A registry with one blob under any name, which it sends in about half a second.
async fn registry(model: std::sync::Arc<Model>) -> Stub {
    Stub::start(move |asked: &Asked| {
        if asked.uri.path().contains("/manifests/") {
            return answer(200, &[], model.manifest.clone());
        }
        if asked.uri.path().contains("/forbidden/") {
            let refusal = futures_util::stream::once(async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                Ok::<_, std::io::Error>(r#"{"errors":[{"code":"DENIED","message":"not this one"}]}"#)
            });
            return answer(403, &[], Body::from_stream(refusal));
        }
        let digest = asked.uri.path().rsplit('/').next().unwrap();
        let pieces: Vec<Bytes> =
            model.blob(digest).unwrap().chunks(100_000).map(Bytes::copy_from_slice).collect();
        let body = futures_util::stream::unfold(pieces.into_iter(), |mut pieces| async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Some((Ok::<_, std::io::Error>(pieces.next()?), pieces))
        });
        answer(200, &[], Body::from_stream(body))
    })
    .await
}

fn blob_requests(stub: &Stub, length: usize) -> usize {
    let blobs = stub.asked().into_iter().filter(|asked| asked.uri.path().contains("/blobs/"));
    // The configuration is asked for once, too.
    let count = blobs.count();
    assert!(count > length);
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn two_pulls_of_a_blob_share_a_download() {
    let model = std::sync::Arc::new(Model::new(30, &[1_000_000]));
    let stub = registry(model.clone()).await;
    let site = Site::with(impatient());
    let one = format!("{}/team/one", stub.host());
    let two = format!("{}/team/two", stub.host());
    let (first, second) = tokio::join!(site.pull(&one), site.pull(&two));
    first.unwrap();
    second.unwrap();
    model.assert_in(&site.store, &one);
    model.assert_in(&site.store, &two);
    assert_eq!(blob_requests(&stub, 1), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_download_goes_on_for_the_other_when_one_is_cancelled() {
    let model = std::sync::Arc::new(Model::new(31, &[1_000_000]));
    let stub = registry(model.clone()).await;
    let site = Site::with(impatient());
    let one = format!("{}/team/one", stub.host());
    let two = format!("{}/team/two", stub.host());
    let both_have_begun = async {
        while stub.asked().iter().filter(|asked| asked.uri.path().contains("/manifests/")).count() < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let cancelled = async {
        tokio::select! {
            result = site.pull(&one) => panic!("the pull has to be cancelled while it runs: {result:?}"),
            () = both_have_begun => {}
        }
    };
    let ((), second) = tokio::join!(cancelled, site.pull(&two));
    second.unwrap();
    model.assert_in(&site.store, &two);
    assert!(site.store.manifest(&one.parse().unwrap()).is_err());
    assert_eq!(blob_requests(&stub, 1), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_does_not_fail_for_the_reasons_of_another() {
    let model = std::sync::Arc::new(Model::new(32, &[1_000_000]));
    let stub = registry(model.clone()).await;
    let site = Site::with(impatient());
    let forbidden = format!("{}/forbidden/one", stub.host()).parse().unwrap();
    let allowed = format!("{}/team/two", stub.host());
    let joins_later = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        site.pull(&allowed).await
    };
    let (first, second) = tokio::join!(site.client.pull(&forbidden, Options::default(), |_| {}), joins_later);
    let error = first.unwrap_err();
    assert!(
        matches!(error, RegistryError::Denied { .. }) && error.to_string().contains("not this one"),
        "{error}"
    );
    second.unwrap();
    model.assert_in(&site.store, &allowed);
}
