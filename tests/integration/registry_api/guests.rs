//! What is pushed and is no model: kept, counted, served, and never where Ollama reads names.

use std::time::Duration;

use ollamake::model::{Digest, Label, MediaType, OCI_INDEX, OCI_MANIFEST, Repository};
use ollamake::store::{GuestName, Holder, PruneOptions};
use serde_json::json;

use super::pushing::{EMPTY, descriptor, image, push, push_blob, push_image};
use super::*;

const EVERYTHING: PruneOptions = PruneOptions { grace: Duration::ZERO, dry_run: false };
const LAYER: &[u8] = b"a layer of a guest";

fn name(repository: &str, label: &str) -> GuestName {
    GuestName { repository: repository.parse().unwrap(), label: label.parse().unwrap() }
}

#[tokio::test]
async fn guests_are_kept_and_no_name_of_ollamas() {
    let server = InProcess::new();
    let pushed = [
        ("alpine", "latest"),
        ("a/b/c", "v1"),
        // A name that a model could have.
        ("library/image", "latest"),
        ("team/pack", "1.0"),
    ];
    for (repository, tag) in pushed {
        push_image(&server, repository, tag, LAYER).await;
    }
    assert!(server.store.list().unwrap().is_empty());
    for tree in ["manifests", "manifests-v2"] {
        let entries = std::fs::read_dir(server.directory.path().join(tree));
        assert_eq!(entries.map_or(0, Iterator::count), 0, "{tree}");
    }
    server.store.prune(EVERYTHING).unwrap();
    let report = server.store.check(true, |_| {}).unwrap();
    assert!(report.is_clean(), "{report:?}");
    let account = server.store.account().unwrap();
    let manifest = image(LAYER).to_string();
    assert_eq!((account.guests.files, account.guests.bytes), (1, 2 + LAYER.len() as u64));
    assert_eq!(account.unnamed.files, 0);
    for (repository, tag) in pushed {
        assert_eq!(server.get(&format!("/v2/{repository}/manifests/{tag}")).await.body, manifest);
    }
    // Letter case does not count.
    assert_eq!(server.get("/v2/Library/IMAGE/manifests/latest").await.body, manifest);
    let catalog = server.get("/v2/_catalog").await.json();
    assert_eq!(catalog["repositories"], json!(["a/b/c", "alpine", "library/image", "team/pack"]));
}

#[tokio::test]
async fn what_a_guest_lacks_is_found() {
    let server = InProcess::new();
    push_image(&server, "alpine", "latest", LAYER).await;
    let blob = server.directory.path().join("blobs").join(Digest::of(LAYER).file_name());
    std::fs::write(&blob, [b'x'; LAYER.len()]).unwrap();
    let damaged = server.store.check(true, |_| {}).unwrap().damaged_blobs;
    assert_eq!(damaged[0].holders, [Holder::Guest(name("alpine", "latest"))]);
    std::fs::remove_file(blob).unwrap();
    let missing = server.store.check(true, |_| {}).unwrap().missing_blobs;
    assert_eq!(missing[0].holder.to_string(), "alpine:latest");
    assert_eq!((missing[0].digest, missing[0].expected), (Digest::of(LAYER), LAYER.len() as u64));
}

#[tokio::test]
async fn a_guest_that_cannot_be_read_keeps_every_blob() {
    let server = InProcess::new();
    push_image(&server, "alpine", "latest", LAYER).await;
    let file = server.directory.path().join("ollamake/guests/alpine/latest");
    std::fs::write(file, "{").unwrap();
    let report = server.store.prune(EVERYTHING).unwrap();
    assert_eq!(report.unread[0].place, "ollamake/guests/alpine/latest");
    assert!(server.store.contains(Digest::of(LAYER)).unwrap());
    // It can be mended by pushing it again.
    push_image(&server, "alpine", "latest", LAYER).await;
    assert!(server.store.prune(EVERYTHING).unwrap().unread.is_empty());
}

#[tokio::test]
async fn what_a_tag_named_before_goes() {
    let server = InProcess::new();
    push_image(&server, "alpine", "latest", LAYER).await;
    push_image(&server, "alpine", "latest", b"another layer").await;
    server.store.settle();
    assert!(!server.store.contains(Digest::of(LAYER)).unwrap());
    assert!(server.store.contains(Digest::of(b"another layer")).unwrap());
}

#[tokio::test]
async fn an_image_does_not_take_the_place_of_a_model() {
    let server = InProcess::new();
    put(&server.store, "mine", WEIGHTS);
    push_blob(&server, "library/mine", LAYER).await;
    push_blob(&server, "library/mine", b"{}").await;
    let bytes = image(LAYER).to_string();
    let answer = push(&server, "library/mine/manifests/latest", OCI_MANIFEST, bytes.as_bytes()).await;
    assert_eq!((answer.status.as_u16(), code(&answer).as_str()), (403, "DENIED"));
    // Another tag is free, and both are listed.
    let answer = push(&server, "library/mine/manifests/image", OCI_MANIFEST, bytes.as_bytes()).await;
    assert_eq!(answer.status, 201);
    let tags = server.get("/v2/library/mine/tags/list").await.json();
    assert_eq!(tags["tags"], json!(["image", "latest"]));
}

