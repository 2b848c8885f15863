//! Several files from one pass over their sources.
//!
//! The numbers of a chunk are one thing, and how a file stores them is another: where several files hold the
//! same numbers, these are read and computed once, and encoded for each type that they are wanted in. What
//! two files store alike is encoded once. Each file is written in order into its own sink, and one that
//! cannot be finished does not keep the others from being.

use std::io::Write;
use std::sync::Arc;

use super::Plan;
use super::error::PlanError;
use super::member::Member;
use super::observer::Observer;
use super::ordered::{Limits, NoThread, ordered};
use super::resources::Resources;
use super::source::Source;
use super::work::{Piece, Scratch, Work};

/// Several files that are made together. Their plans share what they can: the same tensors of the same
/// sources.
pub struct Batch<'b> {
    /// What the plans read, each source once.
    pub sources: &'b [&'b dyn Source],
    /// The files.
    pub outputs: Vec<Output<'b>>,
}

/// A file of a batch.
pub struct Output<'b> {
    /// What it will be.
    pub plan: &'b Plan,
    /// Which of the batch's sources each source of the plan is.
    pub places: Vec<usize>,
    /// How many bytes of the file are there already, from its beginning. What only they need is not computed
    /// again.
    pub present: u64,
    /// Gets the bytes after those, in order.
    pub sink: &'b mut dyn Write,
    /// Watches this file.
    pub observer: &'b dyn Observer,
}

impl Batch<'_> {
    /// Makes the files; answers for each, in their order, with its length or why it could not be finished.
    /// Its sink has then received part of it.
    pub fn execute(self, resources: Resources) -> Vec<Result<u64, PlanError>> {
        let Self { sources, outputs } = self;
        let mut outcomes: Vec<Option<Result<u64, PlanError>>> = Vec::new();
        let (mut members, mut streams) = (Vec::new(), Vec::new());
        for (number, output) in outputs.into_iter().enumerate() {
            let Output { plan, places, present, sink, observer } = output;
            match Member::new(plan, places, present, observer, sources) {
                Ok(member) => {
                    members.push(member);
                    streams.push(Stream { number, sink, position: present, observer, failure: None });
                    outcomes.push(None);
                }
                Err(error) => outcomes.push(Some(Err(error))),
            }
        }
        let ended = run(&members, &mut streams, resources);
        for (member, stream) in members.iter().zip(streams) {
            let outcome = match (stream.failure, &ended) {
                (Some(failure), _) => Err(failure),
                (None, Err(error)) => Err(error.clone()),
                (None, Ok(())) => Ok(member.header.file_length()),
            };
            outcomes[stream.number] = Some(outcome);
        }
        outcomes.into_iter().map(|outcome| outcome.unwrap_or(Err(PlanError::Cancelled))).collect()
    }
}

/// Brings every stream to its end or its failure.
fn run(members: &[Member<'_>], streams: &mut [Stream<'_>], resources: Resources) -> Result<(), PlanError> {
    let work = Work::new(members, resources);
    for (member, stream) in members.iter().zip(&mut *streams) {
        stream.put(member, |stream| stream.write_at(0, member.header.bytes()));
    }
    let limits = Limits { threads: resources.threads.get(), window: work.window };
    ordered(
        limits,
        work.chunk_count(),
        Scratch::default,
        |scratch, index| Ok(work.evaluate(scratch, index)),
        |index, pieces| {
            let (group, elements) = work.chunk(index);
            for (encoding, piece) in group.encodings.iter().zip(pieces) {
                let Some(piece) = piece else { continue };
                for taker in &encoding.takers {
                    let member = &members[taker.member];
                    let offset = member.file_range(taker.tensor, &elements).start;
                    let stream = &mut streams[taker.member];
                    stream.put(member, |stream| stream.take(taker.tensor, offset, &piece));
                }
                work.recycle(piece);
            }
            match members.iter().all(Member::has_ended) {
                true => Err(PlanError::Cancelled),
                false => Ok(()),
            }
        },
    )?;
    for (member, stream) in members.iter().zip(streams) {
        stream.put(member, |stream| stream.pad_to(member.header.file_length()));
    }
    Ok(())
}

/// The sink of a file and how much of the file is there.
struct Stream<'b> {
    /// Which output it is.
    number: usize,
    sink: &'b mut dyn Write,
    position: u64,
    observer: &'b dyn Observer,
    failure: Option<PlanError>,
}

impl Stream<'_> {
    /// Does something for the file unless it has failed, which it may do now.
    fn put(&mut self, member: &Member<'_>, write: impl FnOnce(&mut Self) -> Result<(), PlanError>) {
        if self.failure.is_none()
            && let Err(failure) = write(self)
        {
            self.failure = Some(failure);
            member.end();
        }
    }

    /// Writes what was made of a part of a tensor, or fails as it did.
    fn take(
        &mut self,
        tensor: usize,
        offset: u64,
        piece: &Result<Piece<'_>, PlanError>,
    ) -> Result<(), PlanError> {
        let Piece { bytes, error } = piece.as_ref().map_err(PlanError::clone)?;
        if let Some(error) = *error
            && self.observer.measures()
        {
            self.observer.measured(tensor, error);
        }
        self.write_at(offset, bytes)
    }

    /// Writes bytes that begin at an offset of the file, after zeros up to there; those that are there are
    /// left as they are.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), PlanError> {
        self.pad_to(offset)?;
        let present = usize::try_from(self.position - offset).unwrap_or(usize::MAX);
        match bytes.get(present..) {
            Some(missing) if !missing.is_empty() => self.write(missing),
            _ => Ok(()),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), PlanError> {
        if self.observer.is_cancelled() {
            return Err(PlanError::Cancelled);
        }
        let failed = |reason| PlanError::Write { offset: self.position, reason: Arc::new(reason) };
        self.sink.write_all(bytes).map_err(failed)?;
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

impl From<NoThread> for PlanError {
    fn from(NoThread(reason): NoThread) -> Self {
        Self::NoThread { reason: Arc::new(reason) }
    }
}
