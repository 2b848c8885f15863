//! How a model is put together, layer by layer.

use std::sync::Arc;

use serde_json::json;

use super::CreateError;
use super::attachments::Attachments;
use super::layers::Layers;
use super::part::{Content, Part};
use super::planned_file::PlannedFile;
use crate::family;
use crate::library::Description;
use crate::model::{Digest, Layer, MediaType, ModelConfig, Parameters, human_count, parameters_to_bytes};
use crate::store::{Blob, Committed, Store};
use crate::template::chat::recognize;

/// What a model consists of, as far as it has been put together.
#[derive(Debug)]
pub(super) struct Assembly {
    pub(super) layers: Layers,
    pub(super) config: ModelConfig,
    parameters: Parameters,
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
    /// So many bytes of this digest, which are not kept.
    Known(Digest, u64),
}

/// What a model is put together from next.
pub(super) enum Step<'o> {
    /// A layer of the base model as it is.
    Layer(Layer, Blob),
    /// A GGUF file, and the layer of the base model that it has been before.
    Part(&'o Part, Option<Layer>),
    /// The template for the chat format of weights, if it is recognised.
    Template(&'o Part),
}

impl<'o> Step<'o> {
    /// The part that is next.
    pub(super) fn part(&self) -> Option<&'o Part> {
        match self {
            Self::Part(part, _) => Some(part),
            Self::Layer(..) | Self::Template(_) => None,
        }
    }

    /// The file that has to be made for it.
    pub(super) fn planned(&self) -> Option<&'o PlannedFile> {
        self.part().and_then(Part::planned)
    }
}

impl Assembly {
    /// One without layers.
    pub(super) fn new(store: Store, config: ModelConfig, parameters: Parameters) -> Self {
        Self { layers: Layers::new(store), config, parameters }
    }

    /// Adds what is next, with the file that was made for it.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn attach(&mut self, step: Step<'_>, file: Option<File>) -> Result<(), CreateError> {
        match step {
            Step::Layer(layer, blob) => self.layers.add_existing(layer, blob),
            Step::Part(part, before) => self.attach_part(part, before, file),
            Step::Template(part) => self.recognise_template(&part.chat_template()?)?,
        }
        Ok(())
    }

    /// Adds a part as it is, or the file that was made for it. A part of the base model has been a layer
    /// before.
    fn attach_part(&mut self, part: &Part, before: Option<Layer>, file: Option<File>) {
        let description = match (&part.content, file) {
            (_, Some(File { content, description })) => {
                match content {
                    FileContent::Made(made) => self.layers.add_made(part.kind.clone(), made),
                    FileContent::ToCome(size) => self.layers.add_to_come(part.kind.clone(), size),
                    FileContent::Known(digest, size) => {
                        self.layers.add_known(part.kind.clone(), digest, size)
                    }
                }
                description
            }
            (Content::Existing(input, description), None) => {
                let blob = input.blob.clone();
                let layer = || Layer::new(part.kind.clone(), blob.digest(), blob.length());
                self.layers.add_existing(before.unwrap_or_else(layer), blob);
                description.clone()
            }
            // Nothing was made of it.
            (Content::Planned(_), None) => return,
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
    pub(super) fn attach_metadata(&mut self, attachments: &Attachments) -> Result<(), CreateError> {
        if let Some(template) = &attachments.template {
            self.layers.replace(MediaType::Template, template.text())?;
        }
        if !attachments.request.system.is_empty() {
            self.layers.replace(MediaType::System, &attachments.request.system)?;
        }
        for license in &attachments.request.licenses {
            self.layers.add_bytes(MediaType::License, license.as_bytes())?;
        }
        self.layers.merge_parameters(std::mem::take(&mut self.parameters))?;
        self.layers.replace_messages(&attachments.request.messages)
    }
}
