//! What a request says, which holds for each of its models.

use super::{CreateError, Request};
use crate::template::Template;

/// A request that has been checked.
#[derive(Debug)]
pub(super) struct Attachments {
    /// Texts, settings and values of the configuration, beside what the models are made from.
    pub(super) request: Request,
    /// Its template.
    pub(super) template: Option<Template>,
}

impl Attachments {
    /// Checks what can be said of a request without looking at anything else.
    ///
    /// # Errors
    /// Something is too long or of the wrong type, or the template does not parse.
    pub(super) fn of(request: Request) -> Result<Self, CreateError> {
        request.check()?;
        request.outputs.check_source(&request.from)?;
        let template = match request.template.as_str() {
            "" => None,
            text => Some(Template::parse(text)?),
        };
        Ok(Self { request, template })
    }
}
