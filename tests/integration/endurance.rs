//! The real program under load for a long time: killed at any instant, beside another of its kind, and with
//! many clients that come and go.
//!
//! `cargo test` runs a short form of each. The long ones are
//!
//! ```sh
//! OLLAMAKE_KILLS=500 cargo test --test integration endurance::kills -- --nocapture
//! OLLAMAKE_KILLS=200 cargo test --test integration endurance::jobs -- --nocapture
//! OLLAMAKE_SOAK_SECONDS=600 cargo test --test integration endurance::soak -- --nocapture
//! ```
//!
//! After every third kill some blobs are damaged before the server starts again: nothing is made of them, and
//! uploads and pulls mend them.
//!
//! Of the first, 500 kills with the seed 9001 found nothing lost, in five minutes on two cores that had other
//! work too.
//!
//! Ten minutes of the second with its 64 clients, on two cores that had other work too, were 138,000
//! operations, none refused but as it should be. Resident memory was 47.8 MiB after the first minute and 50.1
//! MiB at the end (+4.6 %); what of it is not of files 29.5 and 31.9 MiB (+8.1 %). Afterwards 12 descriptors
//! and 3 threads were left, as before.
//!
//! Each prints the seed of what the clients do and when the kills come; `OLLAMAKE_SEED` repeats it.

mod api;
mod attempts;
mod client;
mod damage;
mod jobs;
mod kills;
mod material;
mod moment;
mod operation;
mod registry;
mod snapshot;
mod soak;
mod two_servers;
mod world;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use tokio::task::JoinHandle;

use api::Api;
use client::Client;
use operation::Manner;
use snapshot::Snapshot;
use world::World;

use crate::support::process::{run, text};

/// A number from the environment, or its default.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect(name))
}

/// The seed of this run, printed so that it can be repeated.
fn seed() -> u64 {
    let seed = setting("OLLAMAKE_SEED", u64::from(rand::random::<u32>()));
    println!("OLLAMAKE_SEED={seed}");
    seed
}

/// Sets a client of each manner to work until `end`.
fn employ(
    world: &Arc<World>,
    apis: &[Api],
    manners: impl Iterator<Item = Manner>,
    end: Instant,
    seed: u64,
) -> Vec<JoinHandle<Client>> {
    let start = |(number, manner)| {
        let mut client = Client::new(world, number, manner, seed);
        let apis = apis.to_vec();
        tokio::spawn(async move {
            client.work(&apis, end).await.unwrap();
            client
        })
    };
    manners.enumerate().map(start).collect()
}

/// Finds the store whole, without anything left over, and with what the clients were promised.
fn find_whole(root: &Path, clients: &mut [Client]) -> Snapshot {
    let output = run(root, &["fsck"]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(!text(&output).contains("temporary file"), "{}", text(&output));
    let snapshot = Snapshot::read(root);
    for client in clients {
        client.check(&snapshot);
    }
    snapshot
}
