//! Making a model again from its sources, to see whether it is what its record says. Nothing is kept.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use sha2::{Digest as _, Sha256};

use super::assembly::{File, FileContent};
use super::output::{Material, Output};
use super::planned_file::{PlannedFile, Settled};
use super::provenance::Provenance;
use super::watch::{Progress, Watcher};
use super::{CreateError, Monitor, Workshop};
use crate::gguf::Gguf;
use crate::library::Description;
use crate::model::Digest;
use crate::plan::{self, REVISION};
use crate::store::{Store, StoredManifest};

/// What came of making a model again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The same model.
    Same,
    /// Another model.
    Differs {
        /// The digest of its manifest.
        got: Digest,
    },
    /// These sources are not there any more.
    Gone(Vec<String>),
    /// What was made then is made otherwise now, for this reason.
    OtherRevision(String),
    /// It is not known how it was made.
    Unknown,
}

impl Workshop {
    /// How a model was made, if that is known.
    pub fn provenance(&self, model: &StoredManifest) -> Option<Provenance> {
        Provenance::parse(&self.store.provenance(model.digest)?, model.digest)
    }

    /// Makes a model again and compares the digests.
    ///
    /// # Errors
    /// What hinders it, such as damage of a source, or [`CreateError::Cancelled`].
    pub fn verify(&self, model: &StoredManifest, monitor: Monitor<'_>) -> Result<Verdict, CreateError> {
        let Some(record) = self.provenance(model) else { return Ok(Verdict::Unknown) };
        let gone = gone(&self.store, &record)?;
        if !gone.is_empty() {
            return Ok(Verdict::Gone(gone));
        }
        if record.revision() != REVISION {
            let made_by = record.revision();
            let reason =
                format!("revision {made_by} of the code made its files, and this is revision {REVISION}");
            return Ok(Verdict::OtherRevision(reason));
        }
        let (recipes, version) = (record.recipes().to_vec(), record.version().to_owned());
        let job = self.plan(record.request()?)?.whole()?;
        let Some(output) = job.to_make().next() else { return Ok(Verdict::Unknown) };
        if let Material::Elsewhere(name) = &output.material {
            return Ok(Verdict::Gone(vec![format!("model {}", name.short())]));
        }
        let now = output.planned().map(PlannedFile::recipe).collect::<Result<Vec<_>, _>>()?;
        if now != recipes {
            let reason = format!("ollamake {version} planned its files differently from this version");
            return Ok(Verdict::OtherRevision(reason));
        }
        match output.remade(monitor)? {
            got if got == model.digest => Ok(Verdict::Same),
            got => Ok(Verdict::Differs { got }),
        }
    }
}

/// The sources that are not there any more.
fn gone(store: &Store, record: &Provenance) -> Result<Vec<String>, CreateError> {
    let mut gone = Vec::new();
    if let Some((name, digest)) = record.base() {
        let now = name.parse().ok().and_then(|name| store.manifest(&name).ok());
        if now.map(|model| model.digest) != digest {
            gone.push(format!("model {name} as it was"));
        }
    }
    for (name, digest) in record.sources() {
        let size = digest.map(|digest| store.size(digest)).transpose()?.flatten();
        if size.is_none() {
            gone.push(match digest {
                Some(digest) => format!("{name} ({digest})"),
                None => name.to_owned(),
            });
        }
    }
    Ok(gone)
}

impl Output {
    /// The digest of the manifest that comes of making it.
    fn remade(&self, monitor: Monitor<'_>) -> Result<Digest, CreateError> {
        let mut assembly = self.begun();
        for step in self.steps() {
            monitor.check_stop()?;
            let file = step.planned().map(|file| remade(file, &self.workshop, monitor)).transpose()?;
            assembly.attach(step, file)?;
        }
        assembly.layers.ensure_whole(monitor)?;
        assembly.attach_metadata(&self.attachments)?;
        assembly.layers.digest(&assembly.config)
    }
}

/// What a file would be.
fn remade(file: &PlannedFile, workshop: &Workshop, monitor: Monitor<'_>) -> Result<File, CreateError> {
    for input in file.inputs() {
        workshop.store.ensure_whole(&input.blob, || !monitor.stop.is_cancelled())?;
    }
    let Settled { plan, demand, .. } = file.settled(workshop, monitor)?;
    demand.map_or(Ok(()), Err)?;
    let header = plan.header().map_err(|error| file.failed(error))?;
    let sources = file.sources()?;
    let sources: Vec<&dyn plan::Source> = sources.iter().map(|bytes| bytes as &dyn plan::Source).collect();
    let (size, total) = (header.file_length(), file.source_bytes());
    let progress = Progress { action: file.action().clone(), size, total, monitor, made: AtomicU64::new(0) };
    let watcher = Watcher { progress: &progress, made: AtomicU64::new(0), errors: None };
    let mut hash = Hash(Sha256::new());
    plan.execute(&sources, &mut hash, workshop.resources, &watcher).map_err(|error| match error {
        plan::PlanError::Cancelled => CreateError::Cancelled,
        error => file.failed(error),
    })?;
    let gguf = Gguf::of_header(&header).map_err(|error| file.failed(error.into()))?;
    let description = Arc::new(Description::of(&gguf));
    let digest = Digest::from_bytes(hash.0.finalize().into());
    Ok(File { content: FileContent::Known(digest, size), description })
}

/// Keeps nothing of what is written to it but the hash.
struct Hash(Sha256);

impl Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
