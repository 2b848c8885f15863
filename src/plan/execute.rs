//! The executor: any plan, from its sources into an ordered sink.
//!
//! Tensors are cut into chunks of elements. Threads evaluate chunks ahead of the writer, within a memory
//! budget; the calling thread writes them in file order, so a sink that hashes does so while the next chunks
//! are computed. Chunks that need no change are lent by the source and go to the sink without a copy.

use std::borrow::Cow;
use std::io::Write;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Mutex;

use super::Plan;
use super::error::PlanError;
use super::evaluate::Reader;
use super::ordered::{Limits, NoThread, ordered};
use super::program::Program;
use super::source::Source;
use super::squared_error::SquaredError;
use super::stored::bytes_of;
use super::weighing::Weighing;
use crate::gguf::Header;
use crate::locked::locked;
use crate::tensor::{self, TensorError};

/// What an execution may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resources {
    /// Threads that evaluate; the calling thread writes.
    pub threads: NonZeroUsize,
    /// Bytes of memory for the chunks under way, whatever the model. What sources have to fetch comes on top.
    pub memory: usize,
}

impl Default for Resources {
    /// All cores, 192 MiB.
    fn default() -> Self {
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self { threads, memory: 192 << 20 }
    }
}

/// Who watches an execution, many times a second.
pub trait Observer: Sync {
    /// So many bytes of the result have been written. Told by the thread that executes.
    fn written(&self, bytes: u64) {
        let _ = bytes;
    }

    /// Whether the error of what is quantized is to be measured on the way.
    fn measures(&self) -> bool {
        false
    }

    /// A part of the tensor of this number has this error; told in the order of the file.
    fn measured(&self, tensor: usize, error: SquaredError) {
        let _ = (tensor, error);
    }

    /// Whether to stop. All threads ask. The execution ends with [`PlanError::Cancelled`] within a few
    /// thousand elements' time, where a tensor is not transposed.
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// Nobody watches.
impl Observer for () {}

impl Plan {
    /// Makes the file: reads `sources`, in the order of [`Plan::sources`], and writes every byte of the
    /// result to `sink`, in order. Returns how many that were, which is [`Plan::size`].
    ///
    /// # Errors
    /// Whatever [`PlanError`] names. The sink has then received part of the file.
    pub fn execute(
        &self,
        sources: &[&dyn Source],
        sink: &mut dyn Write,
        resources: Resources,
        observer: &dyn Observer,
    ) -> Result<u64, PlanError> {
        self.check_sources(sources)?;
        let header = self.header()?;
        let programs = self.compile()?;
        let work = Work::new(self, sources, &programs, resources, observer);
        let mut output = Output { sink, position: 0, observer };
        output.write(header.bytes())?;
        let limits = Limits { threads: resources.threads.get(), window: work.window };
        ordered(
            limits,
            work.chunk_count(),
            Scratch::default,
            |scratch, index| work.evaluate(scratch, index),
            |index, Chunk { bytes, error }| {
                let (tensor, elements) = work.chunk(index);
                if let Some(error) = error {
                    observer.measured(tensor, error);
                }
                if elements.start == 0 {
                    output.pad_to(header.data()[tensor].start)?;
                }
                output.write(&bytes)?;
                work.recycle(bytes);
                Ok(())
            },
        )?;
        output.pad_to(header.file_length())?;
        Ok(header.file_length())
    }

    /// Checks everything that can be known without reading a source; answers with the length of the file to
    /// come.
    ///
    /// # Errors
    /// Whatever [`PlanError`] names for headers, shapes, byte ranges and conversions.
    pub fn check(&self) -> Result<u64, PlanError> {
        let length = self.size()?;
        self.compile()?;
        Ok(length)
    }

    /// The length of the file to come in bytes.
    ///
    /// # Errors
    /// There is no such file: see [`PlanError::Header`].
    pub fn size(&self) -> Result<u64, PlanError> {
        Ok(self.header()?.file_length())
    }

