//! Checks that data holds finite numbers only.
//!
//! llama-quantize refuses such data before and after quantizing (llama.cpp, `ggml_validate_row_data` in
//! `ggml/src/ggml-quants.c`); an infinite or undefined scale would spread over every product with its block.

use super::cast::{bf16_to_f32, f16_to_f32};
use super::dispatch::{Kernel, dispatch};
use super::lanes::Lanes;
use super::{ElementType, Platform, TensorError};

/// Checks that every value is a finite number.
///
/// # Errors
///
/// [`TensorError::NotFinite`] with the position of the first value that is not.
pub fn validate_finite(values: &[f32]) -> Result<(), TensorError> {
    let mut are_finite = false;
    dispatch::<AreFinite>(Platform::current(), values, std::slice::from_mut(&mut are_finite));
    if are_finite {
        return Ok(());
    }
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(not_finite(index, values[index])),
        None => Ok(()),
    }
}

/// Says whether all numbers are finite.
struct AreFinite;

impl Kernel for AreFinite {
    type Input<'i> = &'i [f32];
    type Output = bool;

    #[inline(always)]
    fn run<L: Lanes>(values: &[f32], output: &mut [bool]) {
        // All of them, without leaving early, so that the compiler vectorizes it.
        let are_finite = values.iter().fold(true, |finite, value| finite & value.is_finite());
        output.fill(are_finite);
    }
}

/// Checks stored data: plain floats for being finite, blocks for finite scales. Integers are always valid.
///
/// # Errors
///
/// [`TensorError::NotFinite`] or [`TensorError::InvalidScale`] with the first offending position,
/// [`TensorError::BufferLength`] if `data` is not a whole number of blocks.
pub fn validate(element_type: ElementType, data: &[u8]) -> Result<(), TensorError> {
    let block_bytes = element_type.block_bytes();
    if !data.len().is_multiple_of(block_bytes) {
        let expected = data.len() / block_bytes * block_bytes;
        return Err(TensorError::BufferLength { buffer: "source", unit: "bytes", got: data.len(), expected });
    }
    match element_type {
        ElementType::F32 => {
            numbers(data, |bytes: [u8; 4]| f32::from_le_bytes(bytes).is_finite(), f32::from_le_bytes)
        }
        ElementType::F64 => numbers(
            data,
            |bytes: [u8; 8]| f64::from_le_bytes(bytes).is_finite(),
            |b| f64::from_le_bytes(b) as f32,
        ),
        ElementType::F16 => numbers(data, is_finite_f16, |bytes| f16_to_f32(u16::from_le_bytes(bytes))),
        ElementType::Bf16 => numbers(
            data,
            |bytes| u16::from_le_bytes(bytes) & 0x7f80 != 0x7f80,
            |bytes| bf16_to_f32(u16::from_le_bytes(bytes)),
        ),
        _ => match data.chunks_exact(block_bytes).position(|block| !has_finite_scales(element_type, block)) {
            Some(block) => Err(TensorError::InvalidScale { element_type, block }),
            None => Ok(()),
        },
    }
}

/// Checks plain numbers of `N` bytes, the whole slice before the search for the culprit.
fn numbers<const N: usize>(
    data: &[u8],
    is_finite: impl Fn([u8; N]) -> bool,
    value: impl Fn([u8; N]) -> f32,
) -> Result<(), TensorError> {
    let (numbers, _) = data.as_chunks::<N>();
    if numbers.iter().fold(true, |finite, &bytes| finite & is_finite(bytes)) {
        return Ok(());
    }
    match numbers.iter().position(|&bytes| !is_finite(bytes)) {
        Some(index) => Err(not_finite(index, value(numbers[index]))),
        None => Ok(()),
    }
}

fn not_finite(index: usize, value: f32) -> TensorError {
    TensorError::NotFinite { index, value: value.to_string() }
}

fn is_finite_f16(bytes: [u8; 2]) -> bool {
    u16::from_le_bytes(bytes) & 0x7c00 != 0x7c00
}

/// Whether the scales of one block, wherever its format keeps them, are finite.
fn has_finite_scales(element_type: ElementType, block: &[u8]) -> bool {
    use ElementType::*;
    let offsets: &[usize] = match element_type {
        Q4_0 | Q5_0 | Q8_0 | Q1_0 | Q2_0 => &[0],
        Q4_1 | Q5_1 | Q8_1 | Q4K | Q5K => &[0, 2],
        Iq2Xxs | Iq2Xs | Iq2S | Iq3Xxs | Iq3S | Iq1S | Iq4Nl | Iq4Xs => &[0],
        Q2K => &[80, 82],
        Q3K => &[108],
        Q6K => &[208],
        Tq1_0 => &[52],
        Tq2_0 => &[64],
        Q8K => return f32::from_le_bytes([block[0], block[1], block[2], block[3]]).is_finite(),
        // The four upper bits of four 16-bit words make up the scale: the last word's hold its exponent.
        Iq1M => return is_finite_f16([0, (block[55] & 0xf0) | (block[53] >> 4)]),
        // An E8M0 exponent of all ones is NaN.
        Mxfp4 => return block[0] != 0xff,
        // Every UE4M3 scale counts as valid.
        Nvfp4 | F32 | F16 | Bf16 | F64 | I8 | I16 | I32 | I64 => &[],
    };
    offsets.iter().all(|&at| is_finite_f16([block[at], block[at + 1]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_that_is_not_finite_is_named() {
        assert_eq!(validate_finite(&[1.0, -0.0, f32::MAX]), Ok(()));
        let infinite = TensorError::NotFinite { index: 1, value: "-inf".into() };
        assert_eq!(validate_finite(&[1.0, f32::NEG_INFINITY, f32::NAN]), Err(infinite.clone()));
        assert_eq!(validate(ElementType::F16, &[0xff, 0x7b, 0x00, 0xfc]), Err(infinite.clone()));
        assert_eq!(validate(ElementType::Bf16, &[0x7f, 0x7f, 0x80, 0xff]), Err(infinite));
    }

    #[test]
    fn an_infinite_scale_is_found_wherever_the_format_keeps_it() {
        for element_type in ElementType::all().filter(|t| t.is_quantized() && *t != ElementType::Nvfp4) {
            let mut data = vec![0; 2 * element_type.block_bytes()];
            assert_eq!(validate(element_type, &data), Ok(()));
            data[element_type.block_bytes()..].fill(0xff);
            assert_eq!(
                validate(element_type, &data),
                Err(TensorError::InvalidScale { element_type, block: 1 })
            );
        }
    }

    #[test]
    fn a_cut_block_is_refused() {
        assert!(matches!(validate(ElementType::Q4_0, &[0; 17]), Err(TensorError::BufferLength { .. })));
    }
}
