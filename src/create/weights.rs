//! The GGUF files that a model is made from: which file is which part, and which are shards of one.
//!
//! Names and keys of shards: llama.cpp, `gguf-split`; how files become layers: Ollama,
//! `server/create.go`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::description::Shard;
use super::{CreateError, Description, Descriptions, FileName, Files};
use crate::gguf::{Gguf, GgufError};
use crate::model::MediaType;
use crate::plan::{Location, Plan, PlannedTensor, Recipe, SourceDescription, Stored};
use crate::store::{Blob, Store, StoreError};

/// A GGUF file whose header was checked, leased.
#[derive(Debug, Clone)]
pub(super) struct Weights {
    pub(super) file: String,
    pub(super) blob: Blob,
    pub(super) description: Arc<Description>,
}

/// A layer to be: one file, or all shards of one model in their order.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) kind: MediaType,
    pub(super) sources: Vec<Weights>,
}

/// What the files of a request are.
pub(super) enum Format {
    Gguf,
    Safetensors,
}

/// Recognises the files by their names, and where those say nothing by their first bytes.
pub(super) fn format_of(store: &Store, files: &Files) -> Result<Format, CreateError> {
    let with = |extension: &str| {
        files.iter().map(|(name, _)| name).find(|name| name.has_extension(extension)).map(FileName::to_string)
    };
    match (with("gguf"), with("safetensors")) {
        (Some(gguf), Some(safetensors)) => return Err(CreateError::MixedFormats { gguf, safetensors }),
        (None, Some(_)) => return Ok(Format::Safetensors),
        (Some(_), None) => return Ok(Format::Gguf),
        (None, None) => {}
    }
    for (name, digest) in files.iter() {
        let mut magic = [0; 4];
        let blob = find_blob(store, name, digest)?;
        let count = blob.read_at(&mut magic, 0).map_err(StoreError::from)?;
        if magic[..count] == *b"GGUF" {
            return Ok(Format::Gguf);
        }
    }
    Err(CreateError::UnknownType { file: files.iter().next().map(|(name, _)| name.to_string()) })
}

/// Reads the headers of all files and sorts them into parts: first single files, then sharded models, each
/// in the order of their names.
pub(super) fn open_parts(
    store: &Store,
    descriptions: &Descriptions,
    files: &Files,
) -> Result<Vec<Part>, CreateError> {
    let mut parts = Vec::new();
    let mut sharded: BTreeMap<(String, u64), BTreeMap<u64, Weights>> = BTreeMap::new();
    for (name, digest) in files.iter() {
        let weights = open(find_blob(store, name, digest)?, descriptions, name.as_str())?;
        let Some(shard) = weights.description.shard else {
            parts.push(Part { kind: weights.description.kind.clone(), sources: vec![weights] });
            continue;
        };
        let prefix = checked_prefix(name, shard)?;
        let file = weights.file.clone();
        if sharded.entry((prefix, shard.count)).or_default().insert(shard.index, weights).is_some() {
            return Err(CreateError::Shards {
                file,
                problem: format!("has shard {} twice", shard.index + 1),
            });
        }
    }
    for ((_, count), shards) in sharded {
        let missing = (0..count).find(|index| !shards.contains_key(index));
        let sources: Vec<Weights> = shards.into_values().collect();
        if let Some(missing) = missing {
            return Err(CreateError::Shards {
                file: sources[0].file.clone(),
                problem: format!(
                    "has {} shards, expected {count}; shard {} is missing",
                    sources.len(),
                    missing + 1
                ),
            });
        }
        parts.push(Part { kind: sources[0].description.kind.clone(), sources });
    }
    Ok(parts)
}

/// Reads the header of one file.
pub(super) fn open(blob: Blob, descriptions: &Descriptions, file: &str) -> Result<Weights, CreateError> {
    let gguf = Gguf::parse(blob.bytes()?).map_err(|source| match source {
        GgufError::Magic { .. } => CreateError::NotGguf { file: file.to_owned() },
        source => CreateError::Gguf { file: file.to_owned(), source },
    })?;
    let description = descriptions.keep(blob.digest(), &gguf);
    Ok(Weights { file: file.to_owned(), blob, description })
}

/// The blob of a file.
pub(super) fn find_blob(
    store: &Store,
    name: &FileName,
    digest: crate::model::Digest,
) -> Result<Blob, CreateError> {
    store.blob(digest).map_err(|error| match error {
        StoreError::BlobNotFound { digest } => CreateError::MissingBlob { file: name.to_string(), digest },
        other => other.into(),
    })
}

