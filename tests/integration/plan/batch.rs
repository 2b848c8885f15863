//! Several files from one pass: the same bytes as alone, each number read once, failures alone.

use std::borrow::Cow;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use ollamake::gguf::Metadata;
use ollamake::plan::{
    Batch, Derivation, Importance, Location, Observer, Operation, Output, Plan, PlanError, PlannedTensor,
    Resources, Source, Stored,
};
use ollamake::tensor::ElementType;

use super::{bytes_of, describe, execute, resources};

const ROWS: u64 = 300;
const COLUMNS: u64 = 512;
/// Values of a matrix, and of the list after it.
const MATRIX: u64 = ROWS * COLUMNS;
const LIST: u64 = 1000;

/// A source that counts what is read of it, matrix by matrix.
struct Counting {
    bytes: Vec<u8>,
    read: AtomicU64,
    ranges: Mutex<Vec<Range<u64>>>,
}

impl Counting {
    fn new(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), read: AtomicU64::new(0), ranges: Mutex::default() }
    }

    /// The most often that a byte was read.
    fn most_often(&self) -> usize {
        let ranges = self.ranges.lock().unwrap();
        let reads = |offset: u64| ranges.iter().filter(|range| range.contains(&offset)).count();
        ranges.iter().map(|range| reads(range.start)).max().unwrap_or(0)
    }
}

impl Source for Counting {
    fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read(&self, range: Range<u64>) -> io::Result<Cow<'_, [u8]>> {
        self.read.fetch_add(range.end - range.start, Ordering::Relaxed);
        self.ranges.lock().unwrap().push(range.clone());
        self.bytes.read(range)
    }
}

/// Two matrices and a list, and how much each column matters.
fn sources() -> Vec<Vec<u8>> {
    let values: Vec<f32> =
        (0..2 * MATRIX + LIST).map(|index| ((index * 7919) % 2003) as f32 / 500.0 - 2.0).collect();
    let columns: Vec<f32> = (0..COLUMNS).map(|column| 1.0 + column as f32).collect();
    vec![bytes_of(&values), bytes_of(&columns)]
}

fn stored(source: usize, first: u64, dimensions: &[u64]) -> Derivation {
    let location = Location { source, offset: first * 4 };
    Derivation::stored(Stored::plain(location, ElementType::F32, dimensions)).unwrap()
}

/// A plan for the type, weighed or not; `checked` says whether values have to be finite.
fn plan(element_type: ElementType, weighed: bool, checked: bool) -> Plan {
    let tensor = |name: &str, element_type, derivation: Derivation| {
        let derivation = if checked { derivation.map(Operation::RequireFinite) } else { derivation };
        PlannedTensor::new(name, element_type, derivation).unwrap()
    };
    let importance = weighed.then(|| {
        let counts = Derivation::values(vec![1.0], &[1]).unwrap();
        Importance::new(stored(1, 0, &[1, COLUMNS]), counts).unwrap()
    });
    let matrix = |name: &str, first| {
        let tensor = tensor(name, element_type, stored(0, first, &[ROWS, COLUMNS]));
        PlannedTensor { importance: importance.clone(), ..tensor }
    };
    let tensors = vec![
        matrix("one", 0),
        tensor("list", ElementType::F32, stored(0, 2 * MATRIX, &[LIST])),
        matrix("other", MATRIX),
    ];
    let metadata = Metadata::from_iter([("general.name", element_type.name())]);
    let count = if weighed { 2 } else { 1 };
    Plan { sources: describe(&sources()[..count]), metadata, tensors }
}

fn plans() -> Vec<Plan> {
    vec![
        plan(ElementType::Q4K, false, true),
        plan(ElementType::Q4K, true, true),
        plan(ElementType::Q8_0, false, true),
        plan(ElementType::F32, false, false),
        plan(ElementType::F16, false, false),
        plan(ElementType::Q8_0, false, true),
        plan(ElementType::Iq4Xs, true, true),
    ]
}

