//! From 32-bit floats to any supported type.

use super::blocks::{self, Encode};
use super::cast::{f32_to_bf16, f32_to_f16};
use super::dispatch::{Kernel, dispatch};
use super::lanes::Lanes;
use super::over_lanes::{Blocks, Rows};
use super::{ElementType, Platform, TensorError};

/// Whether [`quantize`] makes this type, some only [with importance](needs_importance).
pub fn can_quantize(element_type: ElementType) -> bool {
    quantizer(element_type).is_some()
}

/// Whether [`quantize`] makes this type only with importance: without it, the searches of the reference have
/// nothing to weigh with.
pub fn needs_importance(element_type: ElementType) -> bool {
    quantizer(element_type).is_some_and(|quantizer| quantizer.needs_importance)
}

/// Quantizes `rows`, a whole number of rows of `columns` elements, into `output`, with the bytes that
/// llama.cpp's `ggml_quantize_chunk` gives, at the width of [`Platform::current`].
///
/// `importance` says how much each of the columns matters, the same for all rows. It must be finite and not
/// negative. Types that search for nothing ignore it: F32, F16, BF16, Q8_0, MXFP4, NVFP4, TQ1_0, TQ2_0, Q1_0
/// and Q2_0.
///
/// Rows are independent of each other: a tensor may be cut anywhere between rows and the parts quantized in
/// any order. Without importance the blocks in them are independent too, and any whole number of blocks is as
/// good as a row. Values that are not finite give no useful result; check them before with
/// [`validate_finite`](super::validate_finite()), and the result with [`validate`](super::validate()).
///
/// # Errors
///
/// [`TensorError::PartialBlock`] if blocks do not divide a row, [`TensorError::BufferLength`] if `rows` is
/// not whole rows, `importance` not as long as a row, or `output` has not exactly the length of the result,
/// [`TensorError::CannotQuantize`] for unsupported types, [`TensorError::NeedsImportance`] where there is
/// none and the type [cannot do without](needs_importance).
pub fn quantize(
    element_type: ElementType,
    rows: &[f32],
    columns: usize,
    importance: Option<&[f32]>,
    output: &mut [u8],
) -> Result<(), TensorError> {
    quantize_on(Platform::current(), element_type, rows, columns, importance, output)
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
    importance: Option<&[f32]>,
    output: &mut [u8],
) -> Result<(), TensorError> {
    let row_bytes = element_type.row_bytes(columns as u64)? as usize;
    let whole_rows = rows.len().checked_div(columns).unwrap_or(0);
    check_length("source", "elements", rows.len(), whole_rows * columns)?;
    check_length("output", "bytes", output.len(), whole_rows * row_bytes)?;
    if let Some(importance) = importance {
        check_length("importance", "elements", importance.len(), columns)?;
    }
    let Some(quantizer) = quantizer(element_type) else {
        return Err(TensorError::CannotQuantize { element_type });
    };
    if quantizer.needs_importance && importance.is_none() {
        return Err(TensorError::NeedsImportance { element_type });
    }
    (quantizer.quantize)(platform, Rows { values: rows, importance }, output);
    Ok(())
}

fn check_length(
    buffer: &'static str,
    unit: &'static str,
    got: usize,
    expected: usize,
) -> Result<(), TensorError> {
    if got == expected { Ok(()) } else { Err(TensorError::BufferLength { buffer, unit, got, expected }) }
}

/// What makes a type.
struct Quantizer {
    quantize: fn(Platform, Rows<'_>, &mut [u8]),
    /// Whether it needs importance.
    needs_importance: bool,
}

/// What makes blocks of a format.
fn blocks<B: Encode>() -> Quantizer {
    Quantizer { quantize: dispatch::<Blocks<B>>, needs_importance: B::NEEDS_IMPORTANCE }
}

/// What makes plain numbers.
fn plain<K: for<'i> Kernel<Input<'i> = Rows<'i>, Output = u8>>() -> Quantizer {
    Quantizer { quantize: dispatch::<K>, needs_importance: false }
}

