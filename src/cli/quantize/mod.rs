//! `ollamake quantize [OPTIONS] IN [OUT] TYPE [THREADS]`: plain files, no store, no server. The options are
//! those of llama-quantize, so that a script made for it runs with only the program's name changed.

mod error;
mod output;
mod places;

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::Path;
use std::time::Instant;

use clap::Args;
use serde_json::{Value, json};

use super::format::{bytes, count_of};
use super::local_matrix::LocalMatrix;
use super::local_model::LocalModel;
use super::mapped_file::same_file;
use super::progress::Progress;
use super::recipe_options::RecipeOptions;
use super::standard_output::print_line;
use crate::plan::{Plan, PlannedTensor, Resources, Source};
use crate::quantize::{self, Fitting, Quantized, Scheme};
use output::{Making, Output};
use places::Places;

pub use error::QuantizeError;

/// Arguments of the command.
#[derive(Debug, Clone, Args)]
pub struct Quantize {
    #[command(flatten)]
    places: Places,
    #[command(flatten)]
    options: RecipeOptions,
    /// Write a split model as just as many files; OUT is then what their names begin with
    #[arg(long)]
    keep_split: bool,
    /// Show what each tensor would become and why, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Print a JSON object: files with file and size, bits_per_weight, tensors with name, shape, from, to,
    /// bytes and because, warnings
    #[arg(long)]
    json: bool,
    /// Use at most so many MiB of memory for rows under way [default: 192, and never more]
    #[arg(long, value_name = "N")]
    max_buffer_size: Option<NonZeroU32>,
    /// Compute with so many threads [default: all cores]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

impl Quantize {
    /// Does what was asked, and says nothing of it if so `quiet`. The output appears complete or not at all.
    ///
    /// # Errors
    /// Whatever [`QuantizeError`] names; nothing is left behind then.
    pub fn run(self, quiet: bool) -> Result<(), QuantizeError> {
        let begun = Instant::now();
        if self.places.input == Path::new("-") {
            return Err(QuantizeError::StandardInput);
        }
        if !self.dry_run && self.places.output() == Path::new("-") {
            self.ensure_streamable()?;
        }
        let progress = Progress::new(quiet);
        let recipe = self.options.recipe()?;
        let model = LocalModel::open(&self.places.input)?;
        let plan = model.plan.clone().ok_or(QuantizeError::EncoderAlone)?;
        let matrix = LocalMatrix::of(&recipe)?;
        let importance = matrix.as_ref().and_then(LocalMatrix::values);
        let mut sources: Vec<&dyn Source> = model.sources();
        // One without an entry that is used is no source.
        sources.extend(matrix.as_ref().filter(|_| importance.is_some()).map(LocalMatrix::source));
        let making = Making {
            sources: &sources,
            resources: self.resources(),
            quality: recipe.quality,
            answers: self.json,
            progress: &progress,
        };
        let scheme = Scheme { keep_split: self.keep_split, ..recipe.scheme(self.places.target)? };
        let quantized = match recipe.target_size {
            None => quantize::quantize(plan, &scheme, importance)?,
            Some(size) => {
                let fitting = Fitting::new(plan, &scheme, importance, size)?;
                let errors = making.measure(&fitting)?;
                fitting.choose(&errors)?
            }
        };
        model.warnings.iter().for_each(|warning| progress.warn(warning));
        quantized.warnings.iter().for_each(|warning| progress.warn(warning.to_string()));
        if self.dry_run {
            return self.show(&quantized, &progress);
        }
        let reasons = quantized.choices.iter().map(ToString::to_string).collect::<Vec<_>>();
        let plan = quantized.ready()?;
        plan.check()?;
        let (bits, outputs) = (plan.bits_per_weight(), self.outputs(plan.clone()));
        let read = model.paths().chain(matrix.as_ref().map(LocalMatrix::path));
        for path in read {
            if let Some(output) = outputs.iter().find(|output| same_file(path, &output.path)) {
                return Err(QuantizeError::SameFile { path: output.path.clone() });
            }
        }
        match outputs.as_slice() {
            [only] if only.is_stream() => making.stream(only)?,
            all => making.write(all)?,
        }
        let sizes = outputs.iter().map(|output| output.plan.size()).collect::<Result<Vec<_>, _>>()?;
        if self.json {
            let files = outputs.iter().zip(&sizes);
            let files: Vec<_> =
                files.map(|(output, size)| json!({"file": output.path, "size": size})).collect();
            return Ok(print_line(answer(files, &plan, &reasons, &progress))?);
        }
        let files = match outputs.as_slice() {
            [only] => only.path.display().to_string(),
            all => count_of(all.len(), "file"),
        };
        let (size, seconds) = (bytes(sizes.iter().sum()), begun.elapsed().as_secs_f64());
        let bits = bits.map(|bits| format!(", {bits:.2} bits per weight")).unwrap_or_default();
        progress.line(&format!("{files}: {size}{bits}, in {seconds:.1} s"));
        Ok(())
    }

    /// Whether one file, and nothing else, goes to standard output.
    fn ensure_streamable(&self) -> Result<(), QuantizeError> {
        match (self.keep_split, self.json) {
            (true, _) => Err(QuantizeError::SplitToOutput),
            (_, true) => Err(QuantizeError::AnswerToOutput),
            _ => Ok(()),
        }
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

impl Quantize {
    /// Prints what each tensor becomes, and why.
    fn show(&self, quantized: &Quantized, progress: &Progress) -> Result<(), QuantizeError> {
        let size = quantized.plan.size()?;
        if let Some(demand) = &quantized.demand {
            progress.warn(demand.to_string());
        }
        let reasons: Vec<String> = quantized.choices.iter().map(ToString::to_string).collect();
        if self.json {
            let file = json!({"file": self.places.output(), "size": size});
            return Ok(print_line(answer(vec![file], &quantized.plan, &reasons, progress))?);
        }
        Ok(print_line(quantized.plan.table("because", &reasons))?)
    }
}

/// What becomes of a model, for programs.
fn answer(files: Vec<Value>, plan: &Plan, reasons: &[String], progress: &Progress) -> Value {
    let tensor = |(tensor, because): (&PlannedTensor, &String)| {
        json!({
            "name": tensor.name,
            "shape": tensor.shape.dimensions(),
            "from": tensor.derivation.stored_type().name(),
            "to": tensor.element_type.name(),
            "bytes": tensor.data_length(),
            "because": because,
        })
    };
    json!({
        "files": files,
        "bits_per_weight": plan.bits_per_weight(),
        "tensors": plan.tensors.iter().zip(reasons).map(tensor).collect::<Vec<_>>(),
        "warnings": progress.warnings(),
    })
}
