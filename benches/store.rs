//! What the store costs, each figure beside the barest way of doing the same in the same run.
//!
//! `cargo bench --bench store [-- MEBIBYTES] [blobs | models]`. Blobs are measured on the disk of `TMPDIR`
//! and, where there is one, on a file system in memory, where writing is quickest and hashing weighs most.

#[path = "support/median.rs"]
mod median;
#[path = "../tests/integration/support/noise.rs"]
mod noise;
#[path = "support/processor_time.rs"]
mod processor_time;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use median::median;
use noise::noise;
use ollamake::model::{Layer, Manifest, MediaType, ModelConfig, Name};
use ollamake::store::{Disk, LocalDisk, Store};
use processor_time::processor_time;
use sha2::{Digest as _, Sha256};

const CHUNK: usize = 64 << 10;
const ROUNDS: usize = 5;

fn main() {
    let mebibytes = std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(256);
    let only = |topic: &str| std::env::args().any(|argument| argument == topic);
    if !only("models") {
        blobs("disk", &std::env::temp_dir(), mebibytes);
        if Path::new("/dev/shm").is_dir() {
            blobs("memory", Path::new("/dev/shm"), mebibytes);
        }
        overlap(mebibytes);
    }
    if !only("blobs") {
        models();
    }
}

/// Wall and processor time of one run.
fn measure(run: impl FnOnce()) -> [Duration; 2] {
    let (wall, processor) = (Instant::now(), own_time());
    run();
    [wall.elapsed(), own_time() - processor]
}

fn own_time() -> Duration {
    processor_time(std::process::id()).expect("Linux")
}

fn blobs(label: &str, directory: &Path, mebibytes: usize) {
    let pattern = noise(1, 16 << 20);
    let mut received = vec![0_u8; CHUNK];
    let chunks = mebibytes * (1 << 20) / CHUNK;
    let mut feed = |take: &mut dyn FnMut(&[u8])| {
        for index in 0..chunks {
            let start = index * CHUNK % pattern.len();
            received.copy_from_slice(&pattern[start..start + CHUNK]);
            take(&received);
        }
    };
    let directory = tempfile::tempdir_in(directory).unwrap();
    let path = directory.path().join("plain");
    let store = Store::open(&directory.path().join("store")).unwrap();

    let names = ["hash", "write", "barest", "store"];
    let mut times: [[Vec<Duration>; 2]; 4] = Default::default();
    let mut digest = None;
    for _ in 0..ROUNDS {
        let runs = [
            measure(|| {
                let mut hasher = Sha256::new();
                feed(&mut |chunk| hasher.update(chunk));
                std::hint::black_box(hasher.finalize());
            }),
            measure(|| {
                let mut file = File::create(&path).unwrap();
                feed(&mut |chunk| file.write_all(chunk).unwrap());
                file.sync_data().unwrap();
            }),
            measure(|| {
                fs::remove_file(&path).unwrap();
                let mut file = File::create(&path).unwrap();
                let mut hasher = Sha256::new();
                feed(&mut |chunk| {
                    hasher.update(chunk);
                    file.write_all(chunk).unwrap();
                });
                file.sync_data().unwrap();
                std::hint::black_box(hasher.finalize());
            }),
            measure(|| {
                let mut writer = store.create_blob();
                feed(&mut |chunk| writer.write_all(chunk).unwrap());
                digest = Some(writer.commit(None).unwrap().blob.digest());
            }),
        ];
        fs::remove_file(&path).unwrap();
        store.remove_unused(&[digest.unwrap()]).unwrap();
        for (times, run) in times.iter_mut().zip(runs) {
            times[0].push(run[0]);
            times[1].push(run[1]);
        }
    }
    let medians = times.map(|[wall, processor]| [median(wall), median(processor)]);
    println!("a blob of {mebibytes} MiB, {label}: median of {ROUNDS}");
    for (name, [wall, processor]) in names.iter().zip(medians) {
        println!("  {name:<8} wall {:>8.1} ms   processor {:>6} ms", millis(wall), processor.as_millis());
    }
    let [[hash, _], [write, _], [_, barest], [store, processor]] = medians;
    ratio("wall, to the larger of hashing and writing", store, hash.max(write), 1.2);
    ratio("processor, to the barest way", processor, barest, 1.3);
}

/// A disk of a fixed speed, which it keeps by sleeping, so that it costs no processor time.
struct SteadyDisk {
    begun: Instant,
    written: AtomicUsize,
}

impl SteadyDisk {
    const BYTES_PER_SECOND: usize = 300 << 20;

    fn new() -> Self {
        Self { begun: Instant::now(), written: AtomicUsize::new(0) }
    }
}

impl Disk for SteadyDisk {
    fn write_at(&self, _file: &File, bytes: &[u8], _offset: u64) -> io::Result<usize> {
        let written = self.written.fetch_add(bytes.len(), Ordering::Relaxed) + bytes.len();
        let due = Duration::from_secs_f64(written as f64 / Self::BYTES_PER_SECOND as f64);
        std::thread::sleep(due.saturating_sub(self.begun.elapsed()));
        Ok(bytes.len())
    }

    fn sync(&self, _file: &File) -> io::Result<()> {
        Ok(())
    }
}

