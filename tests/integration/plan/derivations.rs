//! Derivations that converters need, one by one.

use ollamake::plan::{
    Arithmetic, Codes, Constant, Derivation, DerivationError, Encoding, Levels, Location, Operation, Spread,
    Stored,
};
use ollamake::tensor::{ElementType, dequantize, f8_e4m3_to_f32, f32_to_f16};

use super::{AT_START, bytes_of, data_of, stored_f32, values_of};

#[test]
fn rows_of_queries_are_permuted_as_for_llama() {
    let (heads, half, columns) = (3, 4, 5);
    let rows = heads * 2 * half;
    let (derivation, sources) = stored_f32(&[rows, columns]);
    let derivation = derivation.reshape(&[heads, 2, half, columns]).unwrap().transpose(1, 2).unwrap();
    let derivation = derivation.reshape(&[rows, columns]).unwrap();
    let values = values_of(derivation.clone(), &sources);
    for row in 0..rows {
        let (head, within) = (row / (2 * half), row % (2 * half));
        let source = head * 2 * half + within % 2 * half + within / 2;
        for column in 0..columns {
            assert_eq!(values[(row * columns + column) as usize], (source * columns + column) as f32);
        }
    }
    // Whole heads can still be cut out, half a head cannot.
    assert_eq!(derivation.clone().slice(0, 8..16).unwrap().dimensions(), [8, 5]);
    assert!(matches!(derivation.slice(0, 3..11), Err(DerivationError::Slice { .. })));
}

#[test]
fn large_transpositions_are_right_at_every_edge() {
    for (rows, columns) in [(1000, 700), (700, 1000), (33, 20_000), (20_000, 33)] {
        let (derivation, sources) = stored_f32(&[rows, columns]);
        let values = values_of(derivation.transpose(0, 1).unwrap(), &sources);
        let wrong = (0..values.len() as u64)
            .find(|index| values[*index as usize] != (index % rows * columns + index / rows) as f32);
        assert_eq!(wrong, None, "{rows} by {columns}");
    }
}

#[test]
fn experts_are_stacked_and_padding_is_appended() {
    let (derivation, sources) = stored_f32(&[4, 6]);
    let experts: Vec<_> = (0..4).map(|row| derivation.clone().select(0, row).unwrap()).collect();
    let stacked = Derivation::stack(experts).unwrap();
    assert_eq!(stacked.dimensions(), [4, 6]);
    let padding = Derivation::filled(7.0, &[2, 6]).unwrap();
    let padded = Derivation::concatenate(0, vec![stacked, padding]).unwrap();
    assert_eq!(padded.stored_type(), ElementType::F32);
    let expected: Vec<f32> = (0..24).map(|index| index as f32).chain([7.0; 12]).collect();
    assert_eq!(values_of(padded, &sources), expected);
}

#[test]
fn impossible_steps_are_refused() {
    let (derivation, _) = stored_f32(&[4, 6]);
    assert!(matches!(derivation.clone().reshape(&[5, 5]), Err(DerivationError::Reshape { .. })));
    assert!(matches!(derivation.clone().reshape(&[0, 24]), Err(DerivationError::Dimensions { .. })));
    assert!(matches!(derivation.clone().permute(&[0, 0]), Err(DerivationError::Permutation { .. })));
    assert!(matches!(derivation.clone().transpose(0, 2), Err(DerivationError::Axis { axis: 2, .. })));
    assert!(matches!(derivation.clone().slice(1, 4..7), Err(DerivationError::Slice { .. })));
    assert!(matches!(derivation.clone().slice(1, 4..4), Err(DerivationError::Slice { .. })));
    assert!(matches!(derivation.clone().step_by(1, 0..4, 0), Err(DerivationError::Slice { .. })));
    assert!(matches!(derivation.clone().squeeze(0), Err(DerivationError::Squeeze { .. })));
    assert!(matches!(Derivation::concatenate(0, vec![]), Err(DerivationError::Concatenation { .. })));
    let short = derivation.clone().slice(1, 0..5).unwrap();
    assert!(matches!(
        Derivation::concatenate(0, vec![derivation, short]),
        Err(DerivationError::Concatenation { .. })
    ));
    let huge = Stored::plain(AT_START, ElementType::F32, &[1 << 40, 1 << 40]);
    assert!(matches!(Derivation::stored(huge), Err(DerivationError::Dimensions { .. })));
    let uneven = Stored::plain(AT_START, ElementType::Q4K, &[2, 200]);
    assert!(matches!(Derivation::stored(uneven), Err(DerivationError::RowNotInBlocks { .. })));
    assert!(matches!(Derivation::values(vec![1.0], &[2]), Err(DerivationError::ValueCount { .. })));
}

