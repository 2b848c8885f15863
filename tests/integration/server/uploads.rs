//! Uploads as clients make them: sized and chunked, with and without leave, several at once.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use futures_util::stream;

use super::limits::wait_until;
use crate::in_process::InProcess;
use crate::socket::Listening;
use crate::support::bytes::digest_of;

#[tokio::test(flavor = "multi_thread")]
async fn several_uploads_of_one_digest_all_succeed() {
    let server = Arc::new(InProcess::new());
    let contents = Bytes::from(vec![9; 3_000_000]);
    let path = format!("/api/blobs/{}", digest_of(&contents));
    let uploads: Vec<_> = (0..8)
        .map(|_| {
            let (server, path, contents) = (Arc::clone(&server), path.clone(), contents.clone());
            tokio::spawn(async move {
                let pieces: Vec<_> = contents.chunks(10_000).map(Bytes::copy_from_slice).collect();
                let pieces = stream::iter(pieces.into_iter().map(Ok::<_, Infallible>));
                server.call("POST", &path, Body::from_stream(pieces)).await.status.as_u16()
            })
        })
        .collect();
    for upload in uploads {
        let status = upload.await.unwrap();
        assert!(status == 201 || status == 200, "{status}");
    }
    assert_eq!(server.call("HEAD", &path, "").await.status, 200);
    assert_eq!(server.files(), [digest_of(&contents).file_name()]);
}

#[tokio::test]
async fn bodies_of_any_length_arrive_whole() {
    let server = InProcess::new();
    for length in [0, 1, 65_535, 65_536, 65_537, 1_000_000] {
        let contents: Vec<u8> = (0..length).map(|index: usize| (index * 7 % 251) as u8).collect();
        let digest = server.upload(&contents).await;
        assert_eq!(server.store.blob(digest).unwrap().bytes().unwrap(), contents);
    }
}

#[tokio::test]
async fn leave_to_send_a_body_is_given_only_if_it_is_needed() {
    let server = Listening::new().await;
    let head = format!(
        "POST /api/blobs/{} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
        digest_of(b"hello")
    );
    let mut connection = server.connect().await;
    connection.write(&head).await;
    assert_eq!(connection.read_until("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    connection.write("hello").await;
    assert!(connection.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 201 Created\r\n"));
    // The blob is there now: the answer comes at once, and no body is waited for.
    let mut connection = server.connect().await;
    connection.write(&head).await;
    let answer = connection.read_until("\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[tokio::test]
async fn a_client_that_sends_an_existing_blob_all_the_same_can_go_on() {
    let server = Listening::new().await;
    let contents = vec![5; 3_000_000];
    let digest = digest_of(&contents);
    let head = format!(
        "POST /api/blobs/{digest} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n",
        contents.len()
    );
    let mut connection = server.connect().await;
    for expected in ["HTTP/1.1 201 Created", "HTTP/1.1 200 OK", "HTTP/1.1 200 OK"] {
        connection.write(&head).await;
        connection.write(&contents).await;
        let answer = connection.read_until("\r\n\r\n").await;
        assert!(answer.starts_with(expected), "{answer}");
        assert!(!answer.to_lowercase().contains("connection: close"), "{answer}");
    }
    connection.write("GET /api/version HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(connection.read_until("}").await.contains("\"version\""));
}

#[tokio::test]
async fn chunked_uploads_are_accepted() {
    let server = Listening::new().await;
    let mut connection = server.connect().await;
    let head = format!(
        "POST /api/blobs/{} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
        digest_of(b"hello world")
    );
    connection.write(head + "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n").await;
    assert!(connection.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 201 Created\r\n"));
    wait_until(|| server.unfinished().is_empty()).await;
}
