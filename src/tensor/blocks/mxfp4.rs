//! MXFP4: 32 floats of four bits (E2M1) with a common power of two (E8M0), of the OCP microscaling specification.

use super::{Block, ElementType};

/// Bytes: `exponent`, 16 × (element `i` in the low, `i + 16` in the high four bits).
pub(crate) struct Mxfp4;

/// Twice the values of the sixteen E2M1 patterns, which makes all of them whole.
const DOUBLED: [f32; 16] =
    [0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 0.0, -1.0, -2.0, -3.0, -4.0, -6.0, -8.0, -12.0];

impl Block for Mxfp4 {
    const TYPE: ElementType = ElementType::Mxfp4;

    fn decode(block: &[u8], values: &mut [f32]) {
        let scale = half_power_of_two(block[0]);
        for (i, &pair) in block[1..].iter().enumerate() {
            values[i] = DOUBLED[usize::from(pair & 15)] * scale;
            values[i + 16] = DOUBLED[usize::from(pair >> 4)] * scale;
        }
    }
}

/// 2^(exponent - 128): half of what an E8M0 stands for, subnormal for the two smallest exponents.
fn half_power_of_two(exponent: u8) -> f32 {
    let exponent = u32::from(exponent);
    f32::from_bits(if exponent < 2 { 0x0020_0000 << exponent } else { (exponent - 1) << 23 })
}
