//! Adapters that become part of a model's weights.

use std::collections::BTreeMap;

use super::input::Input;
use super::part::{Part, has_weights};
use super::planned_file::PlannedFile;
use super::uploads::{at_root, chosen, sources};
use super::{CreateError, Files, Quantization, Workshop};
use crate::convert::{self, Merged};
use crate::model::MediaType;
use crate::plan::Plan;
use crate::store::Store;

/// Adapters, each so many times as strong as it says.
#[derive(Debug)]
pub(super) struct Merging {
    store: Store,
    adapters: Vec<(Adapter, f64)>,
}

#[derive(Debug)]
enum Adapter {
    Gguf(Input),
    Safetensors(Vec<Input>),
}

impl Merging {
    /// Opens the files of adapters: each GGUF file is one, and so are all other files of a folder.
    /// `strengths` are told by the names of files and folders; what they do not name is as strong as it says.
    pub(super) fn open(
        workshop: &Workshop,
        files: &Files,
        strengths: &BTreeMap<String, f64>,
    ) -> Result<Self, CreateError> {
        let mut adapters: BTreeMap<String, Adapter> = BTreeMap::new();
        for (name, digest) in files.iter() {
            let input = Input::open(&workshop.store, name, digest)?;
            if name.has_extension("gguf") || input.begins_with(b"GGUF")? {
                adapters.insert(name.to_string(), Adapter::Gguf(input));
                continue;
            }
            let folder = name.as_str().rsplit_once('/').map_or("", |(folder, _)| folder);
            let files = adapters.entry(folder.to_owned()).or_insert(Adapter::Safetensors(Vec::new()));
            if let Adapter::Safetensors(inputs) = files {
                inputs.push(input);
            }
        }
        if let Some(name) = strengths.keys().find(|name| !adapters.contains_key(*name)) {
            let known = adapters.keys().cloned().collect();
            return Err(CreateError::NoSuchAdapter { name: name.clone(), known });
        }
        let with_strength = |(name, adapter)| {
            let adapter = match adapter {
                Adapter::Safetensors(inputs) => Adapter::Safetensors(at_root(inputs)),
                gguf => gguf,
            };
            (adapter, strengths.get(&name).copied().unwrap_or(1.0))
        };
        let adapters = adapters.into_iter().map(with_strength).collect();
        Ok(Self { store: workshop.store.clone(), adapters })
    }

    /// The parts of a model with the adapters in its weights, quantized from the sums if that is wished for.
    pub(super) fn merged_parts(
        &self,
        parts: Vec<Part>,
        quantize: Option<&Quantization>,
    ) -> Result<Vec<Part>, CreateError> {
        if !has_weights(&parts) {
            return Err(CreateError::NoBaseOfAdapter);
        }
        parts.into_iter().map(|part| self.merged_part(part, quantize)).collect()
    }

    /// A part of a model, which the adapters change if it is the weights.
    pub(super) fn merged_part(
        &self,
        part: Part,
        quantize: Option<&Quantization>,
    ) -> Result<Part, CreateError> {
        let mut part = part;
        if part.kind == MediaType::Model {
            if part.is_shard() {
                return Err(CreateError::MergeIntoShards);
            }
            let requantized = part.plan()?.tensors.iter().any(|tensor| tensor.element_type.is_quantized());
            part = part.replanned(|file| self.merged(file, quantize.is_some()))?;
            if requantized && quantize.is_none() {
                part.warnings.push(REQUANTIZED.to_owned());
            }
        }
        match quantize {
            Some(to) => part.quantized(to),
            None => Ok(part),
        }
    }

    fn merged(&self, file: PlannedFile, to_be_quantized: bool) -> Result<PlannedFile, CreateError> {
        file.merged(|mut plan| {
            let mut further = Vec::new();
            for (adapter, strength) in &self.adapters {
                let (merged, files) = adapter.merged(plan, *strength)?;
                plan = merged.model;
                further.extend(chosen(&self.store, files, &merged.sources)?);
            }
            Ok((if to_be_quantized { convert::unrounded(plan) } else { plan }, further))
        })
    }
}

const REQUANTIZED: &str = "the adapter is merged into weights that are quantized, which rounds them a second \
                           time; merge it into the original model to lose less";

impl Adapter {
    /// The plan with the adapter in it, and the files that the adapter comes from.
    fn merged(&self, plan: Plan, strength: f64) -> Result<(Merged, &[Input]), CreateError> {
        match self {
            Self::Gguf(input) => {
                let merged = convert::merge_gguf(plan, &input.parse()?, input.source(), strength)?;
                Ok((merged, std::slice::from_ref(input)))
            }
            Self::Safetensors(inputs) => {
                Ok((convert::merge(plan, &sources(inputs)?, strength)?, inputs.as_slice()))
            }
        }
    }
}
