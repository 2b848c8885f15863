//! Recipes against a naive array, and the executor against small plans.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};

use ollamake::gguf::{Gguf, Metadata};
use ollamake::plan::{
    BlockScale, Encoding, Location, Observer, Operation, Plan, PlanError, PlannedTensor, Recipe, RecipeError,
    Resources, Source, SourceDescription, Stored,
};
use ollamake::tensor::{ElementType, dequantize, f8_e4m3_to_f32, f32_to_f16};
use proptest::prelude::*;

const AT_START: Location = Location { source: 0, offset: 0 };

fn resources(threads: usize) -> Resources {
    Resources { threads: NonZeroUsize::new(threads).unwrap(), memory: 4 << 20 }
}

/// A plan of one tensor `t` over sources made of `bytes`.
fn plan_of(recipe: Recipe, element_type: ElementType, sources: &[Vec<u8>]) -> Plan {
    let flat = recipe.clone().reshape(&[recipe.element_count()]).unwrap_or(recipe);
    Plan {
        sources: describe(sources),
        metadata: Metadata::new(),
        tensors: vec![PlannedTensor::new("t", element_type, flat).unwrap()],
    }
}

fn describe(sources: &[Vec<u8>]) -> Vec<SourceDescription> {
    let describe = |(index, bytes): (usize, &Vec<u8>)| SourceDescription {
        label: format!("source-{index}"),
        length: bytes.len() as u64,
    };
    sources.iter().enumerate().map(describe).collect()
}

fn execute(plan: &Plan, sources: &[Vec<u8>], threads: usize) -> Result<Vec<u8>, PlanError> {
    let sources: Vec<&dyn Source> = sources.iter().map(|bytes| bytes as &dyn Source).collect();
    let mut file = Vec::new();
    let written = plan.execute(&sources, &mut file, resources(threads), &())?;
    assert_eq!(written, file.len() as u64);
    assert_eq!(written, plan.size()?);
    Ok(file)
}

/// The data of tensor `t` of the file that a plan makes.
fn data_of(recipe: Recipe, element_type: ElementType, sources: &[Vec<u8>]) -> Vec<u8> {
    let file = execute(&plan_of(recipe, element_type, sources), sources, 2).unwrap();
    let data = Gguf::parse(&file).unwrap().tensors()[0].data.clone();
    file[data.start as usize..data.end as usize].to_vec()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&chunk| f32::from_le_bytes(chunk)).collect()
}