/// Whether hashing hides behind writing, also on a machine that has other things to do.
fn overlap(mebibytes: usize) {
    let directory = tempfile::tempdir().unwrap();
    let chunk = vec![7_u8; CHUNK];
    let chunks = mebibytes * (1 << 20) / CHUNK;
    let [mut hash, mut ours] = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        let [wall, _] = measure(|| {
            let mut hasher = Sha256::new();
            (0..chunks).for_each(|_| hasher.update(&chunk));
            std::hint::black_box(hasher.finalize());
        });
        hash.push(wall);
        let store = Store::open_on(SteadyDisk::new(), directory.path()).unwrap();
        let mut writer = store.create_blob();
        let [wall, _] = measure(|| {
            (0..chunks).for_each(|_| writer.write_all(&chunk).unwrap());
            let wrong = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
            writer.commit(Some(wrong.parse().unwrap())).unwrap_err();
        });
        ours.push(wall);
    }
    let (hash, ours) = (median(hash), median(ours));
    let write = Duration::from_secs_f64((chunks * CHUNK) as f64 / SteadyDisk::BYTES_PER_SECOND as f64);
    println!("a blob of {mebibytes} MiB, a disk of {} MiB/s", SteadyDisk::BYTES_PER_SECOND >> 20);
    for (name, wall) in [("hash", hash), ("write", write), ("store", ours)] {
        println!("  {name:<8} wall {:>8.1} ms", millis(wall));
    }
    ratio("wall, to the larger of hashing and writing", ours, hash.max(write), 1.2);
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn ratio(what: &str, ours: Duration, theirs: Duration, limit: f64) {
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    println!("  {what}: {ratio:.2} (at most {limit})");
}

/// A disk that counts its syncs and, to fill a store quickly, may leave them out.
#[derive(Clone, Default)]
struct CountingDisk {
    syncs: Arc<AtomicUsize>,
    lazy: bool,
}

impl Disk for CountingDisk {
    fn sync(&self, file: &File) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        if self.lazy { Ok(()) } else { LocalDisk.sync(file) }
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        if self.lazy { Ok(()) } else { LocalDisk.sync_directory(path) }
    }
}

fn create(store: &Store, model: &str, prompt: &str) {
    let name: Name = model.parse().unwrap();
    let config = store.put_bytes(&ModelConfig::default().to_bytes()).unwrap().blob;
    let system = store.put_bytes(prompt.as_bytes()).unwrap().blob;
    let manifest = Manifest::new(
        Layer::new(MediaType::Config, config.digest(), config.length()),
        vec![Layer::new(MediaType::System, system.digest(), system.length())],
    );
    let placed = store.put_manifest(&name, &manifest.to_bytes()).unwrap();
    if let Some(replaced) = placed.replaced {
        store.retire(replaced.manifest.blobs().map(|layer| layer.digest));
    }
}

fn models() {
    for syncing in [true, false] {
        let columns: Vec<_> = [10, 5000].into_iter().map(|count| models_of(count, syncing)).collect();
        println!("models, {}: median", if syncing { "with syncs" } else { "without the disk's share" });
        for (few, many) in columns[0].iter().zip(&columns[1]) {
            let (what, few, many) = (few.0, few.1, many.1);
            println!("  {what:<28} 10: {:>7.2} ms   5,000: {:>7.2} ms", millis(few), millis(many));
        }
    }
}

fn models_of(count: usize, syncing: bool) -> Vec<(&'static str, Duration)> {
    const REPETITIONS: usize = 41;
    let directory = tempfile::tempdir().unwrap();
    let lazy = Store::open_on(CountingDisk { lazy: true, ..Default::default() }, directory.path()).unwrap();
    for index in 0..count {
        create(&lazy, &format!("model-{index}"), &format!("prompt {index}"));
    }
    let syncs = Arc::new(AtomicUsize::new(0));
    let disk = CountingDisk { syncs: syncs.clone(), lazy: !syncing };
    let store = Store::open_on(disk, directory.path()).unwrap();
    let repeat = |run: &dyn Fn(usize)| {
        let times = (0..REPETITIONS).map(|index| measure(|| run(index))[0]);
        median(times.collect())
    };
    let cold = measure(|| assert_eq!(store.list().unwrap().len(), count))[0];
    // Until the clock of the file system has moved on, files that are new are read again.
    std::thread::sleep(Duration::from_secs(4));
    store.list().unwrap();
    let warm = repeat(&|_| {
        for model in store.list().unwrap() {
            store.config(&model).unwrap();
        }
    });
    let before = syncs.load(Ordering::Relaxed);
    let new = repeat(&|index| create(&store, &format!("new-{index}"), &format!("new prompt {index}")));
    if syncing {
        let syncs = (syncs.load(Ordering::Relaxed) - before) as f64 / REPETITIONS as f64;
        println!("a new model with a new prompt takes {syncs:.1} syncs");
    }
    let before = syncs.load(Ordering::Relaxed);
    let replaced = repeat(&|index| create(&store, "model-3", &format!("other prompt {index}")));
    store.settle();
    if syncing {
        let syncs = (syncs.load(Ordering::Relaxed) - before) as f64 / REPETITIONS as f64;
        println!("a model that replaces another takes {syncs:.1} syncs");
    }
    let removed = repeat(&|index| store.remove(&format!("new-{index}").parse().unwrap()).unwrap());
    vec![
        ("list, first time", cold),
        ("list with configurations", warm),
        ("create, new name", new),
        ("create, replacing", replaced),
        ("remove", removed),
    ]
}
