//! Sends a case to a server, byte for byte, and reads what comes back.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::Duration;

use ollamake::store::Store;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{Case, Input, RegistryAnswer};

/// As long as no answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the server answered.
pub(crate) struct Outcome {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// Sends a case to the server at `host:port`, whose store is in this directory.
pub(crate) fn send(address: &str, store: &Path, case: &Case) -> Outcome {
    match &case.input {
        Input::Request(bytes) => exchange(address, bytes),
        Input::Bundle(bytes) => load(store, bytes.as_slice()),
        Input::Push { blobs, request } => {
            blobs.iter().for_each(|bytes| drop(upload(address, bytes)));
            exchange(address, request)
        }
        Input::Create { files, fields } => {
            let mut names = Map::new();
            for (name, bytes) in files {
                names.insert(name.clone(), upload(address, bytes).into());
            }
            let mut body = json!({"model": "m", "stream": false});
            if !names.is_empty() {
                body["files"] = Value::Object(names);
            }
            for (key, value) in fields.as_object().expect("fields") {
                body[key] = value.clone();
            }
            exchange(address, &request("/api/create", body.to_string().as_bytes()))
        }
        Input::Store { planted, request } => {
            for (place, planted) in planted {
                planted.plant(&store.join(place)).unwrap_or_else(|error| panic!("{place}: {error}"));
            }
            // Whatever lies there, the other models are listed.
            let listed =
                exchange(address, b"GET /api/tags HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            assert_eq!(listed.status, 200, "{}", listed.body);
            exchange(address, request)
        }
        // The server knows who answers.
        Input::Hub(_) => {
            let body = json!({"model": "m", "from": "hf.co/owner/name", "stream": false});
            exchange(address, &request("/api/create", body.to_string().as_bytes()))
        }
        Input::Pull(answers) => {
            let registry = registry(answers.clone());
            let body = json!({"model": format!("{registry}/team/m"), "insecure": true, "stream": false});
            exchange(address, &request("/api/pull", body.to_string().as_bytes()))
        }
    }
}

/// Loads a bundle into the store of a directory, as the command line does. A refusal counts as one of a
/// request.
pub(crate) fn load(store: &Path, bundle: impl Read) -> Outcome {
    let store = Store::open(store).expect("a store");
    match ollamake::bundle::load(&store, bundle, |_| ()) {
        Ok(models) => Outcome { status: 200, body: format!("{} models", models.len()) },
        Err(error) => Outcome { status: 400, body: json!({"error": error.to_string()}).to_string() },
    }
}

/// Uploads a blob; its digest.
fn upload(address: &str, bytes: &[u8]) -> String {
    let digest = format!("sha256:{}", hex::encode(Sha256::digest(bytes)));
    let uploaded = exchange(address, &request(&format!("/api/blobs/{digest}"), bytes));
    assert!(matches!(uploaded.status, 200 | 201), "{} {}", uploaded.status, uploaded.body);
    digest
}

/// A POST request with this body.
pub(crate) fn request(path: &str, body: &[u8]) -> Vec<u8> {
    raw("POST", path, &[], body)
}

/// The bytes of a request; its length is stated unless a header does so.
pub(super) fn raw(method: &str, path: &str, headers: &[&str], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    for header in headers {
        head += header;
        head += "\r\n";
    }
    if !headers.iter().any(|header| header.starts_with("Content-Length")) {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    [head.as_bytes(), b"\r\n", body].concat()
}

fn exchange(address: &str, request: &[u8]) -> Outcome {
    let mut connection = TcpStream::connect(address).expect("the server listens");
    connection.set_read_timeout(Some(PATIENCE)).expect("a time limit");
    // A server that has seen enough may answer and close before all is sent.
    let _ = connection.write_all(request);
    let answer = String::from_utf8_lossy(&whole_answer(connection)).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Outcome { status, body: body.to_owned() }
}

/// Everything up to the length that the answer states, or to the end of the connection.
fn whole_answer(mut connection: TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(count @ 1..) = connection.read(&mut piece) {
        answer.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&answer).to_lowercase();
        let Some((head, _)) = text.split_once("\r\n\r\n") else { continue };
        let stated =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        if stated.is_some_and(|stated| answer.len() >= head.len() + 4 + stated) {
            break;
        }
    }
    answer
}

/// Starts a registry that answers so; its address.
pub(super) fn registry(answers: Vec<RegistryAnswer>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let host = address.clone();
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let (answers, host) = (answers.clone(), host.clone());
            thread::spawn(move || serve(connection, &answers, &host));
        }
    });
    address
}

/// Answers one request and closes the connection.
fn serve(mut connection: TcpStream, answers: &[RegistryAnswer], host: &str) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && matches!(connection.read(&mut byte), Ok(1)) {
        head.push(byte[0]);
    }
    let line = String::from_utf8_lossy(&head);
    let path = line.split(' ').nth(1).unwrap_or_default();
    let Some(answer) = answers.iter().find(|answer| path.contains(&answer.path_contains)) else { return };
    let length =
        if answer.endless { String::new() } else { format!("content-length: {}\r\n", answer.body.len()) };
    let head = format!("HTTP/1.1 {}\r\n{length}connection: close\r\n\r\n", answer.head.replace("HOST", host));
    let mut sent = connection.write_all(head.as_bytes()).and_then(|()| connection.write_all(&answer.body));
    while answer.endless && sent.is_ok() {
        sent = connection.write_all(&answer.body);
    }
}
