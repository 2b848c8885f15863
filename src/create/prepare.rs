//! From a request to a job: everything that can be known beforehand is checked here, so that what is
//! wrong with a request is told before any work is done.

use std::sync::Arc;

use super::adapter::Adapter;
use super::attachments::Attachments;
use super::base::Base;
use super::gathering::Gathering;
use super::job::{Job, Standing};
use super::merging::Merging;
use super::output::{Material, Output};
use super::uploads::parts_of_model;
use super::{CreateError, FileName, Files, Quantization, Request, Wanted, Workshop, remote_url};
use crate::model::{Name, Reference};
use crate::store::StoreError;

/// Each model has its metadata in memory until it is made, vocabularies and all. Those of several models must
/// not take more than this together, in bytes.
const MOST_METADATA: usize = 512 << 20;

impl Workshop {
    /// Checks a request and makes a job of it. The job holds leases on all blobs that it needs.
    ///
    /// # Errors
    /// Whatever is wrong with the request, as far as it can be known without doing the work. Of several
    /// models, some of which cannot be made, the job makes the others.
    pub fn prepare(&self, request: Request) -> Result<Job, CreateError> {
        let job = self.plan(request)?;
        job.ensure_space()?;
        Ok(job)
    }

    /// The same, whether or not there is room for the models.
    ///
    /// # Errors
    /// As those of [`prepare`](Self::prepare).
    pub fn plan(&self, request: Request) -> Result<Job, CreateError> {
        let attachments = Arc::new(Attachments::of(self.unfolded(request)?)?);
        let request = &attachments.request;
        let is_list = request.outputs.is_list();
        if request.publish == Some(true) {
            request.outputs.iter().try_for_each(|wanted| self.ensure_of_library(&wanted.model))?;
        }
        let publish = request.publish.unwrap_or(self.sharing.publish)
            && request.outputs.iter().any(|wanted| self.is_of_library(&wanted.model));
        if let Some(gathering) = Gathering::of(self, request)? {
            let outputs = request.outputs.iter().map(|wanted| (wanted.model.clone(), Standing::ToGather));
            let (outputs, gathering) = (outputs.collect(), Some(Box::new(gathering)));
            return Ok(Job { workshop: self.clone(), gathering, outputs, is_list, publish });
        }
        let files = request.files.iter().chain(&request.adapters).flat_map(Files::iter);
        let digests: Vec<_> = files.map(|(_, digest)| digest).collect();
        let damaged = |error: CreateError| error.or_damage(&self.store, digests.iter().copied());
        let wishes: Vec<_> = request.outputs.iter().map(|wanted| self.wish(wanted, request)).collect();
        // A matrix is never taken for a part of a model.
        let matrices = wishes.iter().filter_map(|wish| wish.as_ref().ok()?.as_ref()?.matrix.as_ref());
        let files = request
            .files
            .clone()
            .map(|files| matrices.fold(files, |files, matrix| files.without(matrix.input.blob.digest())));
        let mut outputs = Vec::new();
        let mut metadata = 0;
        for (wanted, wish) in request.outputs.iter().zip(wishes) {
            let planned = wish.and_then(|quantize| {
                self.plan_output(wanted, quantize, files.as_ref(), Arc::clone(&attachments))
            });
            let standing = match planned.map_err(damaged) {
                Ok(output) => Standing::ToMake(Box::new(output)),
                Err(error) if is_list => Standing::Failed(error),
                Err(error) => return Err(error),
            };
            if let Standing::ToMake(output) = &standing {
                metadata += output.metadata_bytes();
            }
            outputs.push((wanted.model.clone(), standing));
            if outputs.len() > 1 && metadata > MOST_METADATA {
                let (outputs, limit) = (outputs.len(), MOST_METADATA);
                return Err(CreateError::OutputsTooLarge { outputs, limit });
            }
        }
        let job = Job { workshop: self.clone(), gathering: None, outputs, is_list, publish };
        if job.to_make().next().is_some() { Ok(job) } else { Err(job.refused()) }
    }

    /// The quantization that a model is wanted in.
    fn wish(&self, wanted: &Wanted, request: &Request) -> Result<Option<Quantization>, CreateError> {
        match &wanted.quantize {
            Some(wish) => {
                wish.clone().following(&wanted.recipe, request.files.as_ref(), &self.store).map(Some)
            }
            None if wanted.recipe.is_empty() => Ok(None),
            None => Err(CreateError::RecipeWithoutQuantize),
        }
    }

