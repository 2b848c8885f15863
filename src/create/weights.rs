//! The GGUF files that a model is made from: which file is which part of it, and what file a part shall be.
//!
//! How files become layers: Ollama, `server/create.go`; how shards are named: llama.cpp, `gguf-split`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{CreateError, Description, Descriptions, FileName, Files};
use crate::gguf::{Gguf, GgufError};
use crate::model::{Digest, MediaType};
use crate::plan::{Plan, Shard, SourceDescription};
use crate::quantize::{FileType, quantize};
use crate::store::{Blob, Store, StoreError};

/// A GGUF file whose header was checked, leased.
#[derive(Debug, Clone)]
pub(super) struct Weights {
    /// What the client calls it.
    pub(super) file: String,
    pub(super) blob: Blob,
    pub(super) description: Arc<Description>,
}

/// A layer to be.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) kind: MediaType,
    /// One file, or all shards of one model.
    pub(super) sources: Vec<Weights>,
    /// The file that it shall be; none if its one source is that file.
    pub(super) plan: Option<Plan>,
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
        let count = find_blob(store, name, digest)?.read_at(&mut magic, 0).map_err(StoreError::from)?;
        if magic[..count] == *b"GGUF" {
            return Ok(Format::Gguf);
        }
    }
    Err(CreateError::UnknownType { file: files.iter().next().map(|(name, _)| name.to_string()) })
}

/// Reads the headers of all files and sorts them into parts: first single files, then models in shards, each
/// in the order of their names.
pub(super) fn open_parts(
    store: &Store,
    descriptions: &Descriptions,
    files: &Files,
) -> Result<Vec<Part>, CreateError> {
    let mut parts = Vec::new();
    let mut sharded: BTreeMap<&str, Vec<Weights>> = BTreeMap::new();
    for (name, digest) in files.iter() {
        let weights = Weights::open(find_blob(store, name, digest)?, descriptions, name.as_str())?;
        if weights.description.is_shard {
            sharded.entry(model_of_shard(name)).or_default().push(weights);
        } else {
            parts.push(Part::single(weights.description.kind.clone(), weights));
        }
    }
    for (_, shards) in sharded {
        parts.push(Part::joined(shards)?);
    }
    Ok(parts)
}

/// The blob of a file.
pub(super) fn find_blob(store: &Store, name: &FileName, digest: Digest) -> Result<Blob, CreateError> {
    store.blob(digest).map_err(|error| match error {
        StoreError::BlobNotFound { digest } => CreateError::MissingBlob { file: name.to_string(), digest },
        other => other.into(),
    })
}

/// What the names of all shards of one model begin with: `NAME` of `NAME-00001-of-00002.gguf`. Shards whose
/// names say nothing count as those of one model.
fn model_of_shard(name: &FileName) -> &str {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    name.as_str()
        .strip_suffix(".gguf")
        .and_then(|stem| stem.rsplit_once("-of-"))
        .filter(|(_, count)| is_number(count))
        .and_then(|(rest, _)| rest.rsplit_once('-'))
        .filter(|(_, number)| is_number(number))
        .map_or("", |(model, _)| model)
}

impl Weights {
    /// Reads the header of a file.
    pub(super) fn open(blob: Blob, descriptions: &Descriptions, file: &str) -> Result<Self, CreateError> {
        let gguf = Gguf::parse(blob.bytes()?).map_err(|source| match source {
            GgufError::Magic { .. } => CreateError::NotGguf { file: file.to_owned() },
            source => CreateError::Gguf { file: file.to_owned(), source },
        })?;
        let description = descriptions.keep(blob.digest(), &gguf);
        Ok(Self { file: file.to_owned(), blob, description })
    }

    fn parse(&self) -> Result<Gguf<'_>, CreateError> {
        let damaged = |source| CreateError::Gguf { file: self.file.clone(), source };
        Gguf::parse(self.blob.bytes()?).map_err(damaged)
    }

    fn source(&self) -> SourceDescription {
        SourceDescription { label: self.file.clone(), length: self.blob.length() }
    }
}

impl Part {
    /// A part that is one file as it is.
    pub(super) fn single(kind: MediaType, weights: Weights) -> Self {
        Self { kind, sources: vec![weights], plan: None }
    }

    /// A part that was split into shards.
    fn joined(sources: Vec<Weights>) -> Result<Self, CreateError> {
        let file = sources[0].file.clone();
        let shards: Vec<_> = sources
            .iter()
            .map(|weights| Ok(Shard { description: weights.source(), file: weights.parse()? }))
            .collect::<Result<_, CreateError>>()?;
        let plan = Plan::joining(&shards).map_err(|source| CreateError::Shards { file, source })?;
        drop(shards);
        Ok(Self { kind: sources[0].description.kind.clone(), sources, plan: Some(plan) })
    }

    /// The part with its weights quantized. Weights that are of that type already stay as they are, and so
    /// does what is no model.
    pub(super) fn quantized(self, file_type: FileType) -> Result<Self, CreateError> {
        if self.kind != MediaType::Model || self.description().file_type == file_type.name() {
            return Ok(self);
        }
        let weights = &self.sources[0];
        let failed = |source| CreateError::Quantize { file: weights.file.clone(), source };
        let plan = match self.plan {
            Some(plan) => plan,
            None => Plan::copying(&weights.parse()?, weights.source())
                .map_err(|source| CreateError::Shards { file: weights.file.clone(), source })?,
        };
        let plan = Some(quantize(plan, file_type).map_err(failed)?);
        Ok(Self { plan, ..self })
    }

    /// The facts of the sources: those of the first, with the parameters of all.
    pub(super) fn description(&self) -> Description {
        let counts = self.sources.iter().map(|source| source.description.parameter_count);
        let parameter_count = counts.fold(0, u64::saturating_add);
        Description { parameter_count, is_shard: false, ..(*self.sources[0].description).clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_of_one_model_share_a_name() {
        let cases = [
            ("m-q4-00002-of-00010.gguf", "m-q4"),
            ("dir/m-00001-of-00002.gguf", "dir/m"),
            ("m.gguf", ""),
            ("m-x-of-00010.gguf", ""),
        ];
        for (name, model) in cases {
            assert_eq!(model_of_shard(&name.parse().unwrap()), model, "{name}");
        }
    }
}
