//! Derivations against a naive array, under random sequences of steps.

use ollamake::gguf::{Gguf, Metadata};
use ollamake::plan::{Derivation, DerivationError, Operation, Plan, PlannedTensor};
use ollamake::tensor::{ElementType, Shape};
use proptest::prelude::*;

use super::{describe, execute, floats, stored_f32};

/// What NumPy would have: dimensions and every value.
#[derive(Debug, Clone)]
struct Naive {
    dimensions: Vec<u64>,
    values: Vec<f32>,
}

impl Naive {
    fn get(&self, index: &[u64]) -> f32 {
        let flat = index.iter().zip(&self.dimensions).fold(0, |flat, (i, length)| flat * length + i);
        self.values[flat as usize]
    }

    /// An array of these dimensions whose element at each index is that of `self` at the index that `at`
    /// gives.
    fn indexed(&self, dimensions: Vec<u64>, at: impl Fn(&[u64]) -> Vec<u64>) -> Self {
        let count: u64 = dimensions.iter().product();
        let values = (0..count).map(|mut flat| {
            let mut index = vec![0; dimensions.len()];
            for (position, length) in index.iter_mut().zip(&dimensions).rev() {
                *position = flat % length;
                flat /= length;
            }
            self.get(&at(&index))
        });
        Self { values: values.collect(), dimensions: dimensions.clone() }
    }

    fn permute(&self, order: &[usize]) -> Self {
        let dimensions = order.iter().map(|&axis| self.dimensions[axis]).collect();
        self.indexed(dimensions, |index| {
            let mut source = vec![0; index.len()];
            order.iter().zip(index).for_each(|(&axis, &position)| source[axis] = position);
            source
        })
    }

    fn step_by(&self, axis: usize, start: u64, end: u64, step: u64) -> Self {
        let mut dimensions = self.dimensions.clone();
        dimensions[axis] = (end - start).div_ceil(step);
        self.indexed(dimensions, |index| {
            let mut source = index.to_vec();
            source[axis] = start + index[axis] * step;
            source
        })
    }

    /// Two arrays along an axis.
    fn join(&self, axis: usize, other: &Self) -> Self {
        let mut dimensions = self.dimensions.clone();
        let seam = dimensions[axis];
        dimensions[axis] += other.dimensions[axis];
        let count: u64 = dimensions.iter().product();
        let mut values = Vec::new();
        for mut flat in 0..count {
            let mut index = vec![0; dimensions.len()];
            for (position, length) in index.iter_mut().zip(&dimensions).rev() {
                *position = flat % length;
                flat /= length;
            }
            values.push(if index[axis] < seam {
                self.get(&index)
            } else {
                index[axis] -= seam;
                other.get(&index)
            });
        }
        Self { dimensions, values }
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// Splits the chosen axis by the chosen one of its divisors.
    Split(usize, usize),
    /// Merges the chosen axis with the next.
    Merge(usize),
    Permute(Vec<usize>),
    Slice(usize, u64, u64, u64),
    /// Joins the array with a slice of itself along an axis.
    Join(usize, u64),
    AddOne,
}

fn step() -> impl Strategy<Value = Step> {
    let any_axis = 0..4_usize;
    prop_oneof![
        (any_axis.clone(), 0..8_usize).prop_map(|(axis, divisor)| Step::Split(axis, divisor)),
        any_axis.clone().prop_map(Step::Merge),
        proptest::collection::vec(0..1000_usize, 6).prop_map(Step::Permute),
        (any_axis.clone(), 0..100_u64, 0..100_u64, 1..4_u64).prop_map(|(a, s, e, t)| Step::Slice(a, s, e, t)),
        (any_axis, 0..100_u64).prop_map(|(axis, end)| Step::Join(axis, end)),
        Just(Step::AddOne),
    ]
}

/// Applies one step to both; a derivation that says it cannot is left as it is.
fn apply(step: &Step, naive: Naive, derivation: Derivation) -> (Naive, Derivation) {
    let dimensions = naive.dimensions.clone();
    let rank = dimensions.len();
    let reshaped = |target: Vec<u64>| match derivation.clone().reshape(&target) {
        Ok(changed) => (Naive { dimensions: target, ..naive.clone() }, changed),
        Err(DerivationError::Reshape { .. }) => (naive.clone(), derivation.clone()),
        Err(other) => panic!("{other}"),
    };
    match *step {
        Step::Split(axis, divisor) if rank < 5 => {
            let axis = axis % rank;
            let divisors: Vec<u64> =
                (1..=dimensions[axis]).filter(|&d| dimensions[axis].is_multiple_of(d)).collect();
            let outer = divisors[divisor % divisors.len()];
            let mut target = dimensions.clone();
            target.splice(axis..=axis, [outer, dimensions[axis] / outer]);
            reshaped(target)
        }
        Step::Merge(axis) if rank > 1 => {
            let axis = axis % (rank - 1);
            let mut target = dimensions.clone();
            target.splice(axis..axis + 2, [dimensions[axis] * dimensions[axis + 1]]);
            reshaped(target)
        }
        Step::Permute(ref keys) => {
            let mut order: Vec<usize> = (0..rank).collect();
            order.sort_by_key(|&axis| keys[axis]);
            (naive.permute(&order), derivation.permute(&order).unwrap())
        }
        Step::Slice(axis, start, end, step) => {
            let axis = axis % rank;
            let start = start % dimensions[axis];
            let end = start + 1 + end % (dimensions[axis] - start);
            match derivation.clone().step_by(axis, start..end, step) {
                Ok(changed) => (naive.step_by(axis, start, end, step), changed),
                Err(DerivationError::Slice { .. }) => (naive, derivation),
                Err(other) => panic!("{other}"),
            }
        }
        Step::Join(axis, end) if naive.values.len() < 2000 => {
            let axis = axis % rank;
            let end = 1 + end % dimensions[axis];
            match derivation.clone().slice(axis, 0..end) {
                Ok(part) => {
                    let joined = naive.join(axis, &naive.step_by(axis, 0, end, 1));
                    (joined, Derivation::concatenate(axis, vec![derivation, part]).unwrap())
                }
                Err(_) => (naive, derivation),
            }
        }
        Step::AddOne => {
            let values = naive.values.iter().map(|value| value + 1.0).collect();
            (Naive { values, ..naive }, derivation.map(Operation::AddOne))
        }
        _ => (naive, derivation),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_sequence_of_steps_yields_what_numpy_would(
        dimensions in proptest::collection::vec(1..9_u64, 1..4),
        steps in proptest::collection::vec(step(), 0..9),
    ) {
        let (derivation, sources) = stored_f32(&dimensions);
        let start = Naive { values: floats(&sources[0]), dimensions };
        let next = |(naive, derivation), step| apply(step, naive, derivation);
        let (naive, derivation) = steps.iter().fold((start, derivation), next);
        prop_assert_eq!(derivation.dimensions(), naive.dimensions);
        prop_assert_eq!(derivation.element_count(), naive.values.len() as u64);
        // The plan may keep the dimensions only if there are few enough, so it is given a flat shape.
        let plan = Plan {
            sources: describe(&sources),
            metadata: Metadata::new(),
            tensors: vec![PlannedTensor {
                name: "t".into(),
                shape: Shape::new(&[derivation.element_count()]).unwrap(),
                element_type: ElementType::F32,
                derivation,
                importance: None,
            }],
        };
        let file = execute(&plan, &sources, 2).unwrap();
        let data = Gguf::parse(&file).unwrap().tensors()[0].data.clone();
        prop_assert_eq!(floats(&file[data.start as usize..data.end as usize]), naive.values);
    }
}