#[test]
fn blocks_move_whole_or_not_at_all() {
    let bytes: Vec<u8> = (0..4 * 2 * 34).map(|index| index as u8).collect();
    let stored = Stored::plain(AT_START, ElementType::Q8_0, &[4, 64]);
    let derivation = Derivation::stored(stored).unwrap();
    let odd = derivation.clone().step_by(0, 1..4, 2).unwrap();
    let expected = [&bytes[68..136], &bytes[204..272]].concat();
    assert_eq!(data_of(odd, ElementType::Q8_0, std::slice::from_ref(&bytes)), expected);
    let right = derivation.clone().slice(1, 32..64).unwrap();
    let expected: Vec<u8> = (0..4).flat_map(|row| bytes[row * 68 + 34..row * 68 + 68].to_vec()).collect();
    assert_eq!(data_of(right, ElementType::Q8_0, std::slice::from_ref(&bytes)), expected);
    assert!(matches!(derivation.clone().slice(1, 16..64), Err(DerivationError::CutsBlock { block: 32, .. })));
    assert!(matches!(derivation.transpose(0, 1), Err(DerivationError::CutsBlock { .. })));
}

#[test]
fn mxfp4_of_checkpoints_becomes_that_of_ggml() {
    // Two experts of four rows of 64 elements; gate and up rows alternate.
    let blocks: Vec<u8> = (0..2 * 4 * 2 * 16).map(|index| (index * 7 + 3) as u8).collect();
    let exponents: Vec<u8> = (0..2 * 4 * 2).map(|index| 120 + index as u8).collect();
    let sources = [[blocks.clone(), exponents.clone()].concat()];
    let encoding = Encoding::Mxfp4 { exponents: Location { source: 0, offset: blocks.len() as u64 } };
    let stored = Stored::each(AT_START, encoding, &[2, 4, 64]);
    let up = Derivation::stored(stored).unwrap().step_by(1, 1..4, 2).unwrap();
    assert_eq!(up.stored_type(), ElementType::Mxfp4);
    let data = data_of(up, ElementType::Mxfp4, &sources);
    let mut expected = Vec::new();
    for block in [2, 3, 6, 7, 10, 11, 14, 15] {
        let element = |index: usize| blocks[block * 16 + index / 2] >> (4 * (index % 2)) & 15;
        expected.push(exponents[block]);
        expected.extend((0..16).map(|index| element(index) | element(index + 16) << 4));
    }
    assert_eq!(data, expected);
}

