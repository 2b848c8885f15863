//! What a request says, which holds for each of its models.

use super::{CreateError, Request};
use crate::model::{parameter_kind, suggested_parameter};
use crate::template::Template;

/// So many characters of a name are repeated.
const SHOWN: usize = 80;

const MOST_WARNINGS: usize = 16;

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

    /// What is doubtful about them, of each kind so many at most.
    pub(super) fn warnings(&self) -> impl Iterator<Item = String> {
        let names = self.request.parameters.keys();
        let unknown: Vec<_> = names.filter(|name| parameter_kind(name).is_none()).collect();
        let rest = unknown.len().saturating_sub(MOST_WARNINGS);
        let rest = (rest > 0).then(|| format!("{rest} further parameters are not known either"));
        unknown.into_iter().take(MOST_WARNINGS).map(|name| unknown_parameter(name)).chain(rest)
    }
}

fn unknown_parameter(name: &str) -> String {
    let meant = suggested_parameter(name).map(|known| format!("; the nearest that is: {known}"));
    let name: String = name.chars().take(SHOWN).collect();
    format!("parameter {name:?} is not known, and stored all the same{}", meant.unwrap_or_default())
}
