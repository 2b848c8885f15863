//! From a request to a job: everything that can be known beforehand is checked here, so that what is
//! wrong with a request is told before any work is done.

use super::adapter::Adapter;
use super::base::Base;
use super::job::{Job, Source};
use super::merging::Merging;
use super::uploads::parts_of_model;
use super::{CreateError, FileName, Files, Quantization, Request, Workshop, remote_url};
use crate::model::{Name, Reference};
use crate::store::StoreError;
use crate::template::Template;

impl Workshop {
    /// Checks a request and makes a job of it. The job holds leases on all blobs that it needs.
    ///
    /// # Errors
    /// Whatever is wrong with the request, as far as it can be known without doing the work.
    pub fn prepare(&self, name: &Name, request: Request) -> Result<Job, CreateError> {
        let job = self.plan(name, request)?;
        job.ensure_space()?;
        Ok(job)
    }

    /// The same, whether or not there is room for the model.
    ///
    /// # Errors
    /// As those of [`prepare`](Self::prepare).
    pub fn plan(&self, name: &Name, request: Request) -> Result<Job, CreateError> {
        let files = request.files.iter().chain(&request.adapters).flat_map(Files::iter);
        let digests: Vec<_> = files.map(|(_, digest)| digest).collect();
        self.plan_whole(name, request).map_err(|error| error.or_damage(&self.store, digests))
    }

    fn plan_whole(&self, name: &Name, request: Request) -> Result<Job, CreateError> {
        request.check()?;
        let quantize = match request.quantize {
            Some(wish) => Some(wish.following(&request.recipe, request.files.as_ref(), &self.store)?),
            None if request.recipe.is_empty() => None,
            None => return Err(CreateError::RecipeWithoutQuantize),
        };
        // A matrix is never taken for a part of the model.
        let matrix = quantize.as_ref().and_then(|quantize| quantize.matrix.as_ref());
        let matrix = matrix.map(|matrix| matrix.input.blob.digest());
        let files = request.files.map(|files| match matrix {
            Some(matrix) => files.without(matrix),
            None => files,
        });
        let template = match request.template.as_str() {
            "" => None,
            text => Some(Template::parse(text)?),
        };
        let merging = match (&request.merge_adapters, &request.adapters) {
            (None, _) => None,
            (Some(_), None) => return Err(CreateError::MergeWithoutAdapters),
            (Some(strengths), Some(files)) => Some(Merging::open(self, files, strengths)?),
        };
        // Adapters are merged into the weights before these are quantized.
        let first = quantize.as_ref().filter(|_| merging.is_none());
        let source = match (request.from.as_str(), files) {
            ("", None) => return Err(CreateError::NoSource),
            ("", Some(files)) => Source::Files(parts_of_model(self, &files, first, quantize.is_some())?),
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
                Source::Remote { host, model: from.to_owned() }
            }
            (from, _) => self.source_of_model(from, first)?,
        };
        let mut adapter = match &request.adapters {
            Some(files) if merging.is_none() => Adapter::open(self, files)?,
            _ => Adapter::Parts(Vec::new()),
        };
        let (source, merging) = match (source, merging) {
            (Source::Base(base), Some(merging)) => {
                (Source::Base(base.merged(&merging, quantize.as_ref())?), None)
            }
            (Source::Files(parts), Some(merging)) => {
                (Source::Files(merging.merged_parts(parts, quantize.as_ref())?), None)
            }
            other => other,
        };
        // Of a model that has to be fetched nothing is known yet.
        if !matches!(source, Source::Elsewhere(_)) {
            adapter = adapter.fitted(&self.store, source.weights())?;
        }
        Ok(Job {
            workshop: self.clone(),
            name: name.clone(),
            source,
            adapter,
            merging,
            quantize,
            template,
            system: request.system,
            licenses: request.licenses,
            parameters: request.parameters,
            messages: request.messages,
            renderer: request.renderer,
            parser: request.parser,
            requires: request.requires,
            info: request.info,
            assembly: None,
        })
    }

    /// A model of the store. Where there is none of this name, the name may be the digest of a GGUF blob,
    /// as `show` tells it; otherwise the model has to be fetched.
    fn source_of_model(&self, from: &str, quantize: Option<&Quantization>) -> Result<Source, CreateError> {
        let reference: Reference = from.parse()?;
        match self.store.find(&reference) {
            Ok(mut model) => loop {
                let opened = Base::open(&self.store, &self.descriptions, &model, quantize);
                if opened.is_ok() {
                    return opened.map(Source::Base);
                }
                // Whoever replaced or removed the model meanwhile may have taken its blobs with it.
                match (self.store.find(&reference), &reference) {
                    (Ok(now), _) if now.digest != model.digest => model = now,
                    (Err(StoreError::ModelNotFound { .. }), Reference::Name(name)) => {
                        return Ok(Source::Elsewhere(name.clone()));
                    }
                    _ => return opened.map(Source::Base),
                }
            },
            Err(StoreError::ModelNotFound { name }) => match (reference, "model.gguf".parse::<FileName>()) {
                (Reference::Digest(digest), Ok(file)) => {
                    let files = Files::single(file, digest);
                    parts_of_model(self, &files, quantize, quantize.is_some()).map(Source::Files)
                }
                (Reference::Name(name), _) => Ok(Source::Elsewhere(name)),
                _ => Err(StoreError::ModelNotFound { name }.into()),
            },
            Err(error) => Err(error.into()),
        }
    }
}
