//! The parts of a model: layers that are GGUF files, as they are or as they shall be made.
//!
//! How files become layers: Ollama, `server/create.go`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::prepare::Quantization;
use super::{CreateError, FileName, Files, Phase};
use crate::gguf::{Gguf, GgufError, Metadata, ShardName};
use crate::library::{Description, Descriptions, UNKNOWN_FILE_TYPE};
use crate::model::{Digest, MediaType};
use crate::plan::{Plan, Shard, SourceDescription};
use crate::quantize::{FileType, quantize};
use crate::store::{Blob, Store, StoreError};

/// An uploaded file, leased.
#[derive(Debug, Clone)]
pub(super) struct Input {
    /// What the client calls it.
    pub(super) file: String,
    pub(super) blob: Blob,
}

/// A layer to be.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) kind: MediaType,
    pub(super) origin: Origin,
    /// The sources of the plan in its order, or the one file that is the layer.
    pub(super) inputs: Vec<Input>,
    pub(super) making: Making,
    /// What is doubtful about the files; it is told with where they come from.
    pub(super) warnings: Vec<String>,
}

/// Where a part comes from, which is told before anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// A layer of the base model.
    Base,
    /// Uploaded GGUF files.
    Gguf,
    /// An uploaded checkpoint.
    Checkpoint,
    /// The projector of an uploaded checkpoint.
    CheckpointProjector,
    /// An uploaded adapter in safetensors.
    Adapter,
}

impl Origin {
    /// What making a part of it is called.
    fn status(self) -> &'static str {
        match self {
            Self::Base => "",
            Self::Gguf => "merging GGUF shards",
            Self::Checkpoint | Self::CheckpointProjector => "converting model",
            Self::Adapter => "converting adapter",
        }
    }
}

/// Whether there is anything to make.
#[derive(Debug)]
pub(super) enum Making {
    /// The one input is the layer.
    None(Arc<Description>),
    /// The layer is the file that this describes.
    Plan {
        plan: Box<Plan>,
        /// What its progress is called.
        status: String,
        /// What computing it is.
        phase: Phase,
    },
}

/// Reads the headers of GGUF files and sorts them into parts: first single files, then models in shards, each
/// in the order of their names.
pub(super) fn open_gguf_parts(
    store: &Store,
    descriptions: &Descriptions,
    files: &Files,
) -> Result<Vec<Part>, CreateError> {
    let mut parts = Vec::new();
    let mut sharded: BTreeMap<&str, Vec<Input>> = BTreeMap::new();
    for (name, digest) in files.iter() {
        let input = Input::open(store, name, digest)?;
        let description = descriptions.keep(digest, &input.parse()?);
        if description.is_shard {
            // Shards whose names say nothing count as those of one model.
            let model = ShardName::parse(name.as_str()).map_or("", |name| name.model);
            sharded.entry(model).or_default().push(input);
        } else {
            parts.push(Part::as_it_is(description.kind.clone(), Origin::Gguf, input, description));
        }
    }
    for (_, shards) in sharded {
        parts.push(Part::joined(shards)?);
    }
    Ok(parts)
}

/// Whether one of the parts is a model.
pub(super) fn has_weights<'p>(parts: impl IntoIterator<Item = &'p Part>) -> bool {
    parts.into_iter().any(|part| part.kind == MediaType::Model)
}

impl Input {
    /// An uploaded file.
    pub(super) fn open(store: &Store, name: &FileName, digest: Digest) -> Result<Self, CreateError> {
        let blob = store.blob(digest).map_err(|error| match error {
            StoreError::BlobNotFound { digest } => {
                CreateError::MissingBlob { file: name.to_string(), digest }
            }
            other => other.into(),
        })?;
        Ok(Self { file: name.to_string(), blob })
    }

