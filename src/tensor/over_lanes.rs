//! Quantizing any number of blocks, as many at once as there are lanes.

use std::marker::PhantomData;

use super::blocks::{Encode, Numbers};
use super::dispatch::Kernel;
use super::lanes::{Lanes, MOST_LANES, Words};

/// Numbers to be quantized, and what their columns weigh.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    /// Whole rows, one after the other; without importance any whole number of blocks.
    pub(super) values: &'a [f32],
    /// How much each column matters, if that is known; a row is as long.
    pub(super) importance: Option<&'a [f32]>,
}

/// Quantizes blocks of a format.
pub(super) struct Blocks<B>(PhantomData<B>);

impl<B: Encode> Kernel for Blocks<B> {
    type Input<'i> = Rows<'i>;
    type Output = u8;

    #[inline(always)]
    fn run<L: Lanes>(Rows { values, importance }: Rows<'_>, output: &mut [u8]) {
        let (values_at_once, bytes_at_once) =
            (L::COUNT * B::TYPE.block_len(), L::COUNT * B::TYPE.block_bytes());
        let mut importance = importance.map(|importance| Columns::<L, B>::new(values, importance));
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
        for (index, (values, blocks)) in values.zip(output).enumerate() {
            let mut numbers = Numbers { values, importance: None, row_mean_squares: &[] };
            if let Some(columns) = &mut importance {
                columns.weigh(index * values_at_once, &mut numbers);
            }
            B::encode::<L>(numbers, blocks);
        }
        last_output.copy_from_slice(&padded_output[..last_output.len()]);
    }
}

/// What the columns of rows weigh, for blocks that may lie in several rows.
struct Columns<'a, L, B> {
    importance: &'a [f32],
    /// The importance of blocks that do not all lie in one row.
    wrapped: Vec<f32>,
    /// Of each row, if the format needs them.
    mean_squares: Vec<f32>,
    /// Of the rows of the blocks at hand.
    row_mean_squares: [f32; MOST_LANES],
    lanes: PhantomData<(L, B)>,
}

impl<'a, L: Lanes, B: Encode> Columns<'a, L, B> {
    #[inline(always)]
    fn new(values: &[f32], importance: &'a [f32]) -> Self {
        let mean_squares =
            if B::NEEDS_ROW_MEAN { mean_squares::<L>(values, importance.len()) } else { Vec::new() };
        let (wrapped, row_mean_squares) = (Vec::new(), [0.0; MOST_LANES]);
        Self { importance, wrapped, mean_squares, row_mean_squares, lanes: PhantomData }
    }

    /// Adds what the numbers weigh to them; the first of them is number `first` of all.
    #[inline(always)]
    fn weigh<'s>(&'s mut self, first: usize, numbers: &mut Numbers<'s>) {
        let (columns, count) = (self.importance.len(), numbers.values.len());
        let column = first % columns;
        numbers.importance = Some(if column + count <= columns {
            &self.importance[column..column + count]
        } else {
            // The blocks continue in the next row: the columns begin anew.
            self.wrapped.clear();
            self.wrapped.extend(self.importance.iter().cycle().skip(column).take(count));
            &self.wrapped
        });
        if B::NEEDS_ROW_MEAN {
            for (lane, mean) in self.row_mean_squares.iter_mut().enumerate().take(L::COUNT) {
                // What fills the lanes lies behind the last row.
                let row = (first + lane * B::TYPE.block_len()) / columns;
                *mean = self.mean_squares.get(row).copied().unwrap_or(0.0);
            }
            numbers.row_mean_squares = &self.row_mean_squares[..L::COUNT];
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

    fn four_lanes_agree_with_one<B: Encode>(values: &[f32], importance: &[f32]) {
        let bytes = values.len() / B::TYPE.block_len() * B::TYPE.block_bytes();
        for importance in [None, Some(importance)] {
            if B::NEEDS_IMPORTANCE && importance.is_none() {
                continue;
            }
            let (mut one, mut four) = (vec![0; bytes], vec![1; bytes]);
            Blocks::<B>::run::<Portable<f32, 1>>(Rows { values, importance }, &mut one);
            Blocks::<B>::run::<Portable<f32, 4>>(Rows { values, importance }, &mut four);
            assert_eq!(one, four, "{}", B::TYPE);
        }
    }

    /// Four lanes without SIMD stand for the levels of processors that the tests do not run on.
    #[test]
    fn portable_lanes_do_not_depend_on_their_number() {
        let number = |index: u32| {
            let mixed = index.wrapping_mul(2_654_435_761);
            (mixed >> 8) as f32 / 16_777_216.0 - if index % 1024 < 512 { 0.5 } else { 0.1 }
        };
        let values: Vec<f32> = (0..9 * 256).map(number).collect();
        // Rows of three blocks of 256 numbers do not fill four lanes.
        let importance: Vec<f32> = (9 * 256..12 * 256).map(|index| number(index).abs()).collect();
        macro_rules! agree {
            ($($format:ident)*) => {
                $(four_lanes_agree_with_one::<blocks::$format>(&values, &importance);)*
            };
        }
        agree!(Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2K Q3K Q4K Q5K Q6K Iq4Nl Iq4Xs Tq1_0 Tq2_0 Mxfp4 Nvfp4 Q1_0 Q2_0);
        agree!(Iq1S Iq1M Iq2Xxs Iq2Xs Iq2S Iq3Xxs Iq3S);
    }
}
