//! A create job, ready to run: one model, or several that are made together.

use std::collections::BTreeSet;

use super::assembly::{Assembly, File, FileContent, Step};
use super::error::OutputOutcome;
use super::fetch::fetch;
use super::gathering::{Gathered, Gathering};
use super::making::make;
use super::output::{Material, Output};
use super::part::Part;
use super::planned_file::PlannedFile;
use super::publishing::{Owed, Publishing};
use super::{CreateError, Event, Monitor, Phase, Stage, Workshop, provenance};
use crate::model::{Digest, Name};
use crate::registry::{MadeFile, Options};
use crate::store::Committed;

/// A job whose request has been checked. It holds leases on the blobs that it needs.
#[derive(Debug)]
pub struct Job {
    pub(super) workshop: Workshop,
    /// What has to be here before it can be planned.
    pub(super) gathering: Option<Box<Gathering>>,
    /// The models, in the order in which they were asked for.
    pub(super) outputs: Vec<(Name, Standing)>,
    /// Whether each of them has an outcome of its own.
    pub(super) is_list: bool,
    /// Whether those that have a place in the library are published.
    pub(super) publish: bool,
}

/// What is left to do when a stage has been done.
#[derive(Debug)]
pub enum Left {
    /// Models are to be made still.
    Job(Job),
    /// They are there, and are to be published.
    Publishing(Publishing),
}

/// How a model of a job stands.
#[derive(Debug)]
pub(super) enum Standing {
    /// It is planned when everything is here.
    ToGather,
    ToMake(Box<Output>),
    /// It is there.
    Made(Owed),
    Failed(CreateError),
}

impl Job {
    /// The model that it makes, or the first of them.
    pub fn name(&self) -> &Name {
        &self.outputs[0].0
    }

    /// The stages that are left, as far as is known.
    pub fn stages(&self) -> Vec<Stage> {
        let left: Vec<Stage> = self.to_make().flat_map(Output::stages).collect();
        let is_left = |stage: &Stage| match stage {
            // Whatever has become of its models, that is told at the end.
            Stage::Finish => true,
            Stage::Publish => self.publish,
            stage => self.has_to_gather() || left.contains(stage),
        };
        Stage::ALL.into_iter().filter(is_left).collect()
    }

    /// The models that are yet to be made.
    pub(super) fn to_make(&self) -> impl Iterator<Item = &Output> {
        self.outputs.iter().filter_map(|(_, standing)| match standing {
            Standing::ToMake(output) => Some(&**output),
            Standing::ToGather | Standing::Made(_) | Standing::Failed(_) => None,
        })
    }

    /// Whether something has to be brought here before it can be planned.
    fn has_to_gather(&self) -> bool {
        self.gathering.is_some()
    }

    /// Whether files have to be brought into the store before anything can be told of it.
    pub fn has_to_import(&self) -> bool {
        self.gathering.as_ref().is_some_and(|gathering| gathering.fetched().is_none())
    }

    /// Whether it makes a list of models, each of which has an outcome of its own.
    pub fn is_list(&self) -> bool {
        self.is_list
    }

    /// What has to be there for what is left: blobs, and the recipes of what is made of them.
    pub fn needs(&self) -> Vec<Digest> {
        let mut needs: Vec<Digest> = self.gathering.iter().flat_map(|gathering| gathering.needs()).collect();
        needs.extend(self.to_make().flat_map(Output::needs));
        needs.sort_unstable();
        needs.dedup();
        needs
    }

    /// Does the first of the stages that are left; answers with what is left then. What was made is removed
    /// again when the job fails or is dropped before its end, but for models that are there.
    ///
    /// # Errors
    /// Whatever goes wrong, or [`CreateError::Cancelled`].
    pub fn advance(mut self, monitor: Monitor<'_>) -> Result<Option<Left>, CreateError> {
        if self.has_to_gather() {
            let job = self.gathered(monitor)?;
            job.ensure_space()?;
            return Ok(Some(Left::Job(job)));
        }
        match self.stages().first() {
            Some(Stage::Transfer) => self.fetch(monitor)?,
            Some(Stage::Compute) => self.assemble(monitor)?,
            Some(Stage::Finish | Stage::Publish) | None => {
                self.assemble(monitor)?;
                self.finish(monitor)?;
                return self.published();
            }
        }
        Ok(Some(Left::Job(self)))
    }

    /// Does what there is to make, all stages of it, and publishes nothing.
    ///
    /// # Errors
    /// As those of [`advance`](Self::advance).
    pub fn make(self, monitor: Monitor<'_>) -> Result<(), CreateError> {
        let mut job = Self { publish: false, ..self };
        while let Some(Left::Job(left)) = job.advance(monitor)? {
            job = left;
        }
        Ok(())
    }