    /// Its header, if it is a GGUF file.
    pub(super) fn parse(&self) -> Result<Gguf<'_>, CreateError> {
        let file = || self.file.clone();
        Gguf::parse(self.blob.bytes()?).map_err(|source| match source {
            GgufError::Magic { .. } => CreateError::NotGguf { file: file() },
            source => CreateError::Gguf { file: file(), source: Box::new(source) },
        })
    }

    fn source(&self) -> SourceDescription {
        SourceDescription { label: self.file.clone(), length: self.blob.length() }
    }
}

impl Part {
    /// A part that is one file as it is.
    pub(super) fn as_it_is(
        kind: MediaType,
        origin: Origin,
        input: Input,
        description: Arc<Description>,
    ) -> Self {
        let making = Making::None(description);
        Self { kind, origin, inputs: vec![input], making, warnings: Vec::new() }
    }

    /// A part that has to be made.
    pub(super) fn planned(kind: MediaType, origin: Origin, inputs: Vec<Input>, plan: Plan) -> Self {
        let status = origin.status().to_owned();
        let making = Making::Plan { plan: Box::new(plan), status, phase: Phase::Convert };
        Self { kind, origin, inputs, making, warnings: Vec::new() }
    }

    /// What is told about it before anything is made.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        let (line, count) = match self.origin {
            Origin::Base | Origin::CheckpointProjector => ("", 0),
            Origin::Gguf => ("parsing GGUF", self.inputs.len()),
            Origin::Checkpoint | Origin::Adapter => (self.origin.status(), 1),
        };
        let warnings = self.warnings.iter().map(|warning| format!("warning: {warning}"));
        std::iter::repeat_n(line.to_owned(), count).chain(warnings)
    }

    /// A part that was split into shards.
    fn joined(inputs: Vec<Input>) -> Result<Self, CreateError> {
        let shards: Vec<_> = inputs
            .iter()
            .map(|input| Ok(Shard { description: input.source(), file: input.parse()? }))
            .collect::<Result<_, CreateError>>()?;
        let failed = |source| CreateError::Shards { file: inputs[0].file.clone(), source: Box::new(source) };
        let plan = Plan::joining(&shards).map_err(failed)?;
        let first = shards.iter().find(|shard| shard.is_first()).unwrap_or(&shards[0]);
        let kind = Description::of(&first.file).kind;
        drop(shards);
        Ok(Self::planned(kind, Origin::Gguf, inputs, plan))
    }

    /// The part with its weights quantized. Weights that are of that type already stay as they are, and so
    /// does what is no model.
    pub(super) fn quantized(self, to: &Quantization) -> Result<Self, CreateError> {
        let is_done = match &self.making {
            Making::None(description) => description.file_type == to.file_type.name(),
            Making::Plan { plan, .. } => FileType::of(&plan.metadata) == Some(to.file_type),
        };
        if self.kind != MediaType::Model || is_done {
            return Ok(self);
        }
        let file = self.inputs[0].file.clone();
        let (plan, from) = match self.making {
            Making::Plan { plan, .. } => {
                let from = FileType::of(&plan.metadata).map_or(UNKNOWN_FILE_TYPE, FileType::name);
                (*plan, from)
            }
            Making::None(description) => {
                let input = &self.inputs[0];
                let plan = Plan::copying(&input.parse()?, input.source());
                let failed = |source| CreateError::Shards { file: file.clone(), source: Box::new(source) };
                (plan.map_err(failed)?, description.file_type)
            }
        };
        let plan = quantize(plan, to.file_type)
            .map_err(|source| CreateError::Quantize { file, source: Box::new(source) })?;
        let status = format!("quantizing {from} model to {}", to.wish);
        let making = Making::Plan { plan: Box::new(plan), status, phase: Phase::Quantize };
        Ok(Self { making, ..self })
    }

    /// The metadata of the file that it is, or will be.
    pub(super) fn metadata(&self) -> Result<Metadata, CreateError> {
        match &self.making {
            Making::Plan { plan, .. } => Ok(plan.metadata.clone()),
            Making::None(_) => Ok(self.inputs[0].parse()?.metadata()),
        }
    }
}
