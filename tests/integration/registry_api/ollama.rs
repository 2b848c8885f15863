//! What Ollama's own client does (0.33, `server/download.go`, `server/upload.go`, `x/transfer`), request by
//! request, is served.

use ollamake::model::{Digest, Manifest};

use super::pushing::push_blob;
use super::*;

/// A request as its client sends it; the address is whole.
async fn send(
    server: &InProcess,
    method: &str,
    address: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let path = address.strip_prefix("http://127.0.0.1:11434").expect("an address with scheme and host");
    server.call_with(method, path, headers, body.to_vec()).await
}

const BASE: &str = "http://127.0.0.1:11434/v2/library/mine";

/// A model as the client has it on its disk: what it pushes is written anew, without the line feed at the
/// end.
fn pushed(weights: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let directory = tempfile::tempdir().unwrap();
    let mut manifest = put(&Store::open(directory.path()).unwrap(), "mine", weights);
    assert_eq!(manifest.pop(), Some(b'\n'));
    (manifest, vec![weights.to_vec(), ModelConfig::default().to_bytes()])
}

async fn assert_is_model(server: &InProcess, manifest: &[u8]) {
    let kind = [("Content-Type", Manifest::MEDIA_TYPE)];
    let answer = send(server, "PUT", &format!("{BASE}/manifests/latest"), &kind, manifest).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let stored = server.store.manifest(&"mine".parse().unwrap()).unwrap();
    assert_eq!(stored.bytes, manifest);
    assert_eq!(server.get("/api/tags").await.json()["models"][0]["name"], "mine:latest");
}

#[tokio::test]
async fn it_pushes_in_parts_to_whole_addresses() {
    let server = InProcess::new();
    let (manifest, blobs) = pushed(&noise(1, 3000));
    for blob in &blobs {
        let digest = Digest::of(blob);
        assert_eq!(send(&server, "HEAD", &format!("{BASE}/blobs/{digest}"), &[], b"").await.status, 404);
        let begun =
            send(&server, "POST", &format!("{BASE}/blobs/uploads/"), &[("Content-Length", "0")], b"").await;
        assert_eq!(begun.status, 202);
        let mut location = header(&begun, "location").to_owned();
        let middle = blob.len() / 2;
        for (from, part) in [(0, &blob[..middle]), (middle, &blob[middle..])] {
            let range = format!("{from}-{}", from + part.len() - 1);
            let headers = [
                ("Content-Type", "application/octet-stream"),
                ("Content-Range", &*range),
                ("X-Redirect-Uploads", "1"),
            ];
            let answer = send(&server, "PATCH", &location, &headers, part).await;
            assert_eq!(answer.status, 202, "{}", answer.body);
            location = header(&answer, "location").to_owned();
        }
        let address = format!("{location}?digest={digest}&etag=0123456789abcdef-2");
        let headers = [("Content-Length", "0"), ("Content-Type", "application/octet-stream")];
        let answer = send(&server, "PUT", &address, &headers, b"").await;
        assert_eq!(answer.status, 201, "{}", answer.body);
    }
    assert_is_model(&server, &manifest).await;
}

#[tokio::test]
async fn it_pushes_tensors_with_a_digest_before_the_bytes() {
    let server = InProcess::new();
    let (manifest, blobs) = pushed(&noise(2, 3000));
    for blob in &blobs {
        let (digest, length) = (Digest::of(blob), blob.len().to_string());
        let headers = [("Content-Length", "0"), ("X-Content-Length", &length), ("X-Redirect-Uploads", "2")];
        let address = format!("{BASE}/blobs/uploads/?digest={digest}");
        let begun = send(&server, "POST", &address, &headers, b"").await;
        // Without an address of a storage service the bytes come here.
        assert_eq!((begun.status.as_u16(), header(&begun, "x-direct-upload-url")), (202, ""));
        let range = format!("0-{}", blob.len() - 1);
        let location = header(&begun, "location").to_owned();
        let answer = send(&server, "PATCH", &location, &[("Content-Range", &range)], blob).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        let address = format!("{}?digest={digest}", header(&answer, "location"));
        assert_eq!(send(&server, "PUT", &address, &[], b"").await.status, 201);
    }
    assert_is_model(&server, &manifest).await;
}

#[tokio::test]
async fn it_mounts_what_another_model_has() {
    let server = InProcess::new();
    let digest = push_blob(&server, "library/other", WEIGHTS).await;
    let address = format!("{BASE}/blobs/uploads/?from=library%2Fother&mount={digest}");
    assert_eq!(send(&server, "POST", &address, &[], b"").await.status, 201);
}

/// It takes no blob without being sent somewhere, and shows no credentials there.
#[tokio::test]
async fn it_pulls_ranges_without_credentials_from_where_it_is_sent() {
    let server = InProcess::with(|config| {
        config.api_key = Some(ApiKey::parse("secret").unwrap());
        config.open_registry = true;
    });
    let manifest = put(&server.store, "mine", WEIGHTS);
    let accept = [("Accept", Manifest::MEDIA_TYPE)];
    let answer = send(&server, "GET", &format!("{BASE}/manifests/latest"), &accept, b"").await;
    assert_eq!((answer.status.as_u16(), answer.body.as_bytes()), (200, &*manifest));
    let address = format!("{BASE}/blobs/{}", Digest::of(WEIGHTS));
    let head = send(&server, "HEAD", &address, &[], b"").await;
    assert_eq!(header(&head, "content-length"), "10");
    let sent = send(&server, "GET", &address, &[], b"").await;
    let location = header(&sent, "location").to_owned();
    assert!(!location.is_empty());
    let mut got = String::new();
    for range in ["bytes=0-3", "bytes=4-7", "bytes=8-9"] {
        let part = server.call_with("GET", &location, &[("Range", range)], "").await;
        assert_eq!(part.status, 206);
        got += &part.body;
    }
    assert_eq!(got.as_bytes(), WEIGHTS);
}

#[tokio::test]
async fn behind_https_it_is_sent_to_https() {
    let server = InProcess::new();
    let headers = [("X-Forwarded-Proto", "https"), ("Host", "models.localhost")];
    let begun = server.call_with("POST", "/v2/library/mine/blobs/uploads/", &headers, "").await;
    assert!(
        header(&begun, "location").starts_with("https://models.localhost/v2/library/mine/blobs/uploads/")
    );
}