/// What each plan makes by itself.
fn alone(plans: &[Plan]) -> Vec<Vec<u8>> {
    let all = sources();
    plans.iter().map(|plan| execute(plan, &all[..plan.sources.len()], 2).unwrap()).collect()
}

/// Makes the files together; `present` bytes of each are there already.
fn together(
    plans: &[Plan],
    sources: &[&dyn Source],
    present: &[u64],
    resources: Resources,
) -> Vec<Result<Vec<u8>, PlanError>> {
    let mut files = vec![Vec::new(); plans.len()];
    let outputs = plans.iter().zip(&mut files).zip(present);
    let outputs = outputs.map(|((plan, sink), &present)| {
        let places = (0..plan.sources.len()).collect();
        Output { plan, places, present, sink, observer: &() }
    });
    let outcomes = Batch { sources, outputs: outputs.collect() }.execute(resources);
    let whole = |((outcome, file), plan): ((Result<u64, _>, Vec<u8>), &Plan)| {
        outcome.map(|length| {
            assert_eq!(length, plan.size().unwrap());
            file
        })
    };
    outcomes.into_iter().zip(files).zip(plans).map(whole).collect()
}

fn made(outcomes: Vec<Result<Vec<u8>, PlanError>>) -> Vec<Vec<u8>> {
    outcomes.into_iter().map(Result::unwrap).collect()
}

#[test]
fn files_made_together_are_those_made_alone() {
    let (plans, all) = (plans(), sources());
    let expected = alone(&plans);
    let lent: Vec<&dyn Source> = all.iter().map(|bytes| bytes as &dyn Source).collect();
    for threads in [1, 3] {
        for memory in [0, 4 << 20, usize::MAX / 1024] {
            let resources = Resources { memory, ..resources(threads) };
            assert_eq!(made(together(&plans, &lent, &[0; 7], resources)), expected);
        }
    }
    // Sources may lie elsewhere in each plan.
    let swapped: Vec<&dyn Source> = lent.iter().rev().copied().collect();
    let mut files = vec![Vec::new(); 7];
    let outputs = plans.iter().zip(&mut files).map(|(plan, sink)| {
        let places = [1, 0][..plan.sources.len()].to_vec();
        Output { plan, places, present: 0, sink, observer: &() }
    });
    Batch { sources: &swapped, outputs: outputs.collect() }.execute(resources(2));
    assert_eq!(files, expected);
}

#[test]
fn each_number_is_read_once_for_all_files() {
    let (plans, all) = (plans(), sources());
    let expected = alone(&plans);
    let weights = Counting::new(&all[0]);
    let lent: [&dyn Source; 2] = [&weights, &all[1]];
    assert_eq!(made(together(&plans, &lent, &[0; 7], resources(2))), expected);
    assert_eq!(weights.read.load(Ordering::Relaxed), weights.length());
    assert_eq!(weights.most_often(), 1);
    // Made one by one, it is read once for each.
    let weights = Counting::new(&all[0]);
    for plan in &plans {
        let lent: [&dyn Source; 2] = [&weights, &all[1]];
        plan.execute(&lent[..plan.sources.len()], &mut io::sink(), resources(2), &()).unwrap();
    }
    assert_eq!(weights.read.load(Ordering::Relaxed), weights.length() * 7);
}

#[test]
fn files_that_lack_tensors_or_have_them_in_another_order_are_whole() {
    let mut plans = plans();
    plans[0].tensors.remove(0);
    plans[1].tensors.remove(2);
    plans[2].tensors.reverse();
    plans[3].tensors[1].name = "renamed".to_owned();
    let (expected, all) = (alone(&plans), sources());
    let lent: Vec<&dyn Source> = all.iter().map(|bytes| bytes as &dyn Source).collect();
    assert_eq!(made(together(&plans, &lent, &[0; 7], resources(2))), expected);
    // Tensors that some lack are read once all the same.
    let plans = [plans[4].clone(), plans[0].clone(), plans[1].clone()];
    let weights = Counting::new(&all[0]);
    let lent: [&dyn Source; 2] = [&weights, &all[1]];
    made(together(&plans, &lent, &[0; 3], resources(2)));
    assert_eq!(weights.most_often(), 1);
}