fn bytes_of(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn values_of(recipe: Recipe, sources: &[Vec<u8>]) -> Vec<f32> {
    floats(&data_of(recipe, ElementType::F32, sources))
}

fn stored_f32(dimensions: &[u64]) -> (Recipe, Vec<Vec<u8>>) {
    let count: u64 = dimensions.iter().product();
    let values: Vec<f32> = (0..count).map(|index| index as f32).collect();
    let stored = Stored::plain(AT_START, ElementType::F32, dimensions);
    (Recipe::stored(stored).unwrap(), vec![bytes_of(&values)])
}

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

    /// An array of these dimensions whose element at each index is that of `self` at the index that `at` gives.
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

/// Applies one step to both; a recipe that says it cannot is left as it is.
fn apply(step: &Step, naive: Naive, recipe: Recipe) -> (Naive, Recipe) {
    let dimensions = naive.dimensions.clone();
    let rank = dimensions.len();
    let reshaped = |target: Vec<u64>| match recipe.clone().reshape(&target) {
        Ok(changed) => (Naive { dimensions: target, ..naive.clone() }, changed),
        Err(RecipeError::Reshape { .. }) => (naive.clone(), recipe.clone()),
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
            (naive.permute(&order), recipe.permute(&order).unwrap())
        }
        Step::Slice(axis, start, end, step) => {
            let axis = axis % rank;
            let start = start % dimensions[axis];
            let end = start + 1 + end % (dimensions[axis] - start);
            match recipe.clone().step_by(axis, start..end, step) {
                Ok(changed) => (naive.step_by(axis, start, end, step), changed),
                Err(RecipeError::Slice { .. }) => (naive, recipe),
                Err(other) => panic!("{other}"),
            }
        }
        Step::Join(axis, end) if naive.values.len() < 2000 => {
            let axis = axis % rank;
            let end = 1 + end % dimensions[axis];
            match recipe.clone().slice(axis, 0..end) {
                Ok(part) => {
                    let joined = naive.join(axis, &naive.step_by(axis, 0, end, 1));
                    (joined, Recipe::concatenate(axis, vec![recipe, part]).unwrap())
                }
                Err(_) => (naive, recipe),
            }
        }
        Step::AddOne => {
            let values = naive.values.iter().map(|value| value + 1.0).collect();
            (Naive { values, ..naive }, recipe.map(Operation::AddOne))
        }
        _ => (naive, recipe),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_sequence_of_steps_yields_what_numpy_would(
        dimensions in proptest::collection::vec(1..9_u64, 1..4),
        steps in proptest::collection::vec(step(), 0..9),
    ) {
        let (recipe, sources) = stored_f32(&dimensions);
        let start = Naive { values: floats(&sources[0]), dimensions };
        let (naive, recipe) =
            steps.iter().fold((start, recipe), |(naive, recipe), step| apply(step, naive, recipe));
        prop_assert_eq!(recipe.dimensions(), naive.dimensions);
        prop_assert_eq!(recipe.element_count(), naive.values.len() as u64);
        // The plan may keep the dimensions only if there are few enough, so it is given a flat shape.
        let plan = Plan {
            sources: describe(&sources),
            metadata: Metadata::new(),
            tensors: vec![PlannedTensor {
                name: "t".into(),
                shape: ollamake::tensor::Shape::new(&[recipe.element_count()]).unwrap(),
                element_type: ElementType::F32,
                recipe,
            }],
        };
        let file = execute(&plan, &sources, 2).unwrap();
        let data = Gguf::parse(&file).unwrap().tensors()[0].data.clone();
        prop_assert_eq!(floats(&file[data.start as usize..data.end as usize]), naive.values);
    }
}

#[test]
fn rows_of_queries_are_permuted_as_for_llama() {
    let (heads, half, columns) = (3, 4, 5);
    let rows = heads * 2 * half;
    let (recipe, sources) = stored_f32(&[rows, columns]);
    let recipe = recipe.reshape(&[heads, 2, half, columns]).unwrap().transpose(1, 2).unwrap();
    let recipe = recipe.reshape(&[rows, columns]).unwrap();
    let values = values_of(recipe.clone(), &sources);
    for row in 0..rows {
        let (head, within) = (row / (2 * half), row % (2 * half));
        let source = head * 2 * half + within % 2 * half + within / 2;
        for column in 0..columns {
            assert_eq!(values[(row * columns + column) as usize], (source * columns + column) as f32);
        }
    }
    // Whole heads can still be cut out, half a head cannot.
    assert_eq!(recipe.clone().slice(0, 8..16).unwrap().dimensions(), [8, 5]);
    assert!(matches!(recipe.slice(0, 3..11), Err(RecipeError::Slice { .. })));
}

#[test]
fn large_transpositions_are_right_at_every_edge() {
    for (rows, columns) in [(1000, 700), (700, 1000), (33, 20_000), (20_000, 33)] {
        let (recipe, sources) = stored_f32(&[rows, columns]);
        let values = values_of(recipe.transpose(0, 1).unwrap(), &sources);
        let wrong = (0..values.len() as u64)
            .find(|index| values[*index as usize] != (index % rows * columns + index / rows) as f32);
        assert_eq!(wrong, None, "{rows} by {columns}");
    }
}

#[test]
fn experts_are_stacked_and_padding_is_appended() {
    let (recipe, sources) = stored_f32(&[4, 6]);
    let experts: Vec<_> = (0..4).map(|row| recipe.clone().select(0, row).unwrap()).collect();
    let stacked = Recipe::stack(experts).unwrap();
    assert_eq!(stacked.dimensions(), [4, 6]);
    let padding = Recipe::filled(7.0, &[2, 6]).unwrap();
    let padded = Recipe::concatenate(0, vec![stacked, padding]).unwrap();
    assert_eq!(padded.stored_type(), ElementType::F32);
    let expected: Vec<f32> = (0..24).map(|index| index as f32).chain([7.0; 12]).collect();
    assert_eq!(values_of(padded, &sources), expected);
}

#[test]
fn impossible_steps_are_refused() {
    let (recipe, _) = stored_f32(&[4, 6]);
    assert!(matches!(recipe.clone().reshape(&[5, 5]), Err(RecipeError::Reshape { .. })));
    assert!(matches!(recipe.clone().reshape(&[0, 24]), Err(RecipeError::Dimensions { .. })));
    assert!(matches!(recipe.clone().permute(&[0, 0]), Err(RecipeError::Permutation { .. })));
    assert!(matches!(recipe.clone().transpose(0, 2), Err(RecipeError::Axis { axis: 2, .. })));
    assert!(matches!(recipe.clone().slice(1, 4..7), Err(RecipeError::Slice { .. })));
    assert!(matches!(recipe.clone().slice(1, 4..4), Err(RecipeError::Slice { .. })));
    assert!(matches!(recipe.clone().step_by(1, 0..4, 0), Err(RecipeError::Slice { .. })));
    assert!(matches!(recipe.clone().squeeze(0), Err(RecipeError::Squeeze { .. })));
    assert!(matches!(Recipe::concatenate(0, vec![]), Err(RecipeError::Concatenation { .. })));
    let short = recipe.clone().slice(1, 0..5).unwrap();
    assert!(matches!(Recipe::concatenate(0, vec![recipe, short]), Err(RecipeError::Concatenation { .. })));
    let huge = Stored::plain(AT_START, ElementType::F32, &[1 << 40, 1 << 40]);
    assert!(matches!(Recipe::stored(huge), Err(RecipeError::Dimensions { .. })));
    let uneven = Stored::plain(AT_START, ElementType::Q4K, &[2, 200]);
    assert!(matches!(Recipe::stored(uneven), Err(RecipeError::RowNotInBlocks { .. })));
    assert!(matches!(Recipe::values(vec![1.0], &[2]), Err(RecipeError::ValueCount { .. })));
}

#[test]
fn blocks_move_whole_or_not_at_all() {
    let bytes: Vec<u8> = (0..4 * 2 * 34).map(|index| index as u8).collect();
    let stored = Stored::plain(AT_START, ElementType::Q8_0, &[4, 64]);
    let recipe = Recipe::stored(stored).unwrap();
    let odd = recipe.clone().step_by(0, 1..4, 2).unwrap();
    let expected = [&bytes[68..136], &bytes[204..272]].concat();
    assert_eq!(data_of(odd, ElementType::Q8_0, std::slice::from_ref(&bytes)), expected);
    let right = recipe.clone().slice(1, 32..64).unwrap();
    let expected: Vec<u8> = (0..4).flat_map(|row| bytes[row * 68 + 34..row * 68 + 68].to_vec()).collect();
    assert_eq!(data_of(right, ElementType::Q8_0, std::slice::from_ref(&bytes)), expected);
    assert!(matches!(recipe.clone().slice(1, 16..64), Err(RecipeError::CutsBlock { block: 32, .. })));
    assert!(matches!(recipe.transpose(0, 1), Err(RecipeError::CutsBlock { .. })));
}

#[test]
fn mxfp4_of_checkpoints_becomes_that_of_ggml() {
    // Two experts of four rows of 64 elements; gate and up rows alternate.
    let blocks: Vec<u8> = (0..2 * 4 * 2 * 16).map(|index| (index * 7 + 3) as u8).collect();
    let exponents: Vec<u8> = (0..2 * 4 * 2).map(|index| 120 + index as u8).collect();
    let sources = [[blocks.clone(), exponents.clone()].concat()];
    let stored = Stored {
        location: AT_START,
        encoding: Encoding::Mxfp4 { exponents: Location { source: 0, offset: blocks.len() as u64 } },
        dimensions: vec![2, 4, 64],
    };
    let up = Recipe::stored(stored).unwrap().step_by(1, 1..4, 2).unwrap();
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
        let stored = Stored {
            location: Location { source: 0, offset: count * 4 },
            encoding: Encoding::F8E4M3(Some(BlockScale {
                location: AT_START,
                element_type: ElementType::F32,
                block: (block_rows, block_columns),
            })),
            dimensions: vec![rows, columns],
        };
        let value = |row: u64, column: u64| {
            let scale = row / block_rows * across + column / block_columns;
            f8_e4m3_to_f32(numbers[(row * columns + column) as usize]) * scales[scale as usize]
        };
        let recipe = Recipe::stored(stored).unwrap();
        let straight: Vec<f32> = (0..rows * columns).map(|i| value(i / columns, i % columns)).collect();
        assert_eq!(values_of(recipe.clone(), &sources), straight);
        let transposed: Vec<f32> = (0..rows * columns).map(|i| value(i % rows, i / rows)).collect();
        assert_eq!(values_of(recipe.transpose(0, 1).unwrap(), &sources), transposed);
    }
}

