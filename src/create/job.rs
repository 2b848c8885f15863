//! A create job, ready to run.

use serde_json::json;

use super::adapter::Adapter;
use super::base::Base;
use super::base_layer::BaseLayer;
use super::fetch::fetch;
use super::layers::Layers;
use super::part::{Content, Part};
use super::planned_file::ensure_space;
use super::{CreateError, Event, Info, Monitor, Phase, Quantization, Stage, Workshop};
use crate::family;
use crate::gguf::{Gguf, Metadata, ValueRef};
use crate::library::{CHAT_TEMPLATE_KEY, Description};
use crate::model::{
    Layer, MediaType, Message, ModelConfig, Name, Parameters, human_count, parameters_to_bytes,
};
use crate::registry::Options;
use crate::store::Blob;
use crate::template::Template;
use crate::template::chat::recognize;

/// A job whose request has been checked. It holds leases on the blobs that it needs.
#[derive(Debug)]
pub struct Job {
    pub(super) workshop: Workshop,
    pub(super) name: Name,
    pub(super) source: Source,
    pub(super) adapter: Adapter,
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

/// A model whose files are there; it lacks metadata and a manifest.
#[derive(Debug)]
pub(super) struct Assembly {
    layers: Layers,
    config: ModelConfig,
    parameters: Parameters,
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

    /// The metadata of the model.
    pub(super) fn metadata(&self) -> Result<Metadata, CreateError> {
        metadata_of_model(self.parts())
    }
}

/// The metadata of that part which is the model.
fn metadata_of_model<'p>(mut parts: impl Iterator<Item = &'p Part>) -> Result<Metadata, CreateError> {
    let model = parts.find(|part| part.kind == MediaType::Model);
    model.ok_or(CreateError::NoBaseOfAdapter)?.metadata()
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
        let waits =
            matches!(self.adapter, Adapter::Safetensors(_)) || (has_to_fetch && self.quantize.is_some());
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

    /// Does the first of the stages that are left; answers with the job if any is left then. What was made is removed
    /// again when the job fails or is dropped before its end.
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
        let base = Base::open(&workshop.store, &workshop.descriptions, &placed.model, quantize)?;
        if matches!(self.adapter, Adapter::Safetensors(_)) {
            let planned = self.adapter.planned(&metadata_of_model(base.parts())?)?;
            self.adapter = Adapter::Parts(planned.into_iter().collect());
        }
        self.source = Source::Base(base);
        ensure_space(&self.workshop.store, self.parts().filter_map(Part::planned))
    }

    /// Makes the files of the model.
    fn assemble(&self, monitor: Monitor<'_>) -> Result<Assembly, CreateError> {
        let config = ModelConfig {
            renderer: self.renderer.clone(),
            parser: self.parser.clone(),
            requires: self.requires.clone(),
            ..ModelConfig::default()
        };
        let (layers, parameters) = (Layers::new(self.workshop.store.clone()), self.parameters.clone());
        let mut work = Work { job: self, layers, config, parameters, monitor };
        work.attach_source()?;
        work.layers.ensure_whole(monitor)?;
        Ok(Assembly { layers: work.layers, config: work.config, parameters: work.parameters })
    }

    /// Makes the model of its files.
    fn finish(&self, assembly: Assembly, monitor: Monitor<'_>) -> Result<(), CreateError> {
        let Assembly { layers, config, parameters } = assembly;
        let mut work = Work { job: self, layers, config, parameters, monitor };
        monitor.usage.time(Phase::Finish, || work.attach_metadata().and_then(|()| work.write_manifest()))
    }
}

/// A stage under way.
struct Work<'w> {
    job: &'w Job,
    layers: Layers,
    config: ModelConfig,
    parameters: Parameters,
    monitor: Monitor<'w>,
}

impl Work<'_> {
    /// Adds the layers of the base model, if there is one, or else of the source, and the adapter's.
    fn attach_source(&mut self) -> Result<(), CreateError> {
        let job = self.job;
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
            // It has been fetched.
            Source::Elsewhere(_) => {}
        }
        job.info.apply(&mut self.config);
        let adapters: &[Part] = if let Adapter::Parts(parts) = &job.adapter { parts } else { &[] };
        // The headers were read when the job was prepared; clients wait for the lines all the same.
        let base_parts = base.into_iter().flat_map(Base::parts);
        for event in base_parts.chain(files).chain(adapters).flat_map(Part::events) {
            self.monitor.tell(event);
        }
        if let Some(base) = base {
            for BaseLayer { layer, blob, part } in &base.layers {
                let layer = Layer { from: base.name.short(), size: blob.length(), ..layer.clone() };
                match part {
                    Some(part) => drop(self.attach_part(part, Some(layer))?),
                    None => self.layers.add_existing(layer, blob.clone()),
                }
            }
        }
        let blobs: Vec<_> =
            files.iter().map(|part| self.attach_part(part, None)).collect::<Result<_, _>>()?;
        blobs.iter().try_for_each(|blob| self.recognise_template(blob))?;
        adapters.iter().try_for_each(|adapter| self.attach_part(adapter, None).map(drop))
    }

    /// Adds a part as it is, or makes the file that it should be; answers with the layer's blob. A part of the base
    /// model has been a layer before.
    fn attach_part(&mut self, part: &Part, before: Option<Layer>) -> Result<Blob, CreateError> {
        self.monitor.check_stop()?;
        for warning in &part.warnings {
            tracing::warn!(%warning, "making a model");
            self.monitor.usage.count_warning();
        }
        let (blob, description) = match &part.content {
            Content::Existing(input, description) => {
                let blob = input.blob.clone();
                let layer = || Layer::new(part.kind.clone(), blob.digest(), blob.length());
                self.layers.add_existing(before.unwrap_or_else(layer), blob.clone());
                (blob, description.clone())
            }
            Content::Planned(file) => {
                let made = file.make(&self.job.workshop, self.monitor)?;
                let blob = made.blob.clone();
                self.layers.add_made(part.kind.clone(), made);
                let description = self.job.workshop.descriptions.of(&blob)?;
                (blob, description)
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
        Ok(blob)
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
    fn recognise_template(&mut self, weights: &Blob) -> Result<(), CreateError> {
        let bytes = weights.bytes()?;
        // It was parsed before, when it was uploaded or made.
        let Ok(gguf) = Gguf::parse(bytes) else { return Ok(()) };
        let text = gguf.get(CHAT_TEMPLATE_KEY).and_then(ValueRef::as_str).unwrap_or_default();
        let Some(format) = recognize(text) else { return Ok(()) };
        self.layers.add_recognised_template(format.name, format.template())?;
        let parameters = Parameters::from([("stop".to_owned(), json!(format.stop))]);
        self.layers.add_bytes(MediaType::Parameters, &parameters_to_bytes(&parameters))
    }

    fn attach_metadata(&mut self) -> Result<(), CreateError> {
        let job = self.job;
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

    fn write_manifest(&mut self) -> Result<(), CreateError> {
        for event in self.layers.events() {
            self.monitor.tell(event.clone());
        }
        self.monitor.tell(Event::WritingManifest);
        self.monitor.check_stop()?;
        let placed = self.layers.place(&self.job.name, &self.config)?;
        self.job.workshop.clear_replaced(&placed);
        self.job.workshop.clear(self.layers.superseded(&placed));
        Ok(())
    }
}
