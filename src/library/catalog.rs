//! What listings tell about models, derived once for each manifest that is read.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::descriptions::Descriptions;
use super::parts::{Facts, Parts};
use crate::store::{Store, StoreError, StoredManifest};

/// A model and what was derived from it.
pub(crate) type Listed<T> = (Arc<StoredManifest>, Arc<T>);

/// What was derived, by manifest. The store keeps a manifest that has not changed, so nothing here goes stale; and
/// the address of one that is kept here is not given to another.
#[derive(Debug)]
pub(crate) struct Catalog<T>(Mutex<HashMap<usize, Listed<T>>>);

impl<T> Default for Catalog<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Catalog<T> {
    /// All models that can be read, those made last first, with what `derive` makes of their facts. One that cannot
    /// be read does not hide the others.
    ///
    /// # Errors
    /// The store cannot be listed.
    pub(crate) fn list(
        &self,
        store: &Store,
        descriptions: &Descriptions,
        derive: impl Fn(&StoredManifest, &Facts) -> T,
    ) -> Result<Vec<Listed<T>>, StoreError> {
        let models = store.list()?;
        self.tidy(&models);
        let mut listed: Vec<Listed<T>> = models
            .into_iter()
            .filter_map(|model| {
                let derived = self.of(store, descriptions, &model, &derive);
                let derived = derived
                    .inspect_err(|error| tracing::warn!(model = %model.name, %error, "a model is not listed"))
                    .ok()?;
                Some((model, derived))
            })
            .collect();
        listed.sort_by_key(|(model, _)| std::cmp::Reverse(model.modified));
        Ok(listed)
    }

    fn of(
        &self,
        store: &Store,
        descriptions: &Descriptions,
        model: &Arc<StoredManifest>,
        derive: impl Fn(&StoredManifest, &Facts) -> T,
    ) -> Result<Arc<T>, StoreError> {
        let address = Arc::as_ptr(model).addr();
        if let Some((_, known)) = self.lock().get(&address) {
            return Ok(Arc::clone(known));
        }
        let parts = Parts::read(store, descriptions, model)?;
        let derived = Arc::new(derive(model, &Facts::of(&parts)));
        if !parts.lack_something {
            self.lock().insert(address, (Arc::clone(model), Arc::clone(&derived)));
        }
        Ok(derived)
    }

    /// Forgets manifests that are no more, once they are the most.
    fn tidy(&self, models: &[Arc<StoredManifest>]) {
        let mut known = self.lock();
        if known.len() > 2 * models.len() + 64 {
            let live: HashSet<_> = models.iter().map(|model| Arc::as_ptr(model).addr()).collect();
            known.retain(|address, _| live.contains(address));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<usize, Listed<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
