//! What a job would make, without making it: sizes to the byte, and why each tensor gets its type.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::assembly::{File, FileContent};
use super::input::Input;
use super::job::{Job, Standing};
use super::output::{Material, Output};
use super::part::{Content, Part};
use super::planned_file::{PlannedFile, Settled};
use super::{CreateError, Estimate, Monitor};
use crate::gguf::{Gguf, Header};
use crate::library::{Description, RunningMemory};
use crate::model::{Digest, MediaType, Name};
use crate::plan::SquaredError;
use crate::store::StoreError;

/// What a job would do.
#[derive(Debug, Serialize, ToSchema)]
pub struct Outline {
    /// The models that it would make.
    pub outputs: Vec<OutlinedModel>,
    /// The files of weights that it would read, each once.
    pub sources: Vec<OutlinedSource>,
    /// The model that has to be pulled before more is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pulls: Option<String>,
    /// What is not known before that, by the names of fields.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(value_type = Vec<String>, required = false)]
    pub unknown: &'static [&'static str],
    /// Bytes that it would write, all models together; what the store has is not written again.
    pub written: u64,
    /// Bytes that have to be free on the disk of the store before it begins.
    pub needed: u64,
    /// Bytes that are free there.
    pub available: u64,
    /// How long it would take, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Estimate>,
    /// What a person should know of it.
    pub warnings: Vec<String>,
}

/// A model to come.
#[derive(Debug, Serialize, ToSchema)]
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
    /// The error of all its tensors together, if it was asked for with `quality` in the recipe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<f64>,
    /// Its layers, the configuration last.
    pub layers: Vec<OutlinedLayer>,
    /// The tensors of the files that are made for it.
    pub tensors: Vec<OutlinedTensor>,
    /// What it would take to run it, if the metadata of its weights tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<RunningMemory>,
}

/// A layer to come.
#[derive(Debug, Serialize, ToSchema)]
pub struct OutlinedLayer {
    /// Its media type.
    #[serde(rename = "mediaType")]
    pub media_type: String,
    /// Its digest, unless that is known only when it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub digest: Option<Digest>,
    /// Its bytes.
    pub size: u64,
}

/// A tensor to come.
#[derive(Debug, Serialize, ToSchema)]
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
    /// If it was asked for: the root-mean-square error that its type brings, relative to its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<f64>,
}

/// A file that is read.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct OutlinedSource {
    /// What the client calls it.
    pub file: String,
    /// Its blob.
    #[schema(value_type = String)]
    pub digest: Digest,
    /// Its bytes.
    pub size: u64,
}

impl Outline {
    /// What is known of a job before a model is here that it has to fetch.
    fn before(job: &Job, model: String) -> Result<Self, CreateError> {
        let unknown = |(name, _): &(Name, Standing)| OutlinedModel {
            model: name.short(),
            size: None,
            file_type: String::new(),
            bits_per_weight: None,
            error: None,
            layers: Vec::new(),
            tensors: Vec::new(),
            memory: None,
        };
        Ok(Self {
            outputs: job.outputs.iter().map(unknown).collect(),
            sources: Vec::new(),
            pulls: Some(model),
            unknown: &UNKNOWN_UNTIL_PULLED,
            written: 0,
            needed: 0,
            available: job.workshop.store.available_space()?,
            time: None,
            warnings: Vec::new(),
        })
    }

    /// This and what else would be made of the same sources.
    fn beside(mut self, other: Self) -> Self {
        self.outputs.extend(other.outputs);
        self.written = self.written.saturating_add(other.written);
        self.needed = self.needed.saturating_add(other.needed);
        self.time = self.time.zip(other.time).map(|(time, further)| time.and_then(further));
        let is_new = |warning: &String| !self.warnings.contains(warning);
        let new: Vec<_> = other.warnings.into_iter().filter(is_new).collect();
        self.warnings.extend(new);
        self
    }
}

impl Job {
    /// What it would make. Files beside the server are imported for that; nothing is fetched from elsewhere.
    /// Where a size is to be fitted or the quality is asked for, the weights are read and measured. The
    /// memory that it takes to run the model is that for a conversation of `context` tokens, or else of so
    /// many as its parameters say.
    ///
    /// # Errors
    /// Any of it could not be made.
    pub fn outline(self, context: Option<u64>, monitor: Monitor<'_>) -> Result<Outline, CreateError> {
        if let Some(model) = self.gathering.as_ref().and_then(|gathering| gathering.fetched()) {
            return Outline::before(&self, model.to_string());
        }
        let job = self.gathered(monitor)?.whole()?;
        let mut all = job.to_make().map(|output| output.outline(context, monitor));
        let first = all.next().unwrap_or(Err(CreateError::NoSource))?;
        let mut outline = all.try_fold(first, |outline, next| Ok::<_, CreateError>(outline.beside(next?)))?;
        let (needed, available) = (outline.needed, outline.available);
        if needed > available {
            let lack = CreateError::from(StoreError::NotEnoughSpace { needed, available });
            outline.warnings.push(lack.to_string());
        }
        Ok(outline)
    }
}

