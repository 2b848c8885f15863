//! One of the models that a job makes.

use std::sync::Arc;

use super::adapter::Adapter;
use super::assembly::{Assembly, Step};
use super::attachments::Attachments;
use super::base::Base;
use super::base_layer::BaseLayer;
use super::merging::Merging;
use super::part::{Content, Part};
use super::planned_file::{PlannedFile, space_of};
use super::{CreateError, Event, Monitor, Quantization, Stage, Wanted, Workshop};
use crate::model::{Digest, Layer, MediaType, ModelConfig, Name};
use crate::store::StoredManifest;

/// A model to be. It holds leases on the blobs that it needs.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) workshop: Workshop,
    pub(super) wanted: Wanted,
    pub(super) material: Material,
    pub(super) adapter: Adapter,
    /// Adapters for the weights of a model that has to be fetched first.
    pub(super) merging: Option<Merging>,
    pub(super) quantize: Option<Quantization>,
    pub(super) attachments: Arc<Attachments>,
    /// What the computing stage has left for the last.
    pub(super) assembly: Option<Assembly>,
}

/// What a model is made from.
#[derive(Debug)]
pub(super) enum Material {
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

impl Material {
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

impl Output {
    /// The stages that are left, as far as is known.
    pub(super) fn stages(&self) -> impl Iterator<Item = Stage> {
        let has_to_fetch = matches!(self.material, Material::Elsewhere(_));
        let store = &self.workshop.store;
        let takes_time = |part: &Part| match &part.content {
            Content::Planned(_) => true,
            Content::Existing(input, _) => store.has_to_read(&input.blob),
        };
        // What is made of a model that has to be fetched is planned when it is here.
        let is_changed = self.quantize.is_some() || self.merging.is_some();
        let waits = matches!(self.adapter, Adapter::Safetensors(_)) || (has_to_fetch && is_changed);
        let has_to_compute = self.assembly.is_none() && (waits || self.parts().any(takes_time));
        let left = move |stage: &Stage| match stage {
            Stage::Transfer => has_to_fetch,
            Stage::Compute => has_to_compute,
            Stage::Finish => true,
            // When the models of a job are there, their publishing is work of its own.
            Stage::Publish => false,
        };
        Stage::ALL.into_iter().filter(left)
    }

    /// The parts that are GGUF files, as far as they are known.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.material.parts().chain(self.adapters())
    }

    /// The parts that the adapters are, as far as they are known.
    fn adapters(&self) -> &[Part] {
        match &self.adapter {
            Adapter::Parts(parts) => parts,
            Adapter::Safetensors(_) => &[],
        }
    }

    /// What has to be there for it: blobs, and the recipes of what is made of them.
    pub(super) fn needs(&self) -> Vec<Digest> {
        let base = match &self.material {
            Material::Base(base) => base.layers.as_slice(),
            _ => &[],
        };
        let mut needs: Vec<Digest> = base.iter().map(|layer| layer.blob.digest()).collect();
        for part in self.parts() {
            needs.extend(part.inputs().iter().map(|input| input.blob.digest()));
            // One that has no recipe fails when it is made.
            needs.extend(part.planned().and_then(|file| file.recipe().ok()));
        }
        needs
    }

    /// The same, made from a model that has been fetched.
    pub(super) fn fetched(mut self, model: &StoredManifest) -> Result<Self, CreateError> {
        let workshop = &self.workshop;
        let quantize = self.quantize.as_ref();
        let (first, merging) = (quantize.filter(|_| self.merging.is_none()), self.merging.take());
        let base = Base::open(&workshop.store, &workshop.descriptions, model, first)?;
        let base = match &merging {
            Some(merging) => base.merged(merging, quantize)?,
            None => base,
        };
        let material = Material::Base(base);
        self.adapter = self.adapter.fitted(&workshop.store, material.weights())?;
        Ok(Self { material, ..self })
    }

    /// It, without layers.
    pub(super) fn begun(&self) -> Assembly {
        let request = &self.attachments.request;
        let mut config = ModelConfig {
            renderer: request.renderer.clone(),
            parser: request.parser.clone(),
            requires: request.requires.clone(),
            ..ModelConfig::default()
        };
        match &self.material {
            Material::Base(model) => model.bequeath(&mut config),
            Material::Remote { host, model } => {
                config.remote_host.clone_from(host);
                config.remote_model.clone_from(model);
            }
            // It has been fetched, or nothing is known of it.
            Material::Files(_) | Material::Elsewhere(_) => {}
        }
        request.info.apply(&mut config);
        Assembly::new(self.workshop.store.clone(), config, request.parameters.clone())
    }

    /// What it is put together from, in order: the layers of the base model, if there is one, or else those
    /// of the source, and the adapter's.
    pub(super) fn steps(&self) -> Vec<Step<'_>> {
        let mut steps = Vec::new();
        match &self.material {
            Material::Base(base) => {
                for BaseLayer { layer, blob, part } in &base.layers {
                    let layer = Layer { from: base.name.short(), size: blob.length(), ..layer.clone() };
                    steps.push(match part {
                        Some(part) => Step::Part(part, Some(layer)),
                        None => Step::Layer(layer, blob.clone()),
                    });
                }
            }
            Material::Files(parts) => {
                steps.extend(parts.iter().map(|part| Step::Part(part, None)));
                steps.extend(parts.iter().map(Step::Template));
            }
            Material::Elsewhere(_) | Material::Remote { .. } => {}
        }
        steps.extend(self.adapters().iter().map(|part| Step::Part(part, None)));
        steps
    }

    /// The files that have to be made for it, in order.
    pub(super) fn planned(&self) -> impl Iterator<Item = &PlannedFile> {
        self.parts().filter_map(Part::planned)
    }

    /// Puts the model of its layers in its place; answers with the digest of its manifest.
    pub(super) fn place(&self, mut assembly: Assembly, monitor: Monitor<'_>) -> Result<Digest, CreateError> {
        assembly.attach_metadata(&self.attachments)?;
        assembly.layers.store_texts()?;
        assembly.layers.events().for_each(|event| monitor.tell(event));
        monitor.tell(Event::WritingManifest);
        monitor.check_stop()?;
        let placed = assembly.layers.place(&self.wanted.model, &assembly.config)?;
        self.workshop.warn_of_size(&placed.model, monitor);
        self.workshop.clear_replaced(&placed);
        Ok(placed.model.digest)
    }

    /// The bytes that the headers of the files take that have to be made.
    pub(super) fn metadata_bytes(&self) -> usize {
        // One that has no header fails when it is made.
        self.planned().filter_map(|file| Some(file.plan().header().ok()?.bytes().len())).sum()
    }

    /// The bytes of the files that have to be made.
    pub(super) fn space(&self) -> Result<u64, CreateError> {
        space_of(&self.workshop.store, self.planned())
    }
}
