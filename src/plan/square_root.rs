//! The square root as PyTorch has it, bit by bit.
//!
//! PyTorch asks Intel's Math Kernel Library for it, which refines the processor's estimate of the reciprocal
//! root without fused multiplication and addition; one root in six is not the nearest number. The estimates
//! are those of AMD's processors (`RSQRTPS`), where all 16 million results of PyTorch 2.15 between 1 and 4
//! are these. Other processors estimate otherwise, and may differ in the last place.

/// Estimates in parts of 8192 for numbers from 1 to 2 and from 2 to 4, as the processor looks them up: 256 of
/// each for the upper half of the first 12 bits, and what is taken off for the next, 16 for each of 16
/// stretches.
const ESTIMATES: &[u8; 1536] = include_bytes!("reciprocal_roots.bin");
/// Where what is taken off begins.
const TAKEN_OFF: usize = 1024;

/// `sqrt(x)`.
pub fn square_root(x: f32) -> f32 {
    if !x.is_normal() || x < 0.0 {
        return x.sqrt();
    }
    // x is a number from 1 to 4, times a power of four.
    let bits = x.to_bits();
    let exponent = (bits >> 23) as i32 - 127;
    let odd = exponent.rem_euclid(2);
    let number = f32::from_bits(bits & 0x7f_ffff | ((127 + odd) as u32) << 23);
    let estimate = estimate(odd as usize, (bits >> 11 & 0xfff) as usize);

    let root = number * estimate;
    let half = 0.5 * estimate;
    let error = 0.5 - half * root;
    let (root, half) = (root + root * error, half + half * error);
    let root = root + (number - root * root) * half;
    root * 2.0_f32.powi((exponent - odd) / 2)
}

/// The processor's estimate of a reciprocal root by the number's octave and its first 12 bits.
fn estimate(octave: usize, index: usize) -> f32 {
    let place = 2 * (256 * octave + index / 16);
    let upper = u16::from_le_bytes([ESTIMATES[place], ESTIMATES[place + 1]]);
    let taken_off = ESTIMATES[TAKEN_OFF + 256 * octave + index / 256 * 16 + index % 16];
    f32::from(upper - u16::from(taken_off)) / 8192.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_those_of_the_function() {
        for step in 0..200_000_u32 {
            let x = f32::from_bits(0x0100_0000 + step * 9973);
            let exact = f64::from(x).sqrt();
            let place = exact * f64::from(f32::EPSILON);
            assert!((f64::from(square_root(x)) - exact).abs() < 0.76 * place, "sqrt({x})");
        }
        assert_eq!(square_root(0.0), 0.0);
        assert_eq!(square_root(4.0), 2.0);
        assert!(square_root(-1.0).is_nan());
        assert_eq!(square_root(f32::INFINITY), f32::INFINITY);
    }
}
