//! Debian's skopeo, and its docker-registry as a mirror, against our server.

use std::path::Path;

use ollamake::model::{OCI_INDEX, OCI_MANIFEST};

use super::pushing::{EMPTY, descriptor};
use super::*;
use crate::registry::Site;
use crate::registry::docker_registry::{DockerRegistry, Setup};
use crate::registry::model::Model;
use crate::socket::Listening;
use crate::support::skopeo;

const CONFIG: &str =
    r#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"config":{}}"#;

/// Copies with skopeo between registries without TLS; `false` where it is not installed.
async fn copy(arguments: &[&str], from: &str, to: &str) -> bool {
    let all = [&["--src-tls-verify=false", "--dest-tls-verify=false"], arguments].concat();
    // It must not keep the server's thread.
    tokio::task::block_in_place(|| skopeo::copy(&all, from, to))
}

/// Writes a layout of one manifest with these blobs; the manifest.
fn layout(directory: &Path, manifest: &serde_json::Value, blobs: &[&[u8]]) -> Vec<u8> {
    let bytes = manifest.to_string().into_bytes();
    let place = directory.join("blobs/sha256");
    std::fs::create_dir_all(&place).unwrap();
    for blob in blobs.iter().copied().chain([&*bytes]) {
        std::fs::write(place.join(Digest::of(blob).hex()), blob).unwrap();
    }
    let index =
        json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor(OCI_MANIFEST, &bytes)]});
    std::fs::write(directory.join("index.json"), index.to_string()).unwrap();
    std::fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    bytes
}

/// The one manifest of a layout.
fn manifest_in(directory: &Path) -> Vec<u8> {
    let index: serde_json::Value =
        serde_json::from_slice(&std::fs::read(directory.join("index.json")).unwrap()).unwrap();
    let digest: Digest = index["manifests"][0]["digest"].as_str().unwrap().parse().unwrap();
    std::fs::read(directory.join("blobs/sha256").join(digest.hex())).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_pushes_and_pulls_images_and_artifacts() {
    let key = [("OLLAMAKE_API_KEY", "secret"), ("OLLAMAKE_OPEN_REGISTRY", "1")];
    let models = tempfile::tempdir().unwrap();
    let server = Process::start(models.path(), &key);
    let layer = noise(3, 300_000);
    let image = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": descriptor("application/vnd.oci.image.config.v1+json", CONFIG.as_bytes()),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar+gzip", &layer)]});
    let artifact = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": descriptor(EMPTY, b"{}"),
        "layers": [descriptor("application/vnd.cncf.model.weight.v1.raw", &layer)]});
    for (name, manifest, config) in
        [("alpine:3.20", image, CONFIG.as_bytes()), ("a/b/pack:latest", artifact, &b"{}"[..])]
    {
        let work = tempfile::tempdir().unwrap();
        let (from, to) = (work.path().join("from"), work.path().join("to"));
        let pushed = layout(&from, &manifest, &[config, &layer]);
        let there = format!("docker://{}/{name}", server.address);
        let push = ["--preserve-digests", "--dest-creds=any:secret"];
        if !copy(&push, &format!("oci:{}", from.display()), &there).await {
            return;
        }
        // Who pulls needs no key here.
        assert!(copy(&["--preserve-digests"], &there, &format!("oci:{}", to.display())).await);
        assert_eq!(manifest_in(&to), pushed, "{name}");
        let digest = Digest::of(&layer);
        assert!(std::fs::read(to.join("blobs/sha256").join(digest.hex())).unwrap() == layer, "{name}");
    }
    let store = Store::open(models.path()).unwrap();
    assert!(store.list().unwrap().is_empty());
    assert!(store.check(true, |_| {}).unwrap().is_clean());
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_copies_a_model_that_has_the_form_of_oci() {
    let server = Listening::new().await;
    let model = Model::new(80, &[300_000]);
    model.put(&server.store, "team/mine");
    let oci = server.store.manifest(&"team/mine".parse().unwrap()).unwrap().manifest.to_oci();
    let work = tempfile::tempdir().unwrap();
    let layout = format!("oci:{}", work.path().join("mine").display());
    let there = format!("docker://{}/team/mine@{}", server.address, Digest::of(&oci));
    if !copy(&["--preserve-digests"], &there, &layout).await {
        return;
    }
    assert_eq!(manifest_in(&work.path().join("mine")), oci);
    // And back under another name, where it is a model again.
    let back = format!("docker://{}/team/back:latest", server.address);
    assert!(copy(&["--preserve-digests"], &layout, &back).await);
    let (one, other) =
        ["team/mine", "team/back"].map(|name| server.store.manifest(&name.parse().unwrap()).unwrap()).into();
    assert_eq!(
        (one.manifest.layers.clone(), one.manifest.config.clone()),
        (other.manifest.layers.clone(), other.manifest.config.clone())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_registry_mirrors_a_model_byte_for_byte() {
    let server = Listening::new().await;
    let model = Model::new(90, &[300_000, 5]);
    model.put(&server.store, "team/mine");
    let setup = Setup { mirror_of: Some(format!("http://{}", server.address)), ..Setup::default() };
    let Some(mirror) = DockerRegistry::start(&setup) else { return };
    let site = Site::new();
    let name = format!("{}/team/mine", mirror.host());
    site.pull(&name).await.unwrap();
    model.assert_in(&site.store, &name);
}