/// What makes a type, if it can be made.
fn quantizer(element_type: ElementType) -> Option<Quantizer> {
    Some(match element_type {
        ElementType::F32 => plain::<PlainF32>(),
        ElementType::F16 => plain::<PlainF16>(),
        ElementType::Bf16 => plain::<PlainBf16>(),
        ElementType::I64 => plain::<PlainI64>(),
        ElementType::Q4_0 => blocks::<blocks::Q4_0>(),
        ElementType::Q4_1 => blocks::<blocks::Q4_1>(),
        ElementType::Q5_0 => blocks::<blocks::Q5_0>(),
        ElementType::Q5_1 => blocks::<blocks::Q5_1>(),
        ElementType::Q8_0 => blocks::<blocks::Q8_0>(),
        ElementType::Q2K => blocks::<blocks::Q2K>(),
        ElementType::Q3K => blocks::<blocks::Q3K>(),
        ElementType::Q4K => blocks::<blocks::Q4K>(),
        ElementType::Q5K => blocks::<blocks::Q5K>(),
        ElementType::Q6K => blocks::<blocks::Q6K>(),
        ElementType::Iq1S => blocks::<blocks::Iq1S>(),
        ElementType::Iq1M => blocks::<blocks::Iq1M>(),
        ElementType::Iq2Xxs => blocks::<blocks::Iq2Xxs>(),
        ElementType::Iq2Xs => blocks::<blocks::Iq2Xs>(),
        ElementType::Iq2S => blocks::<blocks::Iq2S>(),
        ElementType::Iq3Xxs => blocks::<blocks::Iq3Xxs>(),
        ElementType::Iq3S => blocks::<blocks::Iq3S>(),
        ElementType::Iq4Nl => blocks::<blocks::Iq4Nl>(),
        ElementType::Iq4Xs => blocks::<blocks::Iq4Xs>(),
        ElementType::Tq1_0 => blocks::<blocks::Tq1_0>(),
        ElementType::Tq2_0 => blocks::<blocks::Tq2_0>(),
        ElementType::Mxfp4 => blocks::<blocks::Mxfp4>(),
        ElementType::Nvfp4 => blocks::<blocks::Nvfp4>(),
        ElementType::Q1_0 => blocks::<blocks::Q1_0>(),
        ElementType::Q2_0 => blocks::<blocks::Q2_0>(),
        _ => return None,
    })
}

/// Copies numbers.
struct PlainF32;

impl Kernel for PlainF32 {
    type Input<'i> = Rows<'i>;
    type Output = u8;

    #[inline(always)]
    fn run<L: Lanes>(Rows { values, .. }: Rows<'_>, output: &mut [u8]) {
        each(values, output, f32::to_le_bytes);
    }
}

/// Casts numbers to F16.
struct PlainF16;

impl Kernel for PlainF16 {
    type Input<'i> = Rows<'i>;
    type Output = u8;

    #[inline(always)]
    fn run<L: Lanes>(Rows { values, .. }: Rows<'_>, output: &mut [u8]) {
        each(values, output, |value| f32_to_f16(value).to_le_bytes());
    }
}

/// Casts numbers to BF16.
struct PlainBf16;

impl Kernel for PlainBf16 {
    type Input<'i> = Rows<'i>;
    type Output = u8;

    #[inline(always)]
    fn run<L: Lanes>(Rows { values, .. }: Rows<'_>, output: &mut [u8]) {
        each(values, output, |value| f32_to_bf16(value).to_le_bytes());
    }
}

/// Writes whole numbers as such.
struct PlainI64;

impl Kernel for PlainI64 {
    type Input<'i> = Rows<'i>;
    type Output = u8;

    #[inline(always)]
    fn run<L: Lanes>(Rows { values, .. }: Rows<'_>, output: &mut [u8]) {
        each(values, output, |value| (value as i64).to_le_bytes());
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
