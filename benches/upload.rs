//! What an upload costs, against the barest way to do the same, in the same run.
//!
//! `cargo bench --bench upload` sends blobs to a server that is a process of its own. Compared are
//! - CPU time of the server with that of a loop in this process that receives, hashes and writes,
//! - wall time with the larger of hashing and writing alone,
//! - memory under a hundred uploads at once.
//!
//! Each is done by `POST /api/blobs`, and by an upload that could go on after a lost connection. What is demanded
//! stands at the constants, and holds for a machine with two cores, which the client needs too, and a fast disk.
//!
//! `OLLAMAKE_BENCH_MIB` sets the size of a blob, 512 by default.

#[path = "support/median.rs"]
mod median;
#[path = "support/memory.rs"]
mod memory;
#[path = "../tests/integration/support/noise.rs"]
mod noise;
#[path = "support/processor_time.rs"]
mod processor_time;
#[path = "support/server.rs"]
mod server;

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use median::median;
use memory::memory;
use noise::noise;
use ollamake::model::Digest;
use ollamake::store::Store;
use processor_time::processor_time;
use server::Server;
use sha2::{Digest as _, Sha256};

/// CPU time, to that of the plainest loop.
const MOST_CPU: f64 = 1.1;
/// Wall time, to the slower of hashing and writing.
const MOST_WALL: f64 = 2.0;
/// Mebibytes for all parallel uploads.
const MOST_MEMORY: f64 = 59.0;

const ROUNDS: usize = 3;
const PARALLEL: usize = 100;
/// What is sent again and again.
const PIECE: usize = 1 << 20;

fn main() {
    let mib: usize =
        std::env::var("OLLAMAKE_BENCH_MIB").ok().and_then(|text| text.parse().ok()).unwrap_or(512);
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(directory.path()).expect("a store");
    let server = Server::ollamake(directory.path());

    // The first upload of a process pays for its memory.
    Blob::new(99, mib).upload(&server.address, Way::Blob, Duration::ZERO);
    for way in [Way::Blob, Way::Tus] {
        let mut cpu = Vec::new();
        let mut wall = Vec::new();
        for round in 0..ROUNDS {
            let blob = Blob::new(round as u8, mib);
            let bare = bare(&blob, directory.path());
            let (before, start) = (time_of(server.child.id()), Instant::now());
            blob.upload(&server.address, way, Duration::ZERO);
            let (ours, elapsed) = (time_of(server.child.id()) - before, start.elapsed());
            store.remove_unused(&[blob.digest]).expect("the blob can be removed");
            let (hashing, writing) = (blob.hash(), blob.write(directory.path()));
            let slower = hashing.max(writing);
            println!(
                "{way:?}, {mib} MiB: server {ours:.2?} of CPU, bare {bare:.2?}; wall {elapsed:.2?}, hashing \
                 {hashing:.2?}, writing {writing:.2?}"
            );
            cpu.push(ours.as_secs_f64() / bare.as_secs_f64());
            wall.push(elapsed.as_secs_f64() / slower.as_secs_f64());
        }
        tell(way, "CPU, server to bare", median(cpu), MOST_CPU);
        tell(way, "wall, upload to the slower of hashing and writing", median(wall), MOST_WALL);
        let what = format!("MiB for {PARALLEL} uploads at once");
        tell(way, &what, memory_of_uploads(&server, way), MOST_MEMORY);
    }
}

/// Prints a figure, what is demanded of it, and whether it is met.
fn tell(way: Way, what: &str, got: f64, most: f64) {
    let verdict = if got <= most { "met" } else { "MISSED" };
    println!("{way:?}: {what}: {got:.2} (at most {most}: {verdict})");
}

/// The interface that an upload uses.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// `POST /api/blobs/DIGEST`
    Blob,
    /// `POST /ollamake/v1/uploads` with all bytes at once.
    Tus,
}

/// A blob that is one piece many times over, told apart by its seed.
struct Blob {
    piece: Arc<Vec<u8>>,
    count: usize,
    digest: Digest,
}

