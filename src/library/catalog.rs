//! What listings tell about models, derived once for each manifest that is read.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use super::descriptions::Descriptions;
use super::parts::{Facts, Parts};
use crate::locked::locked;
use crate::store::{DamagedModel, Listing, Present, Stamp, Store, StoreError, StoredManifest};

/// A model and what was derived from it.
pub(crate) type Listed<T> = (Arc<StoredManifest>, Arc<T>);

/// The models of a store, those made last first.
pub(crate) struct Models<T> {
    /// Those whose manifests can be read, with what was derived.
    pub(crate) listed: Vec<Listed<T>>,
    /// The others.
    pub(crate) damaged: Vec<DamagedModel>,
}

/// What was derived of a model.
#[derive(Debug)]
struct Known<T> {
    listed: Listed<T>,
    /// In which state the directory of blobs was when all parts of the model were there.
    whole: Option<Stamp>,
}

/// What was derived, by manifest. The store keeps a manifest that has not changed, so nothing here goes
/// stale; and the address of one that is kept here is not given to another.
#[derive(Debug)]
pub(crate) struct Catalog<T>(Mutex<HashMap<usize, Known<T>>>);

impl<T> Default for Catalog<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Catalog<T> {
    /// All models, with what `derive` makes of their facts. One that is damaged does not hide the others.
    ///
    /// # Errors
    /// The store cannot be listed.
    pub(crate) fn list(
        &self,
        store: &Store,
        descriptions: &Descriptions,
        derive: impl Fn(&StoredManifest, &Facts) -> T,
    ) -> Result<Models<T>, StoreError> {
        let Listing { models, damaged } = store.listing()?;
        let present = store.present()?;
        self.tidy(&models);
        let mut listed: Vec<Listed<T>> = models
            .into_iter()
            .map(|model| {
                let derived = self.of(store, descriptions, &model, &present, &derive);
                (model, derived)
            })
            .collect();
        listed.sort_by_key(|(model, _)| std::cmp::Reverse(model.modified));
        Ok(Models { listed, damaged })
    }

    fn of(
        &self,
        store: &Store,
        descriptions: &Descriptions,
        model: &Arc<StoredManifest>,
        present: &Present,
        derive: impl Fn(&StoredManifest, &Facts) -> T,
    ) -> Arc<T> {
        let address = Arc::as_ptr(model).addr();
        let whole = present.stamp();
        if let Some(known) = self.lock().get(&address)
            && whole.is_some()
            && known.whole == whole
        {
            return Arc::clone(&known.listed.1);
        }
        let lacking = present.lacking(&model.manifest);
        if lacking.is_none()
            && let Some(known) = self.lock().get_mut(&address)
        {
            known.whole = whole;
            return Arc::clone(&known.listed.1);
        }
        let read = Parts::read(store, descriptions, model);
        let damage = match (lacking, &read) {
            (Some(layer), _) => {
                Some(format!("its {} (blob {}) is not in the store", layer.media_type.noun(), layer.digest))
            }
            (None, Err(error)) => Some(error.to_string()),
            (None, Ok(_)) => None,
        };
        let facts = read.as_ref().map_or_else(|_| Facts::default(), Facts::of);
        let is_sure = damage.is_none() && read.is_ok_and(|parts| !parts.lack_something);
        let derived = Arc::new(derive(model, &Facts { damage, ..facts }));
        if is_sure {
            let listed = (Arc::clone(model), Arc::clone(&derived));
            self.lock().insert(address, Known { listed, whole });
        }
        derived
    }

    /// Forgets manifests that are no more, once they are the most.
    fn tidy(&self, models: &[Arc<StoredManifest>]) {
        let mut known = self.lock();
        if known.len() > 2 * models.len() + 64 {
            let live: HashSet<_> = models.iter().map(|model| Arc::as_ptr(model).addr()).collect();
            known.retain(|address, _| live.contains(address));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<usize, Known<T>>> {
        locked(&self.0)
    }
}
