//! The weights of a checkpoint as they can be computed with: 8-bit floats joined with their scales, packed 4-bit
//! floats with their exponents, other programs' quantizations refused by name.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::{Configuration, ConvertError};
use crate::plan::{BlockScale, Encoding, Location, Recipe, Stored};
use crate::safetensors::{Checkpoint, CheckpointTensor, Dtype};
use crate::tensor::ElementType;

/// A tensor of numbers.
#[derive(Debug, Clone)]
pub(super) struct StoredWeight {
    /// Its name, without what belongs to its encoding.
    pub(super) name: String,
    tensor: CheckpointTensor,
    companion: Option<Companion>,
}

#[derive(Debug, Clone)]
enum Companion {
    /// Scales of 8-bit floats.
    Scales(CheckpointTensor, Option<(u64, u64)>),
    /// Scales of 8-bit floats of which every rank's part was scaled by itself.
    ScalesByRank(CheckpointTensor),
    /// Exponents of MXFP4 blocks.
    Exponents(CheckpointTensor),
}

impl StoredWeight {
    pub(super) fn dtype(&self) -> Dtype {
        self.tensor.dtype
    }

    pub(super) fn dimensions(&self) -> &[u64] {
        &self.tensor.dimensions
    }

    /// All of the numbers.
    pub(super) fn recipe(&self) -> Result<Recipe, ConvertError> {
        if let Some(Companion::ScalesByRank(scales)) = &self.companion {
            return by_rank(&self.tensor, scales);
        }
        let dimensions = match &self.companion {
            Some(Companion::Exponents(exponents)) => packed_dimensions(&self.tensor, exponents)?,
            _ => self.tensor.dimensions.clone(),
        };
        let stored = Stored { location: location(&self.tensor), encoding: self.encoding()?, dimensions };
        Recipe::stored(stored)
            .map_err(|reason| ConvertError::Dimensions { tensor: self.name.clone(), reason })
    }

    /// Where plain numbers lie, and of what type they are.
    pub(super) fn plain(&self) -> Result<(Location, ElementType), ConvertError> {
        Ok((location(&self.tensor), plain_type(&self.name, self.tensor.dtype)?))
    }

    fn encoding(&self) -> Result<Encoding, ConvertError> {
        Ok(match (&self.companion, self.tensor.dtype) {
            (Some(Companion::Exponents(exponents)), _) => Encoding::Mxfp4 { exponents: location(exponents) },
            (Some(Companion::Scales(scales, block)), Dtype::F8_E4M3) => {
                Encoding::F8E4M3(Some(block_scale(&self.tensor, scales, *block)?))
            }
            (Some(Companion::Scales(scales, _) | Companion::ScalesByRank(scales)), dtype) => {
                let reason = format!("it scales a weight of {dtype}; only F8_E4M3 has scales");
                return Err(ConvertError::Scale { tensor: scales.name.clone(), reason });
            }
            (None, Dtype::F8_E4M3) => Encoding::F8E4M3(None),
            (None, dtype) => Encoding::Plain(plain_type(&self.name, dtype)?),
        })
    }
}

fn location(tensor: &CheckpointTensor) -> Location {
    Location { source: tensor.file, offset: tensor.offset }
}

fn plain_type(name: &str, dtype: Dtype) -> Result<ElementType, ConvertError> {
    match dtype {
        Dtype::F32 => Ok(ElementType::F32),
        Dtype::F16 => Ok(ElementType::F16),
        Dtype::BF16 => Ok(ElementType::Bf16),
        Dtype::F64 => Ok(ElementType::F64),
        other => Err(ConvertError::UnsupportedDtype { tensor: name.to_owned(), dtype: other.to_string() }),
    }
}

