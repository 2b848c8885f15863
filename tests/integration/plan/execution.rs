//! The executor: order, limits, failures, cancellation.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use ollamake::gguf::{Gguf, Metadata};
use ollamake::plan::{
    Derivation, Observer, Operation, Plan, PlanError, PlannedTensor, Resources, Source, Stored,
};
use ollamake::tensor::ElementType;

use super::{AT_START, bytes_of, describe, execute, plan_of, resources};

/// A plan of several tensors with gaps between them, and its sources.
fn mixed_plan() -> (Plan, Vec<Vec<u8>>) {
    let values: Vec<f32> = (0..300_000).map(|index| (index % 997) as f32 / 100.0).collect();
    let sources = vec![bytes_of(&values)];
    let stored =
        |elements: u64| Derivation::stored(Stored::plain(AT_START, ElementType::F32, &[elements])).unwrap();
    let tensor =
        |name: &str, element_type, derivation| PlannedTensor::new(name, element_type, derivation).unwrap();
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
        let derivation = plan.tensors[0].derivation.clone();
        plan.tensors[0].derivation = derivation.map(Operation::RequireFinite);
        assert!(matches!(execute(&plan, &sources, 2), Err(PlanError::NotFinite { .. })));
    }
}

#[test]
fn values_that_overflow_the_type_are_named() {
    let sources = [bytes_of(&[1.0, 70_000.0, 2.0])];
    let derivation = Derivation::stored(Stored::plain(AT_START, ElementType::F32, &[3])).unwrap();
    let plan = plan_of(derivation.clone().map(Operation::RequireFinite), ElementType::F16, &sources);
    assert!(matches!(
        execute(&plan, &sources, 1),
        Err(PlanError::Overflow { element_type: ElementType::F16, first: 1, last: 1, .. })
    ));
    assert!(execute(&plan_of(derivation, ElementType::F16, &sources), &sources, 1).is_ok());
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
fn plans_are_printed_and_compared() {
    let (plan, _) = mixed_plan();
    let expected = "\
tensor   shape        from       to         MiB
copied   [300000]      F32      F32        1.14
odd      [101]         F32      F16        0.00
rounded  [299999]      F32     BF16        0.57
last     [3]           F32      F16        0.00
4 tensors, 600103 weights, 1.72 MiB, 24.00 bits per weight; the file has 1800480 bytes";
    assert_eq!(plan.to_string(), expected);
    assert_eq!(plan.clone(), plan);
}
