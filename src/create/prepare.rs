//! From a request to a job: everything that can be known beforehand is checked here, so that what is
//! wrong with a request is told before any work is done.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::base::Base;
use super::job::{Job, Source};
use super::making::ensure_space;
use super::uploads::Adapter;
use super::{CreateError, FileName, Files, Info, license, remote_url};
use crate::library::Descriptions;
use crate::model::{Digest, LONGEST_TEXT, Message, Name, Parameters, check_parameters, parameters_to_bytes};
use crate::plan::Resources;
use crate::quantize::FileType;
use crate::registry;
use crate::store::{Placed, Store, StoreError};
use crate::template::Template;

/// Names, versions and addresses are shorter, in bytes.
pub(super) const LONGEST_SETTING: usize = 4096;

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

impl Request {
    /// What is longer could not be read again.
    fn check_lengths(&self) -> Result<(), CreateError> {
        let texts = [("template", &self.template), ("system", &self.system)];
        let settings = [
            ("renderer", &self.renderer),
            ("parser", &self.parser),
            ("requires", &self.requires),
            ("remote_host", &self.remote_host),
        ];
        let texts = texts.into_iter().map(|(field, text)| (field, text, LONGEST_TEXT));
        let settings = settings.into_iter().map(|(field, text)| (field, text, LONGEST_SETTING));
        texts.chain(settings).try_for_each(|(field, text, limit)| check_length(field, text.len(), limit))
    }
}

fn check_length(field: &str, got: usize, limit: usize) -> Result<(), CreateError> {
    if got > limit { Err(CreateError::TooLong { part: field.to_owned(), got, limit }) } else { Ok(()) }
}

/// What jobs work with: the store, and how much of the machine they may use. Clones are the same workshop.
#[derive(Debug, Clone)]
pub struct Workshop {
    pub(super) store: Store,
    pub(super) descriptions: Arc<Descriptions>,
    pub(super) registries: Result<registry::Client, registry::Error>,
    pub(super) resources: Resources,
    pub(super) prune: bool,
}

impl Workshop {
    /// A workshop on a store, which fetches models from elsewhere through a client as configured. With
    /// `prune`, what only the replaced model used is removed.
    pub fn new(store: Store, registries: registry::Config, prune: bool) -> Self {
        Self {
            registries: registry::Client::new(registries, store.clone()),
            descriptions: Arc::new(Descriptions::new(store.clone())),
            store,
            resources: Resources::default(),
            prune,
        }
    }

    /// The client of registries.
    ///
    /// # Errors
    /// Why there is none: its configuration cannot be used.
    pub fn registries(&self) -> Result<&registry::Client, registry::Error> {
        self.registries.as_ref().map_err(registry::Error::clone)
    }

    /// Removes, soon, the blobs that only a replaced model used.
    pub fn clear_replaced(&self, placed: &Placed) {
        self.clear(
            placed.replaced.iter().flat_map(|replaced| replaced.manifest.blobs().map(|layer| layer.digest)),
        );
    }

    /// Removes, soon, those of the blobs that no model uses.
    pub(super) fn clear(&self, digests: impl IntoIterator<Item = Digest>) {
        if self.prune {
            self.store.retire(digests);
        }
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
        request.check_lengths()?;
        let quantize = Quantization::parse(&request.quantize)?;
        let template = match request.template.as_str() {
            "" => None,
            text => Some(Template::parse(text)?),
        };
        let info = Info::parse(&request.info.unwrap_or_default())?;
        check_parameters(&request.parameters)?;
        let licenses = license::texts(request.license)?;
        for (field, got) in [
            ("license", licenses.iter().map(String::len).max().unwrap_or(0)),
            ("parameters", parameters_to_bytes(&request.parameters).len()),
            ("messages", Message::list_to_bytes(&request.messages).len()),
        ] {
            check_length(field, got, LONGEST_TEXT)?;
        }
        let source = match (request.from.as_str(), request.files) {
            ("", None) => return Err(CreateError::NoSource),
            ("", Some(files)) => Source::Files(self.parts_of_model(&files, quantize.as_ref())?),
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
            Some(files) => self.open_adapter(files)?,
        };
        // Of a model that has to be fetched nothing is known yet.
        if !matches!(source, Source::Elsewhere(_)) && matches!(adapter, Adapter::Safetensors(_)) {
            adapter = Adapter::Parts(adapter.planned(&source.metadata()?)?.into_iter().collect());
        }
        let job = Job {
            workshop: self.clone(),
            name: name.clone(),
            source,
            adapter,
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
        ensure_space(&self.store, job.parts())?;
        Ok(job)
    }

    /// A model of the store. Where there is none of this name, the name may be the digest of a GGUF blob,
    /// as `show` tells it; otherwise the model has to be fetched.
    fn source_of_model(&self, from: &str, quantize: Option<&Quantization>) -> Result<Source, CreateError> {
        let name: Name = from.parse()?;
        match self.store.manifest(&name) {
            Ok(mut model) => loop {
                let opened = Base::open(&self.store, &self.descriptions, &model, quantize);
                if opened.is_ok() {
                    return opened.map(Source::Base);
                }
                // Whoever replaced or removed the model meanwhile may have taken its blobs with it.
                match self.store.manifest(&name) {
                    Ok(now) if now.digest != model.digest => model = now,
                    Err(StoreError::ModelNotFound { .. }) => return Ok(Source::Elsewhere(name)),
                    _ => return opened.map(Source::Base),
                }
            },
            Err(StoreError::ModelNotFound { .. }) => {
                match (from.parse::<Digest>(), "model.gguf".parse::<FileName>()) {
                    (Ok(digest), Ok(file)) => {
                        self.parts_of_model(&Files::single(file, digest), quantize).map(Source::Files)
                    }
                    _ => Ok(Source::Elsewhere(name)),
                }
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The quantization wished for.
#[derive(Debug, Clone)]
pub(super) struct Quantization {
    pub(super) file_type: FileType,
    /// As the client calls it, in upper case; progress lines show it.
    pub(super) wish: String,
}

impl Quantization {
    fn parse(wish: &str) -> Result<Option<Self>, CreateError> {
        if wish.is_empty() {
            return Ok(None);
        }
        match wish.parse() {
            Ok(file_type) => Ok(Some(Self { file_type, wish: wish.to_uppercase() })),
            Err(_) => Err(CreateError::UnknownQuantization {
                got: wish.to_owned(),
                supported: FileType::all().map(FileType::name).collect(),
            }),
        }
    }
}
