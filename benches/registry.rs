//! A blob of 2 GiB over loopback: our download into a store, against `curl | sha256sum`.
//!
//! `cargo bench --bench registry`; `OLLAMAKE_BENCH_BYTES` sets another size, `TMPDIR` the place of the store.

#[path = "support/memory.rs"]
mod memory;
#[path = "../tests/integration/support/noise.rs"]
mod noise;
#[path = "support/processor_time.rs"]
mod processor_time;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use memory::memory;
use noise::noise;
use ollamake::model::{Digest, Name};
use ollamake::registry::{Client, Config, Options};
use ollamake::store::Store;
use processor_time::processor_time;
use sha2::{Digest as _, Sha256};

const UNIT: usize = 1 << 20;
const ROUNDS: usize = 3;
/// The configuration of the model.
const CONFIG: &[u8] = b"{}";

fn main() {
    let size = std::env::var("OLLAMAKE_BENCH_BYTES").ok().and_then(|text| text.parse().ok());
    let size: u64 = size.unwrap_or(2 << 30);
    let blob = Arc::new(Blob::new(size));
    let address = serve(blob.clone());
    let name: Name = format!("{address}/bench/model").parse().unwrap();
    let (mut ours, mut theirs) = (Duration::MAX, Duration::MAX);
    for round in 0..ROUNDS {
        let begun = processor_seconds();
        let curl = curl_and_sha256sum(address, &blob);
        let between = processor_seconds();
        let pull = pull(&name, &blob);
        let end = processor_seconds();
        println!(
            "round {round}: curl | sha256sum {curl:.2?}, pull {pull:.2?}; with the server's, {:.2} and {:.2} s of processor time",
            between - begun,
            end - between
        );
        (ours, theirs) = (ours.min(pull), theirs.min(curl));
    }
    let speed = |time: Duration| size as f64 / time.as_secs_f64() / f64::from(1 << 20);
    println!("curl | sha256sum: {:.0} MiB/s", speed(theirs));
    println!("pull:             {:.0} MiB/s, {:.2} times as fast", speed(ours), speed(ours) / speed(theirs));
    // The server and the client together.
    if let Some(peak) = memory(std::process::id(), "VmHWM") {
        println!("most memory used: {} MiB", peak >> 20);
    }
}

/// Bytes that repeat after a mebibyte.
struct Blob {
    unit: Vec<u8>,
    size: u64,
    digest: Digest,
}

impl Blob {
    fn new(size: u64) -> Self {
        let mut blob = Self { unit: noise(1, UNIT), size, digest: Digest::from_bytes([0; 32]) };
        let mut hasher = Sha256::new();
        blob.send(0, size, |bytes| {
            hasher.update(bytes);
            true
        });
        blob.digest = Digest::from_bytes(hasher.finalize().into());
        blob
    }

    /// Hands out the bytes of a range until somebody has enough.
    fn send(&self, mut start: u64, end: u64, mut take: impl FnMut(&[u8]) -> bool) {
        while start < end {
            let offset = (start % UNIT as u64) as usize;
            let length = ((end - start) as usize).min(UNIT - offset);
            if !take(&self.unit[offset..offset + length]) {
                return;
            }
            start += length as u64;
        }
    }

    /// A layer that is nothing but bytes, whatever is read of other layers before they are used.
    fn manifest(&self) -> String {
        let layer = |kind: &str, digest: Digest, size: u64| {
            format!(r#"{{"mediaType":"application/vnd.{kind}","digest":"{digest}","size":{size}}}"#)
        };
        let config = layer("docker.container.image.v1+json", Digest::of(CONFIG), CONFIG.len() as u64);
        let weights = layer("ollama.image.tensor", self.digest, self.size);
        format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{weights}]}}"#)
    }
}

/// A registry of one model, a thread a connection.
fn serve(blob: Arc<Blob>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let blob = blob.clone();
            std::thread::spawn(move || answer_all(connection, &blob));
        }
    });
    address
}

fn answer_all(mut connection: TcpStream, blob: &Blob) {
    let mut lines = BufReader::new(connection.try_clone().unwrap()).lines();
    while let Some(Ok(request)) = lines.next() {
        let mut range = None;
        for line in lines.by_ref().map_while(Result::ok).take_while(|line| !line.is_empty()) {
            let line = line.to_ascii_lowercase();
            let bounds = line.strip_prefix("range: bytes=").and_then(|range| range.split_once('-'));
            range = range
                .or(bounds.map(|(start, last)| (start.parse().unwrap(), last.parse::<u64>().unwrap() + 1)));
        }
        let small = if request.contains("/manifests/") {
            Some(blob.manifest().into_bytes())
        } else {
            request.contains(&Digest::of(CONFIG).to_string()).then(|| CONFIG.to_vec())
        };
        if let Some(bytes) = small {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", bytes.len());
            let _ = connection.write_all(&[head.as_bytes(), &bytes].concat());
            continue;
        }
        let (start, end) = range.unwrap_or((0, blob.size));
        let status = if range.is_some() { "206 Partial Content" } else { "200 OK" };
        let _ = write!(
            connection,
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\ncontent-range: bytes {start}-{}/{}\r\n\r\n",
            end - start,
            end - 1,
            blob.size
        );
        blob.send(start, end, |bytes| connection.write_all(bytes).is_ok());
    }
}

fn curl_and_sha256sum(address: SocketAddr, blob: &Blob) -> Duration {
    let begun = Instant::now();
    let url = format!("http://{address}/v2/bench/model/blobs/{}", blob.digest);
    let mut curl =
        Command::new("curl").args(["-s", "--noproxy", "*", &url]).stdout(Stdio::piped()).spawn().unwrap();
    let pipe = curl.stdout.take().unwrap();
    let output = Command::new("sha256sum").stdin(pipe).output().unwrap();
    curl.wait().unwrap();
    let time = begun.elapsed();
    assert!(String::from_utf8(output.stdout).unwrap().starts_with(&blob.digest.hex()));
    time
}

fn pull(name: &Name, blob: &Blob) -> Duration {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    let client = Client::new(Config::default(), store.clone()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let begun = Instant::now();
    runtime.block_on(client.pull(name, Options::default(), |_| {})).unwrap();
    let time = begun.elapsed();
    assert_eq!(store.size(blob.digest).unwrap(), Some(blob.size));
    time
}

/// What this process and its children have used, which says more than the clock on a busy machine.
fn processor_seconds() -> f64 {
    processor_time(std::process::id()).map_or(0.0, |time| time.as_secs_f64())
}
