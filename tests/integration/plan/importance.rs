//! Tensors that are quantized by importance.

use ollamake::gguf::{Gguf, Metadata};
use ollamake::model::Digest;
use ollamake::plan::{
    Derivation, DerivationError, Importance, Location, Plan, PlanError, PlannedTensor, Stored,
};
use ollamake::tensor::{self, ElementType};

use super::{AT_START, bytes_of, describe, execute};

const COLUMNS: u64 = 64;
const ROWS: u64 = 700;

/// Three experts, of which the second was never asked.
const COUNTS: [f32; 3] = [7.0, 0.0, 3.0];

fn numbers(count: u64, factor: u64) -> Vec<f32> {
    (0..count).map(|index| (index * factor % 1009) as f32 / 100.0).collect()
}

fn at(offset: u64, dimensions: &[u64]) -> Derivation {
    let location = Location { source: 1, offset };
    Derivation::stored(Stored::plain(location, ElementType::F32, dimensions)).unwrap()
}

/// A plan of a tensor of three matrices, and its sources: the weights, and the importance with its sums
/// before its counts.
fn plan_of_experts(element_type: ElementType) -> (Plan, Vec<Vec<u8>>) {
    let weights = numbers(3 * ROWS * COLUMNS, 77);
    let importance: Vec<f32> = numbers(3 * COLUMNS, 31).into_iter().chain(COUNTS).collect();
    let sources = vec![bytes_of(&weights), bytes_of(&importance)];
    let derivation =
        Derivation::stored(Stored::plain(AT_START, ElementType::F32, &[3, ROWS, COLUMNS])).unwrap();
    let importance = Importance::new(at(0, &[3, COLUMNS]), at(3 * COLUMNS * 4, &[3, 1])).unwrap();
    let tensor = PlannedTensor {
        importance: Some(importance),
        ..PlannedTensor::new("experts", element_type, derivation).unwrap()
    };
    (Plan { sources: describe(&sources), metadata: Metadata::new(), tensors: vec![tensor] }, sources)
}

#[test]
fn every_matrix_is_weighed_by_its_own_importance() {
    let (plan, sources) = plan_of_experts(ElementType::Q4_0);
    let (weights, sums) = (numbers(3 * ROWS * COLUMNS, 77), numbers(3 * COLUMNS, 31));
    let columns = COLUMNS as usize;
    let mut expected = Vec::new();
    for ((weights, sums), count) in
        weights.chunks(ROWS as usize * columns).zip(sums.chunks(columns)).zip(COUNTS)
    {
        let importance: Vec<f32> =
            sums.iter().map(|sum| if count == 0.0 { 1.0 } else { sum / count }).collect();
        let mut output = vec![0; weights.len() / 32 * 18];
        tensor::quantize(ElementType::Q4_0, weights, columns, Some(&importance), &mut output).unwrap();
        expected.extend(output);
    }
    let mut unweighed = plan.clone();
    unweighed.tensors[0].importance = None;
    for threads in [1, 3] {
        let file = execute(&plan, &sources, threads).unwrap();
        let data = Gguf::parse(&file).unwrap().tensors()[0].data.clone();
        assert_eq!(file[data.start as usize..data.end as usize], expected);
        assert_ne!(execute(&unweighed, &sources, threads).unwrap(), file);
    }
    // Which importance it was belongs to what the plan says.
    let contents = [Digest::from_bytes([1; 32]), Digest::from_bytes([2; 32])];
    assert_ne!(plan.digest(&contents).unwrap(), unweighed.digest(&contents).unwrap());
}

#[test]
fn what_is_copied_is_not_weighed() {
    let (plan, sources) = plan_of_experts(ElementType::F32);
    let file = execute(&plan, &sources, 2).unwrap();
    let data = Gguf::parse(&file).unwrap().tensors()[0].data.clone();
    assert_eq!(file[data.start as usize..data.end as usize], sources[0]);
}

#[test]
fn importance_of_another_shape_is_refused() {
    for (sums, counts) in [([2, COLUMNS], 2), ([3, COLUMNS - 1], 3)] {
        let (mut plan, _) = plan_of_experts(ElementType::Q4_0);
        let importance = Importance::new(at(0, &sums), at(0, &[counts])).unwrap();
        plan.tensors[0].importance = Some(importance);
        assert!(matches!(plan.check(), Err(PlanError::ImportanceShape { .. })));
    }
    let wrong = Importance::new(at(0, &[3, COLUMNS]), at(0, &[2]));
    assert!(matches!(wrong, Err(DerivationError::Importance { .. })));
    let flat = Importance::new(at(0, &[COLUMNS]), at(0, &[1]));
    assert!(matches!(flat, Err(DerivationError::Importance { .. })));
}

#[test]
fn importance_beyond_its_source_is_refused() {
    let (mut plan, _) = plan_of_experts(ElementType::Q4_0);
    plan.sources[1].length -= 1;
    assert!(matches!(plan.check(), Err(PlanError::PastEnd { label, .. }) if label == "source-1"));
}

#[test]
fn rows_that_do_not_fit_into_memory_many_times_are_refused() {
    let (mut plan, _) = plan_of_experts(ElementType::Q4_0);
    let long = 1 << 19;
    plan.sources.iter_mut().for_each(|source| source.length = long * 4);
    let derivation = Derivation::stored(Stored::plain(AT_START, ElementType::F32, &[1, long])).unwrap();
    let importance = Importance::new(at(0, &[1, long]), at(0, &[1])).unwrap();
    plan.tensors = vec![PlannedTensor {
        importance: Some(importance),
        ..PlannedTensor::new("t", ElementType::Q4_0, derivation).unwrap()
    }];
    assert!(matches!(plan.check(), Err(PlanError::RowTooLong { columns, .. }) if columns == long));
}
