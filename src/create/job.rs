//! A create job, ready to run.

use std::sync::Arc;

use serde_json::json;

use super::adapter::Adapter;
use super::base::Base;
use super::base_layer::BaseLayer;
use super::fetch::fetch;
use super::layers::Layers;
use super::merging::Merging;
use super::part::{Content, Part};
use super::planned_file::{PlannedFile, space_of};
use super::{CreateError, Event, Info, Monitor, Phase, Quantization, Stage, Workshop};
use crate::family;
use crate::library::Description;
use crate::model::{
    Digest, Layer, MediaType, Message, ModelConfig, Name, Parameters, human_count, parameters_to_bytes,
};
use crate::registry::Options;
use crate::store::Committed;
use crate::template::Template;
use crate::template::chat::recognize;

/// A job whose request has been checked. It holds leases on the blobs that it needs.
#[derive(Debug)]
pub struct Job {
    pub(super) workshop: Workshop,
    pub(super) name: Name,
    pub(super) source: Source,
    pub(super) adapter: Adapter,
    /// Adapters for the weights of a model that has to be fetched first.
    pub(super) merging: Option<Merging>,
    pub(super) quantize: Option<Quantization>,
    pub(super) template: Option<Template>,
    pub(super) system: String,
    pub(super) licenses: Vec<String>,
    pub(super) parameters: Parameters,
    pub(super) messages: Vec<Message>,
    pub(super) renderer: String,
    pub(super) parser: String,
    pub(super) requires: String,
    pub(super) info: Info,
    /// What the computing stage has left for the last.
    pub(super) assembly: Option<Assembly>,
}

/// What a model is made from.
#[derive(Debug)]
pub(super) enum Source {
    /// A model of the store.
    Base(Base),
    /// A model that has to be fetched first.
    Elsewhere(Name),
    /// Uploaded files.
    Files(Vec<Part>),
    /// A model on another server.
    Remote {
        /// Its address.
        host: String,
        /// What it is called there.
        model: String,
    },
}

impl Source {
    /// The parts that are GGUF files, as far as they are known.
    fn parts(&self) -> impl Iterator<Item = &Part> {
        let (base, parts): (Option<&Base>, &[_]) = match self {
            Self::Base(base) => (Some(base), &[]),
            Self::Files(parts) => (None, parts),
            Self::Elsewhere(_) | Self::Remote { .. } => (None, &[]),
        };
        base.into_iter().flat_map(Base::parts).chain(parts)
    }

    /// The weights.
    pub(super) fn weights(&self) -> Option<&Part> {
        self.parts().find(|part| part.kind == MediaType::Model)
    }
}

impl Job {
    /// The model that it makes.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The stages that are left, as far as is known.
    pub fn stages(&self) -> Vec<Stage> {
        let has_to_fetch = matches!(self.source, Source::Elsewhere(_));
        let store = &self.workshop.store;
        let takes_time = |part: &Part| match &part.content {
            Content::Planned(_) => true,
            Content::Existing(input, _) => store.has_to_read(&input.blob),
        };
        // What is made of a model that has to be fetched is planned when it is here.
        let is_changed = self.quantize.is_some() || self.merging.is_some();
        let waits = matches!(self.adapter, Adapter::Safetensors(_)) || (has_to_fetch && is_changed);
        let has_to_compute = self.assembly.is_none() && (waits || self.parts().any(takes_time));
        let left = |stage: &Stage| match stage {
            Stage::Transfer => has_to_fetch,
            Stage::Compute => has_to_compute,
            Stage::Finish => true,
        };
        Stage::ALL.into_iter().filter(left).collect()
    }

