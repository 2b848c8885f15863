//! What clients of a registry do to push images.

use ollamake::model::{Digest, OCI_MANIFEST};
use serde_json::{Value, json};

use super::{code, header};
use crate::in_process::{Answer, InProcess};

pub(super) const EMPTY: &str = "application/vnd.oci.empty.v1+json";
pub(super) const LAYER: &[u8] = b"a layer of an image";

/// Where an answer sends the client, as a path of this server.
pub(super) fn place(answer: &Answer) -> String {
    let location = header(answer, "location");
    location.strip_prefix("http://127.0.0.1:11434").unwrap_or(location).to_owned()
}

/// Begins an upload; its path.
pub(super) async fn begin(server: &InProcess, repository: &str) -> String {
    let answer = server.call("POST", &format!("/v2/{repository}/blobs/uploads/"), "").await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    place(&answer)
}

pub(super) fn with_digest(path: &str, bytes: &[u8]) -> String {
    format!("{path}?digest={}", Digest::of(bytes))
}

/// Pushes a blob as most clients do.
pub(super) async fn push_blob(server: &InProcess, repository: &str, bytes: &[u8]) -> Digest {
    let path = begin(server, repository).await;
    let answer = server.call("PUT", &with_digest(&path, bytes), bytes.to_vec()).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    Digest::of(bytes)
}

pub(super) async fn push(server: &InProcess, path: &str, kind: &str, bytes: &[u8]) -> Answer {
    server.call_with("PUT", &format!("/v2/{path}"), &[("Content-Type", kind)], bytes.to_vec()).await
}

pub(super) fn descriptor(kind: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": kind, "digest": Digest::of(bytes).to_string(), "size": bytes.len()})
}

/// The manifest of an image of one layer.
pub(super) fn image(layer: &[u8]) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor("application/vnd.oci.image.config.v1+json", b"{}"),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
    })
}

/// Pushes an image with its blobs; its bytes.
pub(super) async fn push_image(server: &InProcess, repository: &str, label: &str, layer: &[u8]) -> Vec<u8> {
    push_blob(server, repository, layer).await;
    push_blob(server, repository, b"{}").await;
    let bytes = image(layer).to_string().into_bytes();
    let answer = push(server, &format!("{repository}/manifests/{label}"), OCI_MANIFEST, &bytes).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    bytes
}

pub(super) fn said(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), code(answer))
}
