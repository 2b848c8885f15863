//! How long requests wait while models are being quantized, against a server that does nothing else.
//!
//! `cargo bench --bench latency`: a server behind a socket, a hundred models in its store, two quantizations
//! at a time on all cores, and one client that asks `HEAD` of a blob and `tags` in turn. 99 of 100 answers
//! have to be there within 20 ms.

#[path = "../tests/integration/support/large_gguf.rs"]
mod large_gguf;
#[path = "support/models.rs"]
mod models;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use large_gguf::large_gguf;
use models::add_models;
use ollamake::config::Config;
use ollamake::model::Digest;
use ollamake::server::{Server, serve};
use ollamake::store::Store;

const MODELS: usize = 100;
/// Of each kind, in each condition.
const REQUESTS: usize = 2_000;
/// Between two requests.
const PAUSE: Duration = Duration::from_millis(2);
/// 256 MiB of F16.
const ROWS: u64 = 32_768;
const COLUMNS: u64 = 4_096;
const TYPES: [[&str; 2]; 2] = [["q4_K_M", "q8_0"], ["q2_K", "q6_K"]];

fn main() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(directory.path()).expect("a store");
    add_models(&store, MODELS);
    let weights = add_weights(&store);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = Server::new(Config::for_store(directory.path()), store);
    runtime.spawn(serve(listener, server, std::future::pending()));

    println!("{:>16} {:>9} {:>9} {:>9} {:>9}", "", "median", "p99", "p99.9", "longest");
    measure("idle", address, weights);
    let (done, quantized) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for (index, types) in TYPES.iter().enumerate() {
            let (done, quantized) = (&done, &quantized);
            scope.spawn(move || {
                for file_type in types.iter().cycle() {
                    if done.load(Ordering::Relaxed) {
                        break;
                    }
                    quantize(address, weights, &format!("quantized{index}"), file_type);
                    quantized.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        // The first quantizations have begun by then.
        std::thread::sleep(Duration::from_millis(500));
        let before = quantized.load(Ordering::Relaxed);
        let start = Instant::now();
        measure("quantizing", address, weights);
        let count = quantized.load(Ordering::Relaxed) - before;
        println!("{count} models of 256 MiB were quantized in these {:.1?}", start.elapsed());
        done.store(true, Ordering::Relaxed);
    });
}

fn add_weights(store: &Store) -> Digest {
    let mut writer = store.create_blob();
    writer.write_all(&large_gguf(COLUMNS, ROWS)).expect("room for the weights");
    writer.commit(None).expect("room for the weights").blob.digest()
}

/// Makes a model and removes it, so that the next one is computed again.
fn quantize(address: SocketAddr, weights: Digest, name: &str, file_type: &str) {
    let mut client = Client::connect(address);
    let body = format!(
        r#"{{"model": "{name}", "files": {{"m.gguf": "{weights}"}}, "quantize": "{file_type}", "stream": false}}"#
    );
    client.ask("POST", "/api/create", &body);
    client.ask("DELETE", "/api/delete", &format!(r#"{{"model": "{name}"}}"#));
}

fn measure(condition: &str, address: SocketAddr, weights: Digest) {
    let mut client = Client::connect(address);
    let path = format!("/api/blobs/{weights}");
    let kinds = [("HEAD", path.as_str()), ("GET", "/api/tags")];
    let mut times = kinds.map(|_| Vec::with_capacity(REQUESTS));
    for _ in 0..REQUESTS {
        for ((method, path), times) in kinds.iter().zip(&mut times) {
            let start = Instant::now();
            client.ask(method, path, "");
            times.push(start.elapsed());
            std::thread::sleep(PAUSE);
        }
    }
    for ((method, _), mut times) in kinds.iter().zip(times) {
        times.sort();
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
        let name = if *method == "HEAD" { "HEAD" } else { "tags" };
        println!(
            "{condition:>11} {name} {:>9.2?} {:>9.2?} {:>9.2?} {:>9.2?}",
            at(0.5),
            at(0.99),
            at(0.999),
            at(1.0)
        );
    }
}

/// A connection that is kept.
struct Client(TcpStream);

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        Self(stream)
    }

    /// Sends a request and reads the whole answer, which must be one of success.
    fn ask(&mut self, method: &str, path: &str, body: &str) {
        let length = body.len();
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}");
        self.0.write_all(request.as_bytes()).expect("a connection");
        let mut answer = Vec::new();
        let mut buffer = [0; 64 << 10];
        loop {
            let count = self.0.read(&mut buffer).expect("an answer");
            assert!(count > 0, "the connection ended");
            answer.extend_from_slice(&buffer[..count]);
            let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
            let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
            assert!(head.starts_with("http/1.1 200"), "{}", String::from_utf8_lossy(&answer));
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.and_then(|length| length.parse().ok()).unwrap_or(0);
            if method == "HEAD" || answer.len() >= end + 4 + length {
                return;
            }
        }
    }
}
