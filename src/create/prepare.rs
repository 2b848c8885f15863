//! From a request to a job: everything that can be known beforehand is checked here, so that what is
//! wrong with a request is told before any work is done.

use super::adapter::Adapter;
use super::base::Base;
use super::job::{Job, Source};
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
        let source = match (request.from.as_str(), files) {
            ("", None) => return Err(CreateError::NoSource),
            ("", Some(files)) => Source::Files(parts_of_model(self, &files, quantize.as_ref())?),
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
            (from, _) => self.source_of_model(from, quantize.as_ref())?,
        };
        let mut adapter = match &request.adapters {
            None => Adapter::Parts(Vec::new()),
            Some(files) => Adapter::open(self, files)?,
        };
        // Of a model that has to be fetched nothing is known yet.
        if !matches!(source, Source::Elsewhere(_)) && matches!(adapter, Adapter::Safetensors(_)) {
            let planned = adapter.planned(&self.store, &source.metadata()?)?;
            adapter = Adapter::Parts(planned.into_iter().collect());
        }
        Ok(Job {
            workshop: self.clone(),
            name: name.clone(),
            source,
            adapter,
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
                    parts_of_model(self, &Files::single(file, digest), quantize).map(Source::Files)
                }
                (Reference::Name(name), _) => Ok(Source::Elsewhere(name)),
                _ => Err(StoreError::ModelNotFound { name }.into()),
            },
            Err(error) => Err(error.into()),
        }
    }
}
