//! The store as the library's cache: what the library holds gives way when there is too much.
//!
//! A model goes only if the library gave back just now the very manifest that is here, under its name, and
//! has every blob of it in its length. What it does not hold, or holds in another way, stays, whatever the
//! limit says. So a library that was wiped, or another one by mistake, costs no model.

use super::client::Client;
use super::holding::{self, Lack};
use super::{RegistryError, blocking};
use crate::model::{Digest, Name};

/// What became of the models of a store that holds too much.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evicted {
    /// The models that went, with the bytes that this freed.
    pub gone: Vec<(Name, u64)>,
    /// The models of which the library has another under the same name, by the digest of its manifest.
    pub other: Vec<(Name, Digest)>,
    /// Bytes of the blobs that are left.
    pub left: u64,
}

impl Client {
    /// Evicts models that the library holds until the blobs of the store take no more than `limit` bytes, the
    /// one first that was used longest ago. The one that was used last stays, and those that are `spared`, or
    /// that anybody holds a lease on.
    ///
    /// # Errors
    /// There is no library, it does not answer, or the store fails. What had gone by then has gone.
    pub async fn evict(&self, limit: u64, spared: impl Fn(&Name) -> bool) -> Result<Evicted, RegistryError> {
        let store = self.store.clone();
        let (left, mut models) = blocking(move || store.by_last_use(limit)).await??;
        let mut evicted = Evicted { left, ..Evicted::default() };
        models.pop();
        for model in models {
            if evicted.left <= limit {
                break;
            }
            let Ok(repository) = self.shelf_of(&model.name) else { continue };
            // Of a list the library has one manifest only, if any.
            if spared(&model.name) || model.published() != model.bytes {
                continue;
            }
            let lack =
                self.speaking(repository, &|_| (), async |session| holding::lack(&session, &model).await);
            match lack.await? {
                None => {}
                Some(Lack::Other(digest)) => {
                    evicted.other.push((model.name.clone(), digest));
                    continue;
                }
                Some(Lack::Model | Lack::Blob(_)) => continue,
            }
            let (store, going) = (self.store.clone(), model.clone());
            if let Some(freed) = blocking(move || store.evict(&going)).await?? {
                evicted.left = evicted.left.saturating_sub(freed);
                evicted.gone.push((model.name.clone(), freed));
            }
        }
        Ok(evicted)
    }
}
