//! The block formats: how many numbers become which bytes. One file a format, or a pair that differs by one
//! bit.
//!
//! The layouts are those of llama.cpp (`ggml/src/ggml-common.h`), the numbers those of its reference
//! quantizers (`ggml/src/ggml-quants.c`). Multi-byte fields are little-endian.

mod affine_search;
mod codebook;
mod codebook_points;
mod e2m1;
mod factor_search;
mod iq1;
mod iq2;
mod iq3;
mod iq4;
mod lane_blocks;
mod lattice_scales;
mod lattice_search;
mod mxfp4;
mod nearest;
mod nvfp4;
mod q1_0;
mod q2_0;
mod q2_k;
mod q3_k;
mod q4_k;
mod q6_k;
mod q8_0;
mod round_affine;
mod round_symmetric;
mod scale_search;
mod signs;
mod split_search;
mod ternary;
mod weights;

pub(super) use iq1::{Iq1M, Iq1S};
pub(super) use iq2::{Iq2S, Iq2Xs, Iq2Xxs};
pub(super) use iq3::{Iq3S, Iq3Xxs};
pub(super) use iq4::{Iq4Nl, Iq4Xs};
pub(super) use mxfp4::Mxfp4;
pub(super) use nvfp4::Nvfp4;
pub(super) use q1_0::Q1_0;
pub(super) use q2_0::Q2_0;
pub(super) use q2_k::Q2K;
pub(super) use q3_k::Q3K;
pub(super) use q4_k::{Q4K, Q5K};
pub(super) use q6_k::Q6K;
pub(super) use q8_0::Q8_0;
pub(super) use round_affine::{Q4_1, Q5_1};
pub(super) use round_symmetric::{Q4_0, Q5_0};
pub(super) use ternary::{Tq1_0, Tq2_0};

use super::ElementType;
use super::cast::f16_to_f32;
use super::lanes::Lanes;

/// A block format: [`block_len`](ElementType::block_len) numbers in [`block_bytes`](ElementType::block_bytes)
/// bytes.
pub(super) trait Block {
    /// The element type, which says how long a block is.
    const TYPE: ElementType;

    /// Writes the numbers that one block stands for. The slices have the lengths of a block.
    fn decode(block: &[u8], values: &mut [f32]);
}

/// As many blocks as there are lanes, one after the other.
#[derive(Clone, Copy)]
pub(super) struct Numbers<'a> {
    /// The numbers.
    pub(super) values: &'a [f32],
    /// How much the column of each number matters, if that is known; as long.
    pub(super) importance: Option<&'a [f32]>,
    /// The mean square of the row that each block lies in; only with importance, and for formats that
    /// [need](Encode::NEEDS_ROW_MEAN) it.
    pub(super) row_mean_squares: &'a [f32],
}

/// A block format that numbers can be quantized to.
pub(super) trait Encode: Block {
    /// Whether there is nothing to weigh with without importance.
    const NEEDS_IMPORTANCE: bool = false;

    /// Whether the weights depend on the mean square of the whole row.
    const NEEDS_ROW_MEAN: bool = false;

    /// Quantizes `L::COUNT` blocks, one a lane. The slices have the lengths of as many blocks.
    fn encode<L: Lanes>(numbers: Numbers<'_>, blocks: &mut [u8]);
}

/// The F16 at `offset` of a block.
fn half(block: &[u8], offset: usize) -> f32 {
    f16_to_f32(u16::from_le_bytes([block[offset], block[offset + 1]]))
}
