//! The types that fit a model into a size best.
//!
//! The rule, which depends on nothing but the model, the importance and the size: what is to be as small as
//! possible is the sum over all tensors of the squared errors, weighed by importance where it is known, as
//! measured. The candidates of a tensor are the types that some file type would give it, without those that
//! demand importance where there is none. Each tensor begins with its smallest candidate. Of the steps to
//! larger ones that lie on the lower convex hull of size and error, the one that takes most error away for a
//! byte is made first, as long as it fits; when none fits any more, single tensors get any larger candidate
//! that still fits, again in that order. The same is done from the mixture of each file type that fits, and
//! the best of all is taken; of several equally good ones the first.

/// One type that a tensor could get.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    /// Bytes in the file, padding included.
    pub(super) size: u64,
    pub(super) error: f64,
}

/// What a choice of candidates, one a tensor, amounts to.
#[derive(Debug, Clone, PartialEq)]
struct Selection {
    /// The index of the candidate of each tensor.
    chosen: Vec<usize>,
    size: u64,
}

impl Selection {
    fn new(tensors: &[Vec<Candidate>], chosen: Vec<usize>) -> Self {
        let sizes = tensors.iter().zip(&chosen).map(|(candidates, &index)| candidates[index].size);
        let size = sizes.fold(0, u64::saturating_add);
        Self { chosen, size }
    }

    fn error(&self, tensors: &[Vec<Candidate>]) -> f64 {
        tensors.iter().zip(&self.chosen).map(|(candidates, &index)| candidates[index].error).sum()
    }

    fn take(&mut self, tensors: &[Vec<Candidate>], tensor: usize, candidate: usize) {
        self.size = self.size - tensors[tensor][self.chosen[tensor]].size + tensors[tensor][candidate].size;
        self.chosen[tensor] = candidate;
    }

    /// Makes all steps that fit, the best first.
    fn fill(mut self, tensors: &[Vec<Candidate>], budget: u64) -> Self {
        loop {
            let room = budget.saturating_sub(self.size);
            let mut best: Option<(f64, usize, usize)> = None;
            for (tensor, candidates) in tensors.iter().enumerate() {
                let now = candidates[self.chosen[tensor]];
                for (index, candidate) in candidates.iter().enumerate() {
                    let gain = now.error - candidate.error;
                    let cost = candidate.size.saturating_sub(now.size);
                    if gain > 0.0 && cost <= room {
                        // What costs nothing comes before all else.
                        let worth = if cost == 0 { f64::INFINITY } else { gain / cost as f64 };
                        if best.is_none_or(|(most, ..)| worth > most) {
                            best = Some((worth, tensor, index));
                        }
                    }
                }
            }
            match best {
                Some((_, tensor, candidate)) => self.take(tensors, tensor, candidate),
                None => return self,
            }
        }
    }
}

/// The index of the candidate that each tensor gets, so that all together take at most `budget` bytes;
/// `mixtures` are other choices to begin from. `None` if not even the smallest fit.
pub(super) fn fit(tensors: &[Vec<Candidate>], mixtures: &[Vec<usize>], budget: u64) -> Option<Vec<usize>> {
    let smallest = tensors.iter().map(|candidates| {
        let order = |index: &usize| (candidates[*index].size, candidates[*index].error.to_bits());
        (0..candidates.len()).min_by_key(order).unwrap_or(0)
    });
    let smallest = Selection::new(tensors, smallest.collect());
    if smallest.size > budget {
        return None;
    }
    let mut best = along_hulls(tensors, smallest, budget).fill(tensors, budget);
    for mixture in mixtures {
        let mixture = Selection::new(tensors, mixture.clone());
        if mixture.size <= budget {
            let filled = mixture.fill(tensors, budget);
            if filled.error(tensors) < best.error(tensors) {
                best = filled;
            }
        }
    }
    Some(best.chosen)
}

