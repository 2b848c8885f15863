//! The client of registries, against Debian's `docker-registry` where it is installed, and against
//! servers of our own that behave well or badly on purpose.

mod accounting;
mod artifacts;
mod authentication;
mod conventions;
pub(crate) mod docker_registry;
mod hostile;
mod hub;
mod interruption;
pub(crate) mod model;
mod odd_answers;
mod proxies;
pub(crate) mod resumable_registry;
mod round_trip;
mod sharing;
pub(crate) mod stub;
mod tls;
mod tls_front;
mod tls_stub;
mod todays;
pub(crate) mod token_server;
mod two_programs;
mod unreachable;
mod uploads;

use std::sync::Mutex;
use std::time::Duration;

use ollamake::registry::{
    Awaited, Client, Config, Event, Options, Proxies, Pulled, RegistryError, RetryPolicy,
};
use ollamake::store::{Placed, Store};

use crate::support::files::files;

/// A store in a directory of its own, and a client over it.
pub(crate) struct Site {
    directory: tempfile::TempDir,
    pub(crate) store: Store,
    client: Client,
    events: Mutex<Vec<Event>>,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self::with(impatient())
    }

    pub(crate) fn with(config: Config) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let client = Client::new(config, store.clone()).unwrap();
        Self { directory, store, client, events: Mutex::default() }
    }

    pub(crate) async fn pull(&self, name: &str) -> Result<Placed, RegistryError> {
        let progress = |event| self.events.lock().unwrap().push(event);
        match self.client.pull(&name.parse().unwrap(), Options::default(), progress).await? {
            Pulled::Model(placed) => Ok(placed),
            Pulled::Artifact(artifact) => panic!("{artifact:?}"),
        }
    }

    pub(crate) async fn push(&self, name: &str) -> Result<(), RegistryError> {
        let progress = |event| self.events.lock().unwrap().push(event);
        self.client.push(&name.parse().unwrap(), Options::default(), progress).await.map(drop)
    }

    /// The names of the events since the last call, repetitions left out.
    fn events(&self) -> Vec<String> {
        let mut names: Vec<String> = self.taken().iter().map(|event| format!("{event:?}")).collect();
        names.iter_mut().for_each(|name| name.truncate(name.find('(').unwrap_or(name.len())));
        names.dedup();
        names
    }

    /// What was waited for since the last call.
    fn waits(&self) -> Vec<Awaited> {
        let waits = self.taken().into_iter().filter_map(|event| match event {
            Event::Waiting(wait) => Some(wait.awaited),
            _ => None,
        });
        waits.collect()
    }

    fn taken(&self) -> Vec<Event> {
        std::mem::take(&mut *self.events.lock().unwrap())
    }

    /// The files of the store, but for empty directories and locks.
    fn files(&self) -> Vec<String> {
        let files = files(self.directory.path()).into_iter();
        files.map(|path| path.display().to_string()).collect()
    }
}

/// A configuration that asks every `http://` registry through a proxy.
fn through(proxy: &stub::Stub) -> Config {
    let address = format!("http://{}", proxy.host());
    let proxies = Proxies::from_environment(|name| (name == "HTTP_PROXY").then(|| address.clone()));
    Config { proxies, ..impatient() }
}

/// A configuration for tests: failures are noticed and repeated quickly.
pub(crate) fn impatient() -> Config {
    let retry = RetryPolicy {
        attempts: 4,
        shortest_wait: Duration::from_millis(10),
        longest_wait: Duration::from_millis(200),
        ..RetryPolicy::default()
    };
    Config { retry, patience: Duration::from_secs(5), ..Config::default() }
}
