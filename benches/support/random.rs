//! Random weights: made in seconds, the same every time, with the spread of real ones.

use std::io::{self, Write};

use ollamake::tensor::{ElementType, f32_to_bf16};
use rayon::prelude::*;

/// Writes `count` weights of tensor number `tensor`: around zero in BF16, around one in F32.
pub(crate) fn write_weights(
    file: &mut impl Write,
    tensor: u64,
    count: u64,
    element_type: ElementType,
) -> io::Result<()> {
    const CHUNK: u64 = 1 << 22;
    for first in (0..count).step_by(CHUNK as usize) {
        let seed = (tensor << 40) + first;
        let elements = (0..CHUNK.min(count - first) as u32).into_par_iter().with_min_len(1 << 16);
        let number = |index: u32| gauss(seed + u64::from(index));
        let bytes: Vec<u8> = match element_type {
            ElementType::F32 => elements.flat_map_iter(|index| (1.0 + number(index)).to_le_bytes()).collect(),
            _ => elements.flat_map_iter(|index| f32_to_bf16(number(index)).to_le_bytes()).collect(),
        };
        file.write_all(&bytes)?;
    }
    Ok(())
}

/// Number `index` of a stream that is roughly normal, with the spread of real weights: the sum of four
/// uniform numbers.
fn gauss(index: u64) -> f32 {
    let z = (index + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    let z = z ^ (z >> 31);
    let sum = (z & 0xffff) + (z >> 16 & 0xffff) + (z >> 32 & 0xffff) + (z >> 48);
    (sum as i64 - 131_070) as f32 / (1 << 21) as f32
}
