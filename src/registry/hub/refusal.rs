//! What it means when the Hub refuses: it answers 401 to whatever somebody without an account must not know
//! to exist, and says in a header what is the matter.

use crate::model::HubModel;
use crate::registry::RegistryError;
use crate::registry::session::Session;
use crate::registry::transport::{Answer, Request};

/// Statuses that a header explains.
const EXPLAINED: [u16; 3] = [401, 403, 404];

/// Asks the Hub, whose answer has to be 200; `what` names the request in errors.
pub(super) async fn ask(
    session: &Session,
    model: &HubModel,
    request: &Request,
    what: &str,
) -> Result<Answer, RegistryError> {
    let accepted = [&[200][..], &EXPLAINED[..]].concat();
    let answer = session.ask(request, what, &accepted).await?;
    if answer.response.status() == 200 {
        return Ok(answer);
    }
    let header = |name: &str| {
        let value = answer.response.headers().get(name);
        value.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let (code, status) = (header("x-error-code"), answer.response.status().as_u16());
    let is_own = !answer.is_elsewhere(session.repository());
    let repository = model.place();
    let error = session.refusal(answer, what, "").await;
    Err(match (code.as_str(), error) {
        ("GatedRepo", error) if is_own => RegistryError::Gated { repository, message: message_of(error) },
        ("RevisionNotFound" | "EntryNotFound", error) if is_own => error,
        (_, error) if is_own && (code == "RepoNotFound" || status != 403) => {
            RegistryError::NoRepository { repository, message: message_of(error) }
        }
        (_, error) => error,
    })
}

/// What the Hub itself says about it.
fn message_of(error: RegistryError) -> String {
    match error {
        RegistryError::Denied { message, .. } | RegistryError::NotFound { message, .. } => message,
        other => other.to_string(),
    }
}