#[test]
fn scales_of_8_bit_floats_cover_blocks_rows_and_tensors() {
    let (rows, columns) = (5_u64, 7_u64);
    let numbers: Vec<u8> = (0..rows * columns).map(|index| (index * 3 % 0x70) as u8).collect();
    for (block_rows, block_columns) in [(2, 3), (1, columns), (rows, columns), (1000, 1000)] {
        let across = columns.div_ceil(block_columns);
        let count = rows.div_ceil(block_rows) * across;
        let scales: Vec<f32> = (0..count).map(|index| 1.0 + index as f32 / 3.0).collect();
        let sources = [[bytes_of(&scales), numbers.clone()].concat()];
        let encoding = Encoding::Codes(Codes::of_bytes(Levels::F8E4M3));
        let behind = Location { source: 0, offset: count * 4 };
        let numbers_alone = Derivation::stored(Stored::each(behind, encoding, &[rows, columns])).unwrap();
        let shared = Stored {
            spread: Spread::Blocks { rows: block_rows, columns: block_columns },
            ..Stored::plain(AT_START, ElementType::F32, &[rows, columns])
        };
        let value = |row: u64, column: u64| {
            let scale = row / block_rows * across + column / block_columns;
            f8_e4m3_to_f32(numbers[(row * columns + column) as usize]) * scales[scale as usize]
        };
        let shared = Derivation::stored(shared).unwrap();
        let derivation = numbers_alone.with(Arithmetic::Multiply, shared).unwrap();
        let straight: Vec<f32> = (0..rows * columns).map(|i| value(i / columns, i % columns)).collect();
        assert_eq!(values_of(derivation.clone(), &sources), straight);
        let transposed: Vec<f32> = (0..rows * columns).map(|i| value(i % rows, i / rows)).collect();
        assert_eq!(values_of(derivation.transpose(0, 1).unwrap(), &sources), transposed);
    }
}

#[test]
fn three_levels_are_as_far_apart_as_the_whole_tensor_says() {
    // More than is summed at a time, with another magnitude behind the first part.
    let near = std::iter::repeat_n([0.5_f32, -0.5, 0.125, 0.0], 30_000).flatten();
    let far = std::iter::repeat_n([2.0_f32, -2.0, 0.25, -0.25], 30_000).flatten();
    let values: Vec<f32> = near.chain(far).collect();
    let derivation =
        Derivation::stored(Stored::plain(AT_START, ElementType::F32, &[values.len() as u64])).unwrap();
    let levels = values_of(derivation.map(Operation::Ternary), &[bytes_of(&values)]);
    let scale = 0.703_125;
    assert_eq!(levels[..4], [scale, -scale, 0.0, 0.0]);
    assert_eq!(levels[120_000..120_004], [scale, -scale, 0.0, 0.0]);
}

#[test]
fn arithmetic_follows_the_precision_of_what_is_stored() {
    let halves: Vec<u8> = [0.1_f32, -3.0].iter().flat_map(|&v| f32_to_f16(v).to_le_bytes()).collect();
    let derivation = Derivation::stored(Stored::plain(AT_START, ElementType::F16, &[2])).unwrap();
    let sources = [halves.clone()];
    let sum = values_of(derivation.clone().map(Operation::AddOne), &sources);
    let mut exact = [0.0; 2];
    dequantize(ElementType::F16, &halves, &mut exact).unwrap();
    assert_ne!(sum[0], exact[0] + 1.0);
    assert_eq!(f32_to_f16(sum[0]), f32_to_f16(exact[0] + 1.0));
    // PyTorch 2.11 has these for a half near 0.011: it rounds a term to half precision first, but no factor.
    let small = [f32_to_f16(0.011).to_le_bytes().to_vec()];
    let of_small = |operation| {
        let derivation = Derivation::stored(Stored::plain(AT_START, ElementType::F16, &[1])).unwrap();
        values_of(derivation.map(operation), &small)
    };
    assert_eq!(of_small(Operation::Add(Constant::new(0.2))), [0.210_937_5]);
    assert_eq!(of_small(Operation::Multiply(Constant::new(0.2))), [0.002_201_080_3]);
    let single = Derivation::stored(Stored::plain(AT_START, ElementType::F32, &[2])).unwrap();
    let decay = values_of(single.map(Operation::NegatedExponential), &[bytes_of(&[0.1, 1.0])]);
    assert_eq!(decay, [-1.105_171, -std::f32::consts::E]);
    // Rounding to what is stored already is not a change, so the bytes are copied.
    let same = data_of(derivation.map(Operation::Round(ElementType::F16)), ElementType::F16, &sources);
    assert_eq!(same, halves);
}
