//! Making the file that a plan describes, in the store.

use std::io::{self, Write};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::parts::{Making, Part};
use super::{CreateError, Monitor, Phase, Progress, Workshop};
use crate::model::Digest;
use crate::plan::{Observer, Plan, PlanError, Source};
use crate::store::{Committed, Store};

/// Executes the plan of `part`, telling its progress under `status`. What is not writing is charged to `phase`.
pub(super) fn make(
    workshop: &Workshop,
    part: &Part,
    plan: &Plan,
    status: &str,
    phase: Phase,
    monitor: Monitor<'_>,
) -> Result<Committed, CreateError> {
    let total = part.inputs.iter().map(|input| input.blob.length()).sum();
    let recipe = recipe_of(part, plan);
    if let Some(blob) = workshop.store.made(recipe)? {
        monitor.tell(Progress::bytes(status, total, total));
        monitor.tell(Progress::line("verifying conversion"));
        return Ok(Committed { blob, existed: true });
    }
    let failed = |error| CreateError::plan(part, error);
    let size = plan.size().map_err(failed)?;
    let store = &workshop.store;
    // Others may have filled the disk since the job was prepared.
    store.ensure_space(size)?;
    let sources = part.inputs.iter().map(|input| input.blob.bytes()).collect::<Result<Vec<_>, _>>()?;
    let sources: Vec<&dyn Source> = sources.iter().map(|bytes| bytes as &dyn Source).collect();
    let watcher = Watcher { status, size, total, monitor };
    let mut writer = workshop.store.create_blob();
    let mut timed = Timed { sink: &mut writer, spent: Duration::ZERO };
    let start = Instant::now();
    // Whether the sources are what their names say is looked at meanwhile.
    let is_over = AtomicBool::new(false);
    let goes_on = || !monitor.stop.is_cancelled() && !is_over.load(Ordering::Relaxed);
    let (executed, whole) = thread::scope(|scope| {
        let look = || part.inputs.iter().try_for_each(|input| store.ensure_whole(&input.blob, goes_on));
        let whole = thread::Builder::new().spawn_scoped(scope, look);
        let whole = whole.map_err(|reason| failed(PlanError::NoThread { reason }))?;
        let executed = plan.execute(&sources, &mut timed, workshop.resources, &watcher);
        // Another failure may come from damage.
        let gives_up = matches!(executed, Err(PlanError::Cancelled | PlanError::Write { .. }));
        is_over.store(gives_up, Ordering::Relaxed);
        Ok::<_, CreateError>((executed, whole.join().unwrap_or_else(|panic| resume_unwind(panic))))
    })?;
    let writing = timed.spent;
    monitor.usage.charge(Phase::Write, writing);
    monitor.usage.charge(phase, start.elapsed().saturating_sub(writing));
    let written = writer.length();
    monitor.usage.count_written(written);
    monitor.usage.count_read(watcher.completed(written));
    whole?;
    match executed {
        Ok(_) => {}
        Err(PlanError::Cancelled) => return Err(CreateError::Cancelled),
        Err(PlanError::Write { reason, .. }) => return Err(CreateError::Store(reason.into())),
        Err(error) => return Err(failed(error)),
    }
    monitor.tell(Progress::line("verifying conversion"));
    monitor.check_stop()?;
    let made = monitor.usage.time(Phase::Sync, || writer.commit(None))?;
    workshop.store.remember_made(recipe, made.blob.digest());
    Ok(made)
}

/// Makes sure that there is room for all the files that are to be made of `parts`.
pub(super) fn ensure_space<'p>(
    store: &Store,
    parts: impl Iterator<Item = &'p Part>,
) -> Result<(), CreateError> {
    let mut needed = 0_u64;
    for part in parts {
        // What was made before is not made again.
        if let Making::Plan { plan, .. } = &part.making
            && store.made(recipe_of(part, plan))?.is_none()
        {
            let size = plan.check().map_err(|error| CreateError::plan(part, error))?;
            needed = needed.saturating_add(size);
        }
    }
    Ok(store.ensure_space(needed)?)
}

/// A digest of everything that decides what is made: the plan, the content of its sources whatever they are
/// called, and the version of the program.
fn recipe_of(part: &Part, plan: &Plan) -> Digest {
    let labels =
        part.inputs.iter().map(|input| format!("{} {}", env!("CARGO_PKG_VERSION"), input.blob.digest()));
    plan.digest(labels)
}

/// Tells progress in bytes of the sources, which is what clients know the size of.
struct Watcher<'w> {
    status: &'w str,
    size: u64,
    total: u64,
    monitor: Monitor<'w>,
}

impl Watcher<'_> {
    /// How many bytes of the sources so many bytes of the result stand for.
    fn completed(&self, written: u64) -> u64 {
        let completed = u128::from(written) * u128::from(self.total) / u128::from(self.size.max(1));
        u64::try_from(completed).unwrap_or(self.total)
    }
}

impl Observer for Watcher<'_> {
    fn written(&self, written: u64) {
        self.monitor.tell(Progress::bytes(self.status, self.completed(written), self.total));
    }

    fn is_cancelled(&self) -> bool {
        self.monitor.stop.is_cancelled()
    }
}

/// Measures the time that a sink takes.
struct Timed<'t, W> {
    sink: &'t mut W,
    spent: Duration,
}

impl<W: Write> Write for Timed<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let start = Instant::now();
        let count = self.sink.write(bytes);
        self.spent += start.elapsed();
        count
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}