#[test]
fn arithmetic_follows_the_precision_of_what_is_stored() {
    let halves: Vec<u8> = [0.1_f32, -3.0].iter().flat_map(|&v| f32_to_f16(v).to_le_bytes()).collect();
    let recipe = Recipe::stored(Stored::plain(AT_START, ElementType::F16, &[2])).unwrap();
    let sources = [halves.clone()];
    let sum = values_of(recipe.clone().map(Operation::AddOne), &sources);
    let mut exact = [0.0; 2];
    dequantize(ElementType::F16, &halves, &mut exact).unwrap();
    assert_ne!(sum[0], exact[0] + 1.0);
    assert_eq!(f32_to_f16(sum[0]), f32_to_f16(exact[0] + 1.0));
    let single = Recipe::stored(Stored::plain(AT_START, ElementType::F32, &[2])).unwrap();
    let decay = values_of(single.map(Operation::NegatedExponential), &[bytes_of(&[0.1, 1.0])]);
    assert_eq!(decay, [-1.105_171, -std::f32::consts::E]);
    // Rounding to what is stored already is no change, so the bytes are copied.
    let same = data_of(recipe.map(Operation::Round(ElementType::F16)), ElementType::F16, &sources);
    assert_eq!(same, halves);
}

/// A plan of several tensors with gaps between them, and its sources.
fn mixed_plan() -> (Plan, Vec<Vec<u8>>) {
    let values: Vec<f32> = (0..300_000).map(|index| (index % 997) as f32 / 100.0).collect();
    let sources = vec![bytes_of(&values)];
    let stored =
        |elements: u64| Recipe::stored(Stored::plain(AT_START, ElementType::F32, &[elements])).unwrap();
    let tensor = |name: &str, element_type, recipe| PlannedTensor::new(name, element_type, recipe).unwrap();
    let tensors = vec![
        tensor("copied", ElementType::F32, stored(300_000)),
        tensor("odd", ElementType::F16, stored(101)),
        tensor("rounded", ElementType::Bf16, stored(299_999).map(Operation::RequireFinite)),
        tensor("last", ElementType::F16, stored(3)),
    ];
    let metadata = Metadata::from_iter([("general.architecture", "test")]);
    (Plan { sources: describe(&sources), metadata, tensors }, sources)
}

