//! Bodies that are too large, too deep or never end, and clients that go away.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use futures_util::stream;
use hyper::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::hostile::cases::client::request;
use crate::in_process::{InProcess, small_gguf};
use crate::socket::{Connection, Listening};
use crate::support::large_gguf::large_gguf;
use ollamake::model::Digest;

#[tokio::test]
async fn huge_json_is_refused_by_its_stated_length() {
    let server = InProcess::new();
    for path in ["/api/create", "/api/show", "/api/copy", "/api/pull", "/api/push"] {
        let request = Request::builder()
            .method("POST")
            .uri(path)
            .header("Host", "localhost")
            .header("Content-Length", "100000000");
        let answer = server.send(request.body(Body::from("{")).unwrap()).await;
        assert_eq!(answer.status, 413, "{path}: {}", answer.body);
    }
}

#[tokio::test]
async fn huge_json_without_a_length_is_refused_when_it_has_come_so_far() {
    let server = InProcess::with(|config| config.limits.request = 1 << 20);
    let blanks = stream::repeat_with(|| Ok::<_, Infallible>(Bytes::from(vec![b' '; 64 << 10])));
    let answer = server.call("POST", "/api/create", Body::from_stream(blanks)).await;
    assert_eq!(answer.status, 413, "{}", answer.body);
}

