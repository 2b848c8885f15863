//! Writing what was planned: all files appear complete, or none does.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::ProgressBar;

use super::QuantizeError;
use crate::cli::interruption::interruption;
use crate::cli::new_file::NewFile;
use crate::cli::progress::Progress;
use crate::plan::{Observer, Plan, Resources, Source, SquaredError, SquaredErrors};
use crate::quantize::{Fitting, quality};

/// A file to be written.
pub(super) struct Output {
    pub(super) path: PathBuf,
    pub(super) plan: Plan,
}

impl Output {
    fn failed(&self) -> impl Fn(std::io::Error) -> QuantizeError + use<> {
        let path = self.path.clone();
        move |reason| QuantizeError::File { path: path.clone(), reason }
    }
}

/// Executes plans into files that take their names when all are complete.
pub(super) fn write(
    outputs: &[Output],
    sources: &[&dyn Source],
    resources: Resources,
    quality: bool,
) -> Result<(), QuantizeError> {
    let interrupted = interruption();
    let mut written = Vec::with_capacity(outputs.len());
    for output in outputs {
        let bar = Progress::new().bar(format!("writing {}", output.path.display()), output.plan.size()?);
        let errors = quality.then(|| SquaredErrors::of(&output.plan));
        let watch = Watch { bar, interrupted: Arc::clone(&interrupted), errors };
        written.push(write_one(output, sources, resources, &watch)?);
        watch.bar.finish_and_clear();
        if let Some(errors) = watch.errors {
            show_errors(&output.plan, &errors.finish());
        }
    }
    for (output, file) in outputs.iter().zip(written) {
        file.publish().map_err(output.failed())?;
    }
    Ok(())
}

fn write_one(
    output: &Output,
    sources: &[&dyn Source],
    resources: Resources,
    watch: &Watch,
) -> Result<NewFile, QuantizeError> {
    let mut file = NewFile::create(&output.path).map_err(output.failed())?;
    output.plan.execute(sources, file.as_file_mut(), resources, watch)?;
    file.complete().map_err(output.failed())?;
    Ok(file)
}

/// Measures what has to be known to fit a model into a size.
pub(super) fn measure(
    fitting: &Fitting,
    sources: &[&dyn Source],
    resources: Resources,
) -> Result<Vec<Vec<f64>>, QuantizeError> {
    let bar = Progress::new().bar("measuring".to_owned(), fitting.elements());
    let watch = Watch { bar, interrupted: interruption(), errors: None };
    let (plan, candidates) = fitting.to_measure();
    let errors = plan.measure(candidates, sources, resources, &watch)?;
    watch.bar.finish_and_clear();
    Ok(errors)
}

/// Prints the error of each tensor that was changed.
fn show_errors(plan: &Plan, errors: &[SquaredError]) {
    for (name, text) in quality(plan, errors) {
        println!("{name}  {text}");
    }
}

/// A bar on a terminal, and an ear for Ctrl-C.
struct Watch {
    bar: ProgressBar,
    interrupted: Arc<AtomicBool>,
    /// Of each tensor, if they are asked for.
    errors: Option<SquaredErrors>,
}

impl Observer for Watch {
    fn written(&self, bytes: u64) {
        self.bar.set_position(bytes);
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