#[test]
fn the_file_does_not_depend_on_threads_or_memory() {
    let (plan, sources) = mixed_plan();
    let expected = execute(&plan, &sources, 1).unwrap();
    let parsed = Gguf::parse(&expected).unwrap();
    assert_eq!(parsed.tensors().len(), 4);
    for threads in [2, 5, 16] {
        assert_eq!(execute(&plan, &sources, threads).unwrap(), expected);
    }
    let lent: Vec<&dyn Source> = sources.iter().map(|bytes| bytes as &dyn Source).collect();
    for memory in [0, 1 << 18, usize::MAX / 64] {
        let mut file = Vec::new();
        let resources = Resources { memory, ..resources(2) };
        plan.execute(&lent, &mut file, resources, &()).unwrap();
        assert_eq!(file, expected);
    }
}

#[test]
fn values_that_are_not_finite_are_named() {
    for (position, bad) in [(0, f32::NAN), (299_998, f32::INFINITY), (77_777, f32::NEG_INFINITY)] {
        let (mut plan, mut sources) = mixed_plan();
        sources[0][position * 4..position * 4 + 4].copy_from_slice(&bad.to_le_bytes());
        match execute(&plan, &sources, 2) {
            Err(PlanError::NotFinite { tensor, element, value }) => {
                assert_eq!((tensor.as_str(), element), ("rounded", position as u64));
                assert_eq!(value, bad.to_string());
            }
            other => panic!("{other:?}"),
        }
        // Without the demand, they pass.
        plan.tensors.remove(2);
        execute(&plan, &sources, 2).unwrap();
        // A copy is checked as well.
        let recipe = plan.tensors[0].recipe.clone();
        plan.tensors[0].recipe = recipe.map(Operation::RequireFinite);
        assert!(matches!(execute(&plan, &sources, 2), Err(PlanError::NotFinite { .. })));
    }
}

