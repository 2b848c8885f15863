//! What a request names that is not in the store, and has to be before anything can be planned: files beside
//! the server, and models of the Hub.
//!
//! Gathering is a stage of the job, so it tells how far it has come and can be stopped. What can be refused
//! without it is refused before.

use std::path::{Path, PathBuf};

use super::files::path_of;
use super::hub::{self, Found};
use super::{CreateError, Event, FileName, Files, Monitor, Phase, Request, Workshop};
use crate::convert::select;
use crate::model::{Digest, HubModel, Reference};
use crate::store::{Blob, StoreError};

/// How many bytes are read between two reports.
const REPORTED: u64 = 16 << 20;

/// A request that cannot be planned yet.
#[derive(Debug)]
pub(super) struct Gathering {
    request: Request,
    /// The model of the Hub that it is made from.
    hub: Option<HubModel>,
}

/// A request that can be planned, and leases on what was gathered for it.
pub(super) struct Gathered {
    pub(super) request: Request,
    pub(super) leases: Vec<Blob>,
}

impl Gathering {
    /// What has to be gathered for a request, if anything has to.
    ///
    /// # Errors
    /// A file is named that is not to be had.
    pub(super) fn of(workshop: &Workshop, request: &Request) -> Result<Option<Self>, CreateError> {
        let source = match (request.remote_host.as_str(), path_of(&request.from)) {
            ("", Some(path)) => Some(source(workshop, &request.from, path)?),
            _ => None,
        };
        if let Some(files) = source {
            let request = request.clone().made_of(files);
            return Ok(Some(Self { request, hub: None }));
        }
        let mut files = request.files.iter().chain(&request.adapters).flat_map(Files::beside).peekable();
        let has_files = files.peek().is_some();
        for (name, path) in files {
            let file = workshop.imports.open(path);
            file.ok_or_else(|| CreateError::NotBeside { file: name.to_string() })?;
        }
        let hub = match request.remote_host.as_str() {
            "" => HubModel::parse(&request.from)?,
            _ => None,
        };
        let hub = match hub {
            Some(_) if is_here(workshop, &request.from)? => None,
            hub => hub,
        };
        Ok((has_files || hub.is_some()).then(|| Self { request: request.clone(), hub }))
    }

    /// The model that has to be fetched from elsewhere.
    pub(super) fn fetched(&self) -> Option<&HubModel> {
        self.hub.as_ref()
    }

    /// The blobs that the request names.
    pub(super) fn needs(&self) -> impl Iterator<Item = Digest> {
        let files = self.request.files.iter().chain(&self.request.adapters);
        files.flat_map(Files::iter).map(|(_, digest)| digest)
    }

    /// Brings everything into the store.
    pub(super) fn gather(self, workshop: &Workshop, monitor: Monitor<'_>) -> Result<Gathered, CreateError> {
        let Self { mut request, hub } = self;
        let mut leases = Vec::new();
        for files in [&mut request.files, &mut request.adapters].into_iter().flatten() {
            let beside: Vec<_> = files.beside().map(|(name, path)| (name.clone(), path.to_owned())).collect();
            for (name, path) in beside {
                let file = workshop.imports.open(&path);
                let file = file.ok_or_else(|| CreateError::NotBeside { file: name.to_string() })?;
                let import = || import(workshop, &name, file, monitor);
                let blob = monitor.usage.time(Phase::Transfer, import)?;
                files.insert(name, blob.digest());
                leases.push(blob);
            }
        }
        let Some(model) = hub else { return Ok(Gathered { request, leases }) };
        match hub::find(workshop, &model, monitor)? {
            Found::Model(name) => request.from = name.short(),
            Found::Files(found) => {
                let mut files = Files::default();
                for (name, blob, address) in found {
                    request.addresses.insert(blob.digest(), address);
                    files.insert(name, blob.digest());
                    leases.push(blob);
                }
                request = request.made_of(files);
            }
        }
        Ok(Gathered { request, leases })
    }
}

/// The files of a model that lies beside the server: a file, or what a directory holds of one.
fn source(workshop: &Workshop, from: &str, path: Option<PathBuf>) -> Result<Files, CreateError> {
    let missing = || CreateError::NotBeside { file: from.to_owned() };
    let path = path.ok_or_else(missing)?;
    let named = |name: &str| name.parse::<FileName>().map_err(|_| missing());
    if workshop.imports.open(&path).is_some() {
        let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(missing)?;
        return Ok(Files::at([(named(name)?, path)]));
    }
    let list = |path: &Path| workshop.imports.list(path).ok_or_else(missing);
    let (mut names, mut folders) = (Vec::new(), Vec::new());
    for entry in list(&path)? {
        if entry.size.is_some() { names.push(entry.name) } else { folders.push(entry.name) }
    }
    for folder in folders {
        let files = list(&path.join(&folder))?.into_iter().filter(|entry| entry.size.is_some());
        names.extend(files.map(|entry| format!("{folder}/{}", entry.name)));
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let selected =
        select(&names).map_err(|source| CreateError::Unselectable { place: from.to_owned(), source })?;
    let files = selected.into_iter().map(|name| Ok((named(name)?, path.join(name))));
    files.collect::<Result<Vec<_>, CreateError>>().map(Files::at)
}

/// Whether the store has the model already, under the name that it has as one of a registry.
fn is_here(workshop: &Workshop, from: &str) -> Result<bool, CreateError> {
    let Ok(reference) = from.parse::<Reference>() else { return Ok(false) };
    match workshop.store.find(&reference) {
        Ok(_) => Ok(true),
        Err(StoreError::ModelNotFound { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Brings a file into the store.
fn import(
    workshop: &Workshop,
    name: &FileName,
    file: std::fs::File,
    monitor: Monitor<'_>,
) -> Result<Blob, CreateError> {
    let failed = |source: StoreError| CreateError::Import { file: name.to_string(), source };
    let total = file.metadata().map_err(|error| failed(error.into()))?.len();
    let tell = |completed| monitor.tell(Event::Importing { file: name.to_string(), completed, total });
    let (read, told) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    tell(0);
    let imported = workshop.store.import(file, |count| {
        monitor.usage.count_read(count);
        read.set(read.get() + count);
        if read.get() - told.get() >= REPORTED {
            told.set(read.get());
            tell(read.get().min(total));
        }
        !monitor.stop.is_cancelled()
    });
    let (committed, how) = imported.map_err(failed)?.ok_or(CreateError::Cancelled)?;
    tell(total);
    monitor.tell(Event::Imported { file: name.to_string(), digest: committed.blob.digest(), how });
    Ok(committed.blob)
}
