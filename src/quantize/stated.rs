//! The metadata of the quantized file.
//!
//! Source: llama.cpp, `src/llama-quant.cpp` and `tools/quantize/quantize.cpp`: those of the source, and at
//! the end, in this order, what the file is now, what was set by hand, what importance matrix was used, and
//! how many layers are left. A key that is set again moves to the end.

use std::collections::BTreeMap;

use super::file_type::{FILE_TYPE_KEY, FileType};
use super::importance::ImportanceMatrix;
use super::metadata_override::MetadataOverride;
use super::target::Target;
use crate::gguf::{GgufError, Metadata, Value};
use crate::plan::{PlannedTensor, forget_split};
use crate::tensor::ElementType;

/// The key of the version of the block formats, and that version (llama.cpp, `GGML_QNT_VERSION`).
pub(crate) const QUANTIZATION_VERSION: (&str, u32) = ("general.quantization_version", 2);

/// The longest text that the reference stores of a matrix, in bytes.
const LONGEST_TEXT: usize = 127;

/// The number of a file whose type was told from its tensors has this added (llama.cpp,
/// `LLAMA_FTYPE_GUESSED`).
const GUESSED: u32 = 1024;

/// What is known of the file to be beside the metadata of its source.
pub(super) struct Facts<'f> {
    /// The number of its type.
    pub(super) file_type: u32,
    pub(super) overrides: &'f [MetadataOverride],
    pub(super) importance: Option<&'f ImportanceMatrix>,
    /// How many layers are left, if some were left out.
    pub(super) layers: Option<u32>,
}

impl Facts<'_> {
    /// The metadata of the file to be, from those of its source.
    pub(super) fn stated(&self, mut metadata: Metadata) -> Result<Metadata, GgufError> {
        forget_split(&mut metadata);
        put(&mut metadata, QUANTIZATION_VERSION.0, QUANTIZATION_VERSION.1);
        put(&mut metadata, FILE_TYPE_KEY, self.file_type);
        for MetadataOverride { key, value } in self.overrides {
            put(&mut metadata, key, value.clone());
        }
        if let Some(matrix) = self.importance {
            put(&mut metadata, "quantize.imatrix.file", cut(&matrix.source.label));
            if let Some(dataset) = &matrix.dataset {
                put(&mut metadata, "quantize.imatrix.dataset", cut(dataset));
            }
            put(&mut metadata, "quantize.imatrix.entries_count", matrix.names().len() as u32);
            if matrix.chunks > 0 {
                put(&mut metadata, "quantize.imatrix.chunks_count", matrix.chunks);
            }
        }
        if let Some(layers) = self.layers {
            let key = format!("{}.block_count", metadata.architecture()?);
            put(&mut metadata, &key, layers);
        }
        Ok(metadata)
    }
}

fn put(metadata: &mut Metadata, key: &str, value: impl Into<Value>) {
    metadata.remove(key);
    metadata.set(key, value);
}

/// As much of a text as is stored.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(LONGEST_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The number that the target has in the metadata. That of a copy is what the source says, or what most of
/// its tensors are.
pub(super) fn file_type_of(target: Target, metadata: &Metadata, tensors: &[PlannedTensor]) -> u32 {
    match target {
        Target::Type(file_type) => file_type.id(),
        Target::Copy => {
            let stated = metadata.get(FILE_TYPE_KEY).and_then(Value::as_u64);
            stated.and_then(|number| u32::try_from(number).ok()).unwrap_or_else(|| GUESSED | guessed(tensors))
        }
    }
}

/// The file type of NVFP4, which checkpoints are released in and nobody quantizes a model to (llama.cpp,
/// `llama.h`, `enum llama_ftype`).
pub(crate) const NVFP4_FILE: u32 = 39;

/// The file type of what most tensors are, as llama.cpp's `llama_model_loader` tells it: the type that is the
/// first to be met as often as the most frequent one.
fn guessed(tensors: &[PlannedTensor]) -> u32 {
    let mut counts: BTreeMap<ElementType, usize> = BTreeMap::new();
    let (mut most, mut element_type) = (0, ElementType::F32);
    for tensor in tensors {
        let count = counts.entry(tensor.element_type).or_default();
        *count += 1;
        if *count > most {
            (most, element_type) = (*count, tensor.element_type);
        }
    }
    let file_type = match element_type {
        ElementType::Nvfp4 => return NVFP4_FILE,
        ElementType::Q3K => FileType::Q3KM,
        ElementType::Q4K => FileType::Q4KM,
        ElementType::Q5K => FileType::Q5KM,
        // The loader does not know files of these.
        ElementType::Mxfp4 | ElementType::Iq2S => FileType::F32,
        other => FileType::all().find(|known| known.name() == other.name()).unwrap_or(FileType::F32),
    };
    file_type.id()
}