#[tokio::test]
async fn deeply_nested_json_and_duplicate_keys_are_bounded() {
    let server = InProcess::new();
    for open in ["[", "{\"a\":"] {
        let answer = server.call("POST", "/api/create", open.repeat(10_000)).await;
        assert_eq!(answer.status, 400);
        assert!(answer.error().contains("depth"), "{}", answer.body);
    }
    let answer = server.call("POST", "/api/show", r#"{"model": "bad name!!", "model": "nope"}"#).await;
    assert_eq!((answer.status.as_u16(), answer.error().as_str()), (404, "model 'nope:latest' not found"));
}

fn upload_head(address: &str, digest: impl std::fmt::Display, rest: &str) -> String {
    format!("POST /api/blobs/{digest} HTTP/1.1\r\nHost: {address}\r\n{rest}\r\n\r\n")
}

/// Hostile input: `cut-off-upload`.
#[tokio::test]
async fn a_body_cut_off_mid_upload_leaves_nothing() {
    let server = Listening::new().await;
    let contents = vec![1; 400_000];
    let head = upload_head(&server.address, Digest::of(&contents), "Content-Length: 400000");
    for framing in ["sized", "chunked"] {
        let mut connection = server.connect().await;
        match framing {
            "sized" => {
                connection.write(&head).await;
                connection.write(&contents[..200_000]).await;
            }
            _ => {
                let head = head.replace("Content-Length: 400000", "Transfer-Encoding: chunked");
                connection.write(&head).await;
                connection.write("30D40\r\n").await;
                connection.write(&contents[..200_000]).await;
                connection.write("\r\n").await;
            }
        }
        wait_until(|| !server.unfinished().is_empty()).await;
        drop(connection);
        wait_until(|| server.unfinished().is_empty()).await;
        assert_eq!(server.blobs(), Vec::<String>::new(), "{framing}");
    }
}

#[tokio::test]
async fn a_stalled_upload_is_given_up() {
    let server = Listening::with(|config| config.limits.stall = Duration::from_millis(200)).await;
    let mut connection = server.connect().await;
    connection.write(upload_head(&server.address, Digest::of(b"hello"), "Content-Length: 5")).await;
    connection.write("he").await;
    let answer = connection.read_until("}").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    wait_until(|| server.unfinished().is_empty()).await;
}

/// Hostile input: `slow-loris`.
#[tokio::test]
async fn a_slow_loris_is_cut_off() {
    let server = Listening::with(|config| config.limits.head = Duration::from_millis(200)).await;
    let start = Instant::now();
    let mut connection = server.connect().await;
    connection.write("GET /api/tags HTTP/1.1\r\nHost: local").await;
    connection.read_to_end().await;
    assert!(start.elapsed() < Duration::from_secs(10));
}

/// Hostile input: `endless-upload`.
#[tokio::test]
async fn a_request_whose_body_stalls_is_given_up() {
    let server = Listening::with(|config| config.limits.stall = Duration::from_millis(200)).await;
    for path in ["/api/create", "/api/show", "/api/copy", "/api/pull"] {
        let mut connection = server.connect().await;
        let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{{");
        connection.write(head).await;
        let answer = connection.read_until("}").await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{path}: {answer}");
    }
}

/// Sends `piece` every few milliseconds until the server answers, and tells the answer.
async fn drip(mut connection: Connection, piece: Vec<u8>) -> String {
    let (mut reader, mut writer) = connection.0.split();
    let dripping = async {
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            // The server may have closed the connection in between.
            if writer.write_all(&piece).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let mut answer = [0; 4096];
    tokio::select! {
        () = dripping => unreachable!(),
        count = reader.read(&mut answer) => {
            String::from_utf8_lossy(&answer[..count.unwrap_or(0)]).into_owned()
        }
    }
}

#[tokio::test]
async fn a_body_that_drips_is_given_up() {
    let server = Listening::with(|config| config.limits.stall = Duration::from_millis(200)).await;
    let blob = format!("/api/blobs/{}", Digest::of(b"x"));
    for path in [&blob, "/api/create", "/api/show"] {
        let mut connection = server.connect().await;
        // It would take a minute.
        let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000\r\n\r\n");
        connection.write(head).await;
        let answer = drip(connection, b" ".to_vec()).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{path}: {answer}");
        assert!(answer.contains("hardly anything came for 0.2 s"), "{path}: {answer}");
    }
    wait_until(|| server.unfinished().is_empty()).await;
}

#[tokio::test]
async fn a_body_that_is_slow_but_moves_is_received() {
    let server = Listening::with(|config| config.limits.stall = Duration::from_secs(1)).await;
    let piece = vec![5; 64 << 10];
    let contents = piece.repeat(6);
    let mut connection = server.connect().await;
    let length = format!("Content-Length: {}", contents.len());
    connection.write(upload_head(&server.address, Digest::of(&contents), &length)).await;
    for _ in 0..6 {
        tokio::time::sleep(Duration::from_millis(250)).await;
        connection.write(&piece).await;
    }
    let answer = connection.read_until("\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn long_requests_that_take_for_ever_keep_no_other_from_its_turn() {
    let server = Listening::with(|config| config.limits.stall = Duration::from_millis(500)).await;
    let mut slow = Vec::new();
    // As many as there are turns.
    for _ in 0..4 {
        let mut connection = server.connect().await;
        connection
            .write("POST /api/show HTTP/1.1\r\nHost: localhost\r\nContent-Length: 33000000\r\n\r\n")
            .await;
        connection.write([b' '; 100_000]).await;
        // Enough for progress, and for more than half a minute.
        slow.push(tokio::spawn(drip(connection, vec![b' '; 16 << 10])));
    }
    // They have their turns.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let body = format!(r#"{{"model": "nope"{}}}"#, " ".repeat(100_000));
    let mut other = server.connect().await;
    other.write(request("/api/show", body.as_bytes())).await;
    assert!(other.read_until("}").await.starts_with("HTTP/1.1 404 "));
    for slow in slow {
        let answer = slow.await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("took longer than 2 s"), "{answer}");
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let server = Listening::with(|config| config.limits.head = Duration::from_millis(200)).await;
    let mut connection = server.connect().await;
    connection.write("GET /api/version HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    let answer = connection.read_until("}").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && !answer.contains("close"), "{answer}");
    assert_eq!(connection.read_to_end().await, "");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_to_be_accepted() {
    let server = Listening::with(|config| config.limits.connections = 2).await;
    let ask = "GET /api/version HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut connections = [server.connect().await, server.connect().await];
    for connection in &mut connections {
        connection.write(ask).await;
        assert!(connection.read_until("}").await.contains("200 OK"));
    }
    let mut third = server.connect().await;
    third.write(ask).await;
    let answer = third.read_until("}");
    tokio::pin!(answer);
    assert!(tokio::time::timeout(Duration::from_millis(200), &mut answer).await.is_err());
    drop(connections);
    assert!(answer.await.contains("200 OK"));
}

#[tokio::test]
async fn an_endless_chunked_body_ends_at_the_limit() {
    let server = Listening::with(|config| config.limits.upload = 1 << 20).await;
    let mut connection = server.connect().await;
    connection.write(upload_head(&server.address, Digest::of(b"x"), "Transfer-Encoding: chunked")).await;
    let chunk = [b"10000\r\n".as_slice(), &[7; 65536], b"\r\n"].concat();
    for _ in 0..20 {
        // The server may have closed the connection in between.
        if connection.0.write_all(&chunk).await.is_err() {
            break;
        }
    }
    let answer = connection.read_until("}").await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    wait_until(|| server.unfinished().is_empty()).await;
    assert_eq!(server.blobs(), Vec::<String>::new());
}

/// Hostile input: `lying-length`.
#[tokio::test]
async fn a_stated_length_beyond_the_limit_or_the_disk_is_refused_at_once() {
    let server = InProcess::with(|config| config.limits.upload = 1 << 60);
    let upload = |length: u64| {
        Request::builder()
            .method("POST")
            .uri(format!("/api/blobs/{}", Digest::of(b"x")))
            .header("Host", "localhost")
            .header("Content-Length", length)
            .body(Body::from("x"))
            .unwrap()
    };
    let answer = server.send(upload((1 << 60) + 1)).await;
    assert_eq!(answer.status, 413, "{}", answer.body);
    let answer = server.send(upload(1 << 55)).await;
    assert_eq!(answer.status, 507, "{}", answer.body);
    assert!(answer.error().contains("not enough space"), "{}", answer.body);
}

#[tokio::test]
async fn an_upload_whose_digest_does_not_match_leaves_nothing() {
    let server = InProcess::new();
    for length in [5, 500_000] {
        let path = format!("/api/blobs/{}", Digest::of(b"another"));
        let answer = server.call("POST", &path, vec![3; length]).await;
        assert_eq!(answer.status, 400);
        assert!(answer.error().starts_with("digest mismatch, expected "), "{}", answer.body);
        assert_eq!(server.files(), Vec::<String>::new());
    }
}

/// Hostile input: `vanished-client`.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_during_create_cancels_the_job() {
    let server = Listening::new().await;
    let mut writer = server.store.create_blob();
    std::io::Write::write_all(&mut writer, &large_gguf(4096, 12_000)).unwrap();
    let uploaded = writer.commit(None).unwrap().blob.digest();
    let body = format!(
        r#"{{"model": "q", "files": {{"m.gguf": "{uploaded}"}}, "quantize": "q2_K", "stream": STREAM}}"#
    );
    for stream in ["true", "false"] {
        let body = body.replace("STREAM", stream);
        let mut connection = server.connect().await;
        connection.write(request("/api/create", body.as_bytes())).await;
        wait_until(|| !server.unfinished().is_empty()).await;
        drop(connection);
        let start = Instant::now();
        wait_until(|| server.unfinished().is_empty()).await;
        // What is promised. Left alone the job would take many times as long.
        assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
        assert_eq!(server.blobs(), [uploaded.file_name()], "stream {stream}");
        assert!(server.store.list().unwrap().is_empty());
    }
}

#[tokio::test]
async fn the_server_stops_when_asked_and_cuts_off_who_lingers() {
    let server = Listening::new().await;
    let mut idle = server.connect().await;
    idle.write("GET /api/version HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(idle.read_until("}").await.starts_with("HTTP/1.1 200 OK\r\nContent-Type:"));
    let start = Instant::now();
    server.stop().await;
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(idle.read_to_end().await, "");
}

#[tokio::test]
async fn what_replaced_models_left_goes_before_the_server_does() {
    let mut server = Listening::new().await;
    let directory = std::mem::replace(&mut server.directory, tempfile::tempdir().unwrap());
    let left = server.store.put_bytes(b"left behind").unwrap().blob.digest();
    server.store.retire([left]);
    assert!(server.store.contains(left).unwrap());
    server.stop().await;
    assert_eq!(std::fs::read_dir(directory.path().join("blobs")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_small_model_goes_through_a_socket() {
    let server = Listening::new().await;
    let contents = small_gguf(&[]);
    let digest = Digest::of(&contents);
    let mut connection = server.connect().await;
    let length = format!("Content-Length: {}", contents.len());
    connection.write(upload_head(&server.address, digest, &length)).await;
    connection.write(&contents).await;
    assert!(connection.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 201 Created\r\n"));
    let body = format!(r#"{{"model": "m", "files": {{"m.gguf": "{digest}"}}}}"#);
    connection.write(request("/api/create", body.as_bytes())).await;
    let answer = connection.read_until("\r\n0\r\n\r\n").await;
    // One chunk a line, as recorded.
    assert!(answer.contains("\r\n1A\r\n{\"status\":\"parsing GGUF\"}\n\r\n"), "{answer}");
    assert!(answer.ends_with("15\r\n{\"status\":\"success\"}\n\r\n0\r\n\r\n"), "{answer}");
}

pub(super) async fn wait_until(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(30), "it does not happen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