#[test]
fn values_that_overflow_the_type_are_named() {
    let sources = [bytes_of(&[1.0, 70_000.0, 2.0])];
    let recipe = Recipe::stored(Stored::plain(AT_START, ElementType::F32, &[3])).unwrap();
    let plan = plan_of(recipe.clone().map(Operation::RequireFinite), ElementType::F16, &sources);
    assert!(matches!(
        execute(&plan, &sources, 1),
        Err(PlanError::Overflow { element_type: ElementType::F16, first: 1, last: 1, .. })
    ));
    assert!(execute(&plan_of(recipe, ElementType::F16, &sources), &sources, 1).is_ok());
}

#[test]
fn what_a_plan_gets_wrong_is_found_before_anything_is_read() {
    let (plan, sources) = mixed_plan();
    let with = |change: &dyn Fn(&mut Plan)| {
        let mut changed = plan.clone();
        change(&mut changed);
        changed.check().unwrap_err()
    };
    assert!(plan.check().is_ok());
    assert!(matches!(with(&|plan| plan.sources[0].length -= 1), PlanError::PastEnd { .. }));
    assert!(matches!(with(&|plan| plan.sources.clear()), PlanError::NoSuchSource { .. }));
    assert!(matches!(with(&|plan| plan.tensors[1].name = "copied".into()), PlanError::Header(_)));
    assert!(matches!(
        with(&|plan| plan.tensors[1].shape = plan.tensors[0].shape),
        PlanError::ElementCount { .. }
    ));
    assert!(matches!(
        with(&|plan| plan.tensors[0].element_type = ElementType::I32),
        PlanError::Convert { .. }
    ));
    let fewer = plan.execute(&[], &mut Vec::new(), resources(1), &());
    assert!(matches!(fewer, Err(PlanError::SourceCount { got: 0, expected: 1 })));
    let shorter: &dyn Source = &sources[0][..8].to_vec();
    let shorter = plan.execute(&[shorter], &mut Vec::new(), resources(1), &());
    assert!(matches!(shorter, Err(PlanError::SourceLength { got: 8, .. })));
}

