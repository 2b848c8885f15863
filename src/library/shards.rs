//! Weights that are split into several layers, as one.
//!
//! Rules: Ollama from 0.35 on. The shards are layers of one media type that follow each other, as many as
//! each says.

use super::description::Description;
use super::error::LibraryError;
use crate::gguf::Gguf;
use crate::model::{Layer, MediaType};
use crate::plan::{Plan, Shard, SourceDescription};
use crate::store::Blob;

/// The layers that a split model's weights are in.
pub(crate) struct Shards {
    /// How many they are.
    pub(crate) count: usize,
    /// The one among them that has the metadata of all.
    pub(crate) first: usize,
    /// What they say together.
    pub(crate) description: Description,
}

impl Shards {
    /// The shards at the beginning of these layers. Nothing is missing, and they do not contradict each
    /// other.
    ///
    /// # Errors
    /// They are not the whole of one split model, or cannot be read.
    pub(crate) fn read(layers: &[(Layer, Blob)], model: &str) -> Result<Self, LibraryError> {
        let Some((layer, blob)) = layers.first() else { return Err(LibraryError::Scattered { count: 0 }) };
        let kind = &layer.media_type;
        let count = shard(kind, model, 1, blob)?.count().unwrap_or(0);
        let group = match usize::try_from(count).ok().and_then(|count| layers.get(..count)) {
            Some(group) if group.iter().all(|(layer, _)| layer.media_type == *kind) => group,
            _ => return Err(LibraryError::Scattered { count }),
        };
        let shards = (1..).zip(group).map(|(number, (_, blob))| shard(kind, model, number, blob));
        let shards = shards.collect::<Result<Vec<_>, _>>()?;
        Plan::joining(&shards).map_err(Box::new)?;
        let first = shards.iter().position(Shard::is_first).unwrap_or(0);
        let parameter_counts = shards.iter().map(|shard| Description::of(&shard.file).parameter_count);
        let parameter_count = parameter_counts.fold(0, u64::saturating_add);
        let description = Description { parameter_count, ..Description::of(&shards[first].file) };
        Ok(Self { count: group.len(), first, description })
    }
}

/// What a shard is called in messages, counted from 1.
pub(crate) fn shard_label(kind: &MediaType, model: &str, number: usize) -> String {
    format!("{} of {model}, shard {number}", kind.noun())
}

fn shard<'b>(
    kind: &MediaType,
    model: &str,
    number: usize,
    blob: &'b Blob,
) -> Result<Shard<'b>, LibraryError> {
    let label = shard_label(kind, model, number);
    let file = Gguf::parse(blob.bytes()?)?;
    Ok(Shard { description: SourceDescription { label, length: blob.length() }, file })
}
