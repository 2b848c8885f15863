//! Quantizing any number of blocks, as many at once as there are lanes.

use std::marker::PhantomData;

use super::blocks::{Encode, EncodeWeighted, Numbers};
use super::dispatch::Kernel;
use super::lanes::{Lanes, MOST_LANES, Words};

/// Quantizes blocks of a format.
pub(super) struct Blocks<B>(PhantomData<B>);

impl<B: Encode> Kernel for Blocks<B> {
    type Input<'i> = &'i [f32];
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

/// Quantizes rows whose columns weigh differently.
pub(super) struct WeightedBlocks<B>(PhantomData<B>);

/// Whole rows of numbers, and what each column weighs.
#[derive(Clone, Copy)]
pub(super) struct WeightedRows<'a> {
    /// Row after row.
    pub(super) values: &'a [f32],
    /// One number a column; a row is as long.
    pub(super) importance: &'a [f32],
}

impl<B: EncodeWeighted> Kernel for WeightedBlocks<B> {
    type Input<'i> = WeightedRows<'i>;
    type Output = u8;

    #[inline(always)]
    fn run<L: Lanes>(WeightedRows { values, importance }: WeightedRows<'_>, output: &mut [u8]) {
        let (block_len, columns) = (B::TYPE.block_len(), importance.len());
        let (values_at_once, bytes_at_once) = (L::COUNT * block_len, L::COUNT * B::TYPE.block_bytes());
        let mean_squares = if B::NEEDS_ROW_MEAN { mean_squares::<L>(values, columns) } else { Vec::new() };
        let (mut wrapped, mut padded) = (Vec::new(), Vec::new());
        let blocks = output.chunks_mut(bytes_at_once);
        for (index, (values, blocks)) in values.chunks(values_at_once).zip(blocks).enumerate() {
            let first = index * values_at_once;
            let column = first % columns;
            let importance = if column + values_at_once <= columns {
                &importance[column..column + values_at_once]
            } else {
                // These blocks do not all lie in one row: the columns begin anew.
                wrapped.clear();
                wrapped.extend(importance.iter().cycle().skip(column).take(values_at_once));
                &wrapped[..]
            };
            let mut row_mean_squares = [0.0; MOST_LANES];
            if B::NEEDS_ROW_MEAN {
                for (lane, mean) in row_mean_squares[..values.len() / block_len].iter_mut().enumerate() {
                    *mean = mean_squares[(first + lane * block_len) / columns];
                }
            }
            let row_mean_squares = &row_mean_squares[..L::COUNT];
            if values.len() == values_at_once {
                B::encode_weighted::<L>(Numbers { values, importance, row_mean_squares }, blocks);
            } else {
                // The last blocks do not fill all lanes; the others get zeros, and what comes of them is dropped.
                padded.clear();
                padded.extend_from_slice(values);
                padded.resize(values_at_once, 0.0);
                let mut padded_blocks = vec![0; bytes_at_once];
                let numbers = Numbers { values: &padded, importance, row_mean_squares };
                B::encode_weighted::<L>(numbers, &mut padded_blocks);
                blocks.copy_from_slice(&padded_blocks[..blocks.len()]);
            }
        }
    }
}

/// The mean square of each row, its squares added one after the other.
#[inline(always)]
fn mean_squares<L: Lanes>(values: &[f32], columns: usize) -> Vec<f32> {
    let mut means = Vec::with_capacity(values.len() / columns);
    let rows_at_once = values.chunks_exact(L::COUNT * columns);
    let last_rows = rows_at_once.remainder();
    for rows in rows_at_once {
        let mut sum = L::splat(0.0);
        for column in (0..columns).step_by(4) {
            for value in L::load4(&rows[column..], columns) {
                sum = sum + value * value;
            }
        }
        let mean = sum / L::splat(columns as f32);
        means.extend(mean.to_bits().to_array()[..L::COUNT].iter().map(|&bits| f32::from_bits(bits)));
    }
    for row in last_rows.chunks_exact(columns) {
        means.push(row.iter().fold(0.0, |sum, value| sum + value * value) / columns as f32);
    }
    means
}
#[cfg(test)]
mod tests {
    use super::super::blocks;
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
