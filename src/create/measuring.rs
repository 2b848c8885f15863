//! How far the tensors of a file would be from what they stand for, without making it.

use std::io;
use std::sync::atomic::AtomicU64;

use super::planned_file::PlannedFile;
use super::watch::{Progress, Watcher};
use super::{Action, CreateError, Monitor, Workshop};
use crate::plan::{Plan, PlanError, Source, SquaredError, SquaredErrors};

impl PlannedFile {
    /// The error of each tensor of the file that this plan of it comes to, if the request asks for them. All
    /// weights are read and quantized, and nothing is kept.
    pub(super) fn errors(
        &self,
        plan: &Plan,
        workshop: &Workshop,
        monitor: Monitor<'_>,
    ) -> Result<Option<Vec<SquaredError>>, CreateError> {
        if !self.tells_quality() {
            return Ok(None);
        }
        let sources = self.sources()?;
        let sources: Vec<&dyn Source> = sources.iter().map(|bytes| bytes as &dyn Source).collect();
        let size = plan.size().map_err(|error| self.failed(error))?;
        let (total, made) = (self.source_bytes(), AtomicU64::new(0));
        let progress = Progress { action: Action::Measuring, size, total, monitor, made };
        let errors = Some(SquaredErrors::of(plan));
        let watcher = Watcher { progress: &progress, made: AtomicU64::new(0), errors };
        match plan.execute(&sources, &mut io::sink(), workshop.resources, &watcher) {
            Ok(_) => Ok(watcher.errors.map(SquaredErrors::finish)),
            Err(PlanError::Cancelled) => Err(CreateError::Cancelled),
            Err(error) => Err(self.failed(error)),
        }
    }
}
