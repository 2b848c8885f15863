//! A checkpoint: one safetensors file, or several that belong together.

use std::collections::HashMap;

use ::safetensors::Dtype;

use super::index::{INDEX_FILE, Index};
use super::{Header, NamedSource, SafetensorsError};

/// All tensors of a checkpoint, file after file in the order of the files' names, sorted by name within a
/// file.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Name and length of the files that hold the tensors.
    pub files: Vec<(String, u64)>,
    /// The places of these files among those that were given.
    pub given: Vec<usize>,
    /// The tensors; names are unique.
    pub tensors: Vec<CheckpointTensor>,
}

/// A tensor of a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckpointTensor {
    /// Unique within the checkpoint.
    pub name: String,
    /// How its elements are stored.
    pub dtype: Dtype,
    /// Slowest first; empty for a single number.
    pub dimensions: Vec<u64>,
    /// Index into [`Checkpoint::files`].
    pub file: usize,
    /// First byte, counted from the start of the file.
    pub offset: u64,
}

/// Whether no file with weights is missing among files of these names, the index having this content if there
/// is one.
pub fn has_all_weights<'n>(names: impl IntoIterator<Item = &'n str>, index: Option<&[u8]>) -> bool {
    let by_name: HashMap<&str, usize> = names.into_iter().zip(0..).collect();
    let index = index.map(|bytes| Index::read(NamedSource { name: INDEX_FILE, bytes })).transpose();
    index.is_ok_and(|index| shards(&by_name, index.as_ref()).is_ok())
}

/// The files of the weights: those that the index names, or those that have to be there without one. All are
/// there.
fn shards<'a>(
    by_name: &HashMap<&'a str, usize>,
    index: Option<&'a Index>,
) -> Result<Vec<&'a str>, SafetensorsError> {
    let Some(index) = index else { return unindexed_shards(by_name) };
    let shards = index.shards();
    match shards.iter().find(|shard| !by_name.contains_key(**shard)) {
        None => Ok(shards),
        Some(shard) => Err(SafetensorsError::MissingShard {
            shard: (*shard).to_owned(),
            asked_by: format!("{INDEX_FILE} names it"),
        }),
    }
}