/// Blocks of 16 bytes hold 32 elements each: `[…, rows, blocks, 16]`, or rows of bytes `[…, rows, 16 · blocks]`.
fn packed_dimensions(
    blocks: &CheckpointTensor,
    exponents: &CheckpointTensor,
) -> Result<Vec<u64>, ConvertError> {
    let are_bytes = [Dtype::U8, Dtype::I8].contains(&blocks.dtype)
        && [Dtype::U8, Dtype::F8_E8M0].contains(&exponents.dtype);
    let found = match blocks.dimensions.as_slice() {
        [rows @ .., count, 16]
            if exponents.dimensions == blocks.dimensions[..blocks.dimensions.len() - 1] =>
        {
            Some((rows, *count))
        }
        [rows @ .., bytes]
            if exponents.dimensions.split_last() == Some((&(bytes / 16), rows)) && bytes % 16 == 0 =>
        {
            Some((rows, bytes / 16))
        }
        _ => None,
    };
    let (rows, count) = found.filter(|_| are_bytes).ok_or_else(|| ConvertError::Scale {
        tensor: exponents.name.clone(),
        reason: format!("exponents {:?} do not fit blocks {:?}", exponents.dimensions, blocks.dimensions),
    })?;
    Ok(rows.iter().copied().chain([count.saturating_mul(32)]).collect())
}

/// The rows and columns that share a scale in weights that are stored rank by rank.
const RANK_BLOCK: u64 = 128;

/// A weight `[rows, columns]` as `[ranks, rows of a rank, columns]`. How many ranks there were follows from the number
/// of scales, since each rank's last block is cut off (llama.cpp, `conversion/mimo.py`).
fn by_rank(weight: &CheckpointTensor, scales: &CheckpointTensor) -> Result<Recipe, ConvertError> {
    let fails = || ConvertError::Scale {
        tensor: scales.name.clone(),
        reason: format!(
            "scales {:?} of blocks of {RANK_BLOCK} do not fit a weight {:?} stored by 8 ranks or by 4",
            scales.dimensions, weight.dimensions
        ),
    };
    let ([rows, columns], [scale_rows, scale_columns]) = (&weight.dimensions[..], &scales.dimensions[..])
    else {
        return Err(fails());
    };
    let fits = |ranks: &u64| {
        let own = rows / ranks;
        rows % ranks == 0 && own > 0 && own.div_ceil(RANK_BLOCK) * ranks == *scale_rows
    };
    let ranks = [8, 4].into_iter().find(fits).ok_or_else(fails)?;
    let element_type = plain_type(&scales.name, scales.dtype)?;
    if weight.dtype != Dtype::F8_E4M3 || columns.div_ceil(RANK_BLOCK) != *scale_columns {
        return Err(fails());
    }
    let (own, own_scales) = (rows / ranks, scale_rows / ranks * scale_columns);
    let size = (scales.dtype.bitsize() / 8) as u64;
    let parts = (0..ranks).map(|rank| {
        let at = |tensor: &CheckpointTensor, skipped: u64| Location {
            source: tensor.file,
            offset: tensor.offset + skipped,
        };
        let scale = BlockScale {
            location: at(scales, rank * own_scales * size),
            element_type,
            block: (RANK_BLOCK, RANK_BLOCK),
        };
        Recipe::stored(Stored {
            location: at(weight, rank * own * columns),
            encoding: Encoding::F8E4M3(Some(scale)),
            dimensions: vec![own, *columns],
        })
    });
    let stacked = parts.collect::<Result<Vec<_>, _>>().and_then(Recipe::stack);
    stacked.map_err(|reason| ConvertError::Dimensions { tensor: weight.name.clone(), reason })
}