/// Takes so many bytes and then fails.
struct FullDisk(usize);

impl Write for FullDisk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        if taken == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_ends_the_execution() {
    let (plan, sources) = mixed_plan();
    let lent: Vec<&dyn Source> = sources.iter().map(|bytes| bytes as &dyn Source).collect();
    for room in [0, 10, 100_000, 1_200_200, plan.size().unwrap() as usize - 1] {
        match plan.execute(&lent, &mut FullDisk(room), resources(2), &()) {
            Err(PlanError::Write { reason, .. }) => assert_eq!(reason.kind(), io::ErrorKind::StorageFull),
            other => panic!("{other:?}"),
        }
    }
}

/// Cancels once so many bytes are written; remembers the last report.
struct Impatient {
    patience: u64,
    seen: AtomicU64,
}

impl Observer for Impatient {
    fn written(&self, bytes: u64) {
        assert!(bytes > self.seen.swap(bytes, Ordering::Relaxed));
    }

    fn is_cancelled(&self) -> bool {
        self.seen.load(Ordering::Relaxed) >= self.patience
    }
}

#[test]
fn progress_is_reported_and_cancellation_obeyed() {
    let (plan, sources) = mixed_plan();
    let lent: Vec<&dyn Source> = sources.iter().map(|bytes| bytes as &dyn Source).collect();
    let size = plan.size().unwrap();
    let patient = Impatient { patience: u64::MAX, seen: AtomicU64::new(0) };
    plan.execute(&lent, &mut Vec::new(), resources(2), &patient).unwrap();
    assert_eq!(patient.seen.into_inner(), size);
    for patience in [0, 1, size / 2, size - 32] {
        let observer = Impatient { patience, seen: AtomicU64::new(0) };
        let mut file = Vec::new();
        let result = plan.execute(&lent, &mut file, resources(2), &observer);
        assert!(matches!(result, Err(PlanError::Cancelled)));
        assert!((file.len() as u64) < size);
    }
}

/// A source whose bytes cannot be had from some offset on.
struct Broken(Vec<u8>, u64);

impl Source for Broken {
    fn length(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&self, range: std::ops::Range<u64>) -> io::Result<std::borrow::Cow<'_, [u8]>> {
        if range.end > self.1 { Err(io::ErrorKind::ConnectionReset.into()) } else { self.0.read(range) }
    }
}

#[test]
fn a_source_that_fails_is_named_with_tensor_and_offset() {
    let (plan, mut sources) = mixed_plan();
    let broken = Broken(sources.remove(0), 600_000);
    match plan.execute(&[&broken], &mut Vec::new(), resources(2), &()) {
        Err(PlanError::Read { tensor, label, offset, length, .. }) => {
            assert_eq!((tensor.as_str(), label.as_str()), ("copied", "source-0"));
            assert!(offset <= 600_000 && offset + length > 600_000);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn plans_are_printed_compared_and_hashed() {
    let (plan, _) = mixed_plan();
    let expected = "\
tensor   shape        from       to         MiB
copied   [300000]      F32      F32        1.14
odd      [101]         F32      F16        0.00
rounded  [299999]      F32     BF16        0.57
last     [3]           F32      F16        0.00
4 tensors, 600103 weights, 1.72 MiB, 24.00 bits a weight; the file has 1800480 bytes";
    assert_eq!(plan.to_string(), expected);
    let mut changed = plan.clone();
    assert_eq!((&changed, changed.digest()), (&plan, plan.digest()));
    let recipe = changed.tensors[3].recipe.clone();
    changed.tensors[3].recipe = recipe.map(Operation::AddOne);
    assert_ne!((&changed, changed.digest()), (&plan, plan.digest()));
}
