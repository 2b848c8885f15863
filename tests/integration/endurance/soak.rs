//! Many clients for a long time: nothing fails that should not, and nothing grows.

use std::fs;
use std::time::{Duration, Instant};

use super::api::Api;
use super::operation::Manner;
use super::world::World;
use super::{employ, find_whole, seed, setting};
use crate::support::process::Process;

const CLIENTS: usize = 64;
/// Memory is compared with that after so long, if the run is several times as long.
const WARM: Duration = Duration::from_secs(60);
/// How much more memory does not count as growth, in percent.
const TOLERANCE: u64 = 10;
/// Threads that wait for work, and idle connections, end in this time.
const CALM: Duration = Duration::from_secs(20);

/// What a process holds.
#[derive(Debug, Clone, Copy)]
struct Sample {
    /// Resident memory in KiB, and what of it is not of files.
    resident: u64,
    anonymous: u64,
    descriptors: usize,
    threads: u64,
}

impl Sample {
    fn take(process: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        Self {
            resident: field("VmRSS:"),
            anonymous: field("RssAnon:"),
            descriptors: fs::read_dir(format!("/proc/{process}/fd")).unwrap().count(),
            threads: field("Threads:"),
        }
    }
}

/// The middle one of some values.
fn median(values: impl Iterator<Item = u64>) -> u64 {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable();
    values[values.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_grows_under_load() {
    let time = Duration::from_secs(setting("OLLAMAKE_SOAK_SECONDS", 5));
    let seed = seed();
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let world = World::new(root.to_owned()).await;
    let server = Process::start(root, &[]);
    let api = Api::new(&server.address);
    world.make_constant(&api).await;
    let idle = Sample::take(server.id());
    println!("before: {idle:?}");

    let begin = Instant::now();
    let manner = |number| if number % 2 == 0 { Manner::Careful } else { Manner::Careless };
    let tasks = employ(&world, std::slice::from_ref(&api), (0..CLIENTS).map(manner), begin + time, seed);
    let mut samples = Vec::new();
    while begin.elapsed() < time {
        tokio::time::sleep(Duration::from_secs(1)).await;
        samples.push(Sample::take(server.id()));
        if samples.len() % 30 == 0 {
            println!("{:4} s: {:?}", begin.elapsed().as_secs(), samples.last().unwrap());
        }
    }
    let mut clients = Vec::new();
    for task in tasks {
        clients.push(task.await.unwrap());
    }
    println!("operations: {:?}", world.counts.lock().unwrap());
    println!("refused: {:?}", world.refusals.lock().unwrap());

    drop(api);
    let mut after = Sample::take(server.id());
    let calm = Instant::now() + CALM;
    let is_calm = |now: &Sample| now.descriptors <= idle.descriptors && now.threads <= idle.threads;
    while !is_calm(&after) && Instant::now() < calm {
        tokio::time::sleep(Duration::from_millis(100)).await;
        after = Sample::take(server.id());
    }
    println!("after:  {after:?}");
    assert!(is_calm(&after), "descriptors or threads are left: {idle:?}, {after:?}");
    find_whole(root, &mut clients);
    let log = server.log();
    assert!(!log.contains("panicked"), "{log}");

    // Last, so that everything else has been looked at.
    if time <= WARM * 3 {
        println!("memory is compared in runs of more than {} s", 3 * WARM.as_secs());
    } else {
        let window = WARM.as_secs() as usize;
        let early = &samples[window..2 * window];
        let late = &samples[samples.len() - window..];
        for (what, value) in [
            ("resident", (|sample: &Sample| sample.resident) as fn(&Sample) -> u64),
            ("anonymous", |sample| sample.anonymous),
        ] {
            let (early, late) = (median(early.iter().map(value)), median(late.iter().map(value)));
            println!("{what} memory after a minute {early} KiB, at the end {late} KiB");
            assert!(late * 100 <= early * (100 + TOLERANCE), "{what} memory has grown");
        }
    }
}
