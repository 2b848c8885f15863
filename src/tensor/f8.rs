//! The 8-bit floats of FP8 checkpoints.

use super::f16_to_f32;

/// The value of an `F8_E4M3` (the finite-only variant `float8_e4m3fn` of the OCP 8-bit floating point
/// specification): a sign, four bits of exponent with bias 7, three of mantissa; no infinity, and NaN only
/// where all other bits are set. Exact for every pattern.
#[inline(always)]
pub fn f8_e4m3_to_f32(byte: u8) -> f32 {
    let sign = u32::from(byte & 0x80) << 24;
    let magnitude = u32::from(byte & 0x7f);
    // The bits at the place of a binary32's exponent and mantissa, 2^120 too small; the product puts that
    // right and normalizes subnormal numbers.
    let scaled = f32::from_bits(magnitude << 20) * f32::from_bits((120 + 127) << 23);
    let bits = if magnitude == 0x7f { f32::NAN.to_bits() } else { scaled.to_bits() };
    f32::from_bits(sign | bits)
}

/// The value of an `F8_E5M2` (OCP 8-bit floating point specification): the upper half of a binary16.
#[inline(always)]
pub fn f8_e5m2_to_f32(byte: u8) -> f32 {
    f16_to_f32(u16::from(byte) << 8)
}

#[cfg(test)]
mod tests {
    use super::{f8_e4m3_to_f32, f8_e5m2_to_f32};

    #[test]
    fn halves_without_their_lower_byte_have_the_value_of_their_definition() {
        for byte in 0..=u8::MAX {
            let sign = if byte & 0x80 == 0 { 1.0 } else { -1.0 };
            let (exponent, mantissa) = (i32::from(byte >> 2 & 31), f32::from(byte & 3));
            let value = f8_e5m2_to_f32(byte);
            match exponent {
                31 if mantissa > 0.0 => assert!(value.is_nan()),
                31 => assert_eq!(value, sign * f32::INFINITY),
                0 => assert_eq!(value.to_bits(), (sign * mantissa / 65_536.0).to_bits(), "{byte:#04x}"),
                _ => assert_eq!(value, sign * (1.0 + mantissa / 4.0) * 2_f32.powi(exponent - 15)),
            }
        }
    }

    #[test]
    fn every_pattern_has_the_value_of_its_definition() {
        for byte in 0..=u8::MAX {
            let sign = if byte & 0x80 == 0 { 1.0 } else { -1.0 };
            let (exponent, mantissa) = (i32::from(byte >> 3 & 15), f32::from(byte & 7));
            let value = f8_e4m3_to_f32(byte);
            if byte & 0x7f == 0x7f {
                assert!(value.is_nan());
            } else if exponent == 0 {
                assert_eq!(value.to_bits(), (sign * mantissa / 512.0).to_bits(), "{byte:#04x}");
            } else {
                assert_eq!(value, sign * (1.0 + mantissa / 8.0) * 2_f32.powi(exponent - 7), "{byte:#04x}");
            }
        }
    }
}