    fn compile(&self) -> Result<Vec<Program<'_>>, PlanError> {
        self.tensors.iter().map(|tensor| Program::compile(tensor, &self.sources)).collect()
    }

    pub(super) fn check_sources(&self, sources: &[&dyn Source]) -> Result<(), PlanError> {
        if sources.len() != self.sources.len() {
            return Err(PlanError::SourceCount { got: sources.len(), expected: self.sources.len() });
        }
        for (source, description) in sources.iter().zip(&self.sources) {
            let (got, expected) = (source.length(), description.length);
            if got != expected {
                return Err(PlanError::SourceLength { label: description.label.clone(), got, expected });
            }
        }
        Ok(())
    }

    /// The header of the file to come.
    ///
    /// # Errors
    /// There is no such file: see [`PlanError::Header`].
    pub fn header(&self) -> Result<Header, PlanError> {
        let tensors: Vec<_> = self.tensors.iter().map(|tensor| tensor.description()).collect();
        Ok(Header::new(&self.metadata, &tensors)?)
    }
}

/// The chunks of all tensors, and what is needed to evaluate any of them.
struct Work<'w> {
    plan: &'w Plan,
    sources: &'w [&'w dyn Source],
    programs: &'w [Program<'w>],
    observer: &'w dyn Observer,
    /// Elements of a chunk, a multiple of all block sizes, where it need not consist of whole rows.
    chunk: u64,
    window: usize,
    /// The number of the first chunk of each tensor, and the number of all chunks.
    starts: Vec<usize>,
    /// Buffers that have been written and can be filled again.
    buffers: Mutex<Vec<Vec<u8>>>,
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
struct Scratch {
    numbers: Vec<f32>,
    /// What the columns of the current matrix weigh.
    importance: Vec<f32>,
    /// What is read in the place of the numbers.
    decoded: Vec<f32>,
}

/// A chunk of the file to be.
struct Chunk<'w> {
    bytes: Cow<'w, [u8]>,
    /// How far it is from what it stands for, if that was asked for.
    error: Option<SquaredError>,
}

