//! The adapter of a job.

use super::input::Input;
use super::part::{Origin, Part};
use super::uploads::{Format, chosen, gguf_parts, inputs, sources};
use super::{CreateError, Files, Workshop};
use crate::convert::{self, OutputType};
use crate::gguf::Metadata;
use crate::model::MediaType;
use crate::store::Store;

/// What is known of an adapter.
#[derive(Debug)]
pub(super) enum Adapter {
    /// Layers, as they are or as they shall be made.
    Parts(Vec<Part>),
    /// Files in safetensors, which can be planned when the base model is known.
    Safetensors(Vec<Input>),
}

impl Adapter {
    /// Opens the files of an adapter.
    pub(super) fn open(workshop: &Workshop, files: &Files) -> Result<Self, CreateError> {
        match Format::of(&workshop.store, files)? {
            Format::Gguf if files.len() > 1 => Err(CreateError::SeveralAdapters),
            Format::Gguf => gguf_parts(workshop, files).map(Self::Parts),
            Format::Safetensors => inputs(&workshop.store, files).map(Self::Safetensors),
        }
    }

    /// Plans what is not planned yet, for a base model with these metadata.
    pub(super) fn planned(&self, store: &Store, base: &Metadata) -> Result<Option<Part>, CreateError> {
        let Self::Safetensors(inputs) = self else { return Ok(None) };
        let conversion = convert::adapter(&sources(inputs)?, base, OutputType::Auto)?;
        let read = chosen(store, inputs, &conversion.sources)?;
        let part = |plan| Part::converted(MediaType::Adapter, Origin::Adapter, read, plan);
        conversion.model.map(part).transpose()
    }
}
