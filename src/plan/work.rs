//! The chunks of all tensors that are to be made, and how one is evaluated.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Mutex;

use super::error::PlanError;
use super::evaluate::Reader;
use super::group::{Encoding, Group};
use super::member::Member;
use super::program::Program;
use super::resources::Resources;
use super::squared_error::SquaredError;
use super::stored::bytes_of;
use super::weighing::Weighing;
use crate::locked::locked;
use crate::tensor::{self, TensorError};

/// The chunks of all tensors, and what is needed to evaluate any of them.
pub(super) struct Work<'w> {
    members: &'w [Member<'w>],
    groups: Vec<Group<'w>>,
    /// Elements of a chunk, a multiple of all block sizes, where it need not consist of whole rows.
    chunk: u64,
    pub(super) window: usize,
    /// The number of the first chunk of each group, and the number of all chunks.
    starts: Vec<usize>,
    /// Buffers that have been written and can be filled again.
    buffers: Mutex<Vec<Vec<u8>>>,
    /// How many of them may be kept.
    kept: usize,
}

/// Elements that are converted in one go: little enough for the first-level cache, a multiple of all block
/// sizes.
const STEP: u64 = 1 << 13;

/// The same where rows have to stay whole: enough of them to be worked on side by side.
const WEIGHED_STEP: u64 = 1 << 15;

/// As many elements, or somewhat fewer, in whole rows; at least one row.
fn whole_rows(elements: u64, weighing: &Weighing<'_>) -> u64 {
    (elements / weighing.columns).max(1) * weighing.columns
}

/// What a thread keeps from one chunk to the next.
#[derive(Default)]
pub(super) struct Scratch {
    numbers: Vec<f32>,
    /// The numbers as one of several encodings wants them.
    finished: Vec<f32>,
    /// What the columns of the current matrix weigh, for each encoding.
    importance: Vec<Vec<f32>>,
    /// What is read in the place of the numbers.
    decoded: Vec<f32>,
}

/// A chunk of a tensor as files store it.
#[derive(Debug)]
pub(super) struct Piece<'w> {
    pub(super) bytes: Cow<'w, [u8]>,
    /// How far it is from what it stands for, if that was asked for.
    pub(super) error: Option<SquaredError>,
}

/// A piece of which a part has been made.
struct Unfinished {
    bytes: Vec<u8>,
    filled: usize,
    error: Option<SquaredError>,
    /// The number of the matrix whose importance is at hand.
    matrix: Option<u64>,
}

/// What becomes of a chunk in each encoding of its group: nothing where nobody wants it.
pub(super) type Pieces<'w> = Vec<Option<Result<Piece<'w>, PlanError>>>;

