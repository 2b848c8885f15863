//! What a job would make, without making it: sizes to the byte, and why each tensor gets its type.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::assembly::{File, FileContent};
use super::job::Job;
use super::output::{Output, Source};
use super::part::Part;
use super::planned_file::{PlannedFile, Settled};
use super::{CreateError, Monitor};
use crate::gguf::Gguf;
use crate::library::Description;
use crate::model::Digest;

/// What a job would do.
#[derive(Debug, Serialize)]
pub struct Outline {
    /// The models that it would make.
    pub outputs: Vec<OutlinedModel>,
    /// The files that it would read, each once.
    pub sources: Vec<OutlinedSource>,
    /// The model that has to be pulled before more is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pulls: Option<String>,
    /// Bytes of weights that it would write; what was made before is not made again.
    pub written: u64,
    /// Bytes that are free on the disk of the store.
    pub available: u64,
    /// What a person should know of it.
    pub warnings: Vec<String>,
}

/// A model to come.
#[derive(Debug, Serialize)]
pub struct OutlinedModel {
    /// Its name.
    pub model: String,
    /// Bytes of all its layers and its configuration; absent if a model has to be pulled first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// What its weights are quantized to, as its configuration says.
    #[serde(rename = "type")]
    pub file_type: String,
    /// Bits that a weight takes on average, if weights are made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bits_per_weight: Option<f64>,
    /// Its layers, the configuration last.
    pub layers: Vec<OutlinedLayer>,
    /// The tensors of the files that are made for it.
    pub tensors: Vec<OutlinedTensor>,
}

/// A layer to come.
#[derive(Debug, Serialize)]
pub struct OutlinedLayer {
    /// Its media type.
    #[serde(rename = "mediaType")]
    pub media_type: String,
    /// Its digest, unless that is known only when it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Its bytes.
    pub size: u64,
}

/// A tensor to come.
#[derive(Debug, Serialize)]
pub struct OutlinedTensor {
    /// Its name.
    pub name: String,
    /// Its shape, fastest dimension first.
    pub shape: Vec<u64>,
    /// The type that it is stored in.
    pub from: &'static str,
    /// The type that it gets.
    pub to: &'static str,
    /// Bytes that it will take.
    pub bytes: u64,
    /// What decided about its type.
    pub rule: String,
}

/// A file that is read.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct OutlinedSource {
    /// What the client calls it.
    pub file: String,
    /// Its blob.
    pub digest: Digest,
    /// Its bytes.
    pub size: u64,
}

impl Outline {
    /// This and what else would be made of the same sources.
    fn beside(mut self, other: Self) -> Self {
        self.outputs.extend(other.outputs);
        self.written = self.written.saturating_add(other.written);
        self.warnings.extend(other.warnings);
        self
    }
}

impl Job {
    /// What it would make. Where a size is to be fitted, the weights are read and measured.
    ///
    /// # Errors
    /// Any of it could not be made.
    pub fn outline(self, monitor: Monitor<'_>) -> Result<Outline, CreateError> {
        let job = self.whole()?;
        let mut all = job.to_make().map(|output| output.outline(monitor));
        let first = all.next().unwrap_or(Err(CreateError::NoSource))?;
        all.try_fold(first, |outline, next| Ok(outline.beside(next?)))
    }
}

impl Output {
    fn outline(&self, monitor: Monitor<'_>) -> Result<Outline, CreateError> {
        let mut outliner = Outliner { output: self, monitor, tensors: Vec::new(), warnings: Vec::new() };
        let mut assembly = self.begun();
        for step in self.steps() {
            step.part().map_or(Ok(()), |part| outliner.begin(part))?;
            let file = step.planned().map(|file| outliner.make(file)).transpose()?;
            assembly.attach(step, file)?;
        }
        assembly.attach_metadata(&self.attachments)?;
        let layers = assembly.layers.outlined(&assembly.config)?;
        let layers: Vec<OutlinedLayer> = layers
            .into_iter()
            .map(|(layer, is_known)| OutlinedLayer {
                media_type: layer.media_type.as_str().to_owned(),
                digest: is_known.then_some(layer.digest),
                size: layer.size,
            })
            .collect();
        let pulls = match &self.source {
            Source::Elsewhere(name) => Some(name.short()),
            _ => None,
        };
        let size = layers.iter().map(|layer| layer.size).fold(0, u64::saturating_add);
        let model = OutlinedModel {
            model: self.name.short(),
            size: pulls.is_none().then_some(size),
            file_type: assembly.config.file_type.clone(),
            bits_per_weight: bits_per_weight(&outliner.tensors),
            layers,
            tensors: outliner.tensors,
        };
        Ok(Outline {
            outputs: vec![model],
            sources: self.outlined_sources(),
            pulls,
            written: self.space()?,
            available: self.workshop.store.available_space()?,
            warnings: outliner.warnings,
        })
    }

    fn outlined_sources(&self) -> Vec<OutlinedSource> {
        let mut sources = BTreeMap::new();
        for part in self.parts() {
            for input in part.inputs() {
                let (digest, size) = (input.blob.digest(), input.blob.length());
                let source = || OutlinedSource { file: input.file.clone(), digest, size };
                sources.entry(digest.to_string()).or_insert_with(source);
            }
        }
        sources.into_values().collect()
    }
}

/// Hears what would be made, and makes nothing.
struct Outliner<'o> {
    output: &'o Output,
    monitor: Monitor<'o>,
    tensors: Vec<OutlinedTensor>,
    warnings: Vec<String>,
}

impl Outliner<'_> {
    fn begin(&mut self, part: &Part) -> Result<(), CreateError> {
        self.warnings.extend(part.warnings.iter().cloned());
        self.monitor.check_stop()
    }

    fn make(&mut self, file: &PlannedFile) -> Result<File, CreateError> {
        let Settled { plan, choices, warnings, demand } =
            file.settled(&self.output.workshop, self.monitor)?;
        self.warnings.extend(warnings);
        demand.map_or(Ok(()), Err)?;
        let header = plan.header().map_err(|error| file.failed(error))?;
        let gguf = Gguf::of_header(&header).map_err(|error| file.failed(error.into()))?;
        let mut choices = choices.iter();
        self.tensors.extend(plan.tensors.iter().map(|tensor| OutlinedTensor {
            name: tensor.name.clone(),
            shape: tensor.shape.dimensions().to_vec(),
            from: tensor.recipe.stored_type().name(),
            to: tensor.element_type.name(),
            bytes: tensor.data_length(),
            rule: choices.next().map_or_else(|| file.rule().to_owned(), ToString::to_string),
        }));
        let description = Arc::new(Description::of(&gguf));
        Ok(File { content: FileContent::ToCome(header.file_length()), description })
    }
}

fn bits_per_weight(tensors: &[OutlinedTensor]) -> Option<f64> {
    let weights: u128 = tensors
        .iter()
        .map(|tensor| tensor.shape.iter().map(|&size| u128::from(size)).product::<u128>())
        .sum();
    let bytes: u64 = tensors.iter().map(|tensor| tensor.bytes).fold(0, u64::saturating_add);
    (weights > 0).then(|| bytes as f64 * 8.0 / weights as f64)
}
