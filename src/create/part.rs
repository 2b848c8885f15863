//! The parts of a model: layers that are GGUF files, as they are or as they shall be made.
//!
//! How files become layers: Ollama, `server/create.go`.

use std::sync::Arc;

use super::input::Input;
use super::planned_file::PlannedFile;
use super::{Action, Conversion, CreateError, Event, Phase, Quantization};
use crate::convert;
use crate::gguf::{Value, ValueRef};
use crate::library::{CHAT_TEMPLATE_KEY, Description};
use crate::model::MediaType;
use crate::plan::{Plan, Shard};

/// A layer to be.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) kind: MediaType,
    pub(super) origin: Origin,
    pub(super) content: Content,
    /// What is doubtful about the files or what is made of them; it is told with where they come from.
    pub(super) warnings: Vec<String>,
}

/// The file that the layer is.
#[derive(Debug)]
pub(super) enum Content {
    /// A file of the store as it is.
    Existing(Input, Arc<Description>),
    /// One that is to be made.
    Planned(PlannedFile),
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
    /// What is done to make a part of it.
    fn action(self) -> Action {
        match self {
            Self::Base | Self::Gguf => Action::Joining,
            Self::Checkpoint | Self::CheckpointProjector => Action::Converting(Conversion::Model),
            Self::Adapter => Action::Converting(Conversion::Adapter),
        }
    }
}

/// Whether one of the parts is a model.
pub(super) fn has_weights<'p>(parts: impl IntoIterator<Item = &'p Part>) -> bool {
    parts.into_iter().any(|part| part.kind == MediaType::Model)
}

impl Part {
    /// A part that is one file as it is.
    pub(super) fn existing(
        kind: MediaType,
        origin: Origin,
        input: Input,
        description: Arc<Description>,
    ) -> Self {
        Self { kind, origin, content: Content::Existing(input, description), warnings: Vec::new() }
    }

    /// A part that has to be made of `inputs`, the sources of its plan in order.
    pub(super) fn converted(
        kind: MediaType,
        origin: Origin,
        inputs: Vec<Input>,
        plan: Plan,
    ) -> Result<Self, CreateError> {
        let file = PlannedFile::new(plan, inputs, origin.action(), Phase::Convert)?;
        Ok(Self { kind, origin, content: Content::Planned(file), warnings: Vec::new() })
    }

    /// A part that was split into shards.
    pub(super) fn joined(inputs: Vec<Input>) -> Result<Self, CreateError> {
        let shards: Vec<_> = inputs
            .iter()
            .map(|input| Ok(Shard { description: input.source(), file: input.parse()? }))
            .collect::<Result<_, CreateError>>()?;
        let failed = |source| CreateError::Shards { file: inputs[0].file.clone(), source: Box::new(source) };
        let plan = Plan::joining(&shards).map_err(failed)?;
        let first = shards.iter().find(|shard| shard.is_first()).unwrap_or(&shards[0]);
        let kind = Description::of(&first.file).kind;
        drop(shards);
        Self::converted(kind, Origin::Gguf, inputs, plan)
    }

    /// Whether it is one of several files of a model, which do not become one.
    pub(super) fn is_shard(&self) -> bool {
        matches!(&self.content, Content::Existing(_, description) if description.is_shard)
    }

    /// The files that it is, or is made of.
    pub(super) fn inputs(&self) -> &[Input] {
        match &self.content {
            Content::Planned(file) => file.inputs(),
            Content::Existing(input, _) => std::slice::from_ref(input),
        }
    }

    /// What the client calls it, or the first of the files that it is made of.
    pub(super) fn name(&self) -> String {
        self.inputs().first().map(|input| input.file.clone()).unwrap_or_default()
    }

    /// Checks that it is an adapter for a model, if it is a GGUF file.
    pub(super) fn check_adapter(&self, base: &Self) -> Result<(), CreateError> {
        match &self.content {
            Content::Planned(_) => Ok(()),
            Content::Existing(input, _) => Ok(convert::check_gguf_adapter(&input.parse()?, &base.plan()?)?),
        }
    }

    /// The same part, made by another plan.
    pub(super) fn replanned(
        self,
        change: impl FnOnce(PlannedFile) -> Result<PlannedFile, CreateError>,
    ) -> Result<Self, CreateError> {
        let file = match self.content {
            Content::Planned(file) => file,
            Content::Existing(input, _) => PlannedFile::copying(input)?,
        };
        Ok(Self { content: Content::Planned(change(file)?), ..self })
    }

    /// The file that is to be made for it.
    pub(super) fn planned(&self) -> Option<&PlannedFile> {
        match &self.content {
            Content::Existing(..) => None,
            Content::Planned(file) => Some(file),
        }
    }

    /// What is told about it before anything is made.
    pub(super) fn events(&self) -> impl Iterator<Item = Event> {
        let (event, count) = match self.origin {
            Origin::Base | Origin::CheckpointProjector => (Event::Reading, 0),
            Origin::Gguf => (Event::Reading, self.inputs().len()),
            Origin::Checkpoint => (Event::Converting(Conversion::Model), 1),
            Origin::Adapter => (Event::Converting(Conversion::Adapter), 1),
        };
        let warnings = self.warnings.iter().cloned().map(Event::Warning);
        std::iter::repeat_n(event, count).chain(warnings)
    }

    /// The part with its weights quantized. Weights that are of that type already stay as they are, unless a
    /// recipe says more, and so does what is not a model.
    pub(super) fn quantized(self, to: &Quantization) -> Result<Self, CreateError> {
        let from = match &self.content {
            Content::Existing(_, description) => description.file_type,
            Content::Planned(file) => file.file_type(),
        };
        let is_done = to.is_plain() && from == to.scheme.target.name();
        if self.kind != MediaType::Model || is_done {
            return Ok(self);
        }
        let mut warned = Vec::new();
        let mut part = self.replanned(|file| {
            let (file, warnings) = file.quantized(to, from)?;
            warned = warnings;
            Ok(file)
        })?;
        part.warnings.extend(warned.iter().map(ToString::to_string));
        Ok(part)
    }

    /// The plan of the file that it is, or will be; without tensors where these are in several files.
    pub(super) fn plan(&self) -> Result<Plan, CreateError> {
        match &self.content {
            Content::Planned(file) => Ok(file.plan().clone()),
            Content::Existing(input, description) => {
                let parsed = input.parse()?;
                let failed =
                    |source| CreateError::Shards { file: input.file.clone(), source: Box::new(source) };
                let mut plan = Plan::copying(&parsed, input.source()).map_err(failed)?;
                if description.is_shard {
                    plan.tensors.clear();
                }
                Ok(plan)
            }
        }
    }

    /// The chat template of the file that it is, or will be; empty if it has none.
    pub(super) fn chat_template(&self) -> Result<String, CreateError> {
        let template = match &self.content {
            Content::Planned(file) => {
                file.plan().metadata.get(CHAT_TEMPLATE_KEY).and_then(Value::as_str).map(str::to_owned)
            }
            Content::Existing(input, _) => {
                let gguf = input.parse()?;
                gguf.get(CHAT_TEMPLATE_KEY).and_then(ValueRef::as_str).map(str::to_owned)
            }
        };
        Ok(template.unwrap_or_default())
    }
}
