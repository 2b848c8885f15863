//! From uploaded files to parts: what the files are, and the conversion of those that are no GGUF yet.

use std::collections::BTreeMap;

use super::input::Input;
use super::part::{Origin, Part, has_weights};
use super::{CreateError, FileName, Files, Quantization, Workshop};
use crate::convert::{self, ConvertError, OutputType};
use crate::gguf::{Gguf, ShardName};
use crate::library::Description;
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

/// The parts of the model that uploaded files are, quantized already or to be quantized later.
pub(super) fn parts_of_model(
    workshop: &Workshop,
    files: &Files,
    quantize: Option<&Quantization>,
    to_be_quantized: bool,
) -> Result<Vec<Part>, CreateError> {
    let parts = match Format::of(&workshop.store, files)? {
        Format::Gguf => one_model(gguf_parts(workshop, files)?)?,
        Format::Safetensors => converted(&workshop.store, files, to_be_quantized)?,
    };
    match quantize {
        Some(_) if !has_weights(&parts) => Err(CreateError::NothingToQuantize),
        Some(to) => parts.into_iter().map(|part| part.quantized(to)).collect(),
        None => Ok(parts),
    }
}

/// Checks that GGUF files are those of one model: adapters and projectors alone are none.
fn one_model(parts: Vec<Part>) -> Result<Vec<Part>, CreateError> {
    let named = |kind: MediaType| parts.iter().filter(move |part| part.kind == kind).map(Part::name);
    let models: Vec<String> = named(MediaType::Model).collect();
    match models.as_slice() {
        [_] => Ok(parts),
        [] => match (named(MediaType::Adapter).next(), named(MediaType::Projector).next()) {
            (Some(file), _) => Err(CreateError::AdapterAlone { file }),
            (None, Some(file)) => Err(CreateError::ProjectorAlone { file }),
            (None, None) => Ok(parts),
        },
        _ => Err(CreateError::SeveralModels { files: models }),
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
        check_contents(&input.file, &parsed, &description)?;
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

/// Checks that a file holds anything that a runtime could run.
fn check_contents(file: &str, parsed: &Gguf<'_>, description: &Description) -> Result<(), CreateError> {
    let lacks = |what| Err(CreateError::LacksContents { file: file.to_owned(), what });
    if parsed.get("general.architecture").is_none() && !description.is_shard {
        return lacks("the key general.architecture");
    }
    // The first shard of a model may hold its metadata alone.
    if parsed.tensors().is_empty() && !description.is_shard { lacks("any tensor") } else { Ok(()) }
}

/// Opens all files of a checkpoint or of an adapter.
pub(super) fn inputs(store: &Store, files: &Files) -> Result<Vec<Input>, CreateError> {
    let inputs = files.iter().map(|(name, digest)| Input::open(store, name, digest));
    Ok(at_root(inputs.collect::<Result<_, _>>()?))
}

/// Files without the folder that all of them lie in: clients send paths of their repositories. Weights that
/// alone lie in a folder are brought to the others; those of modules stay in theirs.
pub(super) fn at_root(mut inputs: Vec<Input>) -> Vec<Input> {
    fn folder(name: &str) -> Option<&str> {
        name.split_once('/').map(|(folder, _)| folder)
    }
    fn leave(inputs: &mut [Input], folder: &str) {
        for input in inputs {
            if let Some(rest) = input.file.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')) {
                input.file = rest.to_owned();
            }
        }
    }
    while let Some(common) = inputs.first().and_then(|input| folder(&input.file)).map(str::to_owned) {
        if !inputs.iter().all(|input| folder(&input.file) == Some(&common)) {
            break;
        }
        leave(&mut inputs, &common);
    }
    let weights = || inputs.iter().map(|input| input.file.as_str()).filter(|name| is_weights(name));
    let first = weights().next().and_then(folder).map(str::to_owned);
    if let Some(common) = first.filter(|common| weights().all(|name| folder(name) == Some(common))) {
        leave(&mut inputs, &common);
    }
    inputs
}

/// Whether a file holds weights as PyTorch pickles them, by its name.
fn is_pickle(name: &str) -> bool {
    let is_bin =
        name.ends_with(".bin") && (name.starts_with("pytorch_model") || name.starts_with("adapter_model"));
    is_bin || [".pth", ".pt"].iter().any(|extension| name.ends_with(extension))
}

/// Whether a file holds weights that are no module's, by its name.
fn is_weights(name: &str) -> bool {
    name.ends_with(".safetensors") && !convert::is_module(name)
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
        if let Some((name, _)) = files.iter().find(|(name, _)| is_pickle(name.base())) {
            return Err(CreateError::Pickle { file: name.to_string() });
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