impl Blob {
    fn new(seed: u8, mib: usize) -> Self {
        let piece = Arc::new(noise(seed.into(), PIECE));
        let count = (mib << 20) / PIECE;
        let mut hasher = Sha256::new();
        (0..count).for_each(|_| hasher.update(&*piece));
        Self { piece, count, digest: Digest::from_bytes(hasher.finalize().into()) }
    }

    fn send(&self, stream: &mut TcpStream, pause: Duration) {
        for _ in 0..self.count {
            for part in self.piece.chunks(256 << 10) {
                stream.write_all(part).expect("the server receives");
                std::thread::sleep(pause);
            }
        }
    }

    fn upload(&self, address: &str, way: Way, pause: Duration) {
        let mut stream = TcpStream::connect(address).expect("the server listens");
        let length = self.count * PIECE;
        let (path, headers) = match way {
            Way::Blob => (format!("/api/blobs/{}", self.digest), String::new()),
            Way::Tus => {
                let kind = "Content-Type: application/offset+octet-stream";
                let headers = format!("Tus-Resumable: 1.0.0\r\nUpload-Length: {length}\r\n{kind}\r\n");
                ("/ollamake/v1/uploads".to_owned(), headers)
            }
        };
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\nConnection: close\r\n\
             {headers}\r\n"
        );
        stream.write_all(head.as_bytes()).expect("the server receives");
        self.send(&mut stream, pause);
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the server answers");
        assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
        if let Way::Tus = way {
            assert!(answer.contains(&self.digest.to_string()), "{answer}");
        }
    }

    fn hash(&self) -> Duration {
        let start = Instant::now();
        let mut hasher = Sha256::new();
        (0..self.count).for_each(|_| hasher.update(&*self.piece));
        std::hint::black_box(hasher.finalize());
        start.elapsed()
    }

    fn write(&self, directory: &std::path::Path) -> Duration {
        let start = Instant::now();
        let mut file = File::create(directory.join("bare")).expect("a file");
        (0..self.count).for_each(|_| file.write_all(&self.piece).expect("space on the disk"));
        file.sync_all().expect("space on the disk");
        let elapsed = start.elapsed();
        std::fs::remove_file(directory.join("bare")).expect("the file is there");
        elapsed
    }
}

/// The CPU time of a thread that receives, hashes and writes, one after the other.
fn bare(blob: &Blob, directory: &std::path::Path) -> Duration {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let start = thread_cpu();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut stream = TcpStream::connect(address).expect("the loop listens");
            blob.send(&mut stream, Duration::ZERO);
        });
        let (mut stream, _) = listener.accept().expect("a client");
        let mut file = File::create(directory.join("bare")).expect("a file");
        let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 64 << 10]);
        loop {
            let count = stream.read(&mut buffer).expect("the client sends");
            if count == 0 {
                break;
            }
            hasher.update(&buffer[..count]);
            file.write_all(&buffer[..count]).expect("space on the disk");
        }
        file.sync_all().expect("space on the disk");
        assert_eq!(Digest::from_bytes(hasher.finalize().into()), blob.digest);
    });
    let taken = thread_cpu() - start;
    std::fs::remove_file(directory.join("bare")).expect("the file is there");
    taken
}

/// How long the calling thread has run (Linux, `/proc/thread-self/schedstat`).
fn thread_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    Duration::from_nanos(text.split(' ').next().and_then(|number| number.parse().ok()).expect("a number"))
}

/// Mebibytes of anonymous memory that uploads at once add at their peak.
fn memory_of_uploads(server: &Server, way: Way) -> f64 {
    let anonymous = || memory(server.child.id(), "RssAnon").expect("Linux");
    let before = anonymous();
    let peak = AtomicU64::new(0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                peak.fetch_max(anonymous(), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        std::thread::scope(|uploads| {
            for index in 0..PARALLEL {
                let pause = Duration::from_millis(20);
                uploads.spawn(move || Blob::new(100 + index as u8, 4).upload(&server.address, way, pause));
            }
        });
        done.store(true, Ordering::Relaxed);
    });
    peak.into_inner().saturating_sub(before) as f64 / f64::from(1 << 20)
}

fn time_of(process: u32) -> Duration {
    processor_time(process).expect("Linux")
}
