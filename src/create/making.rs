//! Making planned files in the store: several from one pass over what they are made of.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::input::Input;
use super::planned_file::{PlannedFile, Settled};
use super::recall::recall;
use super::turn::take_turn;
use super::watch::{Progress, Timed, Watcher};
use super::{Action, CreateError, Event, Monitor, Phase, Workshop};
use crate::model::Digest;
use crate::plan::{Batch, Output, Plan, PlanError, Source, SquaredError, SquaredErrors};
use crate::quantize::{quality, relative_errors};
use crate::store::{Blob, BlobWriter, Committed, Start, Store, Turn};

/// Makes the files in the store, except those that were made before, and tells the progress. Answers for each
/// file, in their order; one that fails does not keep the others from being made.
pub(super) fn make(
    files: &[&PlannedFile],
    workshop: &Workshop,
    monitor: Monitor<'_>,
) -> Vec<Result<Committed, CreateError>> {
    let mut outcomes: Vec<Option<Result<Committed, CreateError>>> = files.iter().map(|_| None).collect();
    loop {
        // Of those that are the same, the first is made, and found by the others. Who takes several turns
        // does so in their order, so that no two wait for each other.
        let mut distinct: BTreeMap<Digest, usize> = BTreeMap::new();
        let unmade = outcomes.iter_mut().zip(files).enumerate().filter(|(_, (outcome, _))| outcome.is_none());
        for (number, (outcome, file)) in unmade {
            match file.recipe() {
                Ok(recipe) => _ = distinct.entry(recipe).or_insert(number),
                Err(error) => *outcome = Some(Err(error)),
            }
        }
        if distinct.is_empty() {
            let outcome = |outcome: Option<_>| outcome.unwrap_or(Err(CreateError::Cancelled));
            return outcomes.into_iter().map(outcome).collect();
        }
        let numbers: Vec<usize> = distinct.values().copied().collect();
        let round = Round { workshop, monitor, needed: 0 };
        let made = round.make(distinct.into_iter().map(|(recipe, number)| (recipe, files[number])).collect());
        for (number, outcome) in numbers.into_iter().zip(made) {
            outcomes[number] = Some(outcome);
        }
    }
}

/// Files that differ, made together.
struct Round<'r> {
    workshop: &'r Workshop,
    monitor: Monitor<'r>,
    /// Bytes that those need which have been begun.
    needed: u64,
}

/// A file that is about to be made.
struct Begun<'f> {
    file: &'f PlannedFile,
    recipe: Digest,
    plan: Cow<'f, Plan>,
    size: u64,
    /// Nobody else makes it meanwhile.
    _turn: Turn,
}

/// What there is to do about a file.
enum Beginning<'f> {
    /// It was made before.
    Made(Committed),
    /// It is made from where this writer has come to.
    ToMake(Begun<'f>, Box<BlobWriter>),
}

impl<'r> Round<'r> {
    fn make(mut self, files: Vec<(Digest, &PlannedFile)>) -> Vec<Result<Committed, CreateError>> {
        let (mut begun, mut writers) = (Vec::new(), Vec::new());
        let mut outcomes: Vec<Option<Result<Committed, CreateError>>> = Vec::new();
        for (recipe, file) in files {
            outcomes.push(match self.begin(recipe, file) {
                Ok(Beginning::Made(made)) => Some(Ok(made)),
                Ok(Beginning::ToMake(file, writer)) => {
                    begun.push(file);
                    writers.push(*writer);
                    None
                }
                Err(error) => Some(Err(error)),
            });
        }
        let mut made = self.run(&begun, writers).into_iter();
        let outcome =
            |outcome: Option<_>| outcome.or_else(|| made.next()).unwrap_or(Err(CreateError::Cancelled));
        outcomes.into_iter().map(outcome).collect()
    }

