//! A create job, ready to run.

use tokio_util::sync::CancellationToken;

use super::base::Base;
use super::layers::Layers;
use super::making::make;
use super::weights::{Part, Weights};
use super::{CHAT_TEMPLATE_KEY, CreateError, Description, Info, Progress, Report, Workshop};
use crate::gguf::{Gguf, ValueRef};
use crate::model::{MediaType, Message, ModelConfig, Name, Parameters, human_count};
use crate::template::Template;

/// A job whose request has been checked. It holds leases on the blobs that it needs.
#[derive(Debug)]
pub struct Job {
    pub(super) workshop: Workshop,
    pub(super) name: Name,
    pub(super) source: Source,
    pub(super) adapters: Vec<Part>,
    pub(super) quantize: Option<String>,
    pub(super) template: Option<Template>,
    pub(super) system: String,
    pub(super) licenses: Vec<String>,
    pub(super) parameters: Parameters,
    pub(super) messages: Vec<Message>,
    pub(super) renderer: String,
    pub(super) parser: String,
    pub(super) requires: String,
    pub(super) info: Info,
}

/// What a model is made from.
#[derive(Debug)]
pub(super) enum Source {
    /// A model of the store.
    Base(Base),
    /// Uploaded GGUF files.
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
    /// The facts of the parts that are GGUF files.
    pub(super) fn descriptions(&self) -> impl Iterator<Item = (MediaType, Description)> {
        let (layers, parts): (&[_], &[_]) = match self {
            Self::Base(base) => (&base.layers, &[]),
            Self::Files(parts) => (&[], parts),
            Self::Remote { .. } => (&[], &[]),
        };
        let layers = layers.iter().filter_map(|layer| {
            Some((layer.layer.media_type.clone(), (**layer.description.as_ref()?).clone()))
        });
        layers.chain(parts.iter().map(|part| (part.kind.clone(), part.description())))
    }
}

impl Job {
    /// The model that it makes.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Whether it computes or moves more than metadata, so that only few such jobs should run at once.
    pub fn is_heavy(&self) -> bool {
        let sharded = match &self.source {
            Source::Files(parts) => parts.iter().any(|part| part.sources.len() > 1),
            Source::Base(_) | Source::Remote { .. } => false,
        };
        sharded || self.quantize.is_some()
    }

    /// Makes the model. What it made is removed again if it fails or is cancelled.
    ///
    /// # Errors
    /// Whatever goes wrong, or [`CreateError::Cancelled`].
    pub fn run(self, report: Report<'_>, stop: &CancellationToken) -> Result<(), CreateError> {
        let config = ModelConfig {
            renderer: self.renderer.clone(),
            parser: self.parser.clone(),
            requires: self.requires.clone(),
            ..ModelConfig::default()
        };
        let mut work = Work {
            layers: Layers::new(self.workshop.store.clone()),
            config,
            parameters: self.parameters.clone(),
            report,
            stop,
            job: &self,
        };
        let outcome = work.make_model();
        if outcome.is_err()
            && let Err(error) = work.layers.discard()
        {
            tracing::warn!(%error, "what a failed job made stays until the store is pruned");
        }
        outcome
    }
}

/// A job under way.
struct Work<'w> {
    job: &'w Job,
    layers: Layers,
    config: ModelConfig,
    parameters: Parameters,
    report: Report<'w>,
    stop: &'w CancellationToken,
}

