//! Casts between 32-bit floats and the 16-bit formats, value by value.
//!
//! They follow ggml's software routines (llama.cpp, `ggml/src/ggml-impl.h`), not the processor's
//! instructions: both round half to even, but ggml turns every NaN into one pattern of its sign. All are free
//! of branches, so that the compiler vectorizes loops over them at whatever width the caller was compiled
//! for.

/// The F16 of `value`: round half to even, overflow to infinity, every NaN becomes `sign | 0x7e00`.
#[inline(always)]
pub fn f32_to_f16(value: f32) -> u16 {
    const TO_INFINITY: f32 = f32::from_bits(0x7780_0000); // 2^112
    const TO_ZERO: f32 = f32::from_bits(0x0880_0000); // 2^-110
    let bits = value.to_bits();
    let doubled = bits << 1;
    // Scaling up and down turns what is too large into infinity and leaves four times the value otherwise.
    let scaled = value.abs() * TO_INFINITY * TO_ZERO;
    // Adding a power of two 2^15 times above the value's lets the addition round at the last bit that F16
    // keeps.
    let exponent = (doubled & 0xff00_0000).max(0x7100_0000);
    let rounded = (f32::from_bits((exponent >> 1) + 0x0780_0000) + scaled).to_bits();
    let magnitude = ((rounded >> 13) & 0x7c00) + (rounded & 0x0fff);
    let magnitude = if doubled > 0xff00_0000 { 0x7e00 } else { magnitude };
    ((bits >> 16) & 0x8000 | magnitude) as u16
}

/// The value of an F16, exactly.
#[inline(always)]
pub fn f16_to_f32(half: u16) -> f32 {
    const SCALE: f32 = f32::from_bits(0x0780_0000); // 2^-112
    let word = u32::from(half) << 16;
    let doubled = word << 1;
    let normal = (f32::from_bits((doubled >> 4) + (0xe0 << 23)) * SCALE).to_bits();
    let subnormal = (f32::from_bits((doubled >> 17) | (126 << 23)) - 0.5).to_bits();
    let magnitude = if doubled < 1 << 27 { subnormal } else { normal };
    f32::from_bits(word & 0x8000_0000 | magnitude)
}

/// The BF16 of `value`: round half to even; a NaN keeps its upper bits and becomes quiet.
#[inline(always)]
pub fn f32_to_bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    let quiet = bits >> 16 | 0x40;
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16;
    (if value.is_nan() { quiet } else { rounded }) as u16
}

/// The value of a BF16, exactly.
#[inline(always)]
pub fn bf16_to_f32(half: u16) -> f32 {
    f32::from_bits(u32::from(half) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_f16_survives_the_way_there_and_back() {
        for half in 0..=u16::MAX {
            let value = f16_to_f32(half);
            let expected = if value.is_nan() { half & 0x8000 | 0x7e00 } else { half };
            assert_eq!(f32_to_f16(value), expected, "{half:#06x}");
        }
    }

    #[test]
    fn every_bf16_survives_the_way_there_and_back() {
        for half in 0..=u16::MAX {
            let value = bf16_to_f32(half);
            let expected = if value.is_nan() { half | 0x40 } else { half };
            assert_eq!(f32_to_bf16(value), expected, "{half:#06x}");
        }
    }

    #[test]
    fn halves_round_to_even() {
        assert_eq!(f32_to_f16(1.0 + 1.0 / 2048.0), 0x3c00);
        assert_eq!(f32_to_f16(1.0 + 3.0 / 2048.0), 0x3c02);
        assert_eq!(f32_to_f16(65520.0), 0x7c00);
        assert_eq!(f32_to_bf16(1.0 + 1.0 / 256.0), 0x3f80);
        assert_eq!(f32_to_bf16(1.0 + 3.0 / 256.0), 0x3f82);
    }
}