/// A step of a tensor from one candidate of its hull to the next.
struct Step {
    worth: f64,
    tensor: usize,
    to: usize,
}

/// Makes the steps of all tensors' hulls in the order of what they are worth, as far as they fit.
fn along_hulls(tensors: &[Vec<Candidate>], mut selection: Selection, budget: u64) -> Selection {
    let mut steps = Vec::new();
    for (tensor, candidates) in tensors.iter().enumerate() {
        let hull = hull(candidates, selection.chosen[tensor]);
        for pair in hull.windows(2) {
            let (from, to) = (candidates[pair[0]], candidates[pair[1]]);
            let worth = (from.error - to.error) / (to.size - from.size) as f64;
            steps.push(Step { worth, tensor, to: pair[1] });
        }
    }
    // Stable: the steps of a tensor stay in their order, which is that of falling worth.
    steps.sort_by(|one, other| other.worth.total_cmp(&one.worth));
    let mut is_stuck = vec![false; tensors.len()];
    for Step { tensor, to, .. } in steps {
        let now = tensors[tensor][selection.chosen[tensor]].size;
        let grown = selection.size - now + tensors[tensor][to].size;
        if is_stuck[tensor] || grown > budget {
            is_stuck[tensor] = true;
        } else {
            selection.take(tensors, tensor, to);
        }
    }
    selection
}

/// The candidates on the lower convex hull of size and error, from `first` on: each takes less error away for
/// a byte than the one before.
fn hull(candidates: &[Candidate], first: usize) -> Vec<usize> {
    let mut hull = vec![first];
    loop {
        let at = candidates[hull[hull.len() - 1]];
        let worth = |index: usize| {
            let to = candidates[index];
            (to.size > at.size && to.error < at.error)
                .then(|| (at.error - to.error) / (to.size - at.size) as f64)
        };
        let steps = (0..candidates.len()).filter_map(|index| Some((worth(index)?, index)));
        let best = steps.reduce(|best, step| if step.0 > best.0 { step } else { best });
        match best {
            Some((_, index)) => hull.push(index),
            None => return hull,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(candidates: &[(u64, f64)]) -> Vec<Candidate> {
        let candidate = |&(size, error)| Candidate { size, error };
        candidates.iter().map(candidate).collect()
    }

    #[test]
    fn the_hull_leaves_out_what_is_not_worth_it() {
        assert_eq!(hull(&tensor(&[(1, 100.0), (2, 90.0), (3, 10.0), (4, 11.0), (6, 0.0)]), 0), [0, 2, 4]);
    }

    #[test]
    fn the_size_is_kept_and_room_is_used() {
        let tensors = [
            tensor(&[(10, 100.0), (20, 20.0), (40, 1.0)]),
            tensor(&[(10, 50.0), (20, 45.0), (40, 44.0)]),
            tensor(&[(5, 0.0)]),
        ];
        assert_eq!(fit(&tensors, &[], 24), None);
        assert_eq!(fit(&tensors, &[], 25), Some(vec![0, 0, 0]));
        assert_eq!(fit(&tensors, &[], 35), Some(vec![1, 0, 0]));
        // The second step of the first tensor does not fit, that of the second does.
        assert_eq!(fit(&tensors, &[], 50), Some(vec![1, 1, 0]));
        assert_eq!(fit(&tensors, &[], 55), Some(vec![2, 0, 0]));
        assert_eq!(fit(&tensors, &[], 1000), Some(vec![2, 2, 0]));
    }

    #[test]
    fn a_mixture_that_is_better_is_begun_from() {
        // Going by worth alone takes the small step, after which the large one does not fit.
        let tensors = [tensor(&[(10, 10.0), (11, 7.0)]), tensor(&[(10, 100.0), (20, 75.0)])];
        let best = fit(&tensors, &[vec![0, 1]], 30).unwrap();
        assert_eq!(best, [0, 1]);
        assert_eq!(fit(&tensors, &[], 30), Some(vec![1, 0]));
    }
}
