//! Uploads as clients make them: sized and chunked, with and without leave, several at once.

use std::convert::Infallible;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::body::{Body, Bytes};
use futures_util::stream;
use hyper::Request;
use ollamake::model::Digest;
use ollamake::store::PruneOptions;

use super::limits::wait_until;
use crate::in_process::InProcess;
use crate::socket::Listening;

#[tokio::test(flavor = "multi_thread")]
async fn several_uploads_of_one_digest_all_succeed() {
    let server = Arc::new(InProcess::new());
    let contents = Bytes::from(vec![9; 3_000_000]);
    let path = format!("/api/blobs/{}", Digest::of(&contents));
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
    assert_eq!(server.files(), [Digest::of(&contents).file_name()]);
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
        Digest::of(b"hello")
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
    let digest = Digest::of(&contents);
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
        Digest::of(b"hello world")
    );
    connection.write(head + "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n").await;
    assert!(connection.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 201 Created\r\n"));
    wait_until(|| server.unfinished().is_empty()).await;
}

#[tokio::test]
async fn what_a_crash_left_of_a_blob_is_replaced_by_its_upload() {
    let server = InProcess::new();
    let contents = vec![7; 500_000];
    let digest = server.upload(&contents).await;
    let path = server.directory.path().join("blobs").join(digest.file_name());
    fs::write(&path, &contents[..1000]).unwrap();
    let upload = Request::builder()
        .method("POST")
        .uri(format!("/api/blobs/{digest}"))
        .header("Host", "localhost")
        .header("Content-Length", contents.len());
    let answer = server.send(upload.body(Body::from(contents.clone())).unwrap()).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(fs::read(&path).unwrap(), contents);
}

#[tokio::test]
async fn a_blob_that_a_client_was_told_of_is_young_again() {
    let server = InProcess::new();
    for method in ["HEAD", "POST"] {
        let digest = server.upload(b"old").await;
        let path = server.directory.path().join("blobs").join(digest.file_name());
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(7200)).unwrap();
        let answer = server.call(method, &format!("/api/blobs/{digest}"), "").await;
        assert_eq!(answer.status, 200, "{method}");
        assert!(server.store.prune(PruneOptions::default()).unwrap().blobs.is_empty(), "{method}");
    }
}
