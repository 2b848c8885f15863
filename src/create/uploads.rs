//! From uploaded files to parts: what the files are, and the conversion of those that are no GGUF yet.

use std::collections::BTreeMap;

use super::input::Input;
use super::part::{Origin, Part, has_weights};
use super::{CreateError, FileName, Files, Quantization, Workshop};
use crate::convert::{self, ConvertError, OutputType};
use crate::gguf::ShardName;
use crate::model::MediaType;
use crate::plan::Shard;
use crate::quantize::ImportanceMatrix;
use crate::safetensors::NamedSource;
use crate::store::{Store, StoreError};

/// What uploaded weights are.
pub(super) enum Format {
    Gguf,
    Safetensors,
}

/// The parts of the model that uploaded files are.
pub(super) fn parts_of_model(
    workshop: &Workshop,
    files: &Files,
    quantize: Option<&Quantization>,
) -> Result<Vec<Part>, CreateError> {
    let parts = match Format::of(&workshop.store, files)? {
        Format::Gguf => gguf_parts(workshop, files)?,
        Format::Safetensors => converted(&workshop.store, files, quantize.is_some())?,
    };
    match quantize {
        Some(_) if !has_weights(&parts) => Err(CreateError::NothingToQuantize),
        Some(to) => parts.into_iter().map(|part| part.quantized(to)).collect(),
        None => Ok(parts),
    }
}

/// Reads the headers of GGUF files and sorts them into parts: first single files, then models in shards, each
/// in the order of their names.
pub(super) fn gguf_parts(workshop: &Workshop, files: &Files) -> Result<Vec<Part>, CreateError> {
    let mut parts = Vec::new();
    let mut sharded: BTreeMap<&str, Vec<Input>> = BTreeMap::new();
    for (name, digest) in files.iter() {
        let input = Input::open(&workshop.store, name, digest)?;
        let parsed = input.parse()?;
        if ImportanceMatrix::is_one(&parsed) {
            return Err(CreateError::StrayMatrix { file: input.file });
        }
        let description = workshop.descriptions.keep(&input.blob, &parsed);
        if description.is_shard {
            // Shards whose names say nothing count as those of one model.
            let name = ShardName::parse(name.as_str());
            let stated = name.and_then(ShardName::number);
            let number = Shard { description: input.source(), file: parsed }.number();
            if let (Some(got), Some(expected)) = (stated, number.map(|number| number.saturating_add(1)))
                && got != expected
            {
                return Err(CreateError::ShardName { file: input.file, got, expected });
            }
            sharded.entry(name.map_or("", |name| name.model)).or_default().push(input);
        } else {
            parts.push(Part::existing(description.kind.clone(), Origin::Gguf, input, description));
        }
    }
    for (_, shards) in sharded {
        parts.push(Part::joined(shards)?);
    }
    Ok(parts)
}

/// Opens all files.
pub(super) fn inputs(store: &Store, files: &Files) -> Result<Vec<Input>, CreateError> {
    files.iter().map(|(name, digest)| Input::open(store, name, digest)).collect()
}

/// The files as what a conversion reads.
pub(super) fn sources(inputs: &[Input]) -> Result<Vec<NamedSource<'_>>, StoreError> {
    inputs.iter().map(|input| Ok(NamedSource { name: &input.file, bytes: input.blob.bytes()? })).collect()
}

/// The files at these places, which are read when the plan is executed. The others have been read, so it is
/// made sure now that they were whole.
pub(super) fn chosen(store: &Store, inputs: &[Input], places: &[usize]) -> Result<Vec<Input>, StoreError> {
    for (place, input) in inputs.iter().enumerate() {
        if !places.contains(&place) {
            store.ensure_whole(&input.blob, || true)?;
        }
    }
    Ok(places.iter().filter_map(|place| inputs.get(*place).cloned()).collect())
}

fn converted(store: &Store, files: &Files, to_be_quantized: bool) -> Result<Vec<Part>, CreateError> {
    let inputs = inputs(store, files)?;
    let output = if to_be_quantized { OutputType::Unrounded } else { OutputType::Auto };
    let conversion = convert::checkpoint(&sources(&inputs)?, output)?;
    let read = chosen(store, &inputs, &conversion.sources)?;
    let mut parts = Vec::new();
    for (kind, origin, plan) in [
        (MediaType::Model, Origin::Checkpoint, conversion.model),
        (MediaType::Projector, Origin::CheckpointProjector, conversion.projector),
    ] {
        if let Some(plan) = plan {
            parts.push(Part::converted(kind, origin, read.clone(), plan)?);
        }
    }
    if let Some(first) = parts.first_mut() {
        first.warnings = conversion.warnings.iter().map(ToString::to_string).collect();
    }
    Ok(parts)
}

impl Format {
    /// Recognises the files by their names, and where those say nothing by their first bytes.
    pub(super) fn of(store: &Store, files: &Files) -> Result<Self, CreateError> {
        let with = |extension: &str| {
            let mut names = files.iter().map(|(name, _)| name);
            names.find(|name| name.has_extension(extension)).map(FileName::to_string)
        };
        match (with("gguf"), with("safetensors")) {
            (Some(gguf), Some(safetensors)) => return Err(CreateError::MixedFormats { gguf, safetensors }),
            (None, Some(_)) => return Ok(Self::Safetensors),
            (Some(_), None) => return Ok(Self::Gguf),
            (None, None) => {}
        }
        for (name, digest) in files.iter() {
            let mut magic = [0; 4];
            let input = Input::open(store, name, digest)?;
            let count = input.blob.read_at(&mut magic, 0).map_err(StoreError::from)?;
            if magic[..count] == *b"GGUF" {
                return Ok(Self::Gguf);
            }
        }
        Err(CreateError::UnknownType { file: files.iter().next().map(|(name, _)| name.to_string()) })
    }
}

impl From<ConvertError> for CreateError {
    fn from(error: ConvertError) -> Self {
        Self::Convert(Box::new(error))
    }
}
