//! From 32-bit floats to any supported type.

use std::marker::PhantomData;

use super::blocks::{self, Encode};
use super::cast::{f32_to_bf16, f32_to_f16};
use super::dispatch::{Kernel, dispatch};
use super::lanes::Lanes;
use super::{ElementType, Platform, TensorError};

/// Whether [`quantize`] makes this type.
pub fn can_quantize(element_type: ElementType) -> bool {
    kernel(element_type).is_some()
}

/// Quantizes `rows`, a whole number of rows of `columns` elements, into `output`, with the bytes that llama.cpp's
/// `ggml_quantize_chunk` gives without importance matrix, at the width of [`Platform::current`].
///
/// Rows are independent of each other, and so are the blocks in them: a tensor may be cut anywhere between rows and
/// the parts quantized in any order. Values that are not finite give no useful result; check them before with
/// [`validate_finite`](super::validate_finite()), and the result with [`validate`](super::validate()).
///
/// # Errors
///
/// [`TensorError::PartialBlock`] if blocks do not divide a row, [`TensorError::BufferLength`] if `rows` is not whole
/// rows or `output` has not exactly the length of the result, [`TensorError::CannotQuantize`] for unsupported types.
pub fn quantize(
    element_type: ElementType,
    rows: &[f32],
    columns: usize,
    output: &mut [u8],
) -> Result<(), TensorError> {
    quantize_on(Platform::current(), element_type, rows, columns, output)
}

/// [`quantize`] at a given width; the result is the same at each.
///
/// # Errors
///
/// As for [`quantize`].
pub fn quantize_on(
    platform: Platform,
    element_type: ElementType,
    rows: &[f32],
    columns: usize,
    output: &mut [u8],
) -> Result<(), TensorError> {
    let row_bytes = element_type.row_bytes(columns as u64)? as usize;
    let whole_rows = rows.len().checked_div(columns).unwrap_or(0);
    if rows.len() != whole_rows * columns {
        let (got, expected) = (rows.len(), whole_rows * columns);
        return Err(TensorError::BufferLength { buffer: "source", unit: "elements", got, expected });
    }
    let expected = whole_rows * row_bytes;
    if output.len() != expected {
        let got = output.len();
        return Err(TensorError::BufferLength { buffer: "output", unit: "bytes", got, expected });
    }
    let Some(kernel) = kernel(element_type) else {
        return Err(TensorError::CannotQuantize { element_type });
    };
    kernel(platform, rows, output);
    Ok(())
}

/// What quantizes whole blocks at a level.
type Quantizer = fn(Platform, &[f32], &mut [u8]);

/// The quantizer of a type, if there is one.
fn kernel(element_type: ElementType) -> Option<Quantizer> {
    Some(match element_type {
        ElementType::F32 => dispatch::<PlainF32>,
        ElementType::F16 => dispatch::<PlainF16>,
        ElementType::Bf16 => dispatch::<PlainBf16>,
        ElementType::Q4_0 => dispatch::<Blocks<blocks::Q4_0>>,
        ElementType::Q4_1 => dispatch::<Blocks<blocks::Q4_1>>,
        ElementType::Q5_0 => dispatch::<Blocks<blocks::Q5_0>>,
        ElementType::Q5_1 => dispatch::<Blocks<blocks::Q5_1>>,
        ElementType::Q8_0 => dispatch::<Blocks<blocks::Q8_0>>,
        ElementType::Q2K => dispatch::<Blocks<blocks::Q2K>>,
        ElementType::Q3K => dispatch::<Blocks<blocks::Q3K>>,
        ElementType::Q4K => dispatch::<Blocks<blocks::Q4K>>,
        ElementType::Q5K => dispatch::<Blocks<blocks::Q5K>>,
        ElementType::Q6K => dispatch::<Blocks<blocks::Q6K>>,
        _ => return None,
    })
}

/// Quantizes blocks of a format.
struct Blocks<B>(PhantomData<B>);

impl<B: Encode> Kernel for Blocks<B> {
    type Input = f32;
    type Output = u8;