/// How the scales lie over the last two dimensions of the weight.
fn block_scale(
    weight: &CheckpointTensor,
    scales: &CheckpointTensor,
    block: Option<(u64, u64)>,
) -> Result<BlockScale, ConvertError> {
    let fails = || ConvertError::Scale {
        tensor: scales.name.clone(),
        reason: format!("scales {:?} do not fit a weight {:?}", scales.dimensions, weight.dimensions),
    };
    let [matrices @ .., rows, columns] = weight.dimensions.as_slice() else { return Err(fails()) };
    let (rows, columns) = (*rows, *columns);
    let count: u64 = scales.dimensions.iter().product();
    let matrices: u64 = matrices.iter().product();
    let block = match block {
        Some(block) => block,
        // One scale a matrix, or one a row.
        None if count == matrices => (rows, columns),
        None if Some(count) == matrices.checked_mul(rows) => (1, columns),
        None => return Err(fails()),
    };
    let blocks = |length: u64, side: u64| (side > 0).then(|| length.div_ceil(side));
    let expected = blocks(rows, block.0).zip(blocks(columns, block.1));
    let expected = expected.and_then(|(down, across)| down.checked_mul(across)?.checked_mul(matrices));
    if expected != Some(count) {
        return Err(fails());
    }
    let element_type = plain_type(&scales.name, scales.dtype)?;
    Ok(BlockScale { location: location(scales), element_type, block })
}

/// The weights of a checkpoint.
///
/// # Errors
///
/// The checkpoint is quantized in a format that cannot be converted, or scales lack their weights.
pub(super) fn read(
    checkpoint: &Checkpoint,
    configuration: &Configuration,
    stored_by_rank: &[&str],
) -> Result<Vec<StoredWeight>, ConvertError> {
    let quantization = configuration.part("quantization_config");
    let method = quantization.as_ref().map_or(Ok(None), |part| part.text_value("quant_method"))?;
    refuse_foreign(checkpoint, method, quantization.as_ref())?;
    let block = quantization.as_ref().map_or(Ok(None), block_size)?;
    let mut companions: HashMap<String, Companion> = HashMap::new();
    let mut consumed: HashSet<&str> = HashSet::new();
    let names: HashMap<&str, &CheckpointTensor> =
        checkpoint.tensors.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
    for tensor in &checkpoint.tensors {
        if let Some(stem) = tensor.name.strip_suffix("_scale")
            && let packed = format!("{stem}_packed")
            && tensor.dtype == Dtype::U8
            && names.contains_key(packed.as_str())
        {
            companions.insert(packed, Companion::Exponents(tensor.clone()));
            consumed.insert(&tensor.name);
        } else if let Some(stem) = tensor.name.strip_suffix("_scales")
            && let blocks = format!("{stem}_blocks")
            && names.contains_key(blocks.as_str())
        {
            companions.insert(blocks, Companion::Exponents(tensor.clone()));
            consumed.insert(&tensor.name);
        } else if let Some(weight) = scaled_weight(&tensor.name) {
            // Scales of activations and caches are of no use to us; those of weights must have one.
            consumed.insert(&tensor.name);
            let Some(weight) = weight else { continue };
            if !names.contains_key(weight.as_str()) {
                return Err(ConvertError::Scale {
                    tensor: tensor.name.clone(),
                    reason: format!("it scales {weight}, which is missing"),
                });
            }
            let by_rank = stored_by_rank.iter().any(|ending| weight.ends_with(ending));
            let companion = match names.get(weight.as_str()).map(|weight| weight.dtype) {
                Some(Dtype::U8 | Dtype::I8) if tensor.dtype == Dtype::U8 => {
                    Companion::Exponents(tensor.clone())
                }
                _ if by_rank => Companion::ScalesByRank(tensor.clone()),
                _ => Companion::Scales(tensor.clone(), block),
            };
            companions.insert(weight, companion);
        }
    }
    let weights = checkpoint.tensors.iter().filter(|tensor| !consumed.contains(tensor.name.as_str()));
    Ok(weights
        .map(|tensor| {
            let companion = companions.remove(&tensor.name);
            let name = match &companion {
                Some(Companion::Exponents(_)) => {
                    let name = tensor.name.replace("_blocks", ".weight");
                    let stem = name.strip_suffix("_packed").unwrap_or(&name).strip_suffix(".weight");
                    stem.filter(|_| !tensor.name.ends_with("_blocks"))
                        .map_or(name.clone(), |stem| format!("{stem}.packed"))
                }
                _ => tensor.name.clone(),
            };
            StoredWeight { name, tensor: tensor.clone(), companion }
        })
        .collect())
}

