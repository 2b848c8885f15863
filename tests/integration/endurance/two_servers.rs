//! Two servers on one store, and commands that prune it, all in processes of their own.

use std::time::{Duration, Instant};

use super::api::Api;
use super::operation::Manner;
use super::world::World;
use super::{employ, find_whole, seed, setting};
use crate::support::process::Process;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_servers_do_not_harm_each_other() {
    let time = Duration::from_secs(setting("OLLAMAKE_TWO_SERVERS_SECONDS", 4));
    let seed = seed();
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let world = World::new(root.to_owned()).await;
    let servers = [Process::start(root, &[]), Process::start(root, &[])];
    let apis: Vec<_> = servers.iter().map(|server| Api::new(&server.address)).collect();
    world.make_constant(&apis[0]).await;
    let end = Instant::now() + time;
    let manner = |number| if number < 8 { Manner::Careful } else { Manner::Careless };
    let tasks = employ(&world, &apis, (0..12).map(manner), end, seed);
    let mut clients = Vec::new();
    for task in tasks {
        clients.push(task.await.unwrap());
    }
    // What careless clients have left behind ends, and what they replaced is retired.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let snapshot = find_whole(root, &mut clients);
    for (api, server) in apis.iter().zip(&servers) {
        let mut listed = api.tags().await.unwrap();
        listed.sort_unstable();
        assert_eq!(listed, snapshot.models.keys().cloned().collect::<Vec<_>>());
        let log = server.log();
        assert!(!log.contains("panicked"), "{log}");
    }
    println!("operations: {:?}", world.counts.lock().unwrap());
    println!("refused: {:?}", world.refusals.lock().unwrap());
}
