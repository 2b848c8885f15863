//! The adapter of a job.

use super::input::Input;
use super::part::{Origin, Part};
use super::uploads::{Format, chosen, gguf_parts, inputs, sources};
use super::{CreateError, Files, Workshop};
use crate::convert::{self, OutputType};
use crate::model::MediaType;
use crate::plan::Plan;
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
            Format::Safetensors if is_several(files) => Err(CreateError::SeveralAdapters),
            Format::Gguf => {
                let parts = gguf_parts(workshop, files)?;
                match parts.iter().find(|part| part.kind != MediaType::Adapter) {
                    Some(part) => {
                        let kind = if part.kind == MediaType::Model { "model" } else { part.kind.noun() };
                        Err(CreateError::NotAnAdapter { file: part.name(), kind })
                    }
                    None => Ok(Self::Parts(parts)),
                }
            }
            Format::Safetensors => inputs(&workshop.store, files).map(Self::Safetensors),
        }
    }

    /// The same for a base model that is known: planned, and checked that it is for that one.
    pub(super) fn fitted(self, store: &Store, base: Option<&Part>) -> Result<Self, CreateError> {
        match (&self, base) {
            (Self::Safetensors(_), None) => Err(CreateError::NoBaseOfAdapter),
            (Self::Safetensors(_), Some(base)) => {
                Ok(Self::Parts(self.planned(store, &base.plan()?)?.into_iter().collect()))
            }
            (Self::Parts(parts), Some(base)) => {
                for part in parts {
                    part.check_adapter(base)?;
                }
                Ok(self)
            }
            (Self::Parts(_), None) => Ok(self),
        }
    }

    fn planned(&self, store: &Store, base: &Plan) -> Result<Option<Part>, CreateError> {
        let Self::Safetensors(inputs) = self else { return Ok(None) };
        let conversion = convert::adapter(&sources(inputs)?, base, OutputType::Auto)?;
        let read = chosen(store, inputs, &conversion.sources)?;
        let part = |plan| Part::converted(MediaType::Adapter, Origin::Adapter, read, plan);
        conversion.model.map(part).transpose()
    }
}

/// Whether files in safetensors are those of more than one adapter.
fn is_several(files: &Files) -> bool {
    files.iter().filter(|(name, _)| name.base() == "adapter_config.json").count() > 1
}
