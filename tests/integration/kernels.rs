//! The quantization kernels against expected bytes, and every SIMD level against the scalar one.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use ollamake::model::Digest;
use ollamake::tensor::{
    ElementType, Platform, TensorError, can_quantize, dequantize, needs_importance, quantize, quantize_on,
    validate, validate_finite,
};
use proptest::prelude::*;
use serde::Deserialize;

use crate::support::files::fixture;
use crate::support::{generator, shared};

/// The types whose blocks hold more than one number and that files hold.
fn block_types() -> impl Iterator<Item = ElementType> {
    ElementType::all().filter(|&element_type| element_type.is_quantized() && can_quantize(element_type))
}

#[derive(Deserialize)]
struct Rows {
    matrices: Vec<Matrix>,
    importances: Vec<Importance>,
    conversions: Vec<Case>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Matrix {
    id: String,
    variant: String,
    seed: u64,
    rows: usize,
    cols: usize,
    sha256: String,
}

#[derive(Deserialize)]
struct Importance {
    id: String,
    kind: String,
    seed: u64,
    cols: usize,
    sha256: String,
}

#[derive(Deserialize)]
struct Case {
    #[serde(rename = "type")]
    element_type: String,
    matrix: String,
    #[serde(default)]
    importance: Option<String>,
    sha256: String,
    dequant_sha256: String,
    #[serde(default)]
    flags: Vec<String>,
}

impl Case {
    /// Whether the quantizer of files refuses the result.
    fn is_invalid(&self) -> bool {
        self.flags.iter().any(|flag| flag == "invalid")
    }
}

impl Rows {
    fn read(path: &Path) -> Self {
        serde_json::from_slice(&std::fs::read(path).expect("read the rows")).expect("rows")
    }

    /// The matrices by id, with their number of columns, each checked against its sum.
    fn generate(&self) -> HashMap<&str, (usize, Vec<f32>)> {
        let matrix = |matrix: &'_ Matrix| {
            let values = generator::matrix(&matrix.variant, matrix.seed, matrix.rows, matrix.cols);
            assert_eq!(sum_of_numbers(&values), matrix.sha256, "the generator is wrong for {}", matrix.id);
            (matrix.cols, values)
        };
        self.matrices.iter().map(|description| (description.id.as_str(), matrix(description))).collect()
    }
}

impl Rows {
    /// The importance vectors by id, each checked against its sum.
    fn importances(&self) -> HashMap<&str, Vec<f32>> {
        let vector = |importance: &'_ Importance| {
            let values = generator::importance(&importance.kind, importance.seed, importance.cols);
            assert_eq!(
                sum_of_numbers(&values),
                importance.sha256,
                "the generator is wrong for {}",
                importance.id
            );
            values
        };
        self.importances.iter().map(|description| (description.id.as_str(), vector(description))).collect()
    }
}

/// The fixtures, and the full data where it is there.
fn sources() -> Vec<PathBuf> {
    [Some(fixture("rows/rows.json")), shared::path("quantization/rows.json")].into_iter().flatten().collect()
}

fn sum_of_numbers(values: &[f32]) -> String {
    Digest::of(&values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>()).hex()
}

fn quantized(
    platform: Platform,
    element_type: ElementType,
    values: &[f32],
    columns: usize,
    importance: Option<&[f32]>,
) -> Vec<u8> {
    let bytes = element_type.row_bytes(columns as u64).expect("whole blocks") as usize;
    let mut output = vec![0xa5; bytes * (values.len() / columns)];
    quantize_on(platform, element_type, values, columns, importance, &mut output).expect("quantize");
    output
}

fn dequantized(element_type: ElementType, data: &[u8]) -> Vec<f32> {
    let mut values = vec![f32::NAN; data.len() / element_type.block_bytes() * element_type.block_len()];
    dequantize(element_type, data, &mut values).expect("dequantize");
    // Which NaN comes of infinity times zero differs between processors; expected values have that of x86-64.
    if element_type.is_quantized() && !cfg!(target_arch = "x86_64") {
        values
            .iter_mut()
            .filter(|value| value.is_nan())
            .for_each(|value| *value = f32::from_bits(0xffc0_0000));
    }
    values
}

/// Compares every case, at every level of this processor.
fn compare(rows: &Rows, cases: &[Case]) {
    let (matrices, importances) = (rows.generate(), rows.importances());
    for case in cases {
        let element_type = ElementType::from_name(&case.element_type).expect("a known type");
        let (columns, values) = &matrices[case.matrix.as_str()];
        let importance = case.importance.as_deref();
        for platform in Platform::available() {
            let (matrix, with) = (&case.matrix, importance.unwrap_or("nothing"));
            let context = format!("{element_type} of {matrix} with {with} on {}", platform.name());
            let importance = importance.map(|id| importances[id].as_slice());
            let data = quantized(platform, element_type, values, *columns, importance);
            assert_eq!(Digest::of(&data).hex(), case.sha256, "{context}");
            assert_eq!(sum_of_numbers(&dequantized(element_type, &data)), case.dequant_sha256, "{context}");
            let valid = validate(element_type, &data);
            if element_type.is_quantized() {
                assert_eq!(valid.is_err(), case.is_invalid(), "{context}: {valid:?}");
            }
        }
    }
}