    /// The parts that are GGUF files, as far as they are known.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Part> {
        let adapters = match &self.adapter {
            Adapter::Parts(parts) => parts.as_slice(),
            Adapter::Safetensors(_) => &[],
        };
        self.source.parts().chain(adapters)
    }

    /// What has to be there for what is left: blobs, and the recipes of what is made of them.
    pub fn needs(&self) -> Vec<Digest> {
        let base = match &self.source {
            Source::Base(base) => base.layers.as_slice(),
            _ => &[],
        };
        let mut needs: Vec<Digest> = base.iter().map(|layer| layer.blob.digest()).collect();
        for part in self.parts() {
            needs.extend(part.inputs().iter().map(|input| input.blob.digest()));
            // One that has no recipe fails when it is made.
            needs.extend(part.planned().and_then(|file| file.recipe().ok()));
        }
        needs.sort_unstable();
        needs.dedup();
        needs
    }

    /// Does the first of the stages that are left; answers with the job if any is left then. What was made is
    /// removed again when the job fails or is dropped before its end.
    ///
    /// # Errors
    /// Whatever goes wrong, or [`CreateError::Cancelled`].
    pub fn advance(mut self, monitor: Monitor<'_>) -> Result<Option<Self>, CreateError> {
        match self.stages().first() {
            Some(Stage::Transfer) => self.fetch(monitor)?,
            Some(Stage::Compute) => self.assembly = Some(self.assemble(monitor)?),
            Some(Stage::Finish) | None => {
                let assembly = match self.assembly.take() {
                    Some(assembly) => assembly,
                    None => self.assemble(monitor)?,
                };
                self.finish(assembly, monitor)?;
                return Ok(None);
            }
        }
        Ok(Some(self))
    }

    /// Fetches the base model from its registry, and plans what is to be made of it.
    fn fetch(&mut self, monitor: Monitor<'_>) -> Result<(), CreateError> {
        let Source::Elsewhere(name) = &self.source else { return Ok(()) };
        let workshop = &self.workshop;
        let placed = fetch(workshop, name, Options::default(), monitor)?;
        workshop.clear_replaced(&placed);
        let quantize = self.quantize.as_ref();
        let (first, merging) = (quantize.filter(|_| self.merging.is_none()), self.merging.take());
        let base = Base::open(&workshop.store, &workshop.descriptions, &placed.model, first)?;
        let base = match &merging {
            Some(merging) => base.merged(merging, quantize)?,
            None => base,
        };
        let source = Source::Base(base);
        let adapter = std::mem::replace(&mut self.adapter, Adapter::Parts(Vec::new()));
        self.adapter = adapter.fitted(&workshop.store, source.weights())?;
        self.source = source;
        self.ensure_space()
    }

    /// Makes the files of the model.
    fn assemble(&self, monitor: Monitor<'_>) -> Result<Assembly, CreateError> {
        let assembly = Assembly::of(self, &mut Maker { workshop: &self.workshop, monitor })?;
        assembly.layers.ensure_whole(monitor)?;
        Ok(assembly)
    }

    /// Makes the model of its files.
    fn finish(&self, mut assembly: Assembly, monitor: Monitor<'_>) -> Result<(), CreateError> {
        monitor.usage.time(Phase::Finish, || {
            assembly.attach_metadata(self)?;
            assembly.layers.store_texts()?;
            assembly.layers.events().for_each(|event| monitor.tell(event));
            monitor.tell(Event::WritingManifest);
            monitor.check_stop()?;
            let placed = assembly.layers.place(&self.name, &assembly.config)?;
            monitor.usage.note_product(&self.name, placed.model.digest);
            self.workshop.clear_replaced(&placed);
            Ok(())
        })
    }

    /// The bytes of the files that have to be made.
    pub(super) fn space(&self) -> Result<u64, CreateError> {
        space_of(&self.workshop.store, self.parts().filter_map(Part::planned))
    }

    /// Makes sure that there is room for them.
    pub(super) fn ensure_space(&self) -> Result<(), CreateError> {
        Ok(self.workshop.store.ensure_space(self.space()?)?)
    }
}

/// What a model consists of, as far as it has been put together.
#[derive(Debug)]
pub(super) struct Assembly {
    pub(super) layers: Layers,
    pub(super) config: ModelConfig,
    parameters: Parameters,
}

/// How the files of parts come about.
pub(super) trait PartMaker {
    /// Hears what happens.
    fn tell(&mut self, event: Event);

    /// Hears that a part is next.
    ///
    /// # Errors
    /// It is not to go on.
    fn begin(&mut self, part: &Part) -> Result<(), CreateError>;

    /// The file that a part has planned.
    ///
    /// # Errors
    /// It cannot be made.
    fn make(&mut self, file: &PlannedFile) -> Result<File, CreateError>;
}

/// A file that was made, or is only known to come.
pub(super) struct File {
    pub(super) content: FileContent,
    pub(super) description: Arc<Description>,
}

pub(super) enum FileContent {
    Made(Committed),
    /// So many bytes.
    ToCome(u64),
}

impl Assembly {
    /// The layers of the base model, if there is one, or else of the source, and the adapter's.
    ///
    /// # Errors
    /// Whatever hinders a file.
    pub(super) fn of(job: &Job, maker: &mut impl PartMaker) -> Result<Self, CreateError> {
        let config = ModelConfig {
            renderer: job.renderer.clone(),
            parser: job.parser.clone(),
            requires: job.requires.clone(),
            ..ModelConfig::default()
        };
        let layers = Layers::new(job.workshop.store.clone());
        let mut assembly = Self { layers, config, parameters: job.parameters.clone() };
        assembly.attach_source(job, maker)?;
        Ok(assembly)
    }

