//! From a request to a job: everything that can be known beforehand is checked here, so that what is
//! wrong with a request is told before any work is done.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::base::Base;
use super::job::{Job, Source};
use super::weights::{Format, Part, find_blob, format_of, open_parts};
use super::{CreateError, Descriptions, FileName, Files, Info, license, remote_url};
use crate::model::{Digest, MediaType, Message, Name, Parameters, check_parameters};
use crate::store::{Store, StoreError};
use crate::template::Template;

/// What a client asks for; an empty text is one that was not given.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The model to be made from: its name, or the digest of an uploaded GGUF file.
    pub from: String,
    /// The uploaded files to be made from, unless `from` is given.
    pub files: Option<Files>,
    /// The uploaded files of an adapter.
    pub adapters: Option<Files>,
    /// The quantization wished for.
    pub quantize: String,
    /// The prompt template.
    pub template: String,
    /// The system prompt.
    pub system: String,
    /// The license: a text or a list of texts.
    pub license: Option<Value>,
    /// Run-time parameters.
    pub parameters: Parameters,
    /// The conversation that every conversation begins with.
    pub messages: Vec<Message>,
    /// The name of a prompt renderer.
    pub renderer: String,
    /// The name of an output parser.
    pub parser: String,
    /// The oldest version of the runtime that can run the model.
    pub requires: String,
    /// Values of the configuration that are known better.
    pub info: Option<Map<String, Value>>,
    /// The server that runs `from`, if it does not run here.
    pub remote_host: String,
}

/// What jobs work with: the store, and how much of the machine they may use. Clones are the same workshop.
#[derive(Debug, Clone)]
pub struct Workshop {
    pub(super) store: Store,
    pub(super) descriptions: Arc<Descriptions>,
    pub(super) prune: bool,
}

impl Workshop {
    /// A workshop on a store. With `prune`, what only the replaced model used is removed.
    pub fn new(store: Store, prune: bool) -> Self {
        Self { store, descriptions: Arc::default(), prune }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What is known about the GGUF blobs of the store.
    pub fn descriptions(&self) -> &Descriptions {
        &self.descriptions
    }

    /// Checks a request and makes a job of it. The job holds leases on all blobs that it needs.
    ///
    /// # Errors
    /// Whatever is wrong with the request, as far as it can be known without doing the work.
    pub fn prepare(&self, name: &Name, request: Request) -> Result<Job, CreateError> {
        let quantize = (!request.quantize.is_empty()).then(|| request.quantize.to_uppercase());
        let template = match request.template.as_str() {
            "" => None,
            text => Some(Template::parse(text)?),
        };
        let info = Info::parse(&request.info.unwrap_or_default())?;
        check_parameters(&request.parameters)?;
        let licenses = license::texts(request.license)?;
        let source = match (request.from.as_str(), request.files) {
            ("", None) => return Err(CreateError::NoSource),
            ("", Some(files)) => self.source_of_files(&files)?,
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
            (from, _) => self.source_of_model(from)?,
        };
        let adapters = match &request.adapters {
            None => Vec::new(),
            Some(files) => self.adapter(files)?,
        };
        let job = Job {
            workshop: self.clone(),
            name: self.store.resolve(name)?,
            source,
            adapters,
            quantize,
            template,
            system: request.system,
            licenses,
            parameters: request.parameters,
            messages: request.messages,
            renderer: request.renderer,
            parser: request.parser,
            requires: request.requires,
            info,
        };
        job.check()?;
        Ok(job)
    }

    fn source_of_files(&self, files: &Files) -> Result<Source, CreateError> {
        if files.is_empty() {
            return Err(CreateError::UnknownType { file: None });
        }
        match format_of(&self.store, files)? {
            Format::Gguf => Ok(Source::Files(open_parts(&self.store, &self.descriptions, files)?)),
            Format::Safetensors => Err(self.no_conversion(files)?),
        }
    }

    /// A model of the store. Where there is none of this name, the name may be the digest of a GGUF blob,
    /// as `show` tells it.
    fn source_of_model(&self, from: &str) -> Result<Source, CreateError> {
        let name: Name = from.parse()?;
        match self.store.manifest(&name) {
            Ok(model) => Ok(Source::Base(Base::open(&self.store, &self.descriptions, &model)?)),
            Err(StoreError::ModelNotFound { .. }) => {
                match (from.parse::<Digest>(), "model.gguf".parse::<FileName>()) {
                    (Ok(digest), Ok(file)) => self.source_of_files(&Files::single(file, digest)),
                    _ => Err(CreateError::BaseNotFound { name }),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    fn adapter(&self, files: &Files) -> Result<Vec<Part>, CreateError> {
        if files.is_empty() {
            return Err(CreateError::UnknownType { file: None });
        }
        match format_of(&self.store, files)? {
            Format::Gguf if files.len() > 1 => Err(CreateError::SeveralAdapters),
            Format::Gguf => open_parts(&self.store, &self.descriptions, files),
            Format::Safetensors => Err(self.no_conversion(files)?),
        }
    }

    /// Names a safetensors file, once it is certain that all files are there.
    fn no_conversion(&self, files: &Files) -> Result<CreateError, CreateError> {
        let mut weights = String::new();
        for (name, digest) in files.iter() {
            find_blob(&self.store, name, digest)?;
            if name.has_extension("safetensors") {
                weights = name.to_string();
            }
        }
        Ok(CreateError::NoConversion { file: weights })
    }
}

impl Job {
    /// Checks what concerns several parts of the request.
    fn check(&self) -> Result<(), CreateError> {
        let Some(wanted) = &self.quantize else { return Ok(()) };
        let mut any = false;
        for description in self.source.descriptions().filter(|(kind, _)| *kind == MediaType::Model) {
            any = true;
            super::making::check_quantization(&description.1, wanted)?;
        }
        if any { Ok(()) } else { Err(CreateError::NothingToQuantize) }
    }
}