#[test]
fn blocks_have_the_expected_bytes_at_every_level() {
    for source in sources() {
        let rows = Rows::read(&source);
        // With and without importance, but three types have nothing to weigh with without.
        let kinds: BTreeSet<_> =
            rows.cases.iter().map(|case| (case.element_type.as_str(), case.importance.is_some())).collect();
        assert_eq!(kinds.len(), 2 * block_types().count() - 3);
        // Those that C leaves undefined (`ub`) are among them: the lanes are defined to truncate as x86-64
        // does.
        compare(&rows, &rows.cases);
    }
}

#[test]
fn casts_have_the_expected_bytes_at_every_level() {
    for source in sources() {
        let rows = Rows::read(&source);
        assert_eq!(rows.conversions.len(), 112);
        compare(&rows, &rows.conversions);
    }
}

/// Mixed weights, a whole number of blocks of every type.
fn mixed(blocks: usize) -> Vec<f32> {
    ["gauss", "outliers", "ramp-signed", "mixed-scales", "sparse", "zeros", "positive-offset"]
        .iter()
        .cycle()
        .zip(1..)
        .take(blocks)
        .flat_map(|(variant, seed)| generator::matrix(variant, seed, 1, 256))
        .collect()
}

/// Importance for rows of so many columns; none where it is not needed, so that both ways are met.
fn importance_if_needed(element_type: ElementType, columns: usize) -> Option<Vec<f32>> {
    needs_importance(element_type).then(|| generator::importance("uniform", 7, columns))
}

#[test]
fn every_number_of_blocks_gives_the_same_bytes_at_every_level() {
    let values = mixed(33);
    let scalar = Platform::from_name("scalar").expect("always available");
    for element_type in ElementType::all().filter(|&element_type| can_quantize(element_type)) {
        let block_len = element_type.block_len();
        let importance = importance_if_needed(element_type, block_len);
        let importance = importance.as_deref();
        let expected = quantized(scalar, element_type, &values[..33 * block_len], block_len, importance);
        for platform in Platform::available() {
            for blocks in 0..=33 {
                let values = &values[..blocks * block_len];
                let data = quantized(platform, element_type, values, block_len, importance);
                let context = format!("{blocks} blocks of {element_type} on {}", platform.name());
                assert_eq!(data, expected[..blocks * element_type.block_bytes()], "{context}");
            }
        }
    }
}

#[test]
fn rows_are_weighed_alike_wherever_they_begin() {
    // Three blocks a row, which no number of lanes divides: every lane meets every column.
    let values = mixed(33);
    for element_type in block_types() {
        let columns = 3 * element_type.block_len();
        let importance = generator::importance("spiky", 3, columns);
        let expected: Vec<u8> = values[..11 * columns]
            .chunks(columns)
            .flat_map(|row| quantized(Platform::current(), element_type, row, columns, Some(&importance)))
            .collect();
        for platform in Platform::available() {
            let data = quantized(platform, element_type, &values[..11 * columns], columns, Some(&importance));
            assert_eq!(data, expected, "{element_type} on {}", platform.name());
        }
    }
}

#[test]
fn the_level_that_is_asked_for_is_in_use() {
    // Otherwise a run at a level that is not there would be one at another, and nobody would know.
    assert_eq!(Platform::from_environment(), Ok(Platform::current()));
}

#[test]
fn buffers_of_wrong_lengths_are_refused() {
    let mut output = [0; 144];
    let refused = |result| matches!(result, Err(TensorError::BufferLength { .. }));
    assert!(refused(quantize(ElementType::Q4K, &[0.0; 256], 256, None, &mut output[1..])));
    assert!(refused(quantize(ElementType::Q4K, &[0.0; 255], 256, None, &mut output)));
    let importance = Some(&[1.0; 255][..]);
    assert!(refused(quantize(ElementType::Q4K, &[0.0; 256], 256, importance, &mut output)));
    assert!(refused(dequantize(ElementType::Q4K, &output[1..], &mut [0.0; 256])));
    assert!(refused(dequantize(ElementType::Q4K, &output, &mut [0.0; 255])));
    let partial = quantize(ElementType::Q4K, &[0.0; 128], 128, None, &mut output);
    assert_eq!(partial, Err(TensorError::PartialBlock { element_type: ElementType::Q4K, columns: 128 }));
    let element_type = ElementType::Q8_1;
    let unsupported = quantize(element_type, &[0.0; 32], 32, None, &mut output[..36]);
    assert_eq!(unsupported, Err(TensorError::CannotQuantize { element_type }));
    let element_type = ElementType::Iq2Xs;
    let unweighed = quantize(element_type, &[0.0; 256], 256, None, &mut output[..74]);
    assert_eq!(unweighed, Err(TensorError::NeedsImportance { element_type }));
}

