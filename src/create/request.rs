//! What a client asks for.

use std::collections::BTreeMap;

use super::{CreateError, FileName, Files, Info, Outputs};
use crate::model::{Digest, LONGEST_TEXT, Message, Parameters, check_parameters, parameters_to_bytes};

/// Names, versions and addresses are shorter, in bytes.
pub const LONGEST_SETTING: usize = 4096;

/// What a client asks for; an empty text is one that was not given.
#[derive(Debug, Clone)]
pub struct Request {
    /// The models that are to be made. What follows holds for all of them.
    pub outputs: Outputs,
    /// The model to be made from: its name, one of the Hub (`hf.co/OWNER/REPOSITORY@REVISION`), a file or a
    /// directory beside the server (`file:///directory`), or the digest of an uploaded GGUF file.
    pub from: String,
    /// The uploaded files to be made from, unless `from` is given.
    pub files: Option<Files>,
    /// The uploaded files of an adapter.
    pub adapters: Option<Files>,
    /// Whether the adapters become part of the weights, and how strong those are that are not to be as strong
    /// as they say: each GGUF file is an adapter, and so are all other files of a folder.
    pub merge_adapters: Option<BTreeMap<String, f64>>,
    /// The prompt template.
    pub template: String,
    /// The system prompt.
    pub system: String,
    /// The licenses, each a layer of its own.
    pub licenses: Vec<String>,
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
    /// Values that take the place of those in the configuration.
    pub info: Info,
    /// The server that runs `from`, if it does not run here.
    pub remote_host: String,
    /// Where files have come from, by their blobs, as far as that is known.
    pub addresses: BTreeMap<Digest, String>,
    /// Whether the models are to be in the library, too; if nothing is said, as the workshop has it.
    pub publish: Option<bool>,
}

impl Request {
    /// A request for these models that says nothing else.
    pub fn new(outputs: Outputs) -> Self {
        Self {
            outputs,
            from: String::new(),
            files: None,
            adapters: None,
            merge_adapters: None,
            template: String::new(),
            system: String::new(),
            licenses: Vec::new(),
            parameters: Parameters::new(),
            messages: Vec::new(),
            renderer: String::new(),
            parser: String::new(),
            requires: String::new(),
            info: Info::default(),
            remote_host: String::new(),
            addresses: BTreeMap::new(),
            publish: None,
        }
    }

    /// The same, made of these files. Of those that it names itself the importance matrices stay.
    pub(super) fn made_of(mut self, files: Files) -> Self {
        let outputs = &self.outputs;
        let is_matrix = |file: &FileName| outputs.iter().any(|wanted| wanted.recipe.imatrix == file.as_str());
        let own = self.files.take().unwrap_or_default().retained(is_matrix);
        self.files = Some(own.and(files));
        self.from.clear();
        self
    }

    /// Checks what can be said of a request without looking at anything else. What is longer than the limits
    /// could not be read again.
    ///
    /// # Errors
    /// [`CreateError::TooLong`] or [`CreateError::Parameter`].
    pub(super) fn check(&self) -> Result<(), CreateError> {
        check_parameters(&self.parameters)?;
        let setting = |text: &String| (text.len(), LONGEST_SETTING);
        let text = |length: usize| (length, LONGEST_TEXT);
        let limits = [
            ("template", text(self.template.len())),
            ("system", text(self.system.len())),
            ("renderer", setting(&self.renderer)),
            ("parser", setting(&self.parser)),
            ("requires", setting(&self.requires)),
            ("remote_host", setting(&self.remote_host)),
            ("license", text(self.licenses.iter().map(String::len).max().unwrap_or(0))),
            ("parameters", text(parameters_to_bytes(&self.parameters).len())),
            ("messages", text(Message::list_to_bytes(&self.messages).len())),
        ];
        match limits.into_iter().find(|(_, (got, limit))| got > limit) {
            Some((field, (got, limit))) => Err(CreateError::TooLong { part: field.to_owned(), got, limit }),
            None => Ok(()),
        }
    }
}
