//! Registries that answer otherwise than the specification says, and yet can be lived with; or cannot, and
//! then it is said what they do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime};

use axum::body::{Body, Bytes};
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;

use super::model::Model;
use super::stub::{Asked, Stub, answer, blob_answer, registry_of};
use super::{Site, impatient};
use ollamake::model::{Digest, Layer, Manifest, MediaType};
use ollamake::registry::{Awaited, Config, Party, RegistryError, RetryPolicy};

fn name_at(stub: &Stub) -> String {
    format!("{}/team/m", stub.host())
}

/// The first bytes of a blob, and then the connection breaks, or nothing comes any more.
fn cut(blob: &[u8], length: usize, breaks: bool) -> Response {
    let pieces: Vec<_> =
        blob[..length].chunks(50_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let header = blob.len().to_string();
    let rest = futures_util::stream::once(async move {
        if !breaks {
            std::future::pending::<()>().await;
        }
        Err(std::io::Error::other("broken"))
    });
    let body = futures_util::StreamExt::chain(futures_util::stream::iter(pieces), rest);
    answer(200, &[("content-length", &header)], Body::from_stream(body))
}

#[tokio::test(flavor = "multi_thread")]
async fn without_ranges_a_blob_is_fetched_from_its_beginning() {
    for (breaks, piece) in [(true, 4_000_000), (true, 100_000), (false, 4_000_000)] {
        let model = Arc::new(Model::new(310, &[869_152]));
        let cuts = Arc::new(AtomicUsize::new(0));
        let counted = cuts.clone();
        let stub = registry_of(model.clone(), move |_: &Asked, blob: &[u8]| {
            match blob.len() > 1000 && counted.fetch_add(1, Relaxed) < 2 {
                true => cut(blob, 400_000, breaks),
                false => answer(200, &[], blob.to_vec()),
            }
        })
        .await;
        let site =
            Site::with(Config { download_piece: piece, patience: Duration::from_millis(400), ..impatient() });
        site.pull(&name_at(&stub)).await.unwrap();
        model.assert_in(&site.store, &name_at(&stub));
        assert_eq!(cuts.load(Relaxed), 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_ranges_a_registry_that_always_breaks_is_given_up() {
    let model = Arc::new(Model::new(311, &[869_152]));
    let stub = registry_of(model, |_: &Asked, blob: &[u8]| match blob.len() > 1000 {
        true => cut(blob, 400_000, true),
        false => answer(200, &[], blob.to_vec()),
    })
    .await;
    let error = Site::new().pull(&name_at(&stub)).await.unwrap_err();
    assert!(matches!(error, RegistryError::Interrupted { .. }), "{error}");
    assert!(stub.asked().len() < 20, "{}", stub.asked().len());
}

/// A registry that asks to come back later `times` times.
async fn busy(model: Arc<Model>, times: usize, retry_after: String) -> Stub {
    let left = Arc::new(AtomicUsize::new(times));
    Stub::start(move |asked: &Asked| {
        if left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok() {
            return answer(429, &[("retry-after", &retry_after)], "too many");
        }
        match asked.uri.path().contains("/manifests/") {
            true => answer(200, &[], model.manifest.clone()),
            false => blob_answer(asked, model.blob(asked.uri.path().rsplit('/').next().unwrap()).unwrap()),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_asks_to_wait_is_obeyed_and_the_wait_is_told() {
    let model = Arc::new(Model::new(312, &[1000]));
    let forms: [fn() -> String; 2] =
        [|| "2".to_owned(), || httpdate::fmt_http_date(SystemTime::now() + Duration::from_millis(3_500))];
    for retry_after in forms {
        let stub = busy(model.clone(), 1, retry_after()).await;
        let (site, begun) = (Site::new(), Instant::now());
        site.pull(&name_at(&stub)).await.unwrap();
        assert!(begun.elapsed() > Duration::from_millis(1_400), "{:?}", begun.elapsed());
        let registry = Party::Registry(stub.host());
        let waits = site.waits();
        let is_told =
            |awaited: &Awaited| matches!(awaited, Awaited::ComeBack(party, _) if *party == registry);
        assert!(waits.iter().any(is_told), "{waits:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_asks_to_wait_too_long_is_refused_with_the_time() {
    let model = Arc::new(Model::new(313, &[1000]));
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3_600));
    for retry_after in ["3600", &date, "99999999999999"] {
        let stub = busy(model.clone(), 1, retry_after.to_owned()).await;
        let (site, begun) = (Site::new(), Instant::now());
        let error = site.pull(&name_at(&stub)).await.unwrap_err();
        assert!(matches!(error, RegistryError::Refused { status: 429, .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("asks to come back in") && text.contains("GMT"), "{text}");
        assert!(begun.elapsed() < Duration::from_secs(2));
        assert_eq!(stub.asked().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_told_and_ends() {
    let stub = Stub::start(|_: &Asked| {
        answer(200, &[], Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>()))
    })
    .await;
    let retry = RetryPolicy { longest_silence: Duration::from_millis(1_500), ..impatient().retry };
    let site = Site::with(Config {
        patience: Duration::from_secs(1),
        notice: Duration::from_millis(200),
        retry,
        ..impatient()
    });
    let begun = Instant::now();
    let error = site.pull(&name_at(&stub)).await.unwrap_err();
    assert!(matches!(error, RegistryError::Silent { .. }), "{error}");
    assert!(error.to_string().contains("OLLAMAKE_REGISTRY_SILENCE_SECONDS"), "{error}");
    // Two attempts bear as much silence as is borne.
    assert_eq!(stub.asked().len(), 2);
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert!(site.waits().contains(&Awaited::Registry(stub.host())));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_of_one_model_stands_for_it() {
    let model = Arc::new(Model::new(314, &[10_000]));
    let served = model.clone();
    let digest = Digest::of(&model.manifest);
    let stub = Stub::start(move |asked: &Asked| {
        let last = asked.uri.path().rsplit('/').next().unwrap();
        let index = format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[
                {{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}",
                "size":{}}}]}}"#,
            served.manifest.len()
        );
        match last {
            "latest" => answer(200, &[("content-type", "application/vnd.oci.image.index.v1+json")], index),
            "two" => {
                let entry = format!(r#"{{"digest":"{digest}","size":1}}"#);
                answer(200, &[], format!(r#"{{"schemaVersion":2,"manifests":[{entry},{entry}]}}"#))
            }
            last if last == digest.to_string() => answer(200, &[], served.manifest.clone()),
            last => blob_answer(asked, served.blob(last).unwrap()),
        }
    })
    .await;
    let site = Site::new();
    site.pull(&name_at(&stub)).await.unwrap();
    model.assert_in(&site.store, &name_at(&stub));
    let error = site.pull(&format!("{}:two", name_at(&stub))).await.unwrap_err();
    assert!(error.to_string().contains("image index of 2 manifests"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_page_is_called_one() {
    let page = "<!DOCTYPE html><html><title>Sign in</title></html>";
    for kind in ["text/html; charset=utf-8", "application/json"] {
        let stub = Stub::start(move |_: &Asked| answer(200, &[("content-type", kind)], page)).await;
        let error = Site::new().pull(&name_at(&stub)).await.unwrap_err();
        assert!(error.to_string().contains("a login page"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packed_manifest_is_unpacked_and_a_packed_blob_named() {
    let model = Arc::new(Model::new(315, &[10_000]));
    let packed = |bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        answer(200, &[("content-encoding", "gzip")], encoder.finish().unwrap())
    };
    for packs_blobs in [false, true] {
        let served = model.clone();
        let stub = Stub::start(move |asked: &Asked| {
            if asked.uri.path().contains("/manifests/") {
                return packed(&served.manifest);
            }
            let blob = served.blob(asked.uri.path().rsplit('/').next().unwrap()).unwrap();
            if packs_blobs { packed(blob) } else { blob_answer(asked, blob) }
        })
        .await;
        let site = Site::new();
        match site.pull(&name_at(&stub)).await {
            Ok(_) => model.assert_in(&site.store, &name_at(&stub)),
            Err(error) => assert!(packs_blobs && error.to_string().contains("\"gzip\""), "{error}"),
        }
    }
}

/// A registry whose storage refuses the first `times` requests.
async fn with_storage(model: Arc<Model>, times: usize) -> (Stub, Stub) {
    let (stored, left) = (model.clone(), Arc::new(AtomicUsize::new(times)));
    let storage = Stub::start(move |asked: &Asked| {
        if left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok() {
            return answer(403, &[], "<RegistryError><Message>Request has expired</Message></RegistryError>");
        }
        blob_answer(asked, stored.blob(asked.uri.path().rsplit('/').next().unwrap()).unwrap())
    })
    .await;
    let elsewhere = storage.host();
    let registry = Stub::start(move |asked: &Asked| match asked.uri.path() {
        path if path.contains("/manifests/") => answer(200, &[], model.manifest.clone()),
        path => {
            let location = format!("http://{elsewhere}/{}", path.rsplit('/').next().unwrap());
            answer(307, &[("location", &location)], "")
        }
    })
    .await;
    (registry, storage)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_the_storage_that_has_expired_is_asked_for_anew() {
    let model = Arc::new(Model::new(316, &[]));
    let (registry, _storage) = with_storage(model.clone(), 1).await;
    let site = Site::new();
    site.pull(&name_at(&registry)).await.unwrap();
    model.assert_in(&site.store, &name_at(&registry));

    let (registry, storage) = with_storage(model, usize::MAX).await;
    let error = Site::new().pull(&name_at(&registry)).await.unwrap_err();
    assert!(matches!(error, RegistryError::Storage { status: 403, .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains(&storage.host()) && text.contains("Request has expired"), "{text}");
    assert!(!text.contains("docker login"), "{text}");
    assert_eq!(storage.asked().len(), 2);
}

/// A registry of a model with these layers and this configuration.
async fn registry_of_layers(layers: &[(MediaType, &str)], config: &str) -> Stub {
    let layer = |kind: &MediaType, text: &str| {
        Layer::new(kind.clone(), Digest::of(text.as_bytes()), text.len() as u64)
    };
    let listed = layers.iter().map(|(kind, text)| layer(kind, text)).collect();
    let manifest = Manifest::new(layer(&MediaType::Config, config), listed).to_bytes();
    let mut texts: Vec<String> = layers.iter().map(|(_, text)| (*text).to_owned()).collect();
    texts.push(config.to_owned());
    Stub::start(move |asked: &Asked| {
        let path = asked.uri.path();
        if path.contains("/manifests/") {
            return answer(200, &[], manifest.clone());
        }
        let text = texts.iter().find(|text| path.ends_with(&Digest::of(text.as_bytes()).to_string()));
        blob_answer(asked, text.unwrap().as_bytes())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_of_nothing_are_nothing() {
    use MediaType::{License, Messages, Parameters, System, Template};
    for (params, config) in [("", ""), ("null", "null"), ("null\n", "{}")] {
        let layers = [(Parameters, params), (Messages, params), (System, ""), (Template, ""), (License, "")];
        let stub = registry_of_layers(&layers, config).await;
        let site = Site::new();
        let placed = site.pull(&name_at(&stub)).await.unwrap();
        site.store.config(&placed.model).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_that_cannot_be_read_are_refused_with_the_blob() {
    use MediaType::{Messages, Parameters};
    for (kind, text, config) in [
        (Parameters, "[1]", "{}"),
        (Parameters, "{\"stop\":", "{}"),
        (Messages, "\"hello\"", "{}"),
        (Parameters, "{}", "not JSON"),
        (Parameters, "{}", "7"),
    ] {
        let stub = registry_of_layers(&[(kind, text)], config).await;
        let site = Site::new();
        let error = site.pull(&name_at(&stub)).await.unwrap_err();
        assert!(matches!(error, RegistryError::InvalidManifest { .. }), "{error}");
        assert!(error.to_string().contains("blob sha256:"), "{error}");
        assert!(site.store.list().unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_does_not_know_head_is_sent_everything() {
    for status in [405, 501] {
        let stub = Stub::start(move |asked: &Asked| match asked.method.as_str() {
            "HEAD" => answer(status, &[], ""),
            "POST" => answer(202, &[("location", "/v2/team/m/blobs/uploads/session")], ""),
            _ => answer(201, &[], ""),
        })
        .await;
        let (model, site) = (Model::new(317, &[10_000]), Site::new());
        model.put(&site.store, &name_at(&stub));
        site.push(&name_at(&stub)).await.unwrap();
        let sent: usize = stub
            .asked()
            .iter()
            .filter(|asked| asked.uri.path().ends_with("/session"))
            .map(|asked| asked.body.len())
            .sum();
        assert_eq!(sent as u64, model.size());
    }
}
