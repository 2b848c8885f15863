//! From uploaded files to parts: what the files are, and the conversion of those that are no GGUF yet.

use super::parts::{Input, Origin, Part, has_weights, open_gguf_parts};
use super::prepare::Quantization;
use super::{CreateError, FileName, Files, Workshop};
use crate::convert::{self, ConvertError, OutputType};
use crate::gguf::Metadata;
use crate::model::MediaType;
use crate::plan::Plan;
use crate::safetensors::NamedSource;
use crate::store::StoreError;
use crate::tensor::ElementType;

enum Format {
    Gguf,
    Safetensors,
}

/// The adapter of a job.
#[derive(Debug)]
pub(super) enum Adapter {
    /// Layers, as they are or as they shall be made.
    Parts(Vec<Part>),
    /// Files in safetensors, which can be planned when the base model is known.
    Safetensors(Vec<Input>),
}

impl Adapter {
    /// Plans what is not planned yet, for a base model with these metadata.
    pub(super) fn planned(&self, base: &Metadata) -> Result<Option<Part>, CreateError> {
        let Self::Safetensors(inputs) = self else { return Ok(None) };
        let plan = convert::adapter(&sources(inputs)?, base, OutputType::Auto)?;
        let inputs = inputs_of(&plan, inputs);
        Ok(Some(Part::planned(MediaType::Adapter, Origin::Adapter, inputs, plan)))
    }
}

impl Workshop {
    /// The parts of the model that uploaded files are.
    pub(super) fn parts_of_model(
        &self,
        files: &Files,
        quantize: Option<&Quantization>,
    ) -> Result<Vec<Part>, CreateError> {
        let parts = match self.format_of(files)? {
            Format::Gguf => open_gguf_parts(&self.store, &self.descriptions, files)?,
            Format::Safetensors => self.converted(files, quantize.is_some())?,
        };
        match quantize {
            Some(_) if !has_weights(&parts) => Err(CreateError::NothingToQuantize),
            Some(to) => parts.into_iter().map(|part| part.quantized(to)).collect(),
            None => Ok(parts),
        }
    }

    /// Opens the files of an adapter.
    pub(super) fn open_adapter(&self, files: &Files) -> Result<Adapter, CreateError> {
        match self.format_of(files)? {
            Format::Gguf if files.len() > 1 => Err(CreateError::SeveralAdapters),
            Format::Gguf => open_gguf_parts(&self.store, &self.descriptions, files).map(Adapter::Parts),
            Format::Safetensors => self.inputs(files).map(Adapter::Safetensors),
        }
    }

    fn converted(&self, files: &Files, to_be_quantized: bool) -> Result<Vec<Part>, CreateError> {
        let inputs = self.inputs(files)?;
        let sources = sources(&inputs)?;
        let mut conversion = convert::checkpoint(&sources, OutputType::Auto)?;
        if to_be_quantized && rounds_floats(&conversion.model) {
            conversion = convert::checkpoint(&sources, OutputType::F32)?;
        }
        drop(sources);
        let part = |kind, origin, plan| {
            let inputs = inputs_of(&plan, &inputs);
            Part::planned(kind, origin, inputs, plan)
        };
        let mut model = part(MediaType::Model, Origin::Checkpoint, conversion.model);
        model.warnings = conversion.warnings.iter().map(ToString::to_string).collect();
        let mut parts = vec![model];
        if let Some(projector) = conversion.projector {
            parts.push(part(MediaType::Projector, Origin::CheckpointProjector, projector));
        }
        Ok(parts)
    }

    fn inputs(&self, files: &Files) -> Result<Vec<Input>, CreateError> {
        files.iter().map(|(name, digest)| Input::open(&self.store, name, digest)).collect()
    }

    /// Recognises the files by their names, and where those say nothing by their first bytes.
    fn format_of(&self, files: &Files) -> Result<Format, CreateError> {
        let with = |extension: &str| {
            let mut names = files.iter().map(|(name, _)| name);
            names.find(|name| name.has_extension(extension)).map(FileName::to_string)
        };
        match (with("gguf"), with("safetensors")) {
            (Some(gguf), Some(safetensors)) => return Err(CreateError::MixedFormats { gguf, safetensors }),
            (None, Some(_)) => return Ok(Format::Safetensors),
            (Some(_), None) => return Ok(Format::Gguf),
            (None, None) => {}
        }
        for (name, digest) in files.iter() {
            let mut magic = [0; 4];
            let input = Input::open(&self.store, name, digest)?;
            let count = input.blob.read_at(&mut magic, 0).map_err(StoreError::from)?;
            if magic[..count] == *b"GGUF" {
                return Ok(Format::Gguf);
            }
        }
        Err(CreateError::UnknownType { file: files.iter().next().map(|(name, _)| name.to_string()) })
    }
}

fn sources(inputs: &[Input]) -> Result<Vec<NamedSource<'_>>, StoreError> {
    inputs.iter().map(|input| Ok(NamedSource { name: &input.file, bytes: input.blob.bytes()? })).collect()
}

/// Those of the files that a plan reads, in its order.
fn inputs_of(plan: &Plan, inputs: &[Input]) -> Vec<Input> {
    let find = |label: &String| inputs.iter().find(|input| input.file == *label).cloned();
    plan.sources.iter().filter_map(|source| find(&source.label)).collect()
}

/// Whether a plan rounds values that quantization should see in full.
fn rounds_floats(plan: &Plan) -> bool {
    plan.tensors.iter().any(|tensor| {
        tensor.element_type == ElementType::F16 && tensor.recipe.stored_type() == ElementType::F32
    })
}

impl From<ConvertError> for CreateError {
    fn from(error: ConvertError) -> Self {
        Self::Convert(Box::new(error))
    }
}
