//! Models of the Hugging Face Hub: as its registry has them, or the files of a repository.

use std::collections::HashMap;

use super::fetch::{fetch, receiving, until_stopped};
use super::{CreateError, Event, FileName, Monitor, Workshop};
use crate::convert::{Unselectable, select, select_gguf};
use crate::model::{HubModel, Name};
use crate::registry::hub::{HubFile, Listing};
use crate::registry::{self, Options, RegistryError};
use crate::store::Blob;

/// The tag that stands for whatever file is the best.
const ANY: &str = "latest";
/// Longer ones are not taken: each is a lease, and a source of a plan.
const MOST_FILES: usize = 1024;

/// What a model of the Hub is here.
pub(super) enum Found {
    /// A model of the store.
    Model(Name),
    /// Files, each with its blob and the address that it came from.
    Files(Vec<(FileName, Blob, String)>),
}

/// Fetches a model of the Hub.
pub(super) fn find(
    workshop: &Workshop,
    model: &HubModel,
    monitor: Monitor<'_>,
) -> Result<Found, CreateError> {
    if let Some(name) = model.name() {
        match fetch(workshop, &name, Options::default(), monitor) {
            Ok(placed) => {
                workshop.clear_replaced(&placed);
                return Ok(Found::Model(name));
            }
            // A repository that is no registry's model, which the Hub says in one of these ways.
            Err(CreateError::Pull(error)) if is_no_model(&error) => {}
            Err(error) => return Err(error),
        }
    }
    let failed = |error| CreateError::Hub(Box::new(error));
    let client = workshop.registries().map_err(failed)?;
    let tell = |event| monitor.tell(Event::Transfer(event));
    let listing = until_stopped(client.list(model, tell), monitor)?.map_err(failed)?;
    let quantization = model.quantization.as_deref().filter(|quantization| *quantization != ANY);
    let chosen = choose(&listing, quantization)?;
    monitor.tell(Event::Transfer(registry::Event::Choosing {
        repository: model.place(),
        commit: listing.commit.clone(),
        files: chosen.len(),
        bytes: chosen.iter().map(|(_, file)| file.size).fold(0, u64::saturating_add),
    }));
    let files: Vec<HubFile> = chosen.iter().map(|(_, file)| file.clone()).collect();
    let fetching = client.fetch(&listing, &files, receiving(monitor));
    let blobs = until_stopped(fetching, monitor)?.map_err(failed)?;
    let found = chosen.into_iter().zip(blobs);
    Ok(Found::Files(found.map(|((name, file), blob)| (name, blob, listing.address(&file).into())).collect()))
}

/// Whether the Hub has said that a repository is no model of its registry, or cannot be one.
fn is_no_model(error: &RegistryError) -> bool {
    matches!(
        error,
        RegistryError::Refused { status: 400, .. }
            | RegistryError::NotFound { .. }
            | RegistryError::Denied { .. }
    )
}

/// The files that a model is made from, each with the name that it goes by here.
fn choose(listing: &Listing, quantization: Option<&str>) -> Result<Vec<(FileName, HubFile)>, CreateError> {
    let names: Vec<&str> = listing.files.iter().map(|file| file.path.as_str()).collect();
    let selected = match quantization {
        Some(quantization) => select_gguf(&names, Some(quantization)),
        None => match select(&names) {
            // Of the files at the top there may be one for each type, and all of them in folders.
            Ok(selected) if selected.iter().all(|name| name.ends_with(".gguf")) => select_gguf(&names, None),
            Err(Unselectable::Nothing) => select_gguf(&names, None),
            selected => selected,
        },
    };
    let place = listing.model.place();
    let selected = selected.map_err(|source| CreateError::Unselectable { place: place.clone(), source })?;
    if selected.len() > MOST_FILES {
        let source = Unselectable::TooMany { got: selected.len(), limit: MOST_FILES };
        return Err(CreateError::Unselectable { place, source });
    }
    let mut folded: HashMap<String, &str> = HashMap::new();
    let mut chosen = Vec::new();
    for name in selected {
        let file = name.to_owned();
        let parsed = name.parse().map_err(|source| CreateError::FileName { file: file.clone(), source })?;
        if let Some(other) = folded.insert(name.to_lowercase(), name) {
            return Err(CreateError::FileNameCase { file, other: other.to_owned() });
        }
        let listed = listing.files.iter().find(|file| file.path == name);
        chosen.extend(listed.map(|listed| (parsed, listed.clone())));
    }
    Ok(chosen)
}