#[test]
fn a_file_that_fails_fails_alone() {
    let plans = [
        plan(ElementType::Q8_0, false, true),
        plan(ElementType::F16, false, true),
        plan(ElementType::F32, false, true),
    ];
    let mut all = sources();
    all[0][400..404].copy_from_slice(&1e6_f32.to_le_bytes());
    let lent: Vec<&dyn Source> = all.iter().map(|bytes| bytes as &dyn Source).collect();
    let outcomes = together(&plans, &lent[..1], &[0; 3], resources(2));
    assert_eq!(outcomes[0].as_ref().unwrap(), &execute(&plans[0], &all[..1], 2).unwrap());
    assert!(matches!(outcomes[1], Err(PlanError::Overflow { first: 100, .. })), "{:?}", outcomes[1]);
    assert_eq!(outcomes[2].as_ref().unwrap(), &execute(&plans[2], &all[..1], 2).unwrap());
    // What is wrong with the numbers themselves is wrong for all who mind.
    all[0][400..404].copy_from_slice(&f32::NAN.to_le_bytes());
    let lent: Vec<&dyn Source> = all.iter().map(|bytes| bytes as &dyn Source).collect();
    let mut mixed = plans.to_vec();
    mixed.push(plan(ElementType::Bf16, false, false));
    for plans in [&plans[..], &mixed] {
        let outcomes = together(plans, &lent[..1], &vec![0; plans.len()], resources(2));
        for outcome in &outcomes[..3] {
            assert!(matches!(outcome, Err(PlanError::NotFinite { element: 100, .. })), "{outcome:?}");
        }
        assert!(outcomes[3..].iter().all(Result::is_ok));
    }
    // A plan that cannot be is told, and the others are made.
    let mut impossible = mixed;
    impossible[0].tensors[0].element_type = ElementType::I32;
    impossible[1].sources[0].length += 1;
    let outcomes = together(&impossible, &lent[..1], &[0; 4], resources(2));
    assert!(matches!(outcomes[0], Err(PlanError::Convert { .. })));
    assert!(matches!(outcomes[1], Err(PlanError::SourceLength { .. })));
    assert!(outcomes[3].is_ok());
}

/// Takes so many bytes and then fails, or is given up.
struct Limited {
    room: u64,
    taken: AtomicU64,
}