impl Checkpoint {
    /// Reads the headers of the weights among `sources`: the shards that the index names, or, without an
    /// index, the files `model*.safetensors`, or, where there is none, every `.safetensors` file of the
    /// directory itself.
    ///
    /// # Errors
    ///
    /// A file is damaged, a shard is missing, or index and shards disagree.
    pub fn read(sources: &[NamedSource<'_>]) -> Result<Self, SafetensorsError> {
        let mut by_name = HashMap::new();
        for (place, source) in sources.iter().enumerate() {
            if by_name.insert(source.name, place).is_some() {
                return Err(SafetensorsError::DuplicateFile { file: source.name.to_owned() });
            }
        }
        let index = by_name.get(INDEX_FILE).map(|place| Index::read(sources[*place])).transpose()?;
        let given = shards(&by_name, index.as_ref())?;
        let given = given.into_iter().map(|shard| by_name[shard]).collect();
        let checkpoint = Self::from_files(sources, given)?;
        match index {
            Some(index) => checkpoint.check_against(&index).map(|()| checkpoint),
            None => Ok(checkpoint),
        }
    }

    /// Reads the headers of those of the sources that are at these places.
    ///
    /// # Errors
    ///
    /// A file is damaged, or a tensor is in two of them.
    ///
    /// # Panics
    ///
    /// There is no source at one of the places.
    pub fn from_files(sources: &[NamedSource<'_>], given: Vec<usize>) -> Result<Self, SafetensorsError> {
        let files: Vec<NamedSource<'_>> = given.iter().map(|place| sources[*place]).collect();
        let mut tensors = Vec::new();
        let mut home: HashMap<String, usize> = HashMap::new();
        for (index, file) in files.iter().enumerate() {
            let mut entries = Header::read(*file)?.tensors;
            entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
            for entry in entries {
                if let Some(first) = home.insert(entry.name.clone(), index) {
                    return Err(SafetensorsError::InTwoShards {
                        tensor: entry.name,
                        first: files[first].name.to_owned(),
                        second: file.name.to_owned(),
                    });
                }
                tensors.push(CheckpointTensor {
                    name: entry.name,
                    dtype: entry.dtype,
                    dimensions: entry.dimensions,
                    file: index,
                    offset: entry.offset,
                });
            }
        }
        let files = files.iter().map(|file| (file.name.to_owned(), file.bytes.len() as u64)).collect();
        Ok(Self { files, given, tensors })
    }

    /// Puts the tensors of the source at `place` before all others, called by `folder` and their name in it.
    ///
    /// # Errors
    ///
    /// The file is damaged.
    ///
    /// # Panics
    ///
    /// There is no source at this place.
    pub fn put_before(
        &mut self,
        folder: &str,
        sources: &[NamedSource<'_>],
        place: usize,
    ) -> Result<(), SafetensorsError> {
        let further = Self::from_files(sources, vec![place])?;
        let (index, rest) = (self.files.len(), std::mem::take(&mut self.tensors));
        self.files.extend(further.files);
        self.given.extend(further.given);
        let of_folder = |tensor: CheckpointTensor| CheckpointTensor {
            name: format!("{folder}/{}", tensor.name),
            file: index,
            ..tensor
        };
        self.tensors = further.tensors.into_iter().map(of_folder).chain(rest).collect();
        Ok(())
    }

    fn check_against(&self, index: &Index) -> Result<(), SafetensorsError> {
        let mut found: HashMap<&str, &str> = HashMap::with_capacity(self.tensors.len());
        for tensor in &self.tensors {
            let shard = self.files[tensor.file].0.as_str();
            if !index.weight_map.contains_key(&tensor.name) {
                return Err(SafetensorsError::UnlistedTensor {
                    index: INDEX_FILE.to_owned(),
                    shard: shard.to_owned(),
                    tensor: tensor.name.clone(),
                });
            }
            found.insert(&tensor.name, shard);
        }
        match index
            .weight_map
            .iter()
            .find(|(tensor, shard)| found.get(tensor.as_str()) != Some(&shard.as_str()))
        {
            Some((tensor, shard)) => Err(SafetensorsError::MissingTensor {
                index: INDEX_FILE.to_owned(),
                shard: shard.clone(),
                tensor: tensor.clone(),
            }),
            None => Ok(()),
        }
    }
}

/// The names of the weight files where no index says which they are.
fn unindexed_shards<'a>(by_name: &HashMap<&'a str, usize>) -> Result<Vec<&'a str>, SafetensorsError> {
    let weights =
        by_name.keys().copied().filter(|name| name.ends_with(".safetensors") && !name.contains('/'));
    let mut names: Vec<&str> = weights.collect();
    names.sort_unstable();
    if names.iter().any(|name| name.starts_with("model")) {
        names.retain(|name| name.starts_with("model"));
    }
    if names.is_empty() {
        return Err(SafetensorsError::NoWeights);
    }
    for name in &names {
        if let Some(shard) = neighbours(name).find(|shard| !by_name.contains_key(shard.as_str())) {
            return Err(SafetensorsError::MissingShard {
                shard,
                asked_by: format!("{name} says how many there are"),
            });
        }
    }
    Ok(names)
}

/// The shards before and after one whose name has the form `model-00002-of-00003.safetensors`. Where each
/// shard has its own, none is missing.
fn neighbours(name: &str) -> impl Iterator<Item = String> {
    let parts = || {
        let (stem, total) = name.strip_suffix(".safetensors")?.rsplit_once("-of-")?;
        let (prefix, number) = stem.rsplit_once('-')?;
        let numeric = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
        let parsed = |text: &str| numeric(text).then(|| text.parse::<u32>().ok()).flatten();
        Some((prefix, parsed(number)?, parsed(total)?))
    };
    parts().into_iter().flat_map(|(prefix, number, total)| {
        let both = [number.saturating_sub(1).min(total), number + 1];
        let both = both.into_iter().filter(move |other| (1..=total).contains(other));
        both.map(move |other| format!("{prefix}-{other:05}-of-{total:05}.safetensors"))
    })
}