/// For the name of a tensor of scales the weight that they belong to, if it is one at all.
fn scaled_weight(name: &str) -> Option<Option<String>> {
    const UNUSED: [&str; 6] =
        [".activation_scale", "_activation_scale", ".input_scale", ".output_scale", ".k_scale", ".v_scale"];
    if UNUSED.iter().any(|suffix| name.ends_with(suffix)) {
        return Some(None);
    }
    if let Some(weight) = name.strip_suffix("_scale_inv") {
        return Some(Some(weight.to_owned()));
    }
    name.strip_suffix(".weight_scale").map(|stem| Some(format!("{stem}.weight")))
}

/// Rows and columns that share a scale, where the configuration says so: for all weights, or (compressed-tensors) for
/// those of the first group.
fn block_size(quantization: &Configuration) -> Result<Option<(u64, u64)>, ConvertError> {
    let groups = quantization.value("config_groups").and_then(Value::as_object);
    let group = groups.and_then(|groups| groups.values().next()).and_then(|group| group.get("weights"));
    let grouped = group.and_then(|weights| weights.get("block_structure")).filter(|block| !block.is_null());
    let stated = quantization.value("weight_block_size").map(|block| ("weight_block_size", block));
    let Some((key, block)) = stated.or_else(|| grouped.map(|block| ("block_structure", block))) else {
        return Ok(None);
    };
    let sides: Option<Vec<u64>> =
        block.as_array().and_then(|sides| sides.iter().map(Value::as_u64).collect());
    match sides.as_deref() {
        Some([rows, columns]) if *rows > 0 && *columns > 0 => Ok(Some((*rows, *columns))),
        _ => Err(quantization.bad(key, block, "two positive numbers")),
    }
}

/// Formats of compressed-tensors that are read.
const READABLE_FORMATS: [&str; 3] = ["float-quantized", "naive-quantized", PACKED_MXFP4];
/// The one whose weights are packed.
const PACKED_MXFP4: &str = "mxfp4-pack-quantized";

/// Refuses quantizations that are not ours to undo, by the name people know them under.
fn refuse_foreign(
    checkpoint: &Checkpoint,
    method: Option<&str>,
    quantization: Option<&Configuration>,
) -> Result<(), ConvertError> {
    let refuse = |format: &str| Err(ConvertError::ForeignQuantization { format: format.to_owned() });
    let has = |suffix: &str| checkpoint.tensors.iter().any(|tensor| tensor.name.ends_with(suffix));
    let known = |name: &str| match name {
        "gptq" => "GPTQ".to_owned(),
        "awq" => "AWQ".to_owned(),
        "bitsandbytes" | "bnb" => "bitsandbytes".to_owned(),
        "hqq" => "HQQ".to_owned(),
        "aqlm" => "AQLM".to_owned(),
        "eetq" => "EETQ".to_owned(),
        "bitnet" => "BitNet".to_owned(),
        "torchao" => "torchao".to_owned(),
        "nvfp4" => "NVFP4".to_owned(),
        other => other.to_owned(),
    };
    let format = quantization.map_or(Ok(None), |part| part.text_value("format"))?;
    match method {
        None | Some("fp8" | "mxfp4") => {}
        Some("compressed-tensors" | "modelopt") => {
            if matches!(format, Some(format) if !READABLE_FORMATS.contains(&format)) {
                return refuse(&format!("compressed-tensors {}", format.unwrap_or_default()));
            }
        }
        Some(other) => return refuse(&known(&other.to_lowercase())),
    }
    if has(".qweight") {
        return refuse(if has(".g_idx") { "GPTQ" } else { "AWQ" });
    }
    if has(".SCB") || has(".absmax") || has(".quant_map") || has("bitsandbytes__nf4") {
        return refuse("bitsandbytes");
    }
    if has(".weight_packed") && format != Some(PACKED_MXFP4) {
        return refuse("compressed-tensors");
    }
    if has(".weight_scale_2") {
        return refuse("NVFP4");
    }
    Ok(())
}
