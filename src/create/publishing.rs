//! Publishing: what is here shall be in the library, too.
//!
//! The models are there, so nobody need follow this work, and it can go on in a later process: what is owed
//! is a value that a record can hold.

use serde::{Deserialize, Serialize};

use super::away::with_library;
use super::fetch::{sending, until_stopped};
use super::{CreateError, Event, Monitor, Workshop};
use crate::model::{Digest, Name};
use crate::registry::{Client, MadeFile, RegistryError};
use crate::store::{Store, StoreError};

/// A model that is to be in the library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owed {
    /// What it is called.
    pub model: String,
    /// The digest of its manifest.
    pub digest: Digest,
    /// What was made for it, for the library to remember.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub made: Vec<MadeFile>,
}

/// What is left of a job when its models are here.
#[derive(Debug)]
pub struct Publishing {
    workshop: Workshop,
    owed: Vec<Owed>,
    /// How the job ends when it has published what there is.
    end: Result<(), CreateError>,
}

impl Publishing {
    /// The publishing of models, at whose end a job ends so.
    pub(super) fn then(workshop: Workshop, owed: Vec<Owed>, end: Result<(), CreateError>) -> Self {
        Self { workshop, owed, end }
    }

    /// The publishing of models that are here.
    pub fn of(workshop: Workshop, owed: Vec<Owed>) -> Self {
        Self::then(workshop, owed, Ok(()))
    }

    /// What is to be published.
    pub fn owed(&self) -> &[Owed] {
        &self.owed
    }

    /// Publishes the models, one after another; one that the library refuses does not keep back the others.
    ///
    /// # Errors
    /// [`CreateError::Unpublished`], what the job ended with before, or [`CreateError::Cancelled`].
    pub fn run(self, monitor: Monitor<'_>) -> Result<(), CreateError> {
        let client = self.workshop.registries().map_err(|error| CreateError::Push(Box::new(error)))?;
        let mut end = self.end;
        for owed in &self.owed {
            match publish(&self.workshop, client, owed, monitor) {
                Err(CreateError::Cancelled) => return Err(CreateError::Cancelled),
                published => end = end.and(published),
            }
        }
        end
    }
}

impl Workshop {
    /// The publishing of a model of the store.
    ///
    /// # Errors
    /// There is no such model, or it has no place in the library.
    pub fn publishing(&self, name: &Name) -> Result<Publishing, CreateError> {
        self.ensure_of_library(name)?;
        let model = self.store.manifest(name)?;
        let owed = Owed { model: model.name.short(), digest: model.digest, made: Vec::new() };
        Ok(Publishing::of(self.clone(), vec![owed]))
    }

    /// Whether a model of this name has a place in the library.
    pub(super) fn is_of_library(&self, name: &Name) -> bool {
        self.registries().is_ok_and(|client| client.library_of(name).is_some())
    }

    /// Makes sure that a model of this name can be published.
    ///
    /// # Errors
    /// There is no library, or the name is of another registry.
    pub(super) fn ensure_of_library(&self, name: &Name) -> Result<(), CreateError> {
        let client = self.registries().map_err(|error| CreateError::Push(Box::new(error)))?;
        match client.library_of(name) {
            Some(_) => Ok(()),
            None => Err(CreateError::Push(Box::new(RegistryError::NotOfLibrary { model: name.short() }))),
        }
    }
}

/// Publishes a model, unless it is not here any more.
fn publish(
    workshop: &Workshop,
    client: &Client,
    owed: &Owed,
    monitor: Monitor<'_>,
) -> Result<(), CreateError> {
    let name: Name = owed.model.parse()?;
    // The operator may have taken the library away since.
    workshop.ensure_of_library(&name)?;
    let library = client.library().map(ToString::to_string).unwrap_or_default();
    monitor.tell(Event::Publishing { model: owed.model.clone(), library: library.clone() });
    let report = sending(monitor);
    let send = || {
        // While the library was away somebody may have replaced or removed it.
        if !is_here(&workshop.store, &name, owed, monitor)? {
            return Ok(Ok(None));
        }
        Ok(until_stopped(client.publish(&name, &report), monitor)?.map(Some))
    };
    let (model, of) = (owed.model.clone(), library.clone());
    let failed = |source| CreateError::Unpublished { model, library: of, source: Box::new(source) };
    let Some(published) = with_library(workshop, client, monitor, send, failed)? else { return Ok(()) };
    if let Some(displaced) = published.displaced {
        let text = format!("'{}' was another model in the library {library} before, {displaced}", owed.model);
        monitor.tell(Event::Warning(text));
    }
    monitor.usage.note_product(&name, owed.digest);
    for made in &owed.made {
        // It saves others work, so that it fails is no failure.
        if let Err(error) = until_stopped(client.remember(made, &name), monitor)? {
            tracing::warn!(%error, recipe = %made.recipe, "the library does not remember what was made");
        }
    }
    Ok(())
}

/// Whether a model is still the one that is owed. What has become of it is told, and no failure.
fn is_here(store: &Store, name: &Name, owed: &Owed, monitor: Monitor<'_>) -> Result<bool, CreateError> {
    let what = match store.manifest(name) {
        Ok(model) if model.digest == owed.digest => return Ok(true),
        Ok(_) => "replaced",
        Err(StoreError::ModelNotFound { .. }) => "removed",
        Err(error) => return Err(error.into()),
    };
    let text = format!("model '{}' was {what} before it was published", owed.model);
    monitor.tell(Event::Warning(text));
    Ok(false)
}
