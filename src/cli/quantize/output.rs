//! Writing what was planned: all files appear complete, or none does; or the one goes to standard output.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::QuantizeError;
use crate::cli::interruption::interruption;
use crate::cli::new_file::NewFile;
use crate::cli::progress::Progress;
use crate::cli::standard_output::{OutputError, print, stream};
use crate::cli::task::Task;
use crate::plan::{Observer, Plan, PlanError, Resources, Source, SquaredError, SquaredErrors};
use crate::quantize::{Fitting, quality};

/// A file to be written.
pub(super) struct Output {
    pub(super) path: PathBuf,
    pub(super) plan: Plan,
}

impl Output {
    /// Whether it is standard output.
    pub(super) fn is_stream(&self) -> bool {
        self.path == Path::new("-")
    }

    fn failed(&self) -> impl Fn(std::io::Error) -> QuantizeError + use<> {
        let path = self.path.clone();
        move |reason| QuantizeError::File { path: path.clone(), reason }
    }
}

/// How files are made.
pub(super) struct Making<'m> {
    pub(super) sources: &'m [&'m dyn Source],
    pub(super) resources: Resources,
    /// Whether the error of each tensor is told.
    pub(super) quality: bool,
    /// Whether standard output is for an answer that programs read.
    pub(super) answers: bool,
    pub(super) progress: &'m Progress,
}

impl Making<'_> {
    /// Executes plans into files that take their names when all are complete.
    pub(super) fn write(&self, outputs: &[Output]) -> Result<(), QuantizeError> {
        let interrupted = interruption();
        let mut written = Vec::with_capacity(outputs.len());
        for output in outputs {
            let watch = self.watch(output, &interrupted)?;
            let mut file = NewFile::create(&output.path).map_err(output.failed())?;
            output.plan.execute(self.sources, &mut file, self.resources, &watch)?;
            file.complete().map_err(output.failed())?;
            written.push(file);
            self.tell(output, watch)?;
        }
        for (output, file) in outputs.iter().zip(written) {
            file.publish().map_err(output.failed())?;
        }
        Ok(())
    }

    /// Executes a plan into standard output.
    pub(super) fn stream(&self, output: &Output) -> Result<(), QuantizeError> {
        let mut out = stream().ok_or(QuantizeError::ToTerminal)?;
        let watch = self.watch(output, &interruption())?;
        let written = output.plan.execute(self.sources, &mut out, self.resources, &watch);
        written.map_err(|error| match error {
            PlanError::Write { reason, .. } => OutputError::from(std::io::Error::from(reason.kind())).into(),
            other => QuantizeError::from(other),
        })?;
        out.flush().map_err(OutputError::from)?;
        self.tell(output, watch)
    }

    /// Tells the errors, beside standard output where that has something else on it.
    fn tell(&self, output: &Output, watch: Watch) -> Result<(), QuantizeError> {
        let Some(errors) = watch.finish() else { return Ok(()) };
        let text = lines(&output.plan, &errors);
        match self.answers || output.is_stream() {
            true => self.progress.line(text.trim_end()),
            false => print(text)?,
        }
        Ok(())
    }

    fn watch(&self, output: &Output, interrupted: &Arc<AtomicBool>) -> Result<Watch, QuantizeError> {
        let to =
            if output.is_stream() { "standard output".to_owned() } else { output.path.display().to_string() };
        let task = self.progress.task(&format!("writing {to}"), output.plan.size()?);
        let errors = self.quality.then(|| SquaredErrors::of(&output.plan));
        Ok(Watch { task, interrupted: Arc::clone(interrupted), errors })
    }

    /// Measures what has to be known to fit a model into a size.
    pub(super) fn measure(&self, fitting: &Fitting) -> Result<Vec<Vec<f64>>, QuantizeError> {
        let task = self.progress.task("measuring", fitting.elements());
        let watch = Watch { task, interrupted: interruption(), errors: None };
        let (plan, candidates) = fitting.to_measure();
        Ok(plan.measure(candidates, self.sources, self.resources, &watch)?)
    }
}

/// The error of each tensor that was changed, a line each.
fn lines(plan: &Plan, errors: &[SquaredError]) -> String {
    quality(plan, errors).into_iter().map(|(name, text)| format!("{name}  {text}\n")).collect()
}

/// A bar on a terminal, and an ear for Ctrl-C.
struct Watch {
    task: Task,
    interrupted: Arc<AtomicBool>,
    /// Of each tensor, if they are asked for.
    errors: Option<SquaredErrors>,
}

impl Watch {
    /// The errors, if they were asked for.
    fn finish(self) -> Option<Vec<SquaredError>> {
        self.errors.map(SquaredErrors::finish)
    }
}

impl Observer for Watch {
    fn written(&self, bytes: u64) {
        self.task.set_position(bytes);
    }

    fn measures(&self) -> bool {
        self.errors.is_some()
    }

    fn measured(&self, tensor: usize, error: SquaredError) {
        if let Some(errors) = &self.errors {
            errors.add(tensor, error);
        }
    }

    fn is_cancelled(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}