impl Write for &Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.taken.fetch_add(bytes.len() as u64, Ordering::Relaxed) {
            taken if taken + bytes.len() as u64 > self.room => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Observer for Limited {
    fn is_cancelled(&self) -> bool {
        self.taken.load(Ordering::Relaxed) > self.room / 2
    }
}

#[test]
fn a_full_disk_or_a_cancelled_file_stops_none_of_the_others() {
    let (plans, all) = (plans(), sources());
    let expected = alone(&plans);
    let lent: Vec<&dyn Source> = all.iter().map(|bytes| bytes as &dyn Source).collect();
    let limited = Limited { room: 100_000, taken: AtomicU64::new(0) };
    let watched = Limited { room: 100_000, taken: AtomicU64::new(0) };
    let (mut disk, mut given_up, mut file) = (&limited, &watched, Vec::new());
    let output = |index: usize, sink, observer| {
        let plan: &Plan = &plans[index];
        Output { plan, places: (0..plan.sources.len()).collect(), present: 0, sink, observer }
    };
    let outputs =
        vec![output(2, &mut disk, &()), output(5, &mut given_up, &watched), output(0, &mut file, &())];
    let outcomes = Batch { sources: &lent, outputs }.execute(resources(2));
    assert!(matches!(outcomes[0], Err(PlanError::Write { .. })), "{outcomes:?}");
    assert!(matches!(outcomes[1], Err(PlanError::Cancelled)), "{outcomes:?}");
    assert_eq!(file, expected[0]);
}

#[test]
fn a_file_of_which_a_part_is_there_joins_and_only_the_rest_is_made() {
    let (plans, all) = (plans(), sources());
    let expected = alone(&plans);
    let sizes: Vec<u64> = expected.iter().map(|file| file.len() as u64).collect();
    let header = |index: usize| plans[index].header().unwrap().bytes().len() as u64;
    for share in [0, 1, 5, 9, 10] {
        let mut present: Vec<u64> = sizes.iter().map(|size| size * share / 10).collect();
        present[1] = header(1) * share / 10;
        let weights = Counting::new(&all[0]);
        let lent: [&dyn Source; 2] = [&weights, &all[1]];
        let files = made(together(&plans, &lent, &present, resources(2)));
        for ((file, expected), &present) in files.iter().zip(&expected).zip(&present) {
            assert_eq!(file, &expected[present as usize..]);
        }
    }
    // What is there needs no source.
    let weights = Counting::new(&all[0]);
    let lent: [&dyn Source; 1] = [&weights];
    let (plans, half) = ([plans[0].clone(), plans[2].clone()], [sizes[0] - 1, sizes[2] / 2]);
    made(together(&plans, &lent, &half, resources(2)));
    assert!(weights.read.load(Ordering::Relaxed) < weights.length() * 3 / 4);
}

/// Looks at how far the source has been read when it is written to.
struct Slow<'s> {
    source: &'s Counting,
    written: u64,
    /// Bytes of the source that a byte of the file stands for, times 1000.
    worth: u64,
    farthest: u64,
}

impl Write for Slow<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        std::thread::sleep(std::time::Duration::from_micros(500));
        self.written += bytes.len() as u64;
        let read = self.source.read.load(Ordering::Relaxed);
        self.farthest = self.farthest.max(read.saturating_sub(self.written * self.worth / 1000));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_waits_to_be_written_fits_into_the_memory_however_many_files_there_are() {
    const COUNT: u64 = 2_000_000;
    let source = Counting::new(&vec![0; COUNT as usize * 4]);
    let types = [ElementType::F16, ElementType::Bf16, ElementType::F64, ElementType::Q8_0];
    let plans: Vec<Plan> = types
        .map(|element_type| {
            let derivation = stored(0, 0, &[COUNT]);
            let tensors = vec![PlannedTensor::new("t", element_type, derivation).unwrap()];
            let sources = describe(std::slice::from_ref(&source.bytes));
            Plan { sources, metadata: Metadata::new(), tensors }
        })
        .into_iter()
        .filter(|plan| plan.check().is_ok())
        .collect();
    assert!(plans.len() >= 3);
    let mut slow = Slow { source: &source, written: 0, worth: 2000, farthest: 0 };
    let mut sinks: Vec<io::Sink> = plans.iter().map(|_| io::sink()).collect();
    let mut outputs: Vec<Output<'_>> = plans
        .iter()
        .zip(&mut sinks)
        .map(|(plan, sink)| Output { plan, places: vec![0], present: 0, sink, observer: &() })
        .collect();
    outputs[0].sink = &mut slow;
    let (sources, resources): ([&dyn Source; 1], _) = ([&source], resources(2));
    assert!(Batch { sources: &sources, outputs }.execute(resources).iter().all(Result::is_ok));
    // Eight bytes an element and file are what the executor reckons with.
    let waiting = slow.farthest / 4 * 8 * plans.len() as u64;
    assert!(slow.farthest > 0 && waiting <= resources.memory as u64, "{waiting}");
}