impl<'w> Work<'w> {
    fn new(
        plan: &'w Plan,
        sources: &'w [&'w dyn Source],
        programs: &'w [Program<'w>],
        resources: Resources,
        observer: &'w dyn Observer,
    ) -> Self {
        let threads = resources.threads.get();
        let window = 2 * threads + 2;
        // At its widest a chunk takes eight bytes an element where it is gathered, four as numbers, and eight
        // where it waits to be written.
        let bytes_per_element = threads * 12 + window * 8;
        let chunk = (resources.memory / bytes_per_element) as u64 / STEP * STEP;
        let chunk = chunk.clamp(STEP, 32 * STEP);
        let mut work = Self {
            plan,
            sources,
            programs,
            observer,
            chunk,
            window,
            starts: vec![0],
            buffers: Mutex::default(),
        };
        let mut total = 0;
        for (index, tensor) in plan.tensors.iter().enumerate() {
            total += tensor.shape.elements().div_ceil(work.chunk_of(index)) as usize;
            work.starts.push(total);
        }
        work
    }

    /// Elements of the chunks of a tensor.
    fn chunk_of(&self, tensor: usize) -> u64 {
        let weighing = self.programs[tensor].weighing.as_ref();
        weighing.map_or(self.chunk, |weighing| whole_rows(self.chunk, weighing))
    }

    fn chunk_count(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }

    /// The tensor of a chunk and its elements.
    fn chunk(&self, index: usize) -> (usize, Range<u64>) {
        let tensor = self.starts.partition_point(|&start| start <= index) - 1;
        let chunk = self.chunk_of(tensor);
        let first = (index - self.starts[tensor]) as u64 * chunk;
        let count = self.plan.tensors[tensor].shape.elements();
        (tensor, first..(first + chunk).min(count))
    }

    /// The bytes of a chunk as the file has them.
    fn evaluate(&self, scratch: &mut Scratch, index: usize) -> Result<Chunk<'w>, PlanError> {
        let (tensor, elements) = self.chunk(index);
        let program = &self.programs[tensor];
        let reader =
            Reader { sources: self.sources, descriptions: &self.plan.sources, tensor: program.tensor };
        if program.copies {
            let bytes = reader.bytes(&program.node, elements.clone())?;
            if program.requires_finite {
                reader.check_finite(&bytes, elements.start)?;
            }
            return Ok(Chunk { bytes, error: None });
        }

        let element_type = program.tensor.element_type;
        let mut output = self.buffer();
        output.resize(bytes_of(element_type, elements.end - elements.start) as usize, 0);
        let mut rest = output.as_mut_slice();
        let Scratch { numbers, importance, decoded } = scratch;
        let mut error = self.observer.measures().then(SquaredError::default);
        let mut matrix = None;
        for part in self.parts(program, elements) {
            if self.observer.is_cancelled() {
                return Err(PlanError::Cancelled);
            }
            let (first, count) = (part.start, part.end - part.start);
            numbers.resize(count as usize, 0.0);
            reader.numbers(&program.node, part, numbers)?;
            // Without importance blocks do not depend on each other, so any whole number of them is as good
            // as a row.
            let mut columns = count;
            if let Some(weighing) = &program.weighing {
                columns = weighing.columns;
                let wanted = Some(first / weighing.matrix_elements);
                if matrix != wanted {
                    weighing.weights(&reader, first / weighing.matrix_elements, importance)?;
                    matrix = wanted;
                }
            }
            let importance = program.weighing.as_ref().map(|_| importance.as_slice());
            let (bytes, after) = rest.split_at_mut(bytes_of(element_type, count) as usize);
            tensor::quantize(element_type, numbers, columns as usize, importance, bytes)
                .and_then(|()| {
                    if program.requires_finite { tensor::validate(element_type, bytes) } else { Ok(()) }
                })
                .map_err(|reason| refused(program, reason, first))?;
            if let Some(error) = &mut error {
                decoded.resize(count as usize, 0.0);
                tensor::dequantize(element_type, bytes, decoded)
                    .map_err(|reason| refused(program, reason, first))?;
                error.add(numbers, decoded, importance);
            }
            rest = after;
        }
        Ok(Chunk { bytes: Cow::Owned(output), error })
    }

    /// The parts of a chunk that are converted in one go: with importance, whole rows that share one matrix
    /// of it.
    fn parts(&self, program: &Program<'_>, chunk: Range<u64>) -> impl Iterator<Item = Range<u64>> {
        let step = if program.scatters() { self.chunk } else { STEP };
        let (step, matrix) = match &program.weighing {
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

    fn recycle(&self, bytes: Cow<'_, [u8]>) {
        let mut buffers = locked(&self.buffers);
        if let Cow::Owned(buffer) = bytes
            && buffers.len() < self.window
        {
            buffers.push(buffer);
        }
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

impl From<NoThread> for PlanError {
    fn from(NoThread(reason): NoThread) -> Self {
        Self::NoThread { reason }
    }
}

/// The sink and how much it has received.
struct Output<'o> {
    sink: &'o mut dyn Write,
    position: u64,
    observer: &'o dyn Observer,
}

impl Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), PlanError> {
        if self.observer.is_cancelled() {
            return Err(PlanError::Cancelled);
        }
        self.sink.write_all(bytes).map_err(|reason| PlanError::Write { offset: self.position, reason })?;
        self.position += bytes.len() as u64;
        self.observer.written(self.position);
        Ok(())
    }

    /// Writes zeros up to a position.
    fn pad_to(&mut self, position: u64) -> Result<(), PlanError> {
        const ZEROS: [u8; 4096] = [0; 4096];
        while self.position < position {
            let count = (position - self.position).min(ZEROS.len() as u64);
            self.write(&ZEROS[..count as usize])?;
        }
        Ok(())
    }
}
