//! The quantization kernels against expected bytes, and every SIMD level against the scalar one.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ollamake::tensor::{
    ElementType, Platform, TensorError, can_quantize, dequantize, quantize, quantize_on, validate,
    validate_finite,
};
use proptest::prelude::*;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::support::{generator, shared};

/// The types whose blocks hold more than one number.
const BLOCK_TYPES: [ElementType; 10] = {
    use ElementType::*;
    [Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2K, Q3K, Q4K, Q5K, Q6K]
};

#[derive(Deserialize)]
struct Rows {
    matrices: Vec<Matrix>,
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
    fn is(&self, flag: &str) -> bool {
        self.flags.iter().any(|name| name == flag)
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

/// The fixtures, and the full data where it is there.
fn sources() -> Vec<PathBuf> {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/rows/rows.json");
    [Some(fixture), shared::path("quantization/rows.json")].into_iter().flatten().collect()
}

fn sum(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn sum_of_numbers(values: &[f32]) -> String {
    sum(&values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>())
}

fn quantized(platform: Platform, element_type: ElementType, values: &[f32], columns: usize) -> Vec<u8> {
    let bytes = element_type.row_bytes(columns as u64).expect("whole blocks") as usize;
    let mut output = vec![0xa5; bytes * (values.len() / columns)];
    quantize_on(platform, element_type, values, columns, &mut output).expect("quantize");
    output
}

fn dequantized(element_type: ElementType, data: &[u8]) -> Vec<f32> {
    let mut values = vec![f32::NAN; data.len() / element_type.block_bytes() * element_type.block_len()];
    dequantize(element_type, data, &mut values).expect("dequantize");
    values
}

/// Compares every case of a supported type, at every level of this processor, and counts them.
fn compare(rows: &Rows, cases: &[Case]) -> usize {
    let matrices = rows.generate();
    let mut compared = 0;
    for case in cases.iter().filter(|case| case.importance.is_none()) {
        let element_type = ElementType::from_name(&case.element_type).expect("a known type");
        if !can_quantize(element_type) {
            continue;
        }
        let (columns, values) = &matrices[case.matrix.as_str()];
        for platform in Platform::available() {
            let context = format!("{element_type} of {} on {}", case.matrix, platform.name());
            let data = quantized(platform, element_type, values, *columns);
            assert_eq!(sum(&data), case.sha256, "{context}");
            assert_eq!(sum_of_numbers(&dequantized(element_type, &data)), case.dequant_sha256, "{context}");
            let valid = validate(element_type, &data);
            if element_type.is_quantized() {
                assert_eq!(valid.is_err(), case.is("invalid"), "{context}: {valid:?}");
            }
        }
        compared += 1;
    }
    compared
}

#[test]
fn blocks_have_the_expected_bytes_at_every_level() {
    for source in sources() {
        let rows = Rows::read(&source);
        // Ten types, 52 matrices of finite numbers each. Those that C leaves undefined (`ub`) are among them: the
        // lanes are defined to truncate as x86-64 does.
        assert_eq!(compare(&rows, &rows.cases), 520);
    }
}

#[test]
fn casts_have_the_expected_bytes_at_every_level() {
    for source in sources() {
        let rows = Rows::read(&source);
        assert_eq!(compare(&rows, &rows.conversions), 112);
    }
}