impl<'w> Work<'w> {
    pub(super) fn new(members: &'w [Member<'w>], resources: Resources) -> Self {
        let threads = resources.threads.get();
        let window = 2 * threads + 2;
        let groups = Group::all(members);
        let encodings = groups.iter().map(|group| group.encodings.len()).max().unwrap_or(1);
        // At its widest a chunk takes eight bytes an element where it is gathered, four as numbers, four more
        // where encodings want them differently, and eight for each encoding where it waits to be written.
        let numbers = if encodings > 1 { 16 } else { 12 };
        let bytes_per_element = threads * numbers + window * 8 * encodings.max(1);
        let chunk = (resources.memory / bytes_per_element) as u64 / STEP * STEP;
        let chunk = chunk.clamp(STEP, 32 * STEP);
        let kept = window * encodings;
        let mut work =
            Self { members, groups, chunk, window, starts: vec![0], buffers: Mutex::default(), kept };
        let mut total = 0;
        for group in &work.groups {
            total += work.elements_of(group).div_ceil(work.chunk_of(group)) as usize;
            work.starts.push(total);
        }
        work
    }

    fn elements_of(&self, group: &Group<'_>) -> u64 {
        group.encodings[0].program.tensor.shape.elements()
    }

    /// Elements of the chunks of a group.
    fn chunk_of(&self, group: &Group<'_>) -> u64 {
        group.weighing().map_or(self.chunk, |weighing| whole_rows(self.chunk, weighing))
    }

    pub(super) fn chunk_count(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    /// The group of a chunk and its elements.
    pub(super) fn chunk(&self, index: usize) -> (&Group<'w>, Range<u64>) {
        let number = self.starts.partition_point(|&start| start <= index) - 1;
        let group = &self.groups[number];
        let chunk = self.chunk_of(group);
        let first = (index - self.starts[number]) as u64 * chunk;
        (group, first..(first + chunk).min(self.elements_of(group)))
    }

    /// The bytes of a chunk as the files have them.
    pub(super) fn evaluate(&self, scratch: &mut Scratch, index: usize) -> Pieces<'w> {
        let (group, elements) = self.chunk(index);
        let is_wanted = |encoding: &Encoding<'_>| {
            encoding.takers.iter().any(|taker| self.members[taker.member].wants(taker.tensor, &elements))
        };
        let wanted: Vec<bool> = group.encodings.iter().map(is_wanted).collect();
        let (copying, converting): (Vec<usize>, Vec<usize>) = (0..wanted.len())
            .filter(|&number| wanted[number])
            .partition(|&number| group.encodings[number].program.copies);
        let mut pieces: Pieces<'w> = wanted.iter().map(|_| None).collect();
        for &number in &copying {
            let earlier = copying.first().and_then(|&first| pieces[first].as_ref());
            let piece = self.copied(group, number, earlier, &elements);
            pieces[number] = Some(piece);
        }
        // What is copied is taken out meanwhile: the others may read it.
        let copied = copying.first().and_then(|&first| pieces[first].take());
        if !converting.is_empty() {
            let readable = match &copied {
                Some(Ok(copy)) if group.reads_copies => {
                    Some((group.encodings[copying[0]].program, copy.bytes.as_ref()))
                }
                _ => None,
            };
            let converted = self.converted(scratch, group, &converting, readable, elements);
            for (&number, piece) in converting.iter().zip(converted) {
                pieces[number] = Some(piece);
            }
        }
        if let Some(&first) = copying.first() {
            pieces[first] = copied;
        }
        pieces
    }

    /// What stored bytes are already; all encodings of a group that copy copy the same.
    fn copied(
        &self,
        group: &Group<'w>,
        number: usize,
        earlier: Option<&Result<Piece<'w>, PlanError>>,
        elements: &Range<u64>,
    ) -> Result<Piece<'w>, PlanError> {
        let encoding = &group.encodings[number];
        let reader = self.reader(encoding);
        let bytes = match earlier {
            Some(Ok(earlier)) => earlier.bytes.clone(),
            _ => reader.bytes(group.node(), elements.clone())?,
        };
        if encoding.program.requires_finite {
            reader.check_finite(&bytes, elements.start)?;
        }
        Ok(Piece { bytes, error: None })
    }

    /// The numbers of a chunk in each of these encodings, none of which copies.
    fn converted(
        &self,
        scratch: &mut Scratch,
        group: &Group<'w>,
        converting: &[usize],
        copied: Option<(&Program<'_>, &[u8])>,
        elements: Range<u64>,
    ) -> Vec<Result<Piece<'w>, PlanError>> {
        let start = elements.start;
        let encodings: Vec<&Encoding<'w>> =
            converting.iter().map(|&number| &group.encodings[number]).collect();
        let mut pieces: Vec<Result<Unfinished, PlanError>> =
            encodings.iter().map(|encoding| Ok(self.begun(encoding, &elements))).collect();
        let reader = self.reader(encodings[0]);
        let Scratch { numbers, finished, importance, decoded } = scratch;
        if importance.len() < encodings.len() {
            importance.resize_with(encodings.len(), Vec::new);
        }
        for part in self.parts(group, elements) {
            for (encoding, piece) in encodings.iter().zip(&mut pieces) {
                if encoding.takers.iter().all(|taker| self.members[taker.member].is_given_up()) {
                    *piece = Err(PlanError::Cancelled);
                }
            }
            if pieces.iter().all(Result::is_err) {
                break;
            }
            numbers.resize((part.end - part.start) as usize, 0.0);
            let read = match copied {
                None => reader.numbers(group.node(), part.clone(), numbers),
                Some((program, bytes)) => {
                    let element_type = program.tensor.element_type;
                    let skipped = bytes_of(element_type, part.start - start) as usize;
                    let length = bytes_of(element_type, part.end - part.start) as usize;
                    tensor::dequantize(element_type, &bytes[skipped..skipped + length], numbers)
                        .map_err(|reason| refused(program, reason, part.start))
                }
            };
            for ((encoding, piece), importance) in encodings.iter().zip(&mut pieces).zip(&mut *importance) {
                let Ok(unfinished) = piece else { continue };
                let mut encoded = read.clone();
                if encoded.is_ok() {
                    let reader = self.reader(encoding);
                    let values = match encoding.finish.as_slice() {
                        [] => Ok(&*numbers),
                        operations => {
                            finished.clone_from(numbers);
                            let apply = |operation| reader.apply(operation, false, part.start, finished);
                            operations.iter().copied().try_for_each(apply).map(|()| &*finished)
                        }
                    };
                    encoded = values.and_then(|values| {
                        unfinished.encode(encoding.program, &reader, values, part.start, importance, decoded)
                    });
                }
                if let Err(error) = encoded {
                    *piece = Err(error);
                }
            }
        }
        let finished =
            |unfinished: Unfinished| Piece { bytes: Cow::Owned(unfinished.bytes), error: unfinished.error };
        pieces.into_iter().map(|piece| piece.map(finished)).collect()
    }

    /// A piece of which nothing has been made.
    fn begun(&self, encoding: &Encoding<'_>, elements: &Range<u64>) -> Unfinished {
        let length = bytes_of(encoding.program.tensor.element_type, elements.end - elements.start);
        let mut bytes = self.buffer();
        bytes.resize(length as usize, 0);
        let measures = encoding.takers.iter().any(|taker| self.members[taker.member].observer.measures());
        Unfinished { bytes, filled: 0, error: measures.then(SquaredError::default), matrix: None }
    }

    /// What an encoding reads from.
    fn reader(&self, encoding: &Encoding<'w>) -> Reader<'w> {
        let member = &self.members[encoding.takers[0].member];
        let descriptions = &member.plan.sources;
        Reader { sources: &member.sources, descriptions, tensor: encoding.program.tensor }
    }

    /// The parts of a chunk that are converted in one go: with importance, whole rows that share one matrix
    /// of it.
    fn parts(&self, group: &Group<'_>, chunk: Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let step = if group.node().scatters() { self.chunk } else { STEP };
        let (step, matrix) = match group.weighing() {
            Some(weighing) => (whole_rows(step.max(WEIGHED_STEP), weighing), weighing.matrix_elements),
            None => (step, chunk.end),
        };
        let mut first = chunk.start;
        std::iter::from_fn(move || {
            let part = first..(first + step).min((first / matrix + 1) * matrix).min(chunk.end);
            first = part.end;
            (!part.is_empty()).then_some(part)
        })
    }

    fn buffer(&self) -> Vec<u8> {
        locked(&self.buffers).pop().unwrap_or_default()
    }

    /// Takes back what has been written.
    pub(super) fn recycle(&self, piece: Result<Piece<'_>, PlanError>) {
        let mut buffers = locked(&self.buffers);
        if let Ok(Piece { bytes: Cow::Owned(buffer), .. }) = piece
            && buffers.len() < self.kept
        {
            buffers.push(buffer);
        }
    }
}

