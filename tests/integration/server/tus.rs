//! Uploads that go on after a lost connection: the rules of tus 1.0.0, one by one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use ollamake::config::ApiKey;
use ollamake::model::Digest;
use ollamake::store::{Disk, LocalDisk, PruneOptions, Store};
use sha1::{Digest as _, Sha1};

use super::limits::wait_until;
use crate::in_process::{Answer, InProcess};
use crate::socket::Listening;
use crate::support::noise::noise;
use crate::support::process::Process;

const ALL: &str = "/ollamake/v1/uploads";
const VERSION: (&str, &str) = ("Tus-Resumable", "1.0.0");
const BYTES: (&str, &str) = ("Content-Type", "application/offset+octet-stream");

/// Begins an upload; its path.
async fn begin(server: &InProcess, length: usize) -> String {
    let answer = server.call_with("POST", ALL, &[VERSION, ("Upload-Length", &length.to_string())], "").await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    path_of(&answer)
}

/// Where an upload is that was begun: the location is relative to where it was asked for.
fn path_of(answer: &Answer) -> String {
    let location = header(&answer.headers, "Location").unwrap();
    format!("/ollamake/v1/{}", location.strip_prefix("uploads/").map(|_| location).unwrap())
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap())
}

async fn patch(server: &InProcess, path: &str, offset: usize, bytes: &[u8]) -> Answer {
    patch_with(server, path, offset, bytes, &[]).await
}

async fn patch_with(
    server: &InProcess,
    path: &str,
    offset: usize,
    bytes: &[u8],
    more: &[(&str, &str)],
) -> Answer {
    let offset = offset.to_string();
    let headers = [&[VERSION, BYTES, ("Upload-Offset", &offset)], more].concat();
    server.call_with("PATCH", path, &headers, bytes.to_vec()).await
}

async fn look(server: &InProcess, path: &str) -> Answer {
    server.call_with("HEAD", path, &[VERSION], "").await
}

async fn offset_of(server: &InProcess, path: &str) -> usize {
    let answer = look(server, path).await;
    assert_eq!(answer.status, 200);
    header(&answer.headers, "Upload-Offset").unwrap().parse().unwrap()
}

#[tokio::test]
async fn an_upload_in_pieces_becomes_a_blob() {
    let server = InProcess::new();
    let contents = noise(1, 700_000);
    let digest = Digest::of(&contents);
    let headers = [VERSION, ("Upload-Length", "700000"), ("Upload-Metadata", "filename bS5nZ3Vm,private")];
    let answer = server.call_with("POST", ALL, &headers, "").await;
    assert_eq!(answer.status, 201);
    assert_eq!(header(&answer.headers, "Upload-Offset"), Some("0"));
    let path = path_of(&answer);
    let expires = header(&answer.headers, "Upload-Expires").unwrap().to_owned();
    let lifetime = httpdate::parse_http_date(&expires).unwrap().duration_since(SystemTime::now()).unwrap();
    assert!(lifetime > Duration::from_secs(6 * 24 * 3600));
    let mut offset = 0;
    for piece in contents.chunks(300_000) {
        let answer = patch(&server, &path, offset, piece).await;
        offset += piece.len();
        assert_eq!(answer.status, 204, "{}", answer.body);
        assert_eq!(header(&answer.headers, "Tus-Resumable"), Some("1.0.0"));
        assert_eq!(header(&answer.headers, "Upload-Offset"), Some(offset.to_string().as_str()));
        assert_eq!(header(&answer.headers, "Upload-Expires"), Some(expires.as_str()));
        let told = header(&answer.headers, "Ollamake-Digest").map(str::to_owned);
        assert_eq!(told, (offset == 700_000).then(|| digest.to_string()));
        let answer = look(&server, &path).await;
        assert_eq!(answer.status, 200);
        assert_eq!(header(&answer.headers, "Upload-Offset"), Some(offset.to_string().as_str()));
        assert_eq!(header(&answer.headers, "Upload-Length"), Some("700000"));
        assert_eq!(header(&answer.headers, "Upload-Metadata"), Some("filename bS5nZ3Vm,private"));
        assert_eq!(header(&answer.headers, "Cache-Control"), Some("no-store"));
        assert_eq!(header(&answer.headers, "Ollamake-Digest").map(str::to_owned), told);
    }
    assert!(server.store.blob(digest).unwrap().bytes().unwrap() == contents);
    assert_eq!(server.call("HEAD", &format!("/api/blobs/{digest}"), "").await.status, 200);
    // Once more with nothing is no mistake; with something it is.
    assert_eq!(patch(&server, &path, 700_000, b"").await.status, 204);
    let more = patch_with(&server, &path, 700_000, b"x", &[("Content-Length", "1")]).await;
    assert_eq!(more.status, 413);
    assert_eq!(patch(&server, &path, 0, b"x").await.status, 409);
    assert!(server.store.prune(PruneOptions::default()).unwrap().blobs.is_empty());
}