/// How far a value may be from what a block gives back, in parts of the largest magnitude of the block.
fn tolerance(element_type: ElementType) -> f32 {
    use ElementType::*;
    match element_type {
        Q8_0 => 0.005,
        Q6K => 0.06,
        Q5_0 | Q5_1 | Q5K => 0.1,
        Q4_0 | Q4_1 | Q4K => 0.2,
        Q3K => 0.6,
        Iq4Nl | Iq4Xs | Mxfp4 | Nvfp4 => 0.4,
        Q2K | Iq3S => 0.8,
        // An even number of eight signs is stored, so one may be turned: its number then gets the smallest
        // level.
        Iq3Xxs => 1.2,
        // Two levels and a zero, and with codebooks even a turned sign: no more than the size is kept.
        _ => 2.2,
    }
}

/// How large the root mean square of a block's errors may be, in parts of that of its values: a third more
/// than the worst of 24,000 blocks of even random numbers that `ggml_quantize_chunk` made.
fn mean_tolerance(element_type: ElementType) -> f64 {
    use ElementType::*;
    match element_type {
        Q8_0 => 0.006,
        Q6K => 0.02,
        Q5_0 | Q5_1 | Q5K => 0.05,
        Q4_0 | Q4_1 | Q4K | Iq4Nl | Iq4Xs => 0.1,
        Nvfp4 => 0.16,
        Q3K => 0.19,
        Mxfp4 => 0.22,
        Iq3S => 0.23,
        Iq3Xxs => 0.31,
        Q2K | Iq2S => 0.37,
        Iq2Xs => 0.54,
        Iq2Xxs => 0.65,
        Iq1S => 0.75,
        // Two or three levels of one size.
        Iq1M | Tq1_0 | Tq2_0 | Q1_0 | Q2_0 => 0.8,
        other => panic!("{other} has no bound"),
    }
}

/// The root of the sum of squares.
fn norm(values: impl Iterator<Item = f32>) -> f64 {
    values.map(|value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any bits at all, of numbers of every size, infinite ones and NaN, are quantized without a panic; where
    /// they are finite and the result is valid, it is the same at every level. (The bits of a NaN are not
    /// defined.)
    #[test]
    fn any_bits_give_the_same_bytes_at_every_level(
        bits in prop::collection::vec(any::<u32>(), 768),
        exponents in prop::sample::select(vec![0xff, 0x1f, 0x07, 0x01]),
    ) {
        // Fewer bits of exponent make numbers of about the same size, whose blocks are more often valid.
        let kept = 0x807f_ffff | exponents << 23;
        let number = |bits: u32| f32::from_bits(bits & kept | 0x3000_0000);
        let values: Vec<f32> = bits.into_iter().map(number).collect();
        let scalar = Platform::from_name("scalar").expect("always available");
        let finite = validate_finite(&values).is_ok();
        for element_type in block_types() {
            let importance = importance_if_needed(element_type, 256);
            let importance = importance.as_deref();
            let expected = quantized(scalar, element_type, &values, 256, importance);
            for platform in Platform::available() {
                let data = quantized(platform, element_type, &values, 256, importance);
                let valid = validate(element_type, &expected).is_ok();
                prop_assert!(
                    data == expected || !valid || !finite,
                    "{element_type} on {}",
                    platform.name()
                );
            }
        }
    }

    /// What a block gives back is near what went in, each value and all together.
    #[test]
    fn blocks_give_back_about_what_went_in(
        values in prop::collection::vec(-1.0_f32..1.0, 512),
        // Below, the scales of some types are so small that F16 holds them with few bits.
        exponent in -4..10,
    ) {
        let values: Vec<f32> = values.into_iter().map(|value| value * 2_f32.powi(exponent)).collect();
        prop_assert!(validate_finite(&values).is_ok());
        for element_type in block_types() {
            let importance = importance_if_needed(element_type, 256);
            let data = quantized(Platform::current(), element_type, &values, 256, importance.as_deref());
            prop_assert!(validate(element_type, &data).is_ok());
            let returned = dequantized(element_type, &data);
            for (values, returned) in values.chunks(256).zip(returned.chunks(256)) {
                let largest = values.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
                let allowed = tolerance(element_type) * largest;
                for (value, returned) in values.iter().zip(returned) {
                    let wrong = (value - returned).abs();
                    prop_assert!(wrong <= allowed, "{element_type}: {value} came back as {returned}");
                }
                let wrong = norm(values.iter().zip(returned).map(|(value, returned)| value - returned));
                let own = norm(values.iter().copied());
                prop_assert!(wrong <= mean_tolerance(element_type) * own, "{element_type}: {wrong} of {own}");
            }
        }
    }
}