impl Unfinished {
    /// Adds the numbers from element `first` on, in the type of the tensor.
    fn encode(
        &mut self,
        program: &Program<'_>,
        reader: &Reader<'_>,
        numbers: &[f32],
        first: u64,
        importance: &mut Vec<f32>,
        decoded: &mut Vec<f32>,
    ) -> Result<(), PlanError> {
        // Without importance blocks do not depend on each other, so any whole number of them is as good as a
        // row.
        let mut columns = numbers.len();
        if let Some(weighing) = &program.weighing {
            columns = weighing.columns as usize;
            let wanted = Some(first / weighing.matrix_elements);
            if self.matrix != wanted {
                weighing.weights(reader, first / weighing.matrix_elements, importance)?;
                self.matrix = wanted;
            }
        }
        let importance = program.weighing.as_ref().map(|_| importance.as_slice());
        let element_type = program.tensor.element_type;
        let length = bytes_of(element_type, numbers.len() as u64) as usize;
        let bytes = &mut self.bytes[self.filled..self.filled + length];
        tensor::quantize(element_type, numbers, columns, importance, bytes)
            .and_then(
                |()| {
                    if program.requires_finite { tensor::validate(element_type, bytes) } else { Ok(()) }
                },
            )
            .map_err(|reason| refused(program, reason, first))?;
        if let Some(error) = &mut self.error {
            decoded.resize(numbers.len(), 0.0);
            tensor::dequantize(element_type, bytes, decoded)
                .map_err(|reason| refused(program, reason, first))?;
            error.add(numbers, decoded, importance);
        }
        self.filled += length;
        Ok(())
    }
}

/// The error of elements, from `first` on, that their type cannot hold.
fn refused(program: &Program<'_>, reason: TensorError, first: u64) -> PlanError {
    let (tensor, element_type) = (program.tensor.name.clone(), program.tensor.element_type);
    let length = element_type.block_len() as u64;
    let block = match reason {
        TensorError::NotFinite { index, .. } => index as u64,
        TensorError::InvalidScale { block, .. } => block as u64,
        reason => return PlanError::Convert { tensor, reason },
    };
    let first = first + block * length;
    PlanError::Overflow { tensor, element_type, first, last: first + length - 1 }
}
