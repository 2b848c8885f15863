//! What a request says beside the files: it holds for each of its models.

use super::{CreateError, Info, Request};
use crate::model::{Message, Parameters};
use crate::template::Template;

/// Texts, settings and values of the configuration.
#[derive(Debug)]
pub(super) struct Attachments {
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

impl Attachments {
    /// Takes them out of a request.
    ///
    /// # Errors
    /// The template does not parse.
    pub(super) fn of(request: &mut Request) -> Result<Self, CreateError> {
        let template = match request.template.as_str() {
            "" => None,
            text => Some(Template::parse(text)?),
        };
        Ok(Self {
            template,
            system: std::mem::take(&mut request.system),
            licenses: std::mem::take(&mut request.licenses),
            parameters: std::mem::take(&mut request.parameters),
            messages: std::mem::take(&mut request.messages),
            renderer: std::mem::take(&mut request.renderer),
            parser: std::mem::take(&mut request.parser),
            requires: std::mem::take(&mut request.requires),
            info: std::mem::take(&mut request.info),
        })
    }
}
