//! A file that is to be made in the store: a plan with the files that it reads.

use std::borrow::Cow;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;

use super::input::Input;
use super::watch::{Progress, Watcher};
use super::{Action, CreateError, Monitor, Phase, Quantization, Workshop};
use crate::gguf::Gguf;
use crate::library::UNKNOWN_FILE_TYPE;
use crate::model::Digest;
use crate::plan::{Plan, PlanError, Source};
use crate::quantize::{Choice, FileType, Fitting, QuantizeError, Quantized, Warning, quantize};
use crate::store::{Blob, Store};

/// A plan whose sources are there.
#[derive(Debug)]
pub(super) struct PlannedFile {
    plan: Box<Plan>,
    /// The sources of the plan, in its order and of the lengths that it was made for.
    inputs: Vec<Input>,
    action: Action,
    /// What computing it is.
    phase: Phase,
    /// What has to be measured before it is known what the plan is; until then it is one of the same tensors.
    fitting: Option<Box<Fitting>>,
    /// Whether the error of each tensor is to be told.
    quality: bool,
    /// Why each tensor of the plan gets its type, if it is quantized.
    choices: Vec<Choice>,
    /// Its name, once it was asked for.
    recipe: OnceLock<Digest>,
}

/// A plan that nothing can change any more.
pub(super) struct Settled<'f> {
    pub(super) plan: Cow<'f, Plan>,
    /// Why each tensor gets its type, if it is quantized.
    pub(super) choices: Cow<'f, [Choice]>,
    pub(super) warnings: Vec<String>,
    /// Why it cannot be carried out.
    pub(super) demand: Option<CreateError>,
}

impl PlannedFile {
    /// A file that is made of `inputs`, the sources of the plan in order.
    ///
    /// # Errors
    /// They are not the sources that the plan was made for.
    pub(super) fn new(
        plan: Plan,
        inputs: Vec<Input>,
        action: Action,
        phase: Phase,
    ) -> Result<Self, CreateError> {
        let file = Self {
            plan: Box::new(plan),
            inputs,
            action,
            phase,
            fitting: None,
            quality: false,
            choices: Vec::new(),
            recipe: OnceLock::new(),
        };
        file.check_sources().map_err(|error| file.failed(error))?;
        Ok(file)
    }

    /// A file that holds the tensors of a GGUF file.
    pub(super) fn copying(input: Input) -> Result<Self, CreateError> {
        let plan = Plan::copying(&input.parse()?, input.source());
        let failed = |source| CreateError::Shards { file: input.file.clone(), source: Box::new(source) };
        Self::new(plan.map_err(failed)?, vec![input], Action::Joining, Phase::Convert)
    }

    /// The same file, quantized from what it would be, and what a person should know of it.
    pub(super) fn quantized(
        self,
        to: &Quantization,
        from: &'static str,
    ) -> Result<(Self, Vec<Warning>), CreateError> {
        let file = self.name();
        let failed = |source| CreateError::Quantize { file: file.clone(), source: Box::new(source) };
        let importance = to.matrix.as_ref().map(|matrix| &matrix.values);
        let (plan, choices, warnings, fitting) = match to.target_size {
            None => {
                let mut quantized = quantize(*self.plan, &to.scheme, importance).map_err(failed)?;
                let warnings = std::mem::take(&mut quantized.warnings);
                let choices = std::mem::take(&mut quantized.choices);
                (quantized.ready().map_err(failed)?, choices, warnings, None)
            }
            Some(size) => {
                let fitting = Fitting::new(*self.plan, &to.scheme, importance, size).map_err(failed)?;
                (fitting.to_measure().0.clone(), Vec::new(), Vec::new(), Some(Box::new(fitting)))
            }
        };
        let plan = Box::new(plan);
        let action = Action::Quantizing { from, to: to.wish.clone() };
        let mut inputs = self.inputs;
        inputs.extend(to.matrix.as_ref().map(|matrix| matrix.input.clone()));
        let (phase, quality) = (Phase::Quantize, to.quality);
        let recipe = OnceLock::new();
        Ok((Self { plan, inputs, action, phase, fitting, quality, choices, recipe }, warnings))
    }

    /// The same file with adapters in its weights. `change` gives the plan after that, and the files that it
    /// reads beside those that this one is made of.
    pub(super) fn merged(
        self,
        change: impl FnOnce(Plan) -> Result<(Plan, Vec<Input>), CreateError>,
    ) -> Result<Self, CreateError> {
        let (plan, further) = change(*self.plan)?;
        let inputs = self.inputs.into_iter().chain(further).collect();
        Self::new(plan, inputs, Action::Merging, self.phase)
    }

    /// What it will be.
    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The files that it is made of.
    pub(super) fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// What is done to make it.
    pub(super) fn action(&self) -> &Action {
        &self.action
    }

    /// What computing it is.
    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    /// Whether the error of each tensor is to be told.
    pub(super) fn tells_quality(&self) -> bool {
        self.quality
    }

