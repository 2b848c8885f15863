//! The order in which a strided view visits its units.

use std::ops::Range;

use super::view::Factor;

/// A view as the executor walks it: in *units*, the elements that can only move together (one element of
/// plain numbers, one block of a block format).
#[derive(Debug, Clone)]
pub(super) struct Walk {
    offset: u64,
    /// All factors but the fastest, slowest first.
    outer: Vec<Factor>,
    inner: Factor,
}

/// Units visited one after the other with a constant stride.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// Index of the first unit in the stored tensor.
    pub(super) start: u64,
    pub(super) stride: u64,
    pub(super) count: u64,
}

impl Run {
    fn last(self) -> u64 {
        self.start + (self.count - 1) * self.stride
    }
}

impl Walk {
    pub(super) fn new(offset: u64, mut factors: Vec<Factor>) -> Self {
        let inner = factors.pop().unwrap_or(Factor { length: 1, stride: 1 });
        Self { offset, outer: factors, inner }
    }

    /// The runs that make up a range of positions of the walk, in order.
    pub(super) fn runs(&self, range: Range<u64>) -> impl Iterator<Item = Run> {
        let mut position = range.start;
        std::iter::from_fn(move || {
            let (row, column) = (position / self.inner.length, position % self.inner.length);
            let count = (self.inner.length - column).min(range.end.checked_sub(position)?);
            if count == 0 {
                return None;
            }
            position += count;
            let start = self.row_start(row) + column * self.inner.stride;
            Some(Run { start, stride: self.inner.stride, count })
        })
    }

    /// The stored units from the first to the last that a range of positions touches.
    pub(super) fn hull(&self, range: Range<u64>) -> Range<u64> {
        self.runs(range)
            .map(|run| run.start..run.last() + 1)
            .reduce(|one, other| one.start.min(other.start)..one.end.max(other.end))
            .unwrap_or(0..0)
    }

    /// The stored units of a range of positions, if they lie there one after the other.
    pub(super) fn contiguous(&self, range: Range<u64>) -> Option<Range<u64>> {
        let mut runs = self.runs(range);
        let run = runs.next()?;
        (runs.next().is_none() && (run.stride == 1 || run.count == 1))
            .then(|| run.start..run.start + run.count)
    }

    /// For the transposition of a matrix, rows of the walk that are columns of what is stored: the length of
    /// a row of the walk, its stride, and how many rows begin one unit after the other.
    pub(super) fn transposition(&self) -> Option<(Factor, u64)> {
        let rows = self.outer.last().filter(|rows| rows.stride == 1)?;
        (self.inner.stride > 1).then_some((self.inner, rows.length))
    }

    /// The stored index of the first unit of a row of the walk.
    pub(super) fn row_start(&self, mut row: u64) -> u64 {
        self.outer.iter().rev().fold(self.offset, |start, factor| {
            let digit = row % factor.length;
            row /= factor.length;
            start + digit * factor.stride
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factor(length: u64, stride: u64) -> Factor {
        Factor { length, stride }
    }

    #[test]
    fn runs_cover_any_range_in_order() {
        let walk = Walk::new(5, vec![factor(3, 100), factor(2, 7), factor(4, 1)]);
        let positions: Vec<u64> = walk.runs(0..24).flat_map(|run| run.start..run.start + run.count).collect();
        let expected: Vec<u64> = (0..3)
            .flat_map(|i| (0..2).flat_map(move |j| (0..4).map(move |k| 5 + i * 100 + j * 7 + k)))
            .collect();
        assert_eq!(positions, expected);
        for start in 0..24 {
            for end in start..=24 {
                let part: Vec<u64> =
                    walk.runs(start..end).flat_map(|run| run.start..run.start + run.count).collect();
                assert_eq!(part, expected[start as usize..end as usize]);
                let hull = walk.hull(start..end);
                assert!(part.iter().all(|index| hull.contains(index)));
            }
        }
        assert_eq!(walk.contiguous(4..8), Some(12..16));
        assert_eq!(walk.contiguous(3..8), None);
    }
}
