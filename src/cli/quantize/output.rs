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
use crate::plan::{Observer, Plan, Resources, Source};

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
) -> Result<(), QuantizeError> {
    let interrupted = interruption();
    let mut written = Vec::with_capacity(outputs.len());
    for output in outputs {
        written.push(write_one(output, sources, resources, &interrupted)?);
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
    interrupted: &Arc<AtomicBool>,
) -> Result<NamedTempFile, QuantizeError> {
    let mut temporary = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o666))
        .prefix(".ollamake-")
        .suffix(".partial")
        .tempfile_in(output.directory())
        .map_err(output.failed())?;
    let message = format!("writing {}", output.path.display());
    let bar = Progress::new().bar(message, output.plan.size()?);
    let watch = Watch { bar, interrupted: Arc::clone(interrupted) };
    output.plan.execute(sources, temporary.as_file_mut(), resources, &watch)?;
    watch.bar.finish_and_clear();
    // Before it has its name, so that a loss of power leaves no file of this name that is not complete.
    temporary.as_file().sync_all().map_err(output.failed())?;
    Ok(temporary)
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
}

impl Observer for Watch {
    fn written(&self, bytes: u64) {
        self.bar.set_position(bytes);
    }

    fn is_cancelled(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}
