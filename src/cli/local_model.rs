//! A model in files of this machine: told apart, mapped and planned from headers and configuration, before it
//! is quantized or a byte of it is sent.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::CliError;
use super::files::{Gathered, LocalFile, gather, not_taken};
use super::local_error::LocalModelError;
use super::mapped_file::map_file;
use crate::convert::{self, OutputType};
use crate::create::known_kind;
use crate::gguf::{Gguf, ShardName};
use crate::library::Description;
use crate::model::MediaType;
use crate::plan::{Plan, Shard, Source, SourceDescription};
use crate::quantize::ImportanceMatrix;
use crate::safetensors::NamedSource;

/// A model's files, mapped, and the plan of the model.
pub(super) struct LocalModel {
    /// The sources of the plan, in its order.
    files: Vec<Mapped>,
    /// Nothing for an encoder that belongs to another model.
    pub(super) plan: Option<Plan>,
    pub(super) warnings: Vec<String>,
}

/// A file, mapped.
pub(super) struct Mapped {
    path: PathBuf,
    name: String,
    map: Mmap,
}

impl Mapped {
    pub(super) fn open(LocalFile { path, name }: LocalFile) -> Result<Self, LocalModelError> {
        let map = map_file(&path).map_err(LocalModelError::file(&path))?;
        Ok(Self { path, name, map })
    }

    /// Its header; what it is instead if it is no GGUF file.
    pub(super) fn parse(&self) -> Result<Gguf<'_>, LocalModelError> {
        Gguf::parse(&self.map).map_err(|reason| {
            let path = self.path.clone();
            match known_kind(&self.map) {
                Some(kind) => LocalModelError::NotAModel { path, kind },
                None => LocalModelError::Gguf { path, reason },
            }
        })
    }

    fn is_gguf(&self) -> bool {
        self.name.ends_with(".gguf") || self.map.starts_with(b"GGUF")
    }

    fn is_safetensors(&self) -> bool {
        self.name.ends_with(".safetensors")
    }

    fn source(&self) -> SourceDescription {
        SourceDescription { label: self.path.display().to_string(), length: self.map.len() as u64 }
    }
}

impl LocalModel {
    /// The model that a file, one of its files if it is split, or a directory is.
    pub(super) fn open(path: &Path) -> Result<Self, LocalModelError> {
        let nothing = |error: CliError| LocalModelError::Place { reason: error.to_string() };
        let Gathered { files, left_out } = gather(path).map_err(nothing)?;
        let mut model = Self::of(files)?;
        model.warnings.extend(not_taken(&left_out));
        Ok(model)
    }

    /// The model that these files are.
    pub(super) fn of(files: Vec<LocalFile>) -> Result<Self, LocalModelError> {
        let files = files.into_iter().map(Mapped::open).collect::<Result<Vec<_>, _>>()?;
        let gguf = files.iter().find(|file| file.is_gguf());
        match (files.iter().find(|file| file.is_safetensors()), gguf) {
            (Some(_), None) => return Self::checkpoint(files),
            (Some(safetensors), Some(gguf)) => {
                let (safetensors, gguf) = (safetensors.path.clone(), gguf.path.clone());
                return Err(LocalModelError::MixedFormats { gguf, safetensors });
            }
            (None, _) => {}
        }
        match files.iter().find(|file| !file.is_gguf()) {
            Some(other) => {
                let path = other.path.clone();
                Err(match known_kind(&other.map) {
                    Some(kind) => LocalModelError::NotAModel { path, kind },
                    None => LocalModelError::UnknownKind { path },
                })
            }
            None => Self::gguf(files),
        }
    }

    /// One file, or all that a model was split into, and perhaps a projector.
    fn gguf(files: Vec<Mapped>) -> Result<Self, LocalModelError> {
        let parsed = files.iter().map(Mapped::parse).collect::<Result<Vec<_>, _>>()?;
        let sorted = Sorted::of(&files, &parsed)?;
        let model = sorted.only_model(&files, &parsed)?;
        let mut parsed: Vec<_> = parsed.into_iter().map(Some).collect();
        let shard = |place: &usize| {
            Some(Shard { description: files[*place].source(), file: parsed.get_mut(*place)?.take()? })
        };
        let shards: Vec<_> = model.iter().filter_map(shard).collect();
        let plan = match shards.as_slice() {
            [only] if !Plan::is_shard(&only.file) => Plan::copying(&only.file, only.description.clone())?,
            shards => Plan::joining(shards)?,
        };
        drop(shards);
        let warnings = sorted.others.iter().map(|place| left_out(&files[*place].path.display()));
        let warnings = warnings.collect();
        let mut files: Vec<_> = files.into_iter().map(Some).collect();
        let files = model.iter().filter_map(|place| files.get_mut(*place)?.take()).collect();
        Ok(Self { files, plan: Some(plan), warnings })
    }