    /// The quantization that it will have, for people.
    pub(super) fn file_type(&self) -> &'static str {
        FileType::of(&self.plan.metadata).map_or(UNKNOWN_FILE_TYPE, FileType::name)
    }

    /// The plan, why each of its tensors gets its type, and what a person should know of that. What has to be
    /// measured for it is measured.
    pub(super) fn settled(
        &self,
        workshop: &Workshop,
        monitor: Monitor<'_>,
    ) -> Result<Settled<'_>, CreateError> {
        let Some(fitting) = &self.fitting else {
            let (plan, choices) = (Cow::Borrowed(&*self.plan), Cow::Borrowed(self.choices.as_slice()));
            return Ok(Settled { plan, choices, warnings: Vec::new(), demand: None });
        };
        let Quantized { plan, choices, warnings, demand } = self.fit(fitting, workshop, monitor)?;
        Ok(Settled {
            plan: Cow::Owned(plan),
            choices: Cow::Owned(choices),
            warnings: warnings.iter().map(ToString::to_string).collect(),
            demand: demand.map(|demand| self.not_quantized(demand)),
        })
    }

    /// Measures what has to be known for the plan.
    fn fit(
        &self,
        fitting: &Fitting,
        workshop: &Workshop,
        monitor: Monitor<'_>,
    ) -> Result<Quantized, CreateError> {
        let sources = self.sources()?;
        let sources: Vec<&dyn Source> = sources.iter().map(|bytes| bytes as &dyn Source).collect();
        let (size, total) = (fitting.elements(), self.source_bytes());
        let made = AtomicU64::new(0);
        let progress = Progress { action: Action::Measuring, size, total, monitor, made };
        let watcher = Watcher { progress: &progress, made: AtomicU64::new(0), errors: None };
        let (plan, candidates) = fitting.to_measure();
        let errors =
            plan.measure(candidates, &sources, workshop.resources, &watcher).map_err(
                |error| match error {
                    PlanError::Cancelled => CreateError::Cancelled,
                    other => self.failed(other),
                },
            )?;
        fitting.clone().choose(&errors).map_err(|source| self.not_quantized(source))
    }

    /// The blobs that it is made of, with their lengths.
    pub(super) fn sources_by_digest(&self) -> Vec<(Digest, u64)> {
        self.inputs.iter().map(|input| (input.blob.digest(), input.blob.length())).collect()
    }

    /// Its size in bytes, unless something has to be measured before that is known.
    pub(super) fn exact_size(&self) -> Option<u64> {
        self.fitting.is_none().then(|| self.plan.size().ok()).flatten()
    }

    /// Whether a blob may be what the plan comes to, as far as its header tells.
    pub(super) fn may_be(&self, blob: &Blob) -> bool {
        let Ok(bytes) = blob.bytes() else { return false };
        match &self.fitting {
            None => self.plan.header().is_ok_and(|header| bytes.starts_with(header.bytes())),
            Some(fitting) => blob.length() <= fitting.size().bytes() && Gguf::parse(bytes).is_ok(),
        }
    }

    /// The bytes of the files that it is made of.
    pub(super) fn sources(&self) -> Result<Vec<&[u8]>, CreateError> {
        Ok(self.inputs.iter().map(|input| input.blob.bytes()).collect::<Result<_, _>>()?)
    }

    /// How many they are.
    pub(super) fn source_bytes(&self) -> u64 {
        self.inputs.iter().map(|input| input.blob.length()).sum()
    }

    fn not_quantized(&self, source: QuantizeError) -> CreateError {
        CreateError::Quantize { file: self.name(), source: Box::new(source) }
    }

    /// Bytes of the file, or the most that it may have.
    pub(super) fn size(&self) -> Result<u64, PlanError> {
        let size = self.plan.size()?;
        Ok(self.fitting.as_ref().map_or(size, |fitting| fitting.size().bytes()))
    }

    /// The name under which what is made is remembered. What decides about a plan that is yet to be fitted
    /// counts as one more source.
    pub(super) fn recipe(&self) -> Result<Digest, CreateError> {
        if let Some(known) = self.recipe.get() {
            return Ok(*known);
        }
        let mut contents: Vec<Digest> = self.inputs.iter().map(|input| input.blob.digest()).collect();
        contents.extend(self.fitting.iter().map(|fitting| Digest::of(fitting.to_string().as_bytes())));
        let recipe = self.plan.digest(&contents).map_err(|error| self.failed(error))?;
        Ok(*self.recipe.get_or_init(|| recipe))
    }

    fn check_sources(&self) -> Result<(), PlanError> {
        let (sources, inputs) = (&self.plan.sources, &self.inputs);
        if sources.len() != inputs.len() {
            return Err(PlanError::SourceCount { got: inputs.len(), expected: sources.len() });
        }
        match sources.iter().zip(inputs).find(|(source, input)| source.length != input.blob.length()) {
            Some((source, input)) => Err(PlanError::SourceLength {
                label: source.label.clone(),
                got: input.blob.length(),
                expected: source.length,
            }),
            None => Ok(()),
        }
    }

    /// What the client calls the file, or the first of those that it is made of.
    fn name(&self) -> String {
        self.inputs.first().map(|input| input.file.clone()).unwrap_or_default()
    }

    /// What decides about the types of tensors that are not quantized.
    pub(super) fn rule(&self) -> &'static str {
        match self.action {
            Action::Converting(_) => "converted",
            _ => "kept",
        }
    }

    pub(super) fn failed(&self, error: PlanError) -> CreateError {
        CreateError::Plan { file: self.name(), source: Box::new(error) }
    }
}

/// The bytes of all the files that are to be made.
pub(super) fn space_of<'p>(
    store: &Store,
    files: impl Iterator<Item = &'p PlannedFile>,
) -> Result<u64, CreateError> {
    let mut needed = 0_u64;
    for file in files {
        // What was made before is not made again.
        let recipe = file.recipe()?;
        if store.made(recipe, || false)?.is_none() {
            file.plan.check().map_err(|error| file.failed(error))?;
            let size = file.size().map_err(|error| file.failed(error))?;
            needed = needed.saturating_add(size.saturating_sub(store.present_of(recipe)));
        }
    }
    Ok(needed)
}
