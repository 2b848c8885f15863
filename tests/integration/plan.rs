//! Derivations against a naive array, and the executor against small plans.

mod batch;
mod derivations;
mod digest;
mod execution;
mod importance;
mod naive;

use std::num::NonZeroUsize;

use ollamake::gguf::{Gguf, Metadata};
use ollamake::plan::{
    Derivation, Location, Plan, PlanError, PlannedTensor, Resources, Source, SourceDescription, Stored,
};
use ollamake::tensor::ElementType;

const AT_START: Location = Location { source: 0, offset: 0 };

fn resources(threads: usize) -> Resources {
    Resources { threads: NonZeroUsize::new(threads).unwrap(), memory: 4 << 20 }
}

/// A plan of one tensor `t` over sources made of `bytes`.
fn plan_of(derivation: Derivation, element_type: ElementType, sources: &[Vec<u8>]) -> Plan {
    let flat = derivation.clone().reshape(&[derivation.element_count()]).unwrap_or(derivation);
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
fn data_of(derivation: Derivation, element_type: ElementType, sources: &[Vec<u8>]) -> Vec<u8> {
    let file = execute(&plan_of(derivation, element_type, sources), sources, 2).unwrap();
    let data = Gguf::parse(&file).unwrap().tensors()[0].data.clone();
    file[data.start as usize..data.end as usize].to_vec()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&chunk| f32::from_le_bytes(chunk)).collect()
}

fn bytes_of(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn values_of(derivation: Derivation, sources: &[Vec<u8>]) -> Vec<f32> {
    floats(&data_of(derivation, ElementType::F32, sources))
}

fn stored_f32(dimensions: &[u64]) -> (Derivation, Vec<Vec<u8>>) {
    let count: u64 = dimensions.iter().product();
    let values: Vec<f32> = (0..count).map(|index| index as f32).collect();
    let stored = Stored::plain(AT_START, ElementType::F32, dimensions);
    (Derivation::stored(stored).unwrap(), vec![bytes_of(&values)])
}
