//! Writing what was planned: all files appear complete, or none does.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::ProgressBar;
use tempfile::NamedTempFile;

use super::QuantizeError;
use crate::cli::progress::Progress;
use crate::plan::{Observer, Plan, Resources, Source, SquaredError, SquaredErrors};
use crate::quantize::{Fitting, quality};

/// A file to be written.
pub(super) struct Output {
    pub(super) path: PathBuf,
    pub(super) plan: Plan,
}

impl Output {
    fn directory(&self) -> &Path {
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        directory.unwrap_or(Path::new("."))
    }

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
    for (output, temporary) in outputs.iter().zip(written) {
        let failed = output.failed();
        temporary.persist(&output.path).map_err(|error| failed(error.error))?;
        File::open(output.directory()).and_then(|directory| directory.sync_all()).map_err(failed)?;
    }
    Ok(())
}

fn write_one(
    output: &Output,
    sources: &[&dyn Source],
    resources: Resources,
    watch: &Watch,
) -> Result<NamedTempFile, QuantizeError> {
    let mut temporary = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o666))
        .prefix(".ollamake-")
        .suffix(".partial")
        .tempfile_in(output.directory())
        .map_err(output.failed())?;
    output.plan.execute(sources, temporary.as_file_mut(), resources, watch)?;
    // Before it has its name, so that a loss of power leaves no file of this name that is not complete.
    temporary.as_file().sync_all().map_err(output.failed())?;
    Ok(temporary)
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

/// Becomes true on Ctrl-C, so that unfinished files are removed.
fn interruption() -> Arc<AtomicBool> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    // The thread ends with the process.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        if let Ok(runtime) = runtime
            && runtime.block_on(tokio::signal::ctrl_c()).is_ok()
        {
            flag.store(true, Ordering::Relaxed);
        }
    });
    interrupted
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