impl Output {
    fn outline(&self, context: Option<u64>, monitor: Monitor<'_>) -> Result<Outline, CreateError> {
        let mut outliner = Outliner {
            output: self,
            monitor,
            tensors: Vec::new(),
            warnings: Vec::new(),
            is_weights: false,
            weights: None,
            needed: 0,
            time: Estimate::default(),
            error: None,
        };
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
        let pulls = match &self.material {
            Material::Elsewhere(name) => Some(name.short()),
            _ => None,
        };
        let size = layers.iter().map(|layer| layer.size).fold(0, u64::saturating_add);
        let mut written = outliner.needed;
        for layer in &layers {
            let is_new = |digest| Ok::<_, CreateError>(self.workshop.store.size(digest)?.is_none());
            if layer.digest.map(is_new).transpose()?.unwrap_or(false) {
                written = written.saturating_add(layer.size);
            }
        }
        let model = OutlinedModel {
            model: self.wanted.model.short(),
            size: pulls.is_none().then_some(size),
            file_type: assembly.config.file_type.clone(),
            bits_per_weight: bits_per_weight(&outliner.tensors),
            error: outliner.error.map(|error| error.relative()),
            memory: outliner.weights.as_ref().and_then(|weights| self.memory(weights, &layers, context)),
            layers,
            tensors: outliner.tensors,
        };
        Ok(Outline {
            outputs: vec![model],
            sources: self.outlined_sources(),
            unknown: if pulls.is_some() { &UNKNOWN_UNTIL_PULLED } else { &[] },
            time: pulls.is_none().then_some(outliner.time),
            pulls,
            written,
            needed: outliner.needed,
            available: self.workshop.store.available_space()?,
            warnings: outliner.warnings.into_iter().chain(self.attachments.warnings()).collect(),
        })
    }

    /// What it would take to run the model.
    fn memory(
        &self,
        header: &WeightsHeader,
        layers: &[OutlinedLayer],
        context: Option<u64>,
    ) -> Option<RunningMemory> {
        let files = [MediaType::Model, MediaType::Projector, MediaType::Adapter, MediaType::Draft];
        let is_file = |layer: &&OutlinedLayer| files.iter().any(|kind| kind.as_str() == layer.media_type);
        let size = layers.iter().filter(is_file).map(|layer| layer.size).fold(0, u64::saturating_add);
        let stated =
            || self.attachments.request.parameters.get("num_ctx").and_then(serde_json::Value::as_u64);
        let context = context.or_else(stated).filter(|&context| context > 0);
        match header {
            WeightsHeader::ToCome(header) => RunningMemory::of(&Gguf::of_header(header).ok()?, size, context),
            WeightsHeader::There(input) => RunningMemory::of(&input.parse().ok()?, size, context),
        }
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
    /// Whether the part that is next is the weights.
    is_weights: bool,
    /// What tells about the weights.
    weights: Option<WeightsHeader>,
    /// Bytes of the files that have to be made.
    needed: u64,
    time: Estimate,
    /// Of all tensors together, if they were measured.
    error: Option<SquaredError>,
}

/// Where the metadata of weights are.
enum WeightsHeader {
    ToCome(Header),
    There(Input),
}

/// What a model that is not here keeps to itself, by the names of fields.
const UNKNOWN_UNTIL_PULLED: [&str; 9] = [
    "outputs.size",
    "outputs.bits_per_weight",
    "outputs.layers",
    "outputs.tensors",
    "outputs.memory",
    "sources",
    "written",
    "needed",
    "time",
];

impl Outliner<'_> {
    fn begin(&mut self, part: &Part) -> Result<(), CreateError> {
        self.warnings.extend(part.warnings.iter().cloned());
        self.is_weights = part.kind == MediaType::Model && self.weights.is_none();
        if let (true, Content::Existing(input, _)) = (self.is_weights, &part.content) {
            self.weights = Some(WeightsHeader::There(input.clone()));
        }
        self.monitor.check_stop()
    }

    fn make(&mut self, file: &PlannedFile) -> Result<File, CreateError> {
        let Settled { plan, choices, warnings, demand } =
            file.settled(&self.output.workshop, self.monitor)?;
        self.warnings.extend(warnings);
        demand.map_or(Ok(()), Err)?;
        plan.check().map_err(|error| file.failed(error))?;
        let header = plan.header().map_err(|error| file.failed(error))?;
        let gguf = Gguf::of_header(&header).map_err(|error| file.failed(error.into()))?;
        let errors = file.errors(&plan, &self.output.workshop, self.monitor)?;
        let changed = |error: &&SquaredError| error.own > 0.0;
        for error in errors.iter().flatten().filter(changed) {
            self.error = Some(self.error.unwrap_or_default().plus(*error));
        }
        let error_of = |number| errors.as_ref()?.get(number).filter(changed).map(SquaredError::relative);
        let mut choices = choices.iter();
        self.tensors.extend(plan.tensors.iter().enumerate().map(|(number, tensor)| OutlinedTensor {
            name: tensor.name.clone(),
            shape: tensor.shape.dimensions().to_vec(),
            from: tensor.derivation.stored_type().name(),
            to: tensor.element_type.name(),
            bytes: tensor.data_length(),
            rule: choices.next().map_or_else(|| file.rule().to_owned(), ToString::to_string),
            error: error_of(number),
        }));
        let description = Arc::new(Description::of(&gguf));
        let (workshop, size) = (&self.output.workshop, header.file_length());
        // What was made before is not made again.
        if workshop.store.made(file.recipe()?, || false)?.is_none() {
            self.needed = self.needed.saturating_add(size);
            self.time = self.time.and_then(Estimate::of(file, &plan, size, workshop));
        }
        if std::mem::take(&mut self.is_weights) {
            self.weights = Some(WeightsHeader::ToCome(header));
        }
        Ok(File { content: FileContent::ToCome(size), description })
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
