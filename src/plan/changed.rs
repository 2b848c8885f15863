//! The numbers of matrices after changes by products of narrow ones.

use std::ops::Range;

use super::error::PlanError;
use super::evaluate::Reader;
use super::node::{ChangeNode, Node};

/// The most numbers of the inner factor that are held at a time.
const LARGEST: u64 = 1 << 22;

impl Reader<'_> {
    /// The numbers of elements `range` of a matrix of so many columns, or of a stack of them, after its
    /// changes.
    pub(super) fn changed(
        &self,
        base: &Node<'_>,
        columns: u64,
        changes: &[ChangeNode<'_>],
        range: Range<u64>,
        output: &mut [f32],
    ) -> Result<(), PlanError> {
        // Rows that are brought to a length are needed whole.
        let whole = range.start / columns * columns..range.end.next_multiple_of(columns);
        if changes.iter().all(|change| change.lengths.is_none()) || whole == range {
            return self.change(base, columns, changes, range, output);
        }
        let mut values = vec![0.0; (whole.end - whole.start) as usize];
        self.change(base, columns, changes, whole.clone(), &mut values)?;
        let skipped = (range.start - whole.start) as usize;
        output.copy_from_slice(&values[skipped..][..output.len()]);
        Ok(())
    }

    /// One change after the other, each rounded to single precision, as PEFT merges several adapters.
    fn change(
        &self,
        base: &Node<'_>,
        columns: u64,
        changes: &[ChangeNode<'_>],
        range: Range<u64>,
        output: &mut [f32],
    ) -> Result<(), PlanError> {
        self.numbers(base, range.clone(), output)?;
        for change in changes {
            self.add_product(change, columns, range.clone(), output)?;
            if let Some(lengths) = &change.lengths {
                let rows = range.start / columns..range.end / columns;
                let mut wanted = vec![0.0; (rows.end - rows.start) as usize];
                self.numbers(lengths, rows, &mut wanted)?;
                for (row, wanted) in output.chunks_exact_mut(columns as usize).zip(wanted) {
                    let square: f64 = row.iter().map(|value| f64::from(*value) * f64::from(*value)).sum();
                    let factor = wanted / square.sqrt() as f32;
                    row.iter_mut().for_each(|value| *value *= factor);
                }
            }
        }
        Ok(())
    }

    /// Adds `scale · outputs · inputs`. Terms are added in their order, each in one step with its product, as
    /// the libraries do that PyTorch multiplies with; products of single precision are exact in double. Of
    /// the inner factor as many columns are held at a time as [`LARGEST`] allows.
    fn add_product(
        &self,
        change: &ChangeNode<'_>,
        columns: u64,
        range: Range<u64>,
        output: &mut [f32],
    ) -> Result<(), PlanError> {
        let rank = change.rank;
        let rows = range.start / columns..range.end.div_ceil(columns);
        let mut factors = vec![0.0; ((rows.end - rows.start) * rank) as usize];
        self.numbers(&change.outputs, rows.start * rank..rows.end * rank, &mut factors)?;
        let width = (LARGEST / rank).clamp(1, columns);
        let mut inputs = vec![0.0; (rank * width) as usize];
        let mut sums = vec![0.0_f32; width as usize];
        let mut held = None;
        for start in (0..columns).step_by(width as usize) {
            let end = (start + width).min(columns);
            let count = (end - start) as usize;
            for row in rows.clone() {
                let matrix = row / change.rows;
                if held != Some((start, matrix)) {
                    self.inner_factor(change, columns, matrix, start..end, &mut inputs)?;
                    held = Some((start, matrix));
                }
                let place = (row * columns + start).max(range.start)..(row * columns + end).min(range.end);
                if place.is_empty() {
                    continue;
                }
                let sums = &mut sums[..count];
                sums.fill(0.0);
                let own = &factors[((row - rows.start) * rank) as usize..][..rank as usize];
                for (factor, inputs) in own.iter().zip(inputs.chunks_exact(count)) {
                    let factor = f64::from(*factor);
                    for (sum, input) in sums.iter_mut().zip(inputs) {
                        *sum = (factor * f64::from(*input) + f64::from(*sum)) as f32;
                    }
                }
                let skipped = (place.start - (row * columns + start)) as usize;
                let first = (place.start - range.start) as usize;
                let values = &mut output[first..first + (place.end - place.start) as usize];
                for (value, sum) in values.iter_mut().zip(&sums[skipped..]) {
                    *value += *sum * change.scale.value();
                }
            }
        }
        Ok(())
    }

    /// Some columns of the inner factor of one matrix, row after row.
    fn inner_factor(
        &self,
        change: &ChangeNode<'_>,
        columns: u64,
        matrix: u64,
        wanted: Range<u64>,
        output: &mut [f32],
    ) -> Result<(), PlanError> {
        let first = matrix * change.rank * columns;
        let count = wanted.end - wanted.start;
        if count == columns {
            let all = first..first + change.rank * columns;
            return self.numbers(&change.inputs, all, &mut output[..(change.rank * columns) as usize]);
        }
        for (row, output) in (0..change.rank).zip(output.chunks_exact_mut(count as usize)) {
            let start = first + row * columns;
            self.numbers(&change.inputs, start + wanted.start..start + wanted.end, output)?;
        }
        Ok(())
    }
}