    #[inline(always)]
    fn run<L: Lanes>(values: &[f32], output: &mut [u8]) {
        let (values_at_once, bytes_at_once) =
            (L::COUNT * B::TYPE.block_len(), L::COUNT * B::TYPE.block_bytes());
        let whole = values.len() / values_at_once;
        let (mut padded_values, mut padded_output) = (Vec::new(), Vec::new());
        let (values, last_values) = values.split_at(whole * values_at_once);
        let (output, last_output) = output.split_at_mut(whole * bytes_at_once);
        if !last_values.is_empty() {
            // The last blocks do not fill all lanes; the others get zeros, and what comes of them is dropped.
            padded_values = last_values.to_vec();
            padded_values.resize(values_at_once, 0.0);
            padded_output = vec![0; bytes_at_once];
        }
        let values = values.chunks_exact(values_at_once).chain(padded_values.chunks_exact(values_at_once));
        let output =
            output.chunks_exact_mut(bytes_at_once).chain(padded_output.chunks_exact_mut(bytes_at_once));
        for (values, blocks) in values.zip(output) {
            B::encode::<L>(values, blocks);
        }
        last_output.copy_from_slice(&padded_output[..last_output.len()]);
    }
}

/// Copies numbers.
struct PlainF32;

impl Kernel for PlainF32 {
    type Input = f32;
    type Output = u8;

    #[inline(always)]
    fn run<L: Lanes>(values: &[f32], output: &mut [u8]) {
        each(values, output, f32::to_le_bytes);
    }
}

/// Casts numbers to F16.
struct PlainF16;

impl Kernel for PlainF16 {
    type Input = f32;
    type Output = u8;

    #[inline(always)]
    fn run<L: Lanes>(values: &[f32], output: &mut [u8]) {
        each(values, output, |value| f32_to_f16(value).to_le_bytes());
    }
}

/// Casts numbers to BF16.
struct PlainBf16;

impl Kernel for PlainBf16 {
    type Input = f32;
    type Output = u8;

    #[inline(always)]
    fn run<L: Lanes>(values: &[f32], output: &mut [u8]) {
        each(values, output, |value| f32_to_bf16(value).to_le_bytes());
    }
}

/// Plain numbers of `N` bytes.
#[inline(always)]
fn each<const N: usize>(values: &[f32], output: &mut [u8], bytes: impl Fn(f32) -> [u8; N]) {
    let (numbers, _) = output.as_chunks_mut::<N>();
    for (number, &value) in numbers.iter_mut().zip(values) {
        *number = bytes(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::lanes::Portable;

    fn four_lanes_agree_with_one<B: Encode>(values: &[f32]) {
        let bytes = values.len() / B::TYPE.block_len() * B::TYPE.block_bytes();
        let (mut one, mut four) = (vec![0; bytes], vec![1; bytes]);
        Blocks::<B>::run::<Portable<f32, 1>>(values, &mut one);
        Blocks::<B>::run::<Portable<f32, 4>>(values, &mut four);
        assert_eq!(one, four, "{}", B::TYPE);
    }

    /// Four lanes without SIMD stand for the levels of processors that the tests do not run on.
    #[test]
    fn portable_lanes_do_not_depend_on_their_number() {
        let number = |index: u32| {
            let mixed = index.wrapping_mul(2_654_435_761);
            (mixed >> 8) as f32 / 16_777_216.0 - if index % 1024 < 512 { 0.5 } else { 0.1 }
        };
        let values: Vec<f32> = (0..7 * 256).map(number).collect();
        four_lanes_agree_with_one::<blocks::Q4_0>(&values);
        four_lanes_agree_with_one::<blocks::Q4_1>(&values);
        four_lanes_agree_with_one::<blocks::Q5_0>(&values);
        four_lanes_agree_with_one::<blocks::Q5_1>(&values);
        four_lanes_agree_with_one::<blocks::Q8_0>(&values);
        four_lanes_agree_with_one::<blocks::Q2K>(&values);
        four_lanes_agree_with_one::<blocks::Q3K>(&values);
        four_lanes_agree_with_one::<blocks::Q4K>(&values);
        four_lanes_agree_with_one::<blocks::Q5K>(&values);
        four_lanes_agree_with_one::<blocks::Q6K>(&values);
    }
}