/// What the names of all shards of a model begin with; the name must agree with what the file states.
fn checked_prefix(name: &FileName, shard: Shard) -> Result<String, CreateError> {
    let wrong = |problem: String| CreateError::Shards { file: name.to_string(), problem };
    let Some((prefix, number, count)) = split_name(name.base()) else {
        return Err(wrong("must be named NAME-00001-of-00002.gguf, as its shard counts".to_owned()));
    };
    if count != shard.count {
        return Err(wrong(format!(
            "is one of {count} by its name, but one of {} by its metadata",
            shard.count
        )));
    }
    if number != shard.index + 1 {
        return Err(wrong(format!(
            "is shard {number} by its name, but shard {} by its metadata",
            shard.index.saturating_add(1)
        )));
    }
    Ok(prefix.to_owned())
}

/// Splits `NAME-00001-of-00002.gguf` into name, number and count.
fn split_name(base: &str) -> Option<(&str, u64, u64)> {
    let digits = |text: &str| (text.len() == 5).then(|| text.parse().ok()).flatten();
    let (rest, count) = base.strip_suffix(".gguf")?.rsplit_once("-of-")?;
    let (prefix, number) = rest.rsplit_once('-')?;
    Some((prefix, digits(number)?, digits(count)?))
}

impl Part {
    /// The facts of the whole: those of the first shard, with the parameters of all.
    pub(super) fn description(&self) -> Description {
        let parameter_count = self
            .sources
            .iter()
            .fold(0_u64, |sum, source| sum.saturating_add(source.description.parameter_count));
        Description { parameter_count, shard: None, ..(*self.sources[0].description).clone() }
    }

    /// The plan of the file that has all metadata and tensors of the sources as they are.
    pub(super) fn plan(&self) -> Result<Plan, CreateError> {
        let mut plan = Plan { sources: Vec::new(), metadata: Default::default(), tensors: Vec::new() };
        for (index, source) in self.sources.iter().enumerate() {
            let damaged =
                |problem: GgufError| CreateError::Gguf { file: source.file.clone(), source: problem };
            let gguf = Gguf::parse(source.blob.bytes()?).map_err(damaged)?;
            if index == 0 {
                plan.metadata = gguf.metadata();
            }
            plan.sources.push(SourceDescription { label: source.file.clone(), length: source.blob.length() });
            for tensor in gguf.tensors() {
                let dimensions: Vec<u64> = tensor.shape.dimensions().iter().rev().copied().collect();
                let location = Location { source: index, offset: tensor.data.start };
                plan.tensors.push(PlannedTensor {
                    name: tensor.name.to_owned(),
                    shape: tensor.shape,
                    element_type: tensor.element_type,
                    recipe: Recipe::stored(Stored::plain(location, tensor.element_type, &dimensions))?,
                });
            }
        }
        if self.sources.len() > 1 {
            self.check_shards(&plan)?;
            for key in ["split.no", "split.count", "split.tensors.count"] {
                plan.metadata.remove(key);
                plan.metadata.remove(&format!("{}.{key}", self.sources[0].description.architecture));
            }
        }
        Ok(plan)
    }

    fn check_shards(&self, plan: &Plan) -> Result<(), CreateError> {
        let wrong =
            |problem: String| Err(CreateError::Shards { file: self.sources[0].file.clone(), problem });
        let stated = plan.metadata.get("split.tensors.count").and_then(|value| value.as_u64());
        if let Some(stated) = stated.filter(|&stated| stated != plan.tensors.len() as u64) {
            return wrong(format!("states {stated} tensors, but its shards have {}", plan.tensors.len()));
        }
        let mut names = std::collections::HashSet::new();
        match plan.tensors.iter().find(|tensor| !names.insert(tensor.name.as_str())) {
            Some(tensor) => wrong(format!("has tensor {:?} in two shards", tensor.name)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shard_names_are_those_of_gguf_split() {
        assert_eq!(split_name("m-q4-00002-of-00010.gguf"), Some(("m-q4", 2, 10)));
        for bad in ["m.gguf", "m-2-of-10.gguf", "m-00002-of-00010", "m-0000a-of-00010.gguf"] {
            assert_eq!(split_name(bad), None, "{bad}");
        }
    }
}