    fn checkpoint(files: Vec<Mapped>) -> Result<Self, LocalModelError> {
        let sources: Vec<_> =
            files.iter().map(|file| NamedSource { name: &file.name, bytes: &file.map }).collect();
        let failed = |reason| LocalModelError::Convert { place: place_of(&files), reason: Box::new(reason) };
        let conversion = convert::checkpoint(&sources, OutputType::Unrounded).map_err(failed)?;
        let mut warnings: Vec<String> = conversion.warnings.iter().map(ToString::to_string).collect();
        if conversion.projector.is_some() {
            warnings.push(left_out(&"the projector of the checkpoint"));
        }
        let mut files: Vec<_> = files.into_iter().map(Some).collect();
        let files = conversion.sources.iter().filter_map(|place| files.get_mut(*place)?.take()).collect();
        Ok(Self { files, plan: conversion.model, warnings })
    }

    pub(super) fn sources(&self) -> Vec<&dyn Source> {
        self.files.iter().map(|file| &file.map as &dyn Source).collect()
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| file.path.as_path())
    }
}

/// The directory that files of a checkpoint lie in, for messages.
fn place_of(files: &[Mapped]) -> PathBuf {
    let directory = files.iter().find(|file| file.is_safetensors()).and_then(|file| file.path.parent());
    directory.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

fn left_out(what: &dyn std::fmt::Display) -> String {
    format!("{what} is not written; only the model's own weights are quantized")
}

/// GGUF files by what they are, as places in a list.
#[derive(Default)]
struct Sorted<'f> {
    models: Vec<usize>,
    /// By what their names begin with. Shards whose names say nothing count as those of one model.
    shards: BTreeMap<&'f str, Vec<usize>>,
    /// Projectors and adapters.
    others: Vec<usize>,
}

impl<'f> Sorted<'f> {
    fn of(files: &'f [Mapped], parsed: &[Gguf<'_>]) -> Result<Self, LocalModelError> {
        let mut sorted = Self::default();
        for (place, (file, parsed)) in files.iter().zip(parsed).enumerate() {
            if ImportanceMatrix::is_one(parsed) {
                return Err(LocalModelError::StrayMatrix { path: file.path.clone() });
            }
            let description = Description::of(parsed);
            if description.is_shard && files.len() == 1 && ShardName::parse(&file.name).is_none() {
                return Err(LocalModelError::ShardName { path: file.path.clone() });
            }
            if description.is_shard {
                let model = ShardName::parse(&file.name).map_or("", |name| name.model);
                sorted.shards.entry(model).or_default().push(place);
            } else if description.kind == MediaType::Model {
                sorted.models.push(place);
            } else {
                sorted.others.push(place);
            }
        }
        Ok(sorted)
    }

    /// The files of the one model among them.
    fn only_model(&self, files: &[Mapped], parsed: &[Gguf<'_>]) -> Result<Vec<usize>, LocalModelError> {
        let single = self.models.iter().map(std::slice::from_ref);
        let mut models = single.chain(self.shards.values().map(Vec::as_slice));
        match (models.next(), models.next()) {
            (Some(model), None) => Ok(model.to_vec()),
            (Some(first), Some(second)) => {
                let firsts = [first, second].into_iter().chain(models).filter_map(|model| model.first());
                Err(LocalModelError::SeveralModels {
                    paths: firsts.map(|place| files[*place].path.clone()).collect(),
                })
            }
            (None, _) => match self.others.first() {
                Some(place) => {
                    let kind = Description::of(&parsed[*place]).kind;
                    Err(LocalModelError::NoModel { path: files[*place].path.clone(), kind: kind.noun() })
                }
                None => Err(LocalModelError::Place { reason: "no model is named".to_owned() }),
            },
        }
    }
}

impl Source for Mmap {
    fn length(&self) -> u64 {
        self.as_ref().length()
    }

    fn read(&self, range: std::ops::Range<u64>) -> io::Result<std::borrow::Cow<'_, [u8]>> {
        self.as_ref().read(range)
    }
}
