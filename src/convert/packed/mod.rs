//! Checkpoints whose weights another program has quantized: sources of weights that stand between the stored
//! tensors and the families' rules. A format is a declaration in a file of its own: which tensors it
//! consumes, and what the numbers of one weight are. No family knows of it.
//!
//! | file | format |
//! |---|---|
//! | `scaled_bytes` | FP8 in all layouts, and integers of eight bits |
//! | `mxfp4` | MXFP4, repacked as it is |
//! | `compressed_tensors` | integers packed by compressed-tensors |
//! | `nvfp4` | NVFP4 of ModelOpt and compressed-tensors, repacked as it is where its rows allow that |
//! | `gptq` | GPTQ of 2, 3, 4 and 8 bits |
//! | `awq` | AWQ |
//! | `bitsandbytes` | floats of four bits and integers of eight |
//! | `mlx` | MLX, with its stacks of experts |
//! | `bitnet` | BitNet's ternary weights |
//! | `refused` | what is left: a name and a remedy |
//!
//! `format` is what they declare, `settings` what configurations say of them, `tensors` the tensors that they
//! consume.

mod awq;
mod bitnet;
mod bitsandbytes;
mod compressed_tensors;
mod format;
mod gptq;
mod mlx;
mod mxfp4;
mod nvfp4;
mod refused;
mod scaled_bytes;
mod settings;
mod tensors;

use std::fmt;

pub(super) use self::scaled_bytes::plain_bytes;
pub(super) use self::tensors::{Unpacked, Weighed};

use self::format::Format;
use self::settings::Settings;
use self::tensors::Tensors;
use super::files::Files;
use super::{Configuration, ConvertError};
use crate::safetensors::Checkpoint;

/// All formats. Each takes what it knows; what consists of bytes and scales comes last, because others have
/// such too.
const FORMATS: [&Format; 9] = [
    &mxfp4::FORMAT,
    &nvfp4::FORMAT,
    &compressed_tensors::FORMAT,
    &gptq::FORMAT,
    &awq::FORMAT,
    &bitsandbytes::FORMAT,
    &mlx::FORMAT,
    &bitnet::FORMAT,
    &scaled_bytes::FORMAT,
];

/// The weights of a checkpoint in the order in which they are written, and what was undone to get them.
///
/// `stored_by_rank` are the endings of the names of weights of which every rank's part was scaled by itself.
///
/// # Errors
///
/// A tensor that belongs to a packed weight is missing or does not fit it, or the format is not supported.
pub(super) fn unpack(
    checkpoint: &Checkpoint,
    files: Files<'_>,
    configuration: &Configuration,
    stored_by_rank: &[&str],
) -> Result<(Vec<Unpacked>, Vec<Undone>), ConvertError> {
    let settings = Settings::read(configuration, files)?;
    refused::check_method(&settings)?;
    let mut tensors = Tensors::new(checkpoint, files, stored_by_rank);
    let mut undone = Vec::new();
    for format in FORMATS {
        let before = tensors.count();
        (format.unpack)(&settings, &mut tensors)?;
        let count = tensors.count() - before;
        if count > 0 && !format.keeps {
            undone.push(Undone { format: format.name, count });
        }
    }
    refused::check_tensors(&settings, &tensors)?;
    Ok((tensors.finish(), undone))
}

/// Weights that were turned into numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undone {
    /// What they were.
    pub format: &'static str,
    /// How many.
    pub count: usize,
}

impl fmt::Display for Undone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { format, count } = *self;
        let (weights, are) = if count == 1 { ("weight", "is") } else { ("weights", "are") };
        write!(formatter, "{count} {weights} in {format} {are} dequantized")
    }
}