impl Work<'_> {
    fn make_model(&mut self) -> Result<(), CreateError> {
        self.attach_source()?;
        self.attach_parts(&self.job.adapters)?;
        self.attach_metadata()?;
        self.write_manifest()
    }

    fn attach_source(&mut self) -> Result<(), CreateError> {
        match &self.job.source {
            Source::Remote { host, model } => {
                self.config.remote_host.clone_from(host);
                self.config.remote_model.clone_from(model);
                self.job.info.apply(&mut self.config);
                Ok(())
            }
            Source::Base(base) => {
                base.bequeath(&mut self.config);
                self.job.info.apply(&mut self.config);
                self.attach_base(base)
            }
            Source::Files(parts) => {
                self.job.info.apply(&mut self.config);
                for _ in parts.iter().chain(&self.job.adapters).flat_map(|part| &part.sources) {
                    (self.report)(Progress::line("parsing GGUF"));
                }
                self.attach_parts(parts)?;
                self.recognise_template(parts)
            }
        }
    }

    fn attach_base(&mut self, base: &Base) -> Result<(), CreateError> {
        for layer in &base.layers {
            self.check_stop()?;
            let kind = layer.layer.media_type.clone();
            if let Some(description) = &layer.description {
                let weights = Weights {
                    file: format!("the {} of {}", description.architecture, base.name.short()),
                    blob: layer.blob.clone(),
                    description: description.clone(),
                };
                let part = Part { kind, sources: vec![weights] };
                self.attach_part(&part, base.name.short())?;
            } else {
                self.layers.add_existing(kind, layer.blob.clone(), base.name.short());
            }
        }
        for _ in self.job.adapters.iter().flat_map(|part| &part.sources) {
            (self.report)(Progress::line("parsing GGUF"));
        }
        Ok(())
    }

    fn attach_parts(&mut self, parts: &[Part]) -> Result<(), CreateError> {
        parts.iter().try_for_each(|part| self.attach_part(part, String::new()))
    }

    /// Adds a part as it is, or makes the file that it should be.
    fn attach_part(&mut self, part: &Part, from: String) -> Result<(), CreateError> {
        self.check_stop()?;
        let quantize = self.job.quantize.as_deref().filter(|_| part.kind == MediaType::Model);
        let mut description = part.description();
        match make(&self.job.workshop, part, quantize, self.report, self.stop)? {
            None => self.layers.add_existing(part.kind.clone(), part.sources[0].blob.clone(), from),
            Some(made) => {
                if let Ok(known) = self.job.workshop.descriptions.of(&made.blob) {
                    description = (*known).clone();
                }
                self.layers.add_made(part.kind.clone(), made);
            }
        }
        if part.kind == MediaType::Model {
            self.describe(&description);
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
        // Families whose prompts the runtime renders itself: Ollama, `server/create.go`.
        let (renderer, parser) = match description.architecture.as_str() {
            "gemma4" => {
                self.parameters.entry("stop".to_owned()).or_insert_with(|| vec!["<turn|>"].into());
                ("gemma4", "gemma4")
            }
            "laguna" => ("laguna", "laguna"),
            "nemotron_h" | "nemotron_h_moe" | "nemotron_h_omni" => ("nemotron-3-nano", "nemotron-3-nano"),
            _ => return,
        };
        set(&mut config.renderer, renderer);
        set(&mut config.parser, parser);
    }

    /// Adds a Go template of ours for the chat format of the weights.
    fn recognise_template(&mut self, parts: &[Part]) -> Result<(), CreateError> {
        for part in parts {
            let gguf = match Gguf::parse(part.sources[0].blob.bytes()?) {
                Ok(gguf) => gguf,
                Err(_) => continue,
            };
            let text = gguf.get(CHAT_TEMPLATE_KEY).and_then(ValueRef::as_str).unwrap_or_default();
            let _ = text;
        }
        Ok(())
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
        for status in self.layers.statuses() {
            (self.report)(status.clone());
        }
        (self.report)(Progress::line("writing manifest"));
        self.check_stop()?;
        let placed = self.layers.place(&self.job.name, &self.config)?;
        if let Some(replaced) = placed.replaced.filter(|_| self.job.workshop.prune) {
            let digests: Vec<_> = replaced.manifest.blobs().map(|layer| layer.digest).collect();
            // The model is made; what could not be removed is left to the next pruning.
            if let Err(error) = self.job.workshop.store.remove_unused(&digests) {
                tracing::warn!(%error, "the blobs of the replaced model stay until the store is pruned");
            }
        }
        Ok(())
    }

    fn check_stop(&self) -> Result<(), CreateError> {
        if self.stop.is_cancelled() { Err(CreateError::Cancelled) } else { Ok(()) }
    }
}
