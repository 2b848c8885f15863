//! From 32-bit floats to any supported type.

use super::cast::{f32_to_bf16, f32_to_f16};
use super::{ElementType, Platform, TensorError};

/// Whether [`quantize`] makes this type.
pub fn can_quantize(element_type: ElementType) -> bool {
    use ElementType::*;
    matches!(element_type, F32 | F16 | Bf16)
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
    let _ = platform;
    match element_type {
        ElementType::F32 => each(rows, output, f32::to_le_bytes),
        ElementType::F16 => each(rows, output, |value| f32_to_f16(value).to_le_bytes()),
        ElementType::Bf16 => each(rows, output, |value| f32_to_bf16(value).to_le_bytes()),
        _ => return Err(TensorError::CannotQuantize { element_type }),
    }
    Ok(())
}

/// Plain numbers of `N` bytes.
#[inline(always)]
fn each<const N: usize>(values: &[f32], output: &mut [u8], bytes: impl Fn(f32) -> [u8; N]) {
    let (numbers, _) = output.as_chunks_mut::<N>();
    for (number, &value) in numbers.iter_mut().zip(values) {
        *number = bytes(value);
    }
}
