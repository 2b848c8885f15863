//! Which bytes of a file are there.

use std::collections::BTreeMap;
use std::ops::Range;

/// A set of byte positions, kept as disjoint ranges that do not touch: start to end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    pub(super) fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let (mut start, mut end) = (range.start, range.end);
        while let Some((&other_start, &other_end)) = self.0.range(..=end).next_back()
            && other_end >= start
        {
            self.0.remove(&other_start);
            (start, end) = (start.min(other_start), end.max(other_end));
        }
        self.0.insert(start, end);
    }

    /// The parts of `within` that are not in the set, in order.
    pub(super) fn gaps(&self, within: Range<u64>) -> Vec<Range<u64>> {
        let mut gaps = Vec::new();
        let mut position = within.start;
        let before = self.0.range(..=within.start).next_back();
        for (&start, &end) in before.into_iter().chain(self.0.range(within.start.saturating_add(1)..)) {
            if start >= within.end {
                break;
            }
            if start > position {
                gaps.push(position..start);
            }
            position = position.max(end);
        }
        if position < within.end {
            gaps.push(position..within.end);
        }
        gaps
    }

    /// The end of the range that begins at 0.
    pub(super) fn prefix(&self) -> u64 {
        self.0.get(&0).copied().unwrap_or(0)
    }

    /// The end of the last range.
    pub(super) fn reach(&self) -> u64 {
        self.0.last_key_value().map_or(0, |(_, end)| *end)
    }

    /// How many positions are in the set.
    pub(super) fn total(&self) -> u64 {
        self.0.iter().map(|(start, end)| end - start).sum()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Range<u64>> {
        self.0.iter().map(|(start, end)| *start..*end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn behaves_like_a_set_of_positions(
            insertions in prop::collection::vec((0_u64..40, 0_u64..10), 0..12),
            start in 0_u64..40,
            length in 0_u64..20,
        ) {
            let mut ranges = Ranges::default();
            let mut positions = [false; 64];
            for (start, length) in insertions {
                ranges.insert(start..start + length);
                positions[start as usize..(start + length) as usize].fill(true);
            }
            prop_assert_eq!(ranges.total(), positions.iter().filter(|there| **there).count() as u64);
            prop_assert_eq!(ranges.prefix(), positions.iter().take_while(|there| **there).count() as u64);
            let missing: Vec<u64> =
                (start..start + length).filter(|position| !positions[*position as usize]).collect();
            let gaps = ranges.gaps(start..start + length);
            prop_assert_eq!(gaps.iter().cloned().flatten().collect::<Vec<u64>>(), missing);
            prop_assert!(gaps.windows(2).all(|pair| pair[0].end < pair[1].start));
            prop_assert!(ranges.0.iter().zip(ranges.0.iter().skip(1)).all(|(one, two)| one.1 < two.0));
        }
    }
}
