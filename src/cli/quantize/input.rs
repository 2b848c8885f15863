//! What is quantized: a GGUF file, the files of a split model, or a checkpoint.

use std::io;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::QuantizeError;
use crate::cli::files::gather;
use crate::cli::mapped_file::map_file;
use crate::convert::{self, OutputType};
use crate::gguf::{Gguf, ShardName};
use crate::plan::{Plan, Shard, Source, SourceDescription};
use crate::safetensors::NamedSource;

/// A model's files, mapped, and the plan of the model.
pub(super) struct Input {
    /// The sources of the plan, in its order.
    files: Vec<Mapped>,
    pub(super) plan: Plan,
    pub(super) warnings: Vec<String>,
}

/// A file, mapped.
struct Mapped {
    path: PathBuf,
    map: Mmap,
}

impl Mapped {
    fn open(path: PathBuf) -> Result<Self, QuantizeError> {
        match map_file(&path) {
            Ok(map) => Ok(Self { path, map }),
            Err(reason) => Err(QuantizeError::File { path, reason }),
        }
    }

    fn parse(&self) -> Result<Gguf<'_>, QuantizeError> {
        Gguf::parse(&self.map).map_err(|reason| QuantizeError::Gguf { path: self.path.clone(), reason })
    }
}

impl Input {
    pub(super) fn open(path: &Path) -> Result<Self, QuantizeError> {
        if !path.is_dir() {
            return Self::gguf(all_shards(path)?);
        }
        let files = gather(path).map_err(|error| QuantizeError::Directory { reason: error.to_string() })?;
        if files.iter().any(|file| file.name.ends_with(".safetensors")) {
            let named = files.into_iter().map(|file| Ok((file.name, Mapped::open(file.path)?)));
            return Self::checkpoint(named.collect::<Result<_, QuantizeError>>()?);
        }
        Self::gguf(files.into_iter().map(|file| file.path).collect())
    }

    /// One file, or all that a model was split into.
    fn gguf(paths: Vec<PathBuf>) -> Result<Self, QuantizeError> {
        let files = paths.into_iter().map(Mapped::open).collect::<Result<Vec<_>, _>>()?;
        let mut shards = Vec::with_capacity(files.len());
        for file in &files {
            let (label, length) = (file.path.display().to_string(), file.map.len() as u64);
            shards.push(Shard { description: SourceDescription { label, length }, file: file.parse()? });
        }
        let plan = match shards.as_slice() {
            [only] if !Plan::is_shard(&only.file) => Plan::copying(&only.file, only.description.clone())?,
            shards => Plan::joining(shards)?,
        };
        drop(shards);
        Ok(Self { files, plan, warnings: Vec::new() })
    }

    fn checkpoint(named: Vec<(String, Mapped)>) -> Result<Self, QuantizeError> {
        let sources: Vec<_> =
            named.iter().map(|(name, file)| NamedSource { name, bytes: &file.map }).collect();
        let conversion = convert::checkpoint(&sources, OutputType::Unrounded)?;
        let mut warnings: Vec<String> = conversion.warnings.iter().map(ToString::to_string).collect();
        let plan = conversion.model.ok_or(QuantizeError::EncoderAlone)?;
        if conversion.projector.is_some() {
            warnings.push("the checkpoint has a projector, which is not written".to_owned());
        }
        let mut named: Vec<_> = named.into_iter().map(|(_, file)| Some(file)).collect();
        let files = conversion.sources.iter().filter_map(|place| named.get_mut(*place)?.take()).collect();
        Ok(Self { files, plan, warnings })
    }

    pub(super) fn sources(&self) -> Vec<&dyn Source> {
        self.files.iter().map(|file| &file.map as &dyn Source).collect()
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| file.path.as_path())
    }
}

/// All files of a split model, one of which is `input`; the file alone if it is whole.
fn all_shards(input: &Path) -> Result<Vec<PathBuf>, QuantizeError> {
    let file = Mapped::open(input.to_owned())?;
    if !Plan::is_shard(&file.parse()?) {
        return Ok(vec![input.to_owned()]);
    }
    let names = || ShardName::parse(input.file_name()?.to_str()?)?.all();
    let names = names().ok_or_else(|| QuantizeError::ShardName { path: input.to_owned() })?;
    Ok(names.map(|name| input.with_file_name(name)).collect())
}

impl Source for Mmap {
    fn length(&self) -> u64 {
        self.as_ref().length()
    }

    fn read(&self, range: std::ops::Range<u64>) -> io::Result<std::borrow::Cow<'_, [u8]>> {
        self.as_ref().read(range)
    }
}
