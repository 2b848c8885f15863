//! One library for many machines: what is found there, what is published, what gives way in a store that is
//! its cache, and what happens when it is away or does not tell the truth.

mod cache;
mod credentials;
mod full;
mod liar;
mod mistakes;
mod ours;
mod outage;
mod remembered;
mod servers;
mod shelves;
mod storm;

use ollamake::registry::{Client, Config, Library, Pulled, RegistryError};
use ollamake::store::{Placed, Store};

use crate::registry::impatient;

/// A machine: a store of its own, and a client that knows the library.
struct Machine {
    directory: tempfile::TempDir,
    store: Store,
    client: Client,
}

impl Machine {
    /// A machine of the library below `team` of a registry.
    fn of(registry: &str) -> Self {
        let library: Library = format!("http://{registry}/team").parse().unwrap();
        let config = Config { library: Some(library), ..impatient() };
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let client = Client::new(config, store.clone()).unwrap();
        Self { directory, store, client }
    }

    async fn publish(&self, name: &str) -> Result<ollamake::registry::Published, RegistryError> {
        self.client.publish(&name.parse().unwrap(), |_| ()).await
    }

    async fn fetch(&self, name: &str) -> Result<Option<Placed>, RegistryError> {
        let pulled = self.client.pull_from_library(&name.parse().unwrap(), |_| ()).await?;
        Ok(pulled.map(|pulled| match pulled {
            Pulled::Model(placed) => placed,
            Pulled::Artifact(artifact) => panic!("{artifact:?}"),
        }))
    }

    /// The names of the models that are here.
    fn models(&self) -> Vec<String> {
        self.store.list().unwrap().iter().map(|model| model.name.short()).collect()
    }
}
