//! A file on the file system of the store, in the page cache, into the store: `cargo bench --bench import
//! [-- MEBIBYTES]`, beside hashing it in the plainest way. A file that nobody can write to, and one that can be
//! copied only, where the file system does not share blocks.

#[path = "support/median.rs"]
mod median;
#[path = "../tests/integration/support/noise.rs"]
mod noise;

use std::fs::{self, File, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use median::median;
use noise::noise;
use ollamake::store::{Imported, Store};
use sha2::{Digest as _, Sha256};

const ROUNDS: usize = 3;
const CHUNK: usize = 1 << 20;
/// What importing two gibibytes may take that are not copied.
const MOST: Duration = Duration::from_secs(3);
const FOR: usize = 2048;

fn main() {
    let mebibytes = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(FOR);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.gguf");
    fill(&path, mebibytes);
    let store = Store::open(&directory.path().join("store")).unwrap();
    println!("{mebibytes} MiB in the page cache, median of {ROUNDS}");
    let hash = median((0..ROUNDS).map(|_| timed(|| hash(&path))).collect());
    println!("  hashing alone       {:>7.2} s", hash.as_secs_f64());
    for (name, mode) in [("read-only file", 0o444), ("file for writing", 0o644)] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let mut times = Vec::new();
        let (mut how, mut rooms) = (Imported::Present, 0);
        for _ in 0..ROUNDS {
            let before = blocks(directory.path());
            let start = Instant::now();
            let (committed, way) = store.import(File::open(&path).unwrap(), |_| true).unwrap().unwrap();
            times.push(start.elapsed());
            (how, rooms) = (way, blocks(directory.path()) - before);
            let digest = committed.blob.digest();
            drop(committed);
            store.remove_unused(&[digest]).unwrap();
        }
        let time = median(times);
        println!(
            "  {name:<17}   {:>7.2} s   {:.2} of hashing   {how:?}, {} MiB more on the disk",
            time.as_secs_f64(),
            time.as_secs_f64() / hash.as_secs_f64(),
            rooms >> 20
        );
        let is_copied = matches!(how, Imported::Copied | Imported::CopiedForSafety);
        assert!(is_copied || mebibytes > FOR || time < MOST, "importing takes {time:?}, not {MOST:?}");
    }
}

fn fill(path: &Path, mebibytes: usize) {
    let pattern = noise(1, CHUNK);
    let mut file = File::create(path).unwrap();
    for number in 0..mebibytes as u64 {
        file.write_all(&number.to_le_bytes()).unwrap();
        file.write_all(&pattern[8..]).unwrap();
    }
    file.sync_all().unwrap();
}

fn hash(path: &Path) {
    let (mut file, mut buffer, mut hasher) = (File::open(path).unwrap(), vec![0; CHUNK], Sha256::new());
    loop {
        match file.read(&mut buffer).unwrap() {
            0 => break,
            count => hasher.update(&buffer[..count]),
        }
    }
    std::hint::black_box(hasher.finalize());
}

fn timed(run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    start.elapsed()
}

/// Bytes that the files under a directory take, each file once.
fn blocks(directory: &Path) -> u64 {
    let mut known = std::collections::HashSet::new();
    let mut open = vec![directory.to_owned()];
    let mut bytes = 0;
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap().flatten() {
            let metadata = entry.metadata().unwrap();
            if metadata.is_dir() {
                open.push(entry.path());
            } else if known.insert(metadata.ino()) {
                bytes += metadata.blocks() * 512;
            }
        }
    }
    bytes
}