    /// Waits for the turn of a file, looks whether it was made before, and measures what has to be known.
    fn begin<'f>(&mut self, recipe: Digest, file: &'f PlannedFile) -> Result<Beginning<'f>, CreateError> {
        let Self { workshop, monitor, .. } = *self;
        let store = &workshop.store;
        let turn = take_turn(store, recipe, monitor)?;
        // What was made before tells no errors.
        let known = match file.tells_quality() {
            true => None,
            false => made_before(workshop, file, recipe, monitor)?,
        };
        if let Some((blob, existed)) = known {
            store.clear_output(recipe);
            let (action, total) = (file.action().clone(), file.source_bytes());
            monitor.tell(Event::Making { action, completed: total, total });
            monitor.tell(Event::Verifying);
            return Ok(Beginning::Made(Committed { blob, existed }));
        }
        // Others may have filled the disk since the job was prepared.
        let size = file.size().map_err(|error| file.failed(error))?;
        let needed = self.needed.saturating_add(size.saturating_sub(store.present_of(recipe)));
        store.ensure_space(needed)?;
        self.needed = needed;
        let Settled { plan, warnings, demand, .. } = file.settled(workshop, monitor)?;
        warnings.into_iter().for_each(|warning| monitor.tell(Event::Warning(warning)));
        demand.map_or(Ok(()), Err)?;
        let size = plan.size().map_err(|error| file.failed(error))?;
        let writer = self.writer(recipe, file, size)?;
        Ok(Beginning::ToMake(Begun { file, recipe, plan, size, _turn: turn }, Box::new(writer)))
    }

    /// What writes a file, from its beginning or from where it was interrupted.
    fn writer(&self, recipe: Digest, file: &PlannedFile, size: u64) -> Result<BlobWriter, CreateError> {
        let Self { workshop, monitor, .. } = *self;
        if file.tells_quality() {
            // The errors of what is there already would be missing.
            return Ok(workshop.store.create_blob());
        }
        let goes_on = || !monitor.stop.is_cancelled();
        let begun = workshop.store.create_output(recipe, workshop.checkpoint, goes_on)?;
        let (writer, start) = begun.ok_or(CreateError::Cancelled)?;
        match start {
            Start::AtBeginning => {}
            Start::After(present) => monitor.tell(Event::GoingOn { present, size }),
            Start::Anew => {
                let reason = "what was made before the interruption is damaged";
                monitor.tell(Event::BeginningAnew { reason });
            }
        }
        Ok(writer)
    }

    /// Makes files from one pass over their sources.
    fn run(&self, begun: &[Begun<'_>], writers: Vec<BlobWriter>) -> Vec<Result<Committed, CreateError>> {
        let Some(first) = begun.first() else { return Vec::new() };
        let monitor = self.monitor;
        let inputs = Inputs::of(begun.iter().map(|begun| begun.file));
        let progress = Progress {
            action: Action::together(begun.iter().map(|begun| begun.file.action())),
            size: begun.iter().map(|begun| begun.size).fold(0, u64::saturating_add),
            total: inputs.bytes(),
            monitor,
            made: AtomicU64::new(0),
        };
        let watcher = |begun: &Begun<'_>| {
            let errors = begun.file.tells_quality().then(|| SquaredErrors::of(&begun.plan));
            Watcher { progress: &progress, made: AtomicU64::new(0), errors }
        };
        let watchers: Vec<_> = begun.iter().map(watcher).collect();
        let sink = |sink| Timed { sink, spent: Duration::ZERO };
        let mut sinks: Vec<_> = writers.into_iter().map(sink).collect();
        let start = Instant::now();
        let executed = self.execute(begun, &inputs, &mut sinks, &watchers);
        let writing = sinks.iter().map(|timed| timed.spent).sum();
        monitor.usage.charge(Phase::Write, writing);
        monitor.usage.charge(first.file.phase(), start.elapsed().saturating_sub(writing));
        let written = sinks.iter().map(|timed| timed.sink.written()).sum();
        monitor.usage.count_written(written);
        monitor.usage.count_read(progress.completed(written));
        let errors = watchers.into_iter().map(|watcher| watcher.errors.map(SquaredErrors::finish));
        let errors: Vec<_> = errors.collect();
        let is_executed: Vec<bool> = executed.iter().map(Result::is_ok).collect();
        if is_executed.contains(&true) {
            for (begun, errors) in begun.iter().zip(&errors) {
                tell_quality(begun, errors.as_deref(), is_executed.len() > 1, monitor);
            }
            monitor.tell(Event::Verifying);
        }
        let ended = begun.iter().zip(sinks).zip(executed).zip(errors);
        let commit = |(((begun, timed), executed), errors): (((&Begun<'_>, _), Result<_, _>), Option<_>)| {
            executed.and_then(|()| self.commit(begun, timed, errors))
        };
        ended.map(commit).collect()
    }

    /// Computes and writes the files, and looks meanwhile whether the sources are what their names say.
    fn execute(
        &self,
        begun: &[Begun<'_>],
        inputs: &Inputs<'_>,
        sinks: &mut [Timed<BlobWriter>],
        watchers: &[Watcher<'_>],
    ) -> Vec<Result<(), CreateError>> {
        let Self { workshop, monitor, .. } = *self;
        let store = &workshop.store;
        let bytes = match inputs.open() {
            Ok(bytes) => bytes,
            // Each tells what it cannot read.
            Err(_) => return begun.iter().map(|begun| begun.file.sources().map(drop)).collect(),
        };
        let sources: Vec<&dyn Source> = bytes.iter().map(|bytes| bytes as &dyn Source).collect();
        let is_over = AtomicBool::new(false);
        let goes_on = || !monitor.stop.is_cancelled() && !is_over.load(Ordering::Relaxed);
        let look = || inputs.all.iter().try_for_each(|input| store.ensure_whole(&input.blob, goes_on));
        let executed = thread::scope(|scope| {
            let whole = thread::Builder::new().spawn_scoped(scope, look)?;
            let outputs = begun.iter().zip(sinks).zip(watchers).map(|((begun, sink), observer)| {
                let (plan, places) = (&*begun.plan, inputs.places(begun.file));
                let present = sink.sink.length();
                Output { plan, places, present, sink, observer }
            });
            let batch = Batch { sources: &sources, outputs: outputs.collect() };
            let executed = batch.execute(workshop.resources);
            // Another failure may come from damage.
            let gives_up = |executed: &Result<_, _>| {
                matches!(executed, Err(PlanError::Cancelled | PlanError::Write { .. }))
            };
            is_over.store(executed.iter().all(gives_up), Ordering::Relaxed);
            Ok::<_, io::Error>((executed, whole.join().unwrap_or_else(|panic| resume_unwind(panic))))
        });
        let (executed, whole) = match executed {
            Ok(ended) => ended,
            Err(reason) => {
                let reason = Arc::new(reason);
                let failed = |begun: &Begun<'_>| {
                    Err(begun.file.failed(PlanError::NoThread { reason: Arc::clone(&reason) }))
                };
                return begun.iter().map(failed).collect();
            }
        };
        let ended = begun.iter().zip(executed).map(|(begun, executed)| {
            // Which of the files are made of what is damaged is looked at file by file.
            if whole.is_err() {
                let inputs = begun.file.inputs().iter();
                inputs.map(|input| &input.blob).try_for_each(|blob| store.ensure_whole(blob, goes_on))?;
            }
            executed.map(drop).map_err(|error| begun.failed(error))
        });
        ended.collect()
    }

    /// Makes a file visible in the store.
    fn commit(
        &self,
        begun: &Begun<'_>,
        timed: Timed<BlobWriter>,
        errors: Option<Vec<SquaredError>>,
    ) -> Result<Committed, CreateError> {
        self.monitor.check_stop()?;
        let Self { workshop, monitor, .. } = self;
        let (written, start) = (timed.sink.written(), Instant::now());
        let made = monitor.usage.time(Phase::Sync, || timed.sink.commit(None))?;
        workshop.pace.has_written(written, timed.spent + start.elapsed());
        workshop.store.remember_made(begun.recipe, made.blob.digest());
        if let Some(errors) = errors {
            remember_errors(&workshop.store, made.blob.digest(), &begun.plan, &errors);
        }
        Ok(made)
    }
}

/// What was made of a recipe before, here or as the library remembers it, and whether it was here.
fn made_before(
    workshop: &Workshop,
    file: &PlannedFile,
    recipe: Digest,
    monitor: Monitor<'_>,
) -> Result<Option<(Blob, bool)>, CreateError> {
    let store = &workshop.store;
    if let Some(blob) = store.made(recipe, || !monitor.stop.is_cancelled())? {
        return Ok(Some((blob, true)));
    }
    let Some(blob) = recall(workshop, file, recipe, monitor)? else { return Ok(None) };
    store.remember_made(recipe, blob.digest());
    Ok(Some((blob, false)))
}

impl Begun<'_> {
    /// Why it could not be executed.
    fn failed(&self, error: PlanError) -> CreateError {
        match error {
            PlanError::Cancelled => CreateError::Cancelled,
            PlanError::Write { reason, .. } => {
                let copy = |reason: Arc<io::Error>| io::Error::from(reason.kind());
                CreateError::Store(Arc::try_unwrap(reason).unwrap_or_else(copy).into())
            }
            error => self.file.failed(error),
        }
    }
}

/// Tells how far the tensors of a file are from what they stand for; which file it is, if there are several.
fn tell_quality(begun: &Begun<'_>, errors: Option<&[SquaredError]>, several: bool, monitor: Monitor<'_>) {
    for (tensor, error) in errors.iter().flat_map(|errors| quality(&begun.plan, errors)) {
        let tensor = match begun.file.action() {
            Action::Quantizing { to, .. } if several => format!("{tensor} in {to}"),
            _ => tensor,
        };
        monitor.tell(Event::Quality { tensor, error });
    }
}

/// Remembers the relative errors of the tensors that were changed, by name, as JSON.
fn remember_errors(store: &Store, blob: Digest, plan: &Plan, errors: &[SquaredError]) {
    let errors: BTreeMap<_, _> = relative_errors(plan, errors).collect();
    if let Ok(text) = serde_json::to_vec(&errors) {
        store.remember_measured(blob, &text);
    }
}

/// What files are made of, each blob once.
struct Inputs<'i> {
    all: Vec<&'i Input>,
    /// The place of each blob among them.
    places: BTreeMap<Digest, usize>,
}

impl<'i> Inputs<'i> {
    fn of(files: impl Iterator<Item = &'i PlannedFile>) -> Self {
        let (mut all, mut places) = (Vec::new(), BTreeMap::new());
        for input in files.flat_map(PlannedFile::inputs) {
            places.entry(input.blob.digest()).or_insert_with(|| {
                all.push(input);
                all.len() - 1
            });
        }
        Self { all, places }
    }

    /// How many bytes they have.
    fn bytes(&self) -> u64 {
        self.all.iter().map(|input| input.blob.length()).sum()
    }

    fn open(&self) -> Result<Vec<&'i [u8]>, CreateError> {
        Ok(self.all.iter().map(|input| input.blob.bytes()).collect::<Result<_, _>>()?)
    }

    /// Which of them are the sources of a file's plan, in its order.
    fn places(&self, file: &PlannedFile) -> Vec<usize> {
        file.inputs().iter().map(|input| self.places[&input.blob.digest()]).collect()
    }
}