    /// The same, planned, once everything is here.
    pub(super) fn gathered(self, monitor: Monitor<'_>) -> Result<Self, CreateError> {
        match self.gathering {
            Some(gathering) => {
                let Gathered { request, leases } = gathering.gather(&self.workshop, monitor)?;
                let planned = monitor.usage.time(Phase::Prepare, || self.workshop.plan(request));
                // From here on the job holds leases of its own.
                drop(leases);
                planned
            }
            None => Ok(self),
        }
    }

    /// Does something for each model that is yet to be made. One that fails does not stop the others.
    fn each(
        &mut self,
        mut work: impl FnMut(Box<Output>) -> Result<Standing, CreateError>,
    ) -> Result<(), CreateError> {
        for (_, standing) in &mut self.outputs {
            let before = std::mem::replace(standing, Standing::Failed(CreateError::Cancelled));
            *standing = match before {
                Standing::ToMake(output) => match work(output) {
                    Ok(standing) => standing,
                    Err(error) if self.is_list && !matches!(error, CreateError::Cancelled) => {
                        Standing::Failed(error)
                    }
                    Err(error) => return Err(error),
                },
                ended => ended,
            };
        }
        Ok(())
    }

    /// Fetches the base model from its registry, and plans what is to be made of it.
    fn fetch(&mut self, monitor: Monitor<'_>) -> Result<(), CreateError> {
        let source = |output: &Output| match &output.material {
            Material::Elsewhere(name) => Some(name.clone()),
            _ => None,
        };
        let Some(name) = self.to_make().find_map(source) else { return Ok(()) };
        let placed = fetch(&self.workshop, &name, Options::default(), monitor)?;
        self.workshop.clear_replaced(&placed);
        self.each(|output| Ok(Standing::ToMake(Box::new(output.fetched(&placed.model)?))))?;
        self.ensure_space()
    }

    /// Makes the files of the models that have none yet, step by step and all models in step, since what they
    /// are made of is the same.
    fn assemble(&mut self, monitor: Monitor<'_>) -> Result<(), CreateError> {
        let mut assemblies = Assemblies::of(self.to_make().filter(|output| output.assembly.is_none()));
        assemblies.tell_beginning(monitor);
        for step in 0..assemblies.steps() {
            monitor.check_stop()?;
            assemblies.advance(step, &self.workshop, monitor);
        }
        let mut assembled = assemblies.finish(monitor).into_iter();
        self.each(|mut output| {
            if output.assembly.is_none()
                && let Some(assembly) = assembled.next()
            {
                output.assembly = Some(assembly?);
            }
            Ok(Standing::ToMake(output))
        })
    }

    /// Makes the models of their files.
    fn finish(&mut self, monitor: Monitor<'_>) -> Result<(), CreateError> {
        let (is_list, publish) = (self.is_list, self.publish);
        self.each(|mut output| {
            let assembly = output.assembly.take().unwrap_or_else(|| output.begun());
            let digest = monitor.usage.time(Phase::Finish, || output.place(assembly, monitor))?;
            provenance::keep(&output, digest);
            let name = &output.wanted.model;
            monitor.usage.note_product(name, digest);
            if is_list {
                monitor.tell(Event::Ready { model: name.short(), digest });
            }
            let made = if publish { made_for(&output) } else { Vec::new() };
            Ok(Standing::Made(Owed { model: name.short(), digest, made }))
        })
    }

    /// Why none of its models can be made: one reason, if it is that of all of them.
    pub(super) fn refused(self) -> CreateError {
        let mut outcomes = self.outcomes();
        let mut reasons: Vec<_> =
            outcomes.iter().map(|outcome| outcome.failure().map(ToString::to_string)).collect();
        reasons.dedup();
        match (reasons.len(), outcomes.pop()) {
            (1, Some(OutputOutcome { outcome: Err(error), .. })) => error,
            (_, last) => CreateError::Outputs(outcomes.into_iter().chain(last).collect()),
        }
    }

    /// What has become of the models.
    fn outcomes(self) -> Vec<OutputOutcome> {
        let outcome = |(model, standing)| {
            let outcome = match standing {
                Standing::Made(owed) => Ok(owed.digest),
                Standing::Failed(error) => Err(error),
                Standing::ToGather | Standing::ToMake(_) => Err(CreateError::Cancelled),
            };
            OutputOutcome { model, outcome }
        };
        self.outputs.into_iter().map(outcome).collect()
    }

    /// What is left when its models are there: to publish them, if that is wanted.
    fn published(self) -> Result<Option<Left>, CreateError> {
        let workshop = self.workshop.clone();
        let owed = |(name, standing): &(Name, Standing)| match standing {
            Standing::Made(owed) if self.publish && workshop.is_of_library(name) => Some(owed.clone()),
            _ => None,
        };
        let owed: Vec<Owed> = self.outputs.iter().filter_map(owed).collect();
        let end = self.ended();
        match owed.is_empty() {
            true => end.map(|()| None),
            false => Ok(Some(Left::Publishing(Publishing::then(workshop, owed, end)))),
        }
    }

