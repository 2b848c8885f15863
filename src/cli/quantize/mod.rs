//! `ollamake quantize [OPTIONS] IN [OUT] TYPE [THREADS]`: plain files, no store, no server. The options are
//! those of llama-quantize, so that a script made for it runs with only the program's name changed.

mod error;
mod input;
mod output;
mod places;

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};

use clap::Args;

use super::mapped_file::map_file;
use super::mapped_file::same_file;
use super::recipe_options::RecipeOptions;
use crate::plan::{Plan, Resources, Source, SourceDescription};
use crate::quantize::{self, Fitting, ImportanceMatrix, Quantized, Recipe, Scheme};
use input::Input;
use output::Output;
use places::Places;

pub use error::QuantizeError;

/// Arguments of the command.
#[derive(Debug, Clone, Args)]
pub struct Quantize {
    #[command(flatten)]
    places: Places,
    #[command(flatten)]
    options: RecipeOptions,
    /// Write a split model as as many files; OUT is then what their names begin with
    #[arg(long)]
    keep_split: bool,
    /// Show what each tensor would become and why, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// The most memory for rows under way, in MiB [default: 192, the most that is ever used]
    #[arg(long, value_name = "N")]
    max_buffer_size: Option<NonZeroU32>,
    /// Threads to compute with [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

impl Quantize {
    /// Does what was asked. The output appears complete or not at all.
    ///
    /// # Errors
    /// Whatever [`QuantizeError`] names; nothing is left behind then.
    pub fn run(self) -> Result<(), QuantizeError> {
        let recipe = self.options.recipe()?;
        let input = Input::open(&self.places.input)?;
        let matrix = Matrix::open(&recipe)?;
        let used = matrix.as_ref().filter(|matrix| matrix.parsed.is_some());
        let importance = used.and_then(|matrix| matrix.parsed.as_ref());
        let mut sources: Vec<&dyn Source> = input.sources();
        sources.extend(used.map(|matrix| &matrix.map as &dyn Source));
        let scheme = Scheme { keep_split: self.keep_split, ..recipe.scheme(self.places.target)? };
        let quantized = match recipe.target_size {
            None => quantize::quantize(input.plan.clone(), &scheme, importance)?,
            Some(size) => {
                let fitting = Fitting::new(input.plan.clone(), &scheme, importance, size)?;
                let errors = output::measure(&fitting, &sources, self.resources())?;
                fitting.choose(&errors)?
            }
        };
        let warnings = quantized.warnings.iter().map(ToString::to_string);
        for warning in input.warnings.iter().cloned().chain(warnings) {
            eprintln!("warning: {warning}");
        }
        if self.dry_run {
            show(&quantized)?;
            return Ok(());
        }
        let plan = quantized.ready()?;
        plan.check()?;
        let outputs = self.outputs(plan);
        let read = input.paths().chain(matrix.as_ref().map(|matrix| matrix.path.as_path()));
        for path in read {
            if let Some(output) = outputs.iter().find(|output| same_file(path, &output.path)) {
                return Err(QuantizeError::SameFile { path: output.path.clone() });
            }
        }
        output::write(&outputs, &sources, self.resources(), recipe.quality)
    }

    fn resources(&self) -> Resources {
        let mut resources = Resources::default();
        resources.threads = self.threads.or(self.places.threads).unwrap_or(resources.threads);
        if let Some(mebibytes) = self.max_buffer_size {
            resources.memory = resources.memory.min((mebibytes.get() as usize).saturating_mul(1 << 20));
        }
        resources
    }

    /// The files to be written: one, or as many as the model was split into.
    fn outputs(&self, plan: Plan) -> Vec<Output> {
        if !self.keep_split {
            return vec![Output { path: self.places.output(), plan }];
        }
        let prefix = self.places.split_output();
        let plans = plan.split();
        let count = plans.len();
        let numbered = plans.into_iter().enumerate().map(|(index, plan)| {
            let mut name = prefix.file_name().unwrap_or_default().to_owned();
            name.push(format!("-{:05}-of-{count:05}.gguf", index + 1));
            Output { path: prefix.with_file_name(name), plan }
        });
        numbered.collect()
    }
}

/// An importance matrix in a file.
struct Matrix {
    path: PathBuf,
    map: memmap2::Mmap,
    /// `None` if no entry is selected: that is as good as no matrix.
    parsed: Option<ImportanceMatrix>,
}

impl Matrix {
    fn open(recipe: &Recipe) -> Result<Option<Self>, QuantizeError> {
        let selection = recipe.selection()?;
        if recipe.imatrix.is_empty() {
            return Ok(None);
        }
        let path = Path::new(&recipe.imatrix).to_owned();
        let map = map_file(&path).map_err(|reason| QuantizeError::File { path: path.clone(), reason })?;
        let source = SourceDescription { label: recipe.imatrix.clone(), length: map.len() as u64 };
        let parsed = ImportanceMatrix::read(source, &map, &selection)
            .map_err(|reason| QuantizeError::Importance { path: path.clone(), reason })?;
        Ok(Some(Self { path, map, parsed }))
    }
}

/// Prints what each tensor becomes, and why.
fn show(quantized: &Quantized) -> Result<(), QuantizeError> {
    quantized.plan.size()?;
    if let Some(demand) = &quantized.demand {
        eprintln!("warning: {demand}");
    }
    let reasons: Vec<String> = quantized.choices.iter().map(ToString::to_string).collect();
    println!("{}", quantized.plan.table("because", &reasons));
    Ok(())
}
