//! MXFP4: floats of four bits in blocks of 32, and the blocks' exponents in a tensor of their own (OCP
//! microscaling formats, version 1.0). The blocks become ggml's as they are.

use super::super::ConvertError;
use super::format::Format;
use super::settings::Settings;
use super::tensors::{Tensors, Weighed, location, refuse, spread};
use crate::plan::{Encoding, Spread};
use crate::safetensors::{CheckpointTensor, Dtype};

pub(super) const FORMAT: Format = Format { name: "MXFP4", keeps: true, unpack };

/// Endings of the names of exponents and of the blocks that they belong to, and whether the weights may as
/// well be 8-bit floats: then they get a name for families that treat the two apart.
const LAYOUTS: [(&str, &str, bool); 5] = [
    (".weight_scale", ".weight_packed", true),
    ("_scales", "_blocks", false),
    (".weight_scale", ".weight", true),
    (".weight_scale_inv", ".weight", true),
    (".scale", ".weight", true),
];

fn unpack(_: &Settings, tensors: &mut Tensors<'_>) -> Result<(), ConvertError> {
    for (scales, blocks, apart) in LAYOUTS {
        for (exponents, stem) in tensors.ending(scales) {
            let Some(blocks) = tensors.get(&format!("{stem}{blocks}")) else { continue };
            let are_bytes = [Dtype::U8, Dtype::I8].contains(&blocks.dtype)
                && (exponents.dtype == Dtype::U8 || ["_scales", ".scale"].contains(&scales));
            if !are_bytes {
                continue;
            }
            tensors.take(&exponents.name);
            let encoding = Encoding::Mxfp4 { exponents: location(exponents) };
            let numbers = spread(blocks, encoding, &dimensions(blocks, exponents)?, Spread::Each)?;
            tensors.put(format!("{stem}.weight"), blocks, Weighed::Numbers(numbers));
            if apart {
                tensors.name_apart(blocks, format!("{stem}.packed"));
            }
        }
    }
    Ok(())
}

/// Blocks of 16 bytes hold 32 elements each: `[…, rows, blocks, 16]`, or rows of bytes `[…, rows, 16 ·
/// blocks]`.
fn dimensions(blocks: &CheckpointTensor, exponents: &CheckpointTensor) -> Result<Vec<u64>, ConvertError> {
    let are_bytes = [Dtype::U8, Dtype::F8_E8M0].contains(&exponents.dtype);
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
    let (rows, count) = found.filter(|_| are_bytes).ok_or_else(|| {
        let (exponents_have, blocks_have) = (&exponents.dimensions, &blocks.dimensions);
        refuse(exponents, format!("exponents {exponents_have:?} do not fit blocks {blocks_have:?}"))
    })?;
    Ok(rows.iter().copied().chain([count.saturating_mul(32)]).collect())
}