#[tokio::test]
async fn bytes_may_come_with_the_beginning() {
    let server = InProcess::new();
    for (length, sent) in [(0, 0), (5, 5), (200_000, 200_000), (200_000, 80_000), (5, 0)] {
        let contents = noise(2, length);
        let stated = length.to_string();
        let headers = [VERSION, BYTES, ("Upload-Length", &stated)];
        let answer = server.call_with("POST", ALL, &headers, contents[..sent].to_vec()).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        assert_eq!(header(&answer.headers, "Upload-Offset"), Some(sent.to_string().as_str()));
        let told = header(&answer.headers, "Ollamake-Digest").map(str::to_owned);
        assert_eq!(told, (sent == length).then(|| Digest::of(&contents).to_string()));
        let path = path_of(&answer);
        if sent < length {
            assert_eq!(patch(&server, &path, sent, &contents[sent..]).await.status, 204);
        }
        assert!(server.store.contains(Digest::of(&contents)).unwrap());
        assert_eq!(server.call_with("DELETE", &path, &[VERSION], "").await.status, 204);
    }
    // Nobody was told of one that failed at once.
    let headers =
        [VERSION, BYTES, ("Upload-Length", "5"), ("Upload-Checksum", "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=")];
    assert_eq!(server.call_with("POST", ALL, &headers, "other").await.status.as_u16(), 460);
    assert_eq!(server.call_with("POST", ALL, &headers[..3], "too long").await.status, 413);
    assert_eq!(crate::support::files::unfinished(server.directory.path()), Vec::<String>::new());
}

#[tokio::test]
async fn the_server_tells_what_it_can_do() {
    let server = InProcess::with(|config| config.limits.upload = 1000);
    let path = begin(&server, 5).await;
    for path in [ALL, &path] {
        // It is asked without naming a version.
        let answer = server.call("OPTIONS", path, "").await;
        assert_eq!(answer.status, 204);
        assert_eq!(header(&answer.headers, "Tus-Version"), Some("1.0.0"));
        assert_eq!(header(&answer.headers, "Tus-Max-Size"), Some("1000"));
        assert_eq!(header(&answer.headers, "Tus-Checksum-Algorithm"), Some("sha1,sha256"));
        let extensions = "creation,creation-with-upload,termination,expiration,checksum";
        assert_eq!(header(&answer.headers, "Tus-Extension"), Some(extensions));
    }
}

#[tokio::test]
async fn other_versions_are_refused() {
    let server = InProcess::new();
    let path = begin(&server, 5).await;
    for (method, path) in [("POST", ALL), ("HEAD", &path), ("PATCH", &path), ("DELETE", &path)] {
        for version in [None, Some(("Tus-Resumable", "0.2.2"))] {
            let headers: Vec<_> = version.into_iter().chain([("Upload-Length", "5"), BYTES]).collect();
            let answer = server.call_with(method, path, &headers, "").await;
            assert_eq!(answer.status, 412, "{method}");
            assert_eq!(header(&answer.headers, "Tus-Version"), Some("1.0.0"));
            assert_eq!(header(&answer.headers, "Tus-Resumable"), Some("1.0.0"));
            assert!(method == "HEAD" || answer.error().contains("Tus-Resumable"), "{}", answer.body);
        }
    }
    assert_eq!(offset_of(&server, &path).await, 0);
}