    /// How it ends: well if each model is there.
    fn ended(self) -> Result<(), CreateError> {
        let outcomes = self.outcomes();
        match outcomes.iter().all(|outcome| outcome.outcome.is_ok()) {
            true => Ok(()),
            false => Err(CreateError::Outputs(outcomes)),
        }
    }

    /// Fails if any model cannot be made.
    pub(super) fn whole(mut self) -> Result<Self, CreateError> {
        let is_failed = |(_, standing): &(Name, Standing)| matches!(standing, Standing::Failed(_));
        if self.outputs.iter().any(is_failed) {
            self.outputs.retain(is_failed);
            return Err(self.refused());
        }
        Ok(self)
    }

    /// Makes sure that there is room for the files that have to be made.
    pub(super) fn ensure_space(&self) -> Result<(), CreateError> {
        let spaces = self.to_make().map(Output::space).collect::<Result<Vec<_>, _>>()?;
        let needed = spaces.into_iter().fold(0, u64::saturating_add);
        Ok(self.workshop.store.ensure_space(needed)?)
    }
}

/// The files that were made for a model.
fn made_for(output: &Output) -> Vec<MadeFile> {
    let made = |file: &PlannedFile| {
        let recipe = file.recipe().ok()?;
        let blob = output.workshop.store.made_blob(recipe)?;
        Some(MadeFile { recipe, sources: file.sources_by_digest(), blob })
    };
    output.planned().filter_map(made).collect()
}

/// Models that are being put together.
struct Assemblies<'o>(Vec<Begun<'o>>);

/// A model, what is still to be done for it, and what there is of it.
type Begun<'o> = (&'o Output, Vec<Option<Step<'o>>>, Result<Assembly, CreateError>);

impl<'o> Assemblies<'o> {
    fn of(outputs: impl Iterator<Item = &'o Output>) -> Self {
        let begun =
            |output: &'o Output| (output, output.steps().into_iter().map(Some).collect(), Ok(output.begun()));
        Self(outputs.map(begun).collect())
    }

    /// How many steps there are.
    fn steps(&self) -> usize {
        self.0.iter().map(|(_, steps, _)| steps.len()).max().unwrap_or(0)
    }

    /// Tells where everything comes from. The headers were read when the job was prepared; clients wait for
    /// the lines all the same. What is told of one model is not told again of the next.
    fn tell_beginning(&self, monitor: Monitor<'_>) {
        let parts = |output: &'o Output| output.parts().flat_map(Part::events);
        let mut told: Vec<Event> = Vec::new();
        for (number, (output, ..)) in self.0.iter().enumerate() {
            for event in parts(output) {
                if number == 0 || (matches!(event, Event::Warning(_)) && !told.contains(&event)) {
                    monitor.tell(event.clone());
                    told.push(event);
                }
            }
        }
        // What the request says holds for all of them.
        for warning in self.0.first().into_iter().flat_map(|(output, ..)| output.attachments.warnings()) {
            tracing::warn!(%warning, "making a model");
            monitor.usage.count_warning();
            monitor.tell(Event::Warning(warning));
        }
    }

    /// Does a step of each model; the files that it takes are made together.
    fn advance(&mut self, step: usize, workshop: &Workshop, monitor: Monitor<'_>) {
        let mut files: Vec<&PlannedFile> = Vec::new();
        let mut warned = BTreeSet::new();
        let mut taken = Vec::new();
        for (number, (_, steps, assembly)) in self.0.iter_mut().enumerate() {
            let Some(step) = steps.get_mut(step).and_then(Option::take).filter(|_| assembly.is_ok()) else {
                continue;
            };
            for warning in step.part().into_iter().flat_map(|part| &part.warnings) {
                if warned.insert(warning) {
                    tracing::warn!(%warning, "making a model");
                    monitor.usage.count_warning();
                }
            }
            files.extend(step.planned());
            taken.push((number, step));
        }
        let mut made = make(&files, workshop, monitor).into_iter();
        for (number, step) in taken {
            let file = match step.planned() {
                Some(_) => made.next().map(|made| described(made?, workshop)).transpose(),
                None => Ok(None),
            };
            let assembly = &mut self.0[number].2;
            if let Ok(layers) = assembly
                && let Err(error) = file.and_then(|file| layers.attach(step, file))
            {
                *assembly = Err(error);
            }
        }
    }

    /// The models, once it is sure that what they take over is whole.
    fn finish(self, monitor: Monitor<'_>) -> Vec<Result<Assembly, CreateError>> {
        let whole = |assembly: Assembly| assembly.layers.ensure_whole(monitor).map(|()| assembly);
        self.0.into_iter().map(|(_, _, assembly)| assembly.and_then(whole)).collect()
    }
}

/// A file that was made, with what its header says.
fn described(made: Committed, workshop: &Workshop) -> Result<File, CreateError> {
    let description = workshop.descriptions.of(&made.blob)?;
    Ok(File { content: FileContent::Made(made), description })
}