#[tokio::test]
async fn a_model_takes_the_place_of_an_image() {
    let server = InProcess::new();
    push_image(&server, "library/mine", "latest", LAYER).await;
    let (other, _directory) = {
        let directory = tempfile::tempdir().unwrap();
        (Store::open(directory.path()).unwrap(), directory)
    };
    let model = put(&other, "mine", WEIGHTS);
    for bytes in [WEIGHTS, &ModelConfig::default().to_bytes()] {
        push_blob(&server, "library/mine", bytes).await;
    }
    let answer = push(&server, "library/mine/manifests/latest", Manifest::MEDIA_TYPE, &model).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(server.get("/v2/library/mine/manifests/latest").await.body.as_bytes(), model);
    assert!(server.store.guests_of(&"library/mine".parse::<Repository>().unwrap()).unwrap().is_empty());
    server.store.settle();
    assert!(!server.store.contains(Digest::of(LAYER)).unwrap());
}

/// What stands in an index is not followed, so nobody can make the store keep everything with one.
#[tokio::test]
async fn what_an_index_says_of_blobs_stops_no_pruning() {
    let server = InProcess::new();
    let child = push_image(&server, "alpine", "child", LAYER).await;
    let garbage = b"{ no manifest";
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
        descriptor(OCI_MANIFEST, &child),
        descriptor(OCI_MANIFEST, garbage),
    ]});
    let answer = push(&server, "alpine/manifests/many", OCI_INDEX, index.to_string().as_bytes()).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    push_blob(&server, "alpine", garbage).await;
    let loose = push_blob(&server, "alpine", b"loose").await;
    let report = server.store.prune(EVERYTHING).unwrap();
    assert!(report.unread.is_empty(), "{:?}", report.unread);
    assert_eq!(report.blobs.iter().map(|(digest, _)| *digest).collect::<Vec<_>>(), [loose]);
}

#[tokio::test]
async fn indexes_in_indexes_cost_nothing() {
    let server = InProcess::new();
    let mut inner = push_image(&server, "alpine", "innermost", LAYER).await;
    for depth in 0..60 {
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
            descriptor(if depth == 0 { OCI_MANIFEST } else { OCI_INDEX }, &inner),
        ]});
        inner = index.to_string().into_bytes();
        let path = format!("alpine/manifests/{}", Digest::of(&inner));
        assert_eq!(push(&server, &path, OCI_INDEX, &inner).await.status, 201);
    }
    assert!(server.store.prune(EVERYTHING).unwrap().blobs.is_empty());
    assert!(server.store.check(true, |_| {}).unwrap().is_clean());
}

#[tokio::test]
async fn a_model_without_a_name_is_a_guest() {
    let server = InProcess::new();
    let model = put(&server.store, "mine", WEIGHTS);
    let digest = Digest::of(&model).to_string();
    for (repository, label) in [("alpine", "latest"), ("a/b/c", "latest"), ("library/mine", &*digest)] {
        let path = format!("{repository}/manifests/{label}");
        let answer = push(&server, &path, Manifest::MEDIA_TYPE, &model).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        assert_eq!(server.get(&format!("/v2/{path}")).await.body.as_bytes(), model);
    }
    assert_eq!(server.store.list().unwrap().len(), 1);
    let guest = server.store.guest(&"alpine".parse().unwrap(), &"latest".parse::<Label>().unwrap()).unwrap();
    assert_eq!(guest.unwrap().document.artifact_type, MediaType::Config.as_str());
}

#[tokio::test]
async fn an_image_of_nothing_is_no_model() {
    let server = InProcess::new();
    push_blob(&server, "library/scratch", b"{}").await;
    let manifest = json!({"schemaVersion": 2, "mediaType": Manifest::MEDIA_TYPE,
        "config": descriptor(MediaType::Config.as_str(), b"{}"), "layers": []});
    let bytes = manifest.to_string();
    let path = "library/scratch/manifests/latest";
    assert_eq!(push(&server, path, Manifest::MEDIA_TYPE, bytes.as_bytes()).await.status, 201);
    assert!(server.store.list().unwrap().is_empty());
    // Nor is an artifact without anything.
    let artifact = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "text/x",
        "config": descriptor(EMPTY, b"{}"), "layers": [descriptor(EMPTY, b"{}")]});
    let path = "library/scratch/manifests/artifact";
    assert_eq!(push(&server, path, OCI_MANIFEST, artifact.to_string().as_bytes()).await.status, 201);
    assert!(server.store.list().unwrap().is_empty());
}