#[tokio::test]
async fn bytes_come_where_they_belong_or_not_at_all() {
    let server = InProcess::new();
    let path = begin(&server, 10).await;
    assert_eq!(patch(&server, &path, 0, b"0123").await.status, 204);
    for offset in [0, 3, 5, 10, usize::MAX] {
        let answer = patch(&server, &path, offset, b"x").await;
        assert_eq!(answer.status, 409, "{offset}");
        assert!(answer.error().contains("the next byte of this upload is at 4"), "{}", answer.body);
    }
    for (headers, status, says) in [
        (vec![VERSION, BYTES], 400, "Upload-Offset is missing"),
        (vec![VERSION, BYTES, ("Upload-Offset", "-4")], 400, "whole number"),
        (vec![VERSION, ("Upload-Offset", "4")], 415, "application/offset+octet-stream"),
        (vec![VERSION, ("Content-Type", "text/plain"), ("Upload-Offset", "4")], 415, "Content-Type"),
    ] {
        let answer = server.call_with("PATCH", &path, &headers, "4567").await;
        assert_eq!(answer.status, status, "{headers:?}");
        assert!(answer.error().contains(says), "{}", answer.body);
    }
    // More than there should be: told by its length, or seen when it comes.
    let answer = patch_with(&server, &path, 4, b"4567890", &[("Content-Length", "7")]).await;
    assert_eq!(answer.status, 413);
    assert!(answer.error().contains("a length of 10 bytes"), "{}", answer.body);
    assert_eq!(patch(&server, &path, 4, b"4567890").await.status, 413);
    assert_eq!(offset_of(&server, &path).await, 4);
    let answer = patch(&server, &path, 4, b"456789").await;
    let digest = Digest::of(b"0123456789").to_string();
    assert_eq!(header(&answer.headers, "Ollamake-Digest"), Some(digest.as_str()));
}