    fn attach_source(&mut self, job: &Job, maker: &mut impl PartMaker) -> Result<(), CreateError> {
        let (mut base, mut files) = (None, &[][..]);
        match &job.source {
            Source::Base(model) => {
                model.bequeath(&mut self.config);
                base = Some(model);
            }
            Source::Files(parts) => files = parts,
            Source::Remote { host, model } => {
                self.config.remote_host.clone_from(host);
                self.config.remote_model.clone_from(model);
            }
            // It has been fetched, or nothing is known of it.
            Source::Elsewhere(_) => {}
        }
        job.info.apply(&mut self.config);
        let adapters: &[Part] = if let Adapter::Parts(parts) = &job.adapter { parts } else { &[] };
        // The headers were read when the job was prepared; clients wait for the lines all the same.
        let base_parts = base.into_iter().flat_map(Base::parts);
        for event in base_parts.chain(files).chain(adapters).flat_map(Part::events) {
            maker.tell(event);
        }
        if let Some(base) = base {
            for BaseLayer { layer, blob, part } in &base.layers {
                let layer = Layer { from: base.name.short(), size: blob.length(), ..layer.clone() };
                match part {
                    Some(part) => self.attach_part(part, Some(layer), maker)?,
                    None => self.layers.add_existing(layer, blob.clone()),
                }
            }
        }
        files.iter().try_for_each(|part| self.attach_part(part, None, maker))?;
        files.iter().try_for_each(|part| self.recognise_template(&part.chat_template()?))?;
        adapters.iter().try_for_each(|adapter| self.attach_part(adapter, None, maker))
    }

    /// Adds a part as it is, or makes the file that it should be. A part of the base model has been a layer
    /// before.
    fn attach_part(
        &mut self,
        part: &Part,
        before: Option<Layer>,
        maker: &mut impl PartMaker,
    ) -> Result<(), CreateError> {
        maker.begin(part)?;
        let description = match &part.content {
            Content::Existing(input, description) => {
                let blob = input.blob.clone();
                let layer = || Layer::new(part.kind.clone(), blob.digest(), blob.length());
                self.layers.add_existing(before.unwrap_or_else(layer), blob);
                description.clone()
            }
            Content::Planned(file) => {
                let File { content, description } = maker.make(file)?;
                match content {
                    FileContent::Made(made) => self.layers.add_made(part.kind.clone(), made),
                    FileContent::ToCome(size) => self.layers.add_to_come(part.kind.clone(), size),
                }
                description
            }
        };
        match part.kind {
            MediaType::Model => self.describe(&description),
            // Field order: Ollama, `types/model/config.go` (`Draft`).
            MediaType::Draft => {
                let architecture = &description.architecture;
                self.config.draft = Some(json!({"model_format": "gguf", "architecture": architecture}));
            }
            _ => {}
        }
        Ok(())
    }

    /// Puts what the weights say into the configuration, unless something else was said.
    fn describe(&mut self, description: &Description) {
        let set = |field: &mut String, value: &str| {
            if field.is_empty() {
                value.clone_into(field);
            }
        };
        let config = &mut self.config;
        set(&mut config.model_format, "gguf");
        set(&mut config.model_family, &description.architecture);
        set(&mut config.model_type, &human_count(description.parameter_count));
        set(&mut config.file_type, description.file_type);
        config.model_families.get_or_insert_default().push(description.architecture.clone());
        if !config.renderer.is_empty() && !config.parser.is_empty() {
            return;
        }
        let Some(built_in) = family::of(&description.architecture).conversation else { return };
        if !built_in.stop.is_empty() {
            self.parameters.entry("stop".to_owned()).or_insert_with(|| json!(built_in.stop));
        }
        set(&mut config.renderer, built_in.renderer);
        set(&mut config.parser, built_in.parser);
    }

    /// Adds a Go template of ours for the chat format of the weights.
    fn recognise_template(&mut self, chat_template: &str) -> Result<(), CreateError> {
        let Some(format) = recognize(chat_template) else { return Ok(()) };
        self.layers.add_recognised_template(format.name, format.template())?;
        let parameters = Parameters::from([("stop".to_owned(), json!(format.stop))]);
        self.layers.add_bytes(MediaType::Parameters, &parameters_to_bytes(&parameters))
    }

    /// Adds what the request says beside the files.
    ///
    /// # Errors
    /// Something is too long, or a layer of the base model is damaged.
    pub(super) fn attach_metadata(&mut self, job: &Job) -> Result<(), CreateError> {
        if let Some(template) = &job.template {
            self.layers.replace(MediaType::Template, template.text())?;
        }
        if !job.system.is_empty() {
            self.layers.replace(MediaType::System, &job.system)?;
        }
        for license in &job.licenses {
            self.layers.add_bytes(MediaType::License, license.as_bytes())?;
        }
        self.layers.merge_parameters(std::mem::take(&mut self.parameters))?;
        self.layers.replace_messages(&job.messages)
    }
}

/// Makes the files, and tells what happens.
struct Maker<'m> {
    workshop: &'m Workshop,
    monitor: Monitor<'m>,
}

impl PartMaker for Maker<'_> {
    fn tell(&mut self, event: Event) {
        self.monitor.tell(event);
    }

    fn begin(&mut self, part: &Part) -> Result<(), CreateError> {
        for warning in &part.warnings {
            tracing::warn!(%warning, "making a model");
            self.monitor.usage.count_warning();
        }
        self.monitor.check_stop()
    }

    fn make(&mut self, file: &PlannedFile) -> Result<File, CreateError> {
        let made = file.make(self.workshop, self.monitor)?;
        let description = self.workshop.descriptions.of(&made.blob)?;
        Ok(File { content: FileContent::Made(made), description })
    }
}
