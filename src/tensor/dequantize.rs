//! From stored data to 32-bit floats.

use super::blocks::{self, Block};
use super::cast::{bf16_to_f32, f16_to_f32};
use super::dispatch::{Kernel, dispatch};
use super::lanes::Lanes;
use super::{ElementType, Platform, TensorError};

/// Writes the numbers that `data` stands for to `values`, exactly as ggml computes them.
///
/// Supported are F32, F16, BF16, F64 (rounded to the nearest F32), Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K to Q6_K
/// and MXFP4. `data` holds whole blocks, `values` one element for each of theirs.
///
/// # Errors
///
/// [`TensorError::BufferLength`] if the lengths do not match, [`TensorError::CannotDequantize`] for other
/// types.
pub fn dequantize(element_type: ElementType, data: &[u8], values: &mut [f32]) -> Result<(), TensorError> {
    let (block_len, block_bytes) = (element_type.block_len(), element_type.block_bytes());
    let expected = data.len() / block_bytes * block_len;
    if !data.len().is_multiple_of(block_bytes) || values.len() != expected {
        return Err(TensorError::BufferLength {
            buffer: "output",
            unit: "elements",
            got: values.len(),
            expected,
        });
    }
    match element_type {
        ElementType::F32 => each(data, values, f32::from_le_bytes),
        ElementType::F64 => each(data, values, |bytes| f64::from_le_bytes(bytes) as f32),
        ElementType::F16 => dispatch::<PlainF16>(Platform::current(), data, values),
        ElementType::Bf16 => dispatch::<PlainBf16>(Platform::current(), data, values),
        ElementType::Q4_0 => decode::<blocks::Q4_0>(data, values),
        ElementType::Q4_1 => decode::<blocks::Q4_1>(data, values),
        ElementType::Q5_0 => decode::<blocks::Q5_0>(data, values),
        ElementType::Q5_1 => decode::<blocks::Q5_1>(data, values),
        ElementType::Q8_0 => decode::<blocks::Q8_0>(data, values),
        ElementType::Q2K => decode::<blocks::Q2K>(data, values),
        ElementType::Q3K => decode::<blocks::Q3K>(data, values),
        ElementType::Q4K => decode::<blocks::Q4K>(data, values),
        ElementType::Q5K => decode::<blocks::Q5K>(data, values),
        ElementType::Q6K => decode::<blocks::Q6K>(data, values),
        ElementType::Iq1S => decode::<blocks::Iq1S>(data, values),
        ElementType::Iq1M => decode::<blocks::Iq1M>(data, values),
        ElementType::Iq2Xxs => decode::<blocks::Iq2Xxs>(data, values),
        ElementType::Iq2Xs => decode::<blocks::Iq2Xs>(data, values),
        ElementType::Iq2S => decode::<blocks::Iq2S>(data, values),
        ElementType::Iq3Xxs => decode::<blocks::Iq3Xxs>(data, values),
        ElementType::Iq3S => decode::<blocks::Iq3S>(data, values),
        ElementType::Iq4Nl => decode::<blocks::Iq4Nl>(data, values),
        ElementType::Iq4Xs => decode::<blocks::Iq4Xs>(data, values),
        ElementType::Tq1_0 => decode::<blocks::Tq1_0>(data, values),
        ElementType::Tq2_0 => decode::<blocks::Tq2_0>(data, values),
        ElementType::Mxfp4 => decode::<blocks::Mxfp4>(data, values),
        ElementType::Nvfp4 => decode::<blocks::Nvfp4>(data, values),
        ElementType::Q1_0 => decode::<blocks::Q1_0>(data, values),
        ElementType::Q2_0 => decode::<blocks::Q2_0>(data, values),
        _ => return Err(TensorError::CannotDequantize { element_type }),
    }
    Ok(())
}

/// Casts numbers from F16.
struct PlainF16;

impl Kernel for PlainF16 {
    type Input<'i> = &'i [u8];
    type Output = f32;

    #[inline(always)]
    fn run<L: Lanes>(data: &[u8], values: &mut [f32]) {
        each(data, values, |bytes| f16_to_f32(u16::from_le_bytes(bytes)));
    }
}

/// Casts numbers from BF16.
struct PlainBf16;

impl Kernel for PlainBf16 {
    type Input<'i> = &'i [u8];
    type Output = f32;

    #[inline(always)]
    fn run<L: Lanes>(data: &[u8], values: &mut [f32]) {
        each(data, values, |bytes| bf16_to_f32(u16::from_le_bytes(bytes)));
    }
}

/// Plain numbers of `N` bytes.
#[inline(always)]
fn each<const N: usize>(data: &[u8], values: &mut [f32], number: impl Fn([u8; N]) -> f32) {
    let (numbers, _) = data.as_chunks::<N>();
    for (value, &bytes) in values.iter_mut().zip(numbers) {
        *value = number(bytes);
    }
}

/// Blocks of one format.
fn decode<B: Block>(data: &[u8], values: &mut [f32]) {
    let blocks = data.chunks_exact(B::TYPE.block_bytes());
    for (block, values) in blocks.zip(values.chunks_exact_mut(B::TYPE.block_len())) {
        B::decode(block, values);
    }
}