#[tokio::test]
async fn what_is_begun_has_a_length_and_little_metadata() {
    let server = InProcess::with(|config| config.limits.upload = 1000);
    let long = format!("name {}", "A".repeat(5000));
    for (headers, status, says) in [
        (vec![VERSION], 400, "Upload-Length is missing"),
        (vec![VERSION, ("Upload-Length", "-1")], 400, "whole number"),
        (vec![VERSION, ("Upload-Length", "18446744073709551616")], 400, "whole number"),
        (vec![VERSION, ("Upload-Defer-Length", "1")], 400, "state the length"),
        (vec![VERSION, ("Upload-Length", "1001")], 413, "1000 bytes"),
        (vec![VERSION, ("Upload-Length", "5"), ("Upload-Metadata", "a !")], 400, "Base64"),
        (vec![VERSION, ("Upload-Length", "5"), ("Upload-Metadata", &long)], 431, "4096 bytes"),
        (vec![VERSION, ("Upload-Length", "5"), ("Content-Length", "5")], 415, "Content-Type"),
    ] {
        let answer = server.call_with("POST", ALL, &headers, "hello").await;
        assert_eq!(answer.status, status, "{headers:?}: {}", answer.body);
        assert!(answer.error().contains(says), "{}", answer.body);
    }
    let full = InProcess::with(|config| config.limits.upload = 1 << 60);
    let answer = full.call_with("POST", ALL, &[VERSION, ("Upload-Length", "1152921504606846976")], "").await;
    assert_eq!(answer.status, 507, "{}", answer.body);
    for server in [server, full] {
        assert_eq!(server.files(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn checksums_are_checked() {
    let server = InProcess::new();
    let path = begin(&server, 11).await;
    let sha1 = |bytes: &[u8]| format!("sha1 {}", STANDARD.encode(Sha1::digest(bytes)));
    let sha256 = |bytes: &[u8]| {
        let hex = Digest::of(bytes).to_string();
        format!("sha256 {}", STANDARD.encode(hex::decode(&hex[7..]).unwrap()))
    };
    let send = async |offset: usize, bytes: &[u8], checksum: &str| {
        patch_with(&server, &path, offset, bytes, &[("Upload-Checksum", checksum)]).await
    };
    for wrong in [sha1(b"hellO"), sha256(b"hellO")] {
        let answer = send(0, b"hello", &wrong).await;
        assert_eq!(answer.status.as_u16(), 460, "{}", answer.body);
        assert_eq!(offset_of(&server, &path).await, 0);
    }
    for unknown in ["md5 XUFAKrxLKna5cZ2REBfFkg==", "sha1", "sha1 AAAA", "crc32 AAAA"] {
        assert_eq!(send(0, b"hello", unknown).await.status, 400, "{unknown}");
    }
    assert_eq!(send(0, b"hello", &sha1(b"hello")).await.status, 204);
    let answer = send(5, b" world", &sha256(b" world")).await;
    let digest = Digest::of(b"hello world").to_string();
    assert_eq!(header(&answer.headers, "Ollamake-Digest"), Some(digest.as_str()));
}

#[tokio::test]
async fn an_upload_can_be_ended() {
    let server = InProcess::new();
    let path = begin(&server, 10).await;
    patch(&server, &path, 0, b"0123").await;
    let answer = server.call_with("DELETE", &path, &[VERSION], "").await;
    assert_eq!(answer.status, 204);
    assert_eq!(server.files(), Vec::<String>::new());
    let nobody = [path, format!("{ALL}/{:032x}", 7), format!("{ALL}/..%2F..%2Fblobs"), format!("{ALL}/x")];
    for path in &nobody {
        for method in ["HEAD", "PATCH", "DELETE"] {
            let headers = [VERSION, BYTES, ("Upload-Offset", "4")];
            let answer = server.call_with(method, path, &headers, "").await;
            assert_eq!(answer.status, 404, "{method} {path}");
            assert_eq!(header(&answer.headers, "Upload-Offset"), None);
        }
    }
    assert_eq!(server.files(), Vec::<String>::new());
}

#[tokio::test]
async fn clients_that_know_few_methods_name_the_one_they_mean() {
    let server = InProcess::new();
    let path = begin(&server, 4).await;
    let post = async |means: &str, body: &'static str| {
        let headers = [VERSION, BYTES, ("Upload-Offset", "0"), ("X-HTTP-Method-Override", means)];
        server.call_with("POST", &path, &headers, body).await
    };
    let answer = post("HEAD", "").await;
    assert_eq!((answer.status.as_u16(), header(&answer.headers, "Upload-Offset")), (200, Some("0")));
    let answer = post("PATCH", "0123").await;
    assert_eq!((answer.status.as_u16(), header(&answer.headers, "Upload-Offset")), (204, Some("4")));
    assert_eq!(post("PUT", "").await.status, 405);
    assert_eq!(post("DELETE", "").await.status, 204);
    assert_eq!(look(&server, &path).await.status, 404);
    assert_eq!(server.call("GET", &path, Body::empty()).await.status, 405);
}

/// A disk whose clock can be set forward by seconds.
struct LaterDisk(Arc<AtomicU64>);

impl Disk for LaterDisk {
    fn now(&self) -> SystemTime {
        LocalDisk.now() + Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

#[tokio::test]
async fn an_upload_that_does_not_end_expires() {
    let directory = tempfile::tempdir().unwrap();
    let later = Arc::<AtomicU64>::default();
    let store = Store::open_on(LaterDisk(later.clone()), directory.path()).unwrap();
    let server =
        InProcess::over(store, directory, |config| config.limits.upload_lifetime = Duration::from_secs(100));
    let path = begin(&server, 10).await;
    patch(&server, &path, 0, b"0123").await;
    later.store(90, Ordering::Relaxed);
    // It takes no longer for going on.
    assert_eq!(patch(&server, &path, 4, b"4567").await.status, 204);
    later.store(101, Ordering::Relaxed);
    for method in ["HEAD", "PATCH", "DELETE"] {
        let answer = server.call_with(method, &path, &[VERSION, BYTES, ("Upload-Offset", "8")], "89").await;
        assert_eq!(answer.status, 410, "{method}");
        assert!(method == "HEAD" || answer.error().contains("has expired; begin another"), "{}", answer.body);
    }
    server.store.remove_expired_uploads().unwrap();
    assert_eq!(look(&server, &path).await.status, 404);
    assert_eq!(server.files(), Vec::<String>::new());
}

#[tokio::test]
async fn nothing_is_shown_without_the_key() {
    let server = InProcess::with(|config| config.api_key = Some(ApiKey::parse("secret").unwrap()));
    let headers = [VERSION, ("Upload-Length", "5"), ("Authorization", "Bearer secret")];
    let path = path_of(&server.call_with("POST", ALL, &headers, "").await);
    for (method, path) in [("POST", ALL), ("HEAD", &path), ("PATCH", &path), ("DELETE", &path)] {
        let answer = server.call_with(method, path, &[VERSION, BYTES, ("Upload-Offset", "0")], "").await;
        assert_eq!(answer.status, 401, "{method}");
    }
    // A browser asks without it whether it may ask with it.
    assert_eq!(server.call("OPTIONS", ALL, "").await.status, 204);
    let answer = server.call_with("HEAD", &path, &[VERSION, headers[2]], "").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn pages_of_allowed_origins_see_the_headers() {
    let server = InProcess::with(|config| config.origins.push("https://page.example".into()));
    for (origin, allowed) in [("https://page.example", true), ("https://evil.example", false)] {
        let asked = [
            ("Origin", origin),
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Headers", "tus-resumable,upload-length"),
        ];
        let answer = server.call_with("OPTIONS", ALL, &asked, "").await;
        assert_eq!(answer.status, if allowed { 204 } else { 403 });
        let headers = header(&answer.headers, "Access-Control-Allow-Headers").unwrap_or_default();
        assert_eq!(headers.contains("Tus-Resumable") && headers.contains("Authorization"), allowed);
        let answer = server.call_with("POST", ALL, &[VERSION, ("Upload-Length", "5"), asked[0]], "").await;
        assert_eq!(answer.status, if allowed { 201 } else { 403 });
        let exposed = header(&answer.headers, "Access-Control-Expose-Headers").unwrap_or_default();
        for name in ["Location", "Upload-Offset", "Upload-Length", "Tus-Resumable", "Ollamake-Digest"] {
            assert_eq!(exposed.split(',').any(|shown| shown == name), allowed, "{name}");
        }
    }
    // Other routes take what they always took.
    let asked = [("Origin", "https://page.example"), ("Access-Control-Request-Method", "POST")];
    let answer = server.call_with("OPTIONS", "/api/create", &asked, "").await;
    assert!(!header(&answer.headers, "Access-Control-Allow-Headers").unwrap().contains("Tus-"));
}

fn patch_head(path: &str, offset: usize, length: usize) -> String {
    let (version, bytes) = ("Tus-Resumable: 1.0.0", "Content-Type: application/offset+octet-stream");
    format!(
        "PATCH {path} HTTP/1.1\r\nHost: localhost\r\n{version}\r\n{bytes}\r\nUpload-Offset: {offset}\r\n\
         Content-Length: {length}\r\n\r\n"
    )
}

/// The answer to a request without a body, on a connection of its own.
async fn ask(address: &str, method: &str, path: &str, headers: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\n\
         {headers}Connection: close\r\n\r\n"
    );
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// The value of a header of an answer.
fn value_of<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let lines = answer.split("\r\n").take_while(|line| !line.is_empty());
    let mut pairs = lines.filter_map(|line| line.split_once(": "));
    pairs.find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

async fn begin_at(address: &str, length: usize) -> String {
    let answer = ask(address, "POST", ALL, &format!("Upload-Length: {length}\r\n")).await;
    format!("/ollamake/v1/{}", value_of(&answer, "Location").unwrap_or_else(|| panic!("{answer}")))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_before_a_connection_broke_counts() {
    let server = Listening::new().await;
    let contents = noise(3, 3_000_000);
    let path = begin_at(&server.address, contents.len()).await;
    let mut offset = 0;
    for sent in [1_000_000, 1, 1_500_000] {
        let mut connection = server.connect().await;
        connection.write(patch_head(&path, offset, contents.len() - offset)).await;
        connection.write(&contents[offset..offset + sent]).await;
        drop(connection);
        // The very next question is answered with what is certain.
        let answer = ask(&server.address, "HEAD", &path, "").await;
        offset = value_of(&answer, "Upload-Offset").unwrap().parse().unwrap();
    }
    assert!(offset > 0 && offset <= 2_500_001, "{offset}");
    let answer = loop {
        let mut connection = server.connect().await;
        connection.write(patch_head(&path, offset, contents.len() - offset)).await;
        connection.write(&contents[offset..]).await;
        let answer = connection.read_until("\r\n\r\n").await;
        if !answer.starts_with("HTTP/1.1 409") {
            break answer;
        }
        // What was still on its way when it was asked has come by now.
        let told = ask(&server.address, "HEAD", &path, "").await;
        offset = value_of(&told, "Upload-Offset").unwrap().parse().unwrap();
    };
    let digest = Digest::of(&contents);
    assert_eq!(value_of(&answer, "Ollamake-Digest"), Some(digest.to_string().as_str()), "{answer}");
    assert!(server.store.blob(digest).unwrap().bytes().unwrap() == contents);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_writer_is_told_that_there_is_a_first() {
    let server = Listening::new().await;
    let path = begin_at(&server.address, 10).await;
    let mut first = server.connect().await;
    first.write(patch_head(&path, 0, 10)).await;
    first.write("01234").await;
    let in_use = || {
        let id = path.rsplit('/').next().unwrap().parse().unwrap();
        server.store.is_upload_in_use(id).unwrap()
    };
    wait_until(in_use).await;
    let mut second = server.connect().await;
    second.write(patch_head(&path, 0, 10) + "0123456789").await;
    let answer = second.read_until("}").await;
    assert!(answer.starts_with("HTTP/1.1 423 "), "{answer}");
    assert!(answer.contains("being written by another request"), "{answer}");
    assert!(ask(&server.address, "DELETE", &path, "").await.starts_with("HTTP/1.1 423 "));
    assert!(ask(&server.address, "HEAD", &path, "").await.starts_with("HTTP/1.1 200 "));
    first.write("56789").await;
    assert!(first.read_until("\r\n\r\n").await.starts_with("HTTP/1.1 204 "));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_survives_the_death_of_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let contents = noise(4, 5_000_000);
    let digest = Digest::of(&contents).to_string();
    let mut server = Process::start(directory.path(), &[]);
    let path = begin_at(&server.address, contents.len()).await;
    let mut offset = 0;
    for end in [2_000_000, 4_500_000] {
        use tokio::io::AsyncWriteExt as _;
        let mut stream = tokio::net::TcpStream::connect(&server.address).await.unwrap();
        stream.write_all(patch_head(&path, offset, contents.len() - offset).as_bytes()).await.unwrap();
        stream.write_all(&contents[offset..end]).await.unwrap();
        // Long enough for some of it to be noted.
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.kill();
        server = Process::start(directory.path(), &[]);
        let answer = ask(&server.address, "HEAD", &path, "").await;
        let reached: usize = value_of(&answer, "Upload-Offset").unwrap().parse().unwrap();
        assert!(reached > offset && reached <= end, "{reached} after {offset}, {end} sent");
        offset = reached;
    }
    let mut connection =
        crate::socket::Connection(tokio::net::TcpStream::connect(&server.address).await.unwrap());
    connection.write(patch_head(&path, offset, contents.len() - offset)).await;
    connection.write(&contents[offset..]).await;
    let answer = connection.read_until("\r\n\r\n").await;
    assert_eq!(value_of(&answer, "Ollamake-Digest"), Some(digest.as_str()), "{answer}");
    // Also the next server can tell.
    server.kill();
    server = Process::start(directory.path(), &[]);
    let answer = ask(&server.address, "HEAD", &path, "").await;
    assert_eq!(value_of(&answer, "Ollamake-Digest"), Some(digest.as_str()), "{answer}");
}
