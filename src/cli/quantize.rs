//! `ollamake quantize IN.gguf OUT.gguf TYPE`: plain files, no store, no server.

use std::fs::{File, Permissions};
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;
use indicatif::ProgressBar;
use memmap2::Mmap;

use super::files::same_file;
use super::mapped_file::map_file;
use super::progress::Progress;
use crate::gguf::{Gguf, GgufError, ShardName};
use crate::plan::{Observer, Plan, PlanError, Resources, Shard, ShardError, Source, SourceDescription};
use crate::quantize::{self, Scheme, Target};

/// Arguments of the command.
#[derive(Debug, Clone, Args)]
pub struct Quantize {
    /// The model to quantize; of a split model, any of its files
    #[arg(value_name = "IN.gguf")]
    pub input: PathBuf,
    /// Where the quantized model goes; replaced if it exists
    #[arg(value_name = "OUT.gguf")]
    pub output: PathBuf,
    /// Q4_K_M, Q8_0, F16, ... in any case
    #[arg(value_name = "TYPE")]
    pub file_type: Target,
    /// Show what each tensor would become, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Threads to compute with [default: all cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
}

/// Why a file was not quantized.
#[derive(Debug, thiserror::Error)]
pub enum QuantizeError {
    /// A file of the user's cannot be read or written.
    #[error("{}: {reason}", path.display())]
    File {
        /// As the user named it.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// A file is no valid GGUF file.
    #[error("{}: {reason}", path.display())]
    Gguf {
        /// As the user named it.
        path: PathBuf,
        /// What is wrong.
        reason: GgufError,
    },
    /// The file is one of several, and its name does not tell those of the others.
    #[error("{}: part of a split model, but not named \"...-00001-of-0000N.gguf\"", path.display())]
    ShardName {
        /// As the user named it.
        path: PathBuf,
    },
    /// The files do not make up a model.
    #[error(transparent)]
    Shards(#[from] ShardError),
    /// The model cannot be quantized so.
    #[error(transparent)]
    Quantize(#[from] quantize::QuantizeError),
    /// The plan could not be carried out.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The result would take the place of the source.
    #[error("{}: source and result are the same file", path.display())]
    SameFile {
        /// As the user named it.
        path: PathBuf,
    },
}

impl Quantize {
    /// Does what was asked. The output appears complete or not at all.
    ///
    /// # Errors
    /// Whatever [`QuantizeError`] names; nothing is left behind then.
    pub fn run(self) -> Result<(), QuantizeError> {
        let paths = all_shards(&self.input)?;
        let maps = paths.iter().map(|path| map(path)).collect::<Result<Vec<_>, _>>()?;
        let scheme = Scheme::new(self.file_type);
        let quantized = quantize::quantize(plan_of(&paths, &maps)?, &scheme, None)?;
        for warning in &quantized.warnings {
            eprintln!("warning: {warning}");
        }
        if self.dry_run {
            quantized.plan.check()?;
            println!("{}", quantized.plan);
            return Ok(());
        }
        let plan = quantized.ready()?;
        plan.check()?;
        if paths.iter().any(|path| same_file(path, &self.output)) {
            return Err(QuantizeError::SameFile { path: self.output });
        }
        let mut resources = Resources::default();
        resources.threads = self.threads.unwrap_or(resources.threads);
        let sources: Vec<&dyn Source> = maps.iter().map(|map| map as &dyn Source).collect();
        write(&plan, &sources, &self.output, resources)
    }
}

/// Executes a plan into a file that takes its name when it is complete.
fn write(
    plan: &Plan,
    sources: &[&dyn Source],
    output: &Path,
    resources: Resources,
) -> Result<(), QuantizeError> {
    let failed = |reason| QuantizeError::File { path: output.to_owned(), reason };
    let directory = output.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let mut temporary = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o666))
        .prefix(".ollamake-")
        .suffix(".partial")
        .tempfile_in(directory)
        .map_err(failed)?;
    let watch = Watch::new(format!("writing {}", output.display()), plan.size()?);
    plan.execute(sources, temporary.as_file_mut(), resources, &watch)?;
    watch.bar.finish_and_clear();
    // In this order, so that a loss of power leaves no file of this name that is not complete.
    temporary.as_file().sync_all().map_err(failed)?;
    temporary.persist(output).map_err(|error| failed(error.error))?;
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)
}

fn map(path: &Path) -> Result<Mmap, QuantizeError> {
    map_file(path).map_err(|reason| QuantizeError::File { path: path.to_owned(), reason })
}

/// The plan that copies a file, or joins the shards of one.
fn plan_of(paths: &[PathBuf], maps: &[Mmap]) -> Result<Plan, QuantizeError> {
    let mut shards = Vec::with_capacity(paths.len());
    for (path, map) in paths.iter().zip(maps) {
        let description = SourceDescription { label: path.display().to_string(), length: map.len() as u64 };
        let file = Gguf::parse(map).map_err(|reason| QuantizeError::Gguf { path: path.clone(), reason })?;
        shards.push(Shard { description, file });
    }
    match shards.as_slice() {
        [only] if !Plan::is_shard(&only.file) => Ok(Plan::copying(&only.file, only.description.clone())?),
        shards => Ok(Plan::joining(shards)?),
    }
}

/// All files of a split model, one of which is `input`; the file alone if it is whole.
fn all_shards(input: &Path) -> Result<Vec<PathBuf>, QuantizeError> {
    let map = map(input)?;
    let file = Gguf::parse(&map).map_err(|reason| QuantizeError::Gguf { path: input.to_owned(), reason })?;
    if !Plan::is_shard(&file) {
        return Ok(vec![input.to_owned()]);
    }
    let names = || ShardName::parse(input.file_name()?.to_str()?)?.all();
    let names = names().ok_or_else(|| QuantizeError::ShardName { path: input.to_owned() })?;
    Ok(names.map(|name| input.with_file_name(name)).collect())
}

impl Source for Mmap {
    fn length(&self) -> u64 {
        self.as_ref().length()
    }

    fn read(&self, range: std::ops::Range<u64>) -> io::Result<std::borrow::Cow<'_, [u8]>> {
        self.as_ref().read(range)
    }
}

/// A bar on a terminal, and an ear for Ctrl-C, so that the unfinished file is removed.
struct Watch {
    bar: ProgressBar,
    interrupted: Arc<AtomicBool>,
}

impl Watch {
    fn new(message: String, length: u64) -> Self {
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
        Self { bar: Progress::new().bar(message, length), interrupted }
    }
}

impl Observer for Watch {
    fn written(&self, bytes: u64) {
        self.bar.set_position(bytes);
    }

    fn is_cancelled(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}
