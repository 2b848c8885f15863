//! The server is killed at any instant; what it has promised is there when it is started again.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::api::Api;
use super::client::Client;
use super::damage::{self, Damaged};
use super::moment::{Moment, Watch};
use super::operation::{KINDS, Kind, Manner};
use super::snapshot::{Snapshot, adopt};
use super::world::World;
use super::{seed, setting};
use crate::support::process::{Process, command, run, text};

/// Clients that have names of their own, and such that have not.
const CLIENTS: [(Manner, usize); 2] = [(Manner::Careful, 8), (Manner::Careless, 2)];
/// However long everything takes once, a server lives no longer than this.
const LONGEST: Duration = Duration::from_secs(1);
/// Long enough to read what has happened.
const SHORT: Duration = Duration::from_millis(100);
/// Of so many kills one hits a server that is just starting.
const STARTS: u64 = 8;
/// After one of so many kills blobs are damaged as well.
const DAMAGES: u64 = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_when_the_server_is_killed() {
    let kills = setting("OLLAMAKE_KILLS", 10);
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let world = World::new(root.to_owned()).await;
    let manners = CLIENTS.iter().flat_map(|(manner, count)| vec![*manner; *count]);
    let mut clients: Vec<_> =
        manners.enumerate().map(|(number, manner)| Client::new(&world, number, manner, seed)).collect();

    // How long everything takes once, and how many files come and go meanwhile.
    let (duration, events) = {
        let server = Process::start(root, &[]);
        let api = Api::new(&server.address);
        world.make_constant(&api).await;
        let watch = Watch::new(root);
        let begin = Instant::now();
        clients = at_once(clients, &[api], Duration::ZERO).await;
        let duration = begin.elapsed();
        (duration.min(LONGEST), watch.wait(Moment::After(SHORT), SHORT).max(2))
    };
    println!("everything once takes {duration:?} with {events} events");

    let mut hit: BTreeMap<Kind, u64> = BTreeMap::new();
    let (mut at_events, mut mended) = (0, 0);
    for kill in 0..kills {
        if kill % STARTS == STARTS - 1 {
            let mut starting = command(root, &["serve"]).stderr(Stdio::null()).spawn().unwrap();
            thread::sleep(Duration::from_micros(random.random_range(0..40_000)));
            starting.kill().unwrap();
            starting.wait().unwrap();
            continue;
        }
        adopt(root, || random.random_bool(0.2));
        let damaged = match kill % DAMAGES {
            0 => damage::afflict(root, &mut random),
            _ => Damaged::new(),
        };
        let mut server = Process::start(root, &[]);
        if !damaged.is_empty() {
            damage::heal(root, &world, &Api::new(&server.address), &damaged).await;
            mended += damaged.len();
        }
        check(root, &server, &mut clients).await;
        let later = Duration::from_micros(random.random_range(0..3000));
        let moment = match random.random() {
            false => Moment::After(duration.mul_f64(random.random_range(0.0..1.0))),
            true => Moment::Event(random.random_range(1..events), later),
        };
        at_events += u64::from(matches!(moment, Moment::Event(..)));
        let doing: Vec<_> = clients.iter().map(|client| client.doing.clone()).collect();
        let watch = Watch::new(root);
        let api = Api::new(&server.address);
        let killing = tokio::task::spawn_blocking({
            let world = world.clone();
            move || {
                watch.wait(moment, duration * 2);
                let doing: Vec<_> = doing.iter().filter_map(|doing| *doing.lock().unwrap()).collect();
                server.kill();
                for child in world.pruning.lock().unwrap().drain(..) {
                    // It may have ended.
                    let _ = child.lock().unwrap().kill();
                }
                (doing, server.log())
            }
        });
        clients = at_once(clients, &[api], Duration::from_secs(3600)).await;
        let (doing, log) = killing.await.unwrap();
        assert!(!log.contains("panicked"), "{log}");
        for kind in doing {
            *hit.entry(kind).or_default() += 1;
        }
    }
    let server = Process::start(root, &[]);
    check(root, &server, &mut clients).await;
    println!(
        "{kills} kills, {at_events} of them at events; {mended} damaged blobs mended; operations under way \
         then: {hit:?}"
    );
    println!("all operations: {:?}", world.counts.lock().unwrap());
    println!("refused: {:?}", world.refusals.lock().unwrap());
    assert!(mended > 0);
    let enough = kills < 100 || KINDS.iter().all(|(kind, _)| hit.contains_key(kind));
    assert!(enough, "some operations were never hit");
}

/// Lets all clients work until their server is killed; with no time, each does everything once.
async fn at_once(clients: Vec<Client>, servers: &[Api], time: Duration) -> Vec<Client> {
    let tasks: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            let servers = servers.to_vec();
            tokio::spawn(async move {
                let outcome = match time.is_zero() {
                    true => client.work_once(&servers[0]).await,
                    false => client.work(&servers, Instant::now() + time).await,
                };
                assert_eq!(outcome.is_ok(), time.is_zero(), "{outcome:?}");
                client
            })
        })
        .collect();
    let mut clients = Vec::new();
    for task in tasks {
        clients.push(task.await.unwrap());
    }
    clients
}

/// The store under a server that was just started is whole and holds what was promised.
async fn check(root: &Path, server: &Process, clients: &mut [Client]) {
    let temporary: Vec<_> = fs::read_dir(root.join("ollamake/temporary")).unwrap().collect();
    assert!(temporary.is_empty(), "after the start: {temporary:?}");
    let output = run(root, &["fsck"]);
    assert!(output.status.success(), "{}", text(&output));
    let snapshot = Snapshot::read(root);
    for client in clients {
        client.check(&snapshot);
    }
    let mut listed = Api::new(&server.address).tags().await.unwrap();
    listed.sort_unstable();
    assert_eq!(listed, snapshot.models.into_keys().collect::<Vec<_>>());
}