    fn plan_output(
        &self,
        wanted: &Wanted,
        quantize: Option<Quantization>,
        files: Option<&Files>,
        attachments: Arc<Attachments>,
    ) -> Result<Output, CreateError> {
        let request = &attachments.request;
        let merging = match (&request.merge_adapters, &request.adapters) {
            (None, _) => None,
            (Some(_), None) => return Err(CreateError::MergeWithoutAdapters),
            (Some(strengths), Some(files)) => Some(Merging::open(self, files, strengths)?),
        };
        // Adapters are merged into the weights before these are quantized.
        let first = quantize.as_ref().filter(|_| merging.is_none());
        let material = match (request.from.as_str(), files) {
            ("", None) => return Err(CreateError::NoSource),
            ("", Some(files)) => Material::Files(parts_of_model(self, files, first, quantize.is_some())?),
            (from, _) if !request.remote_host.is_empty() => {
                let _: Name = from.parse()?;
                let host = remote_url(&request.remote_host)?;
                for (field, given) in
                    [("quantize", quantize.is_some()), ("adapters", request.adapters.is_some())]
                {
                    if given {
                        return Err(CreateError::RemoteWith { field });
                    }
                }
                Material::Remote { host, model: from.to_owned() }
            }
            (from, Some(files)) if !files.is_empty() => {
                let files = files.iter().map(|(name, _)| name.to_string()).collect();
                return Err(CreateError::FromAndFiles { from: from.to_owned(), files });
            }
            (from, _) => self.material_of_model(from, first)?,
        };
        let mut adapter = match &request.adapters {
            Some(files) if merging.is_none() => Adapter::open(self, files)?,
            _ => Adapter::Parts(Vec::new()),
        };
        let (material, merging) = match (material, merging) {
            (Material::Base(base), Some(merging)) => {
                (Material::Base(base.merged(&merging, quantize.as_ref())?), None)
            }
            (Material::Files(parts), Some(merging)) => {
                (Material::Files(merging.merged_parts(parts, quantize.as_ref())?), None)
            }
            other => other,
        };
        // Of a model that has to be fetched nothing is known yet.
        if !matches!(material, Material::Elsewhere(_)) {
            adapter = adapter.fitted(&self.store, material.weights())?;
        }
        Ok(Output {
            workshop: self.clone(),
            wanted: wanted.clone(),
            material,
            adapter,
            merging,
            quantize,
            attachments,
            assembly: None,
        })
    }

    /// A model of the store. Where there is none of this name, the name may be the digest of a GGUF blob,
    /// as `show` tells it; otherwise the model has to be fetched.
    fn material_of_model(
        &self,
        from: &str,
        quantize: Option<&Quantization>,
    ) -> Result<Material, CreateError> {
        let reference: Reference = from.parse().map_err(|source| match path_in_place_of_name(from) {
            Some(file) => CreateError::FromIsPath { file, source },
            None => source.into(),
        })?;
        match self.store.find(&reference) {
            Ok(mut model) => loop {
                let opened = Base::open(&self.store, &self.descriptions, &model, quantize);
                if opened.is_ok() {
                    self.note_used(&model);
                    return opened.map(Material::Base);
                }
                // Whoever replaced or removed the model meanwhile may have taken its blobs with it.
                match (self.store.find(&reference), &reference) {
                    (Ok(now), _) if now.digest != model.digest => model = now,
                    (Err(StoreError::ModelNotFound { .. }), Reference::Name(name)) => {
                        return Ok(Material::Elsewhere(name.clone()));
                    }
                    _ => return opened.map(Material::Base),
                }
            },
            Err(StoreError::ModelNotFound { name }) => match (reference, "model.gguf".parse::<FileName>()) {
                (Reference::Digest(digest), Ok(file)) => {
                    let files = Files::single(file, digest);
                    parts_of_model(self, &files, quantize, quantize.is_some()).map(Material::Files)
                }
                (Reference::Name(name), _) => Ok(Material::Elsewhere(name)),
                _ => Err(StoreError::ModelNotFound { name }.into()),
            },
            Err(error) => Err(error.into()),
        }
    }
}

/// The file that is meant by a text that is no name, if it is written as a path.
fn path_in_place_of_name(text: &str) -> Option<String> {
    let is_path = text.starts_with(['.', '/', '~', '\\'])
        || [".gguf", ".safetensors", ".bin"].iter().any(|extension| text.ends_with(extension));
    let file = text.rsplit(['/', '\\']).find(|part| !part.is_empty())?;
    is_path.then(|| file.chars().take(80).collect())
}
