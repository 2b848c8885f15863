//! Proving who we are: passwords, tokens, and Ollama's signed challenge.
//!
//! What proves it belongs to one origin (scheme, host and port) and is shown to no other:
//! - a password goes to its registry, and to the token server that this registry names if that is
//!   related to it, over plain HTTP only as [`Credentials::insert`] says; an identity token, which stands for
//!   it, goes to such a token server only;
//! - a signature, which is the same person's for all registries, goes to the registry's own origin
//!   only, or a registry could have us sign in for it elsewhere;
//! - the token that is issued goes to the registry's own origin.
//!
//! The dialogue with token servers is the distribution project's ("Token Authentication
//! Specification"), the signed one Ollama's (`server/auth.go`).

use std::sync::Arc;

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use tokio::sync::{Mutex, OnceCell};
use url::{Host, Url};

use super::answer::{Body, error_of, message_of};
use super::challenge::Challenge;
use super::credentials::{Credentials, Login};
use super::identity::Identity;
use super::place::{Place, display};
use super::repository::Repository;
use super::transport::{Answer, Authorization, Payload, Request, Transport};
use super::{RegistryError, blocking};

/// The longest answer of a token server, in bytes.
const LONGEST_TOKEN_ANSWER: u64 = 1024 * 1024;

/// What we are called where an identity token is shown.
const CLIENT: &str = "ollamake";

/// A token for more repositories than these is not asked for.
const MOST_SCOPES: usize = 16;

/// What proves who we are in one conversation with one repository.
#[derive(Debug)]
pub(super) struct Authentication {
    credentials: Arc<Credentials>,
    identity: Arc<Identity>,
    /// The login for the registry, once somebody has asked for it.
    login: OnceCell<Option<Login>>,
    state: Mutex<State>,
    /// Whether there is anything to answer a challenge with.
    answers: bool,
}

/// What a token server is asked for.
struct Question<'q> {
    realm: &'q Place,
    service: Option<&'q str>,
    scopes: &'q [String],
}

impl Question<'_> {
    /// Where it is asked with GET.
    fn place(&self) -> Place {
        let service = self.service.iter().map(|service| ("service", *service));
        let scopes = self.scopes.iter().map(|scope| ("scope", scope.as_str()));
        self.realm.with_query(&service.chain(scopes).collect::<Vec<_>>())
    }

    /// The form that is sent with an identity token (distribution project, "Oauth2 Token Authentication").
    fn form(&self, token: &str) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "refresh_token").append_pair("client_id", CLIENT);
        self.service.iter().for_each(|service| _ = form.append_pair("service", service));
        form.append_pair("scope", &self.scopes.join(" ")).append_pair("refresh_token", token);
        form.finish()
    }
}

#[derive(Debug, Default)]
struct State {
    authorization: Option<Authorization>,
    /// Counts renewals, so that of many requests that are refused at once only one renews.
    generation: u64,
    /// Whether a request with this authorization was answered well.
    worked: bool,
    /// The ways of asking for a token that were tried without success.
    exhausted_ways: usize,
    /// What tokens were asked for, since a new token has to serve the requests of the old one as well.
    scopes: Vec<String>,
}

/// What a request was sent with.
#[derive(Debug, Clone)]
pub(super) struct Ticket {
    pub(super) authorization: Option<Authorization>,
    generation: u64,
}

/// How a token is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Password,
    IdentityToken,
    Anonymous,
    Signature,
}

#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
}

impl Authentication {
    pub(super) fn new(credentials: Arc<Credentials>, identity: Arc<Identity>) -> Self {
        Self { credentials, identity, login: OnceCell::new(), state: Mutex::default(), answers: true }
    }

    /// The same, which shows something from the beginning.
    pub(super) fn showing(self, authorization: Option<Authorization>) -> Self {
        Self { state: Mutex::new(State { authorization, ..State::default() }), ..self }
    }

    /// The same, which has nothing more to show.
    pub(super) fn and_no_more(self) -> Self {
        Self { answers: false, ..self }
    }

    /// Whether there is anything to answer a challenge with.
    pub(super) fn answers_challenges(&self) -> bool {
        self.answers
    }

    /// The login for the registry, if there is one.
    async fn login(&self, repository: &Repository) -> Result<Option<&Login>, RegistryError> {
        let find = async || {
            let (credentials, registry) = (self.credentials.clone(), repository.registry().to_owned());
            let found = blocking(move || credentials.find(&registry)).await?;
            found.map_err(|failure| RegistryError::CredentialHelper {
                registry: repository.registry().to_owned(),
                reason: failure.to_string(),
            })
        };
        Ok(self.login.get_or_try_init(find).await?.as_ref())
    }

    /// What the next request is to be sent with.
    pub(super) async fn ticket(&self) -> Ticket {
        let state = self.state.lock().await;
        Ticket { authorization: state.authorization.clone(), generation: state.generation }
    }

    /// Notes that a request with this ticket was let in: if it is refused later, it has expired.
    pub(super) async fn confirm(&self, ticket: &Ticket) {
        let mut state = self.state.lock().await;
        state.worked |= state.generation == ticket.generation;
    }

    /// What can be done when a registry denies access.
    pub(super) fn advice(&self, repository: &Repository) -> String {
        if self.login.get().is_some_and(Option::is_some) {
            return "check the user and password for this registry, and what they permit".to_owned();
        }
        if repository.is_ollama() {
            return "check the name of the model, and that your account there knows the public key of \
                    id_ed25519"
                .to_owned();
        }
        if let Some(problem) = self.credentials.problem() {
            return format!(
                "no login of docker is known here, since {problem}: mend that file (in DOCKER_CONFIG, or \
                 .docker of the server's home), or set OLLAMAKE_REGISTRY, OLLAMAKE_REGISTRY_USER and \
                 OLLAMAKE_REGISTRY_PASSWORD"
            );
        }
        "give a user and password for this registry, with docker login or in OLLAMAKE_REGISTRY, \
         OLLAMAKE_REGISTRY_USER and OLLAMAKE_REGISTRY_PASSWORD"
            .to_owned()
    }

    /// Answers the challenge of a refusal, `answer`, to a request sent with `ticket`.
    pub(super) async fn renew(
        &self,
        transport: &Transport,
        repository: &Repository,
        ticket: &Ticket,
        answer: Answer,
    ) -> Result<(), RegistryError> {
        let mut state = self.state.lock().await;
        if state.generation != ticket.generation {
            return Ok(());
        }
        let login = self.login(repository).await?;
        if login.is_some_and(|login| !login.may_go_to(&repository.manifest("latest"))) {
            return Err(RegistryError::PlainPassword { registry: repository.registry().to_owned() });
        }
        let mut next = match (Challenge::of(answer.response.headers()), login) {
            (Some(Challenge::Basic), Some(login)) if state.authorization.is_none() || state.worked => {
                let Some(basic) = login.to_basic() else {
                    return Err(self.refused(transport, repository, answer).await);
                };
                let authorization = Authorization::new(repository.origin(), &format!("Basic {basic}"));
                State { authorization, ..State::default() }
            }
            (Some(Challenge::Bearer { realm, service, scope }), login) => {
                let place = answer.leads_to(repository, &realm).await?;
                let ways = self.ways(repository, &place, login)?;
                let first = state.exhausted_ways + usize::from(state.generation > 0 && !state.worked);
                let Some(ways) = ways.get(first..).filter(|ways| !ways.is_empty()) else {
                    return Err(self.refused(transport, repository, answer).await);
                };
                let mut scopes = state.scopes.clone();
                for scope in scope.iter().flat_map(|scope| scope.split_whitespace()) {
                    if !scopes.iter().any(|known| known == scope) {
                        scopes.push(scope.to_owned());
                    }
                }
                scopes.drain(..scopes.len().saturating_sub(MOST_SCOPES));
                let question = Question { realm: &place, service: service.as_deref(), scopes: &scopes };
                let (token, failed) = self.ask_in_turn(transport, repository, &question, ways, login).await?;
                State {
                    authorization: Authorization::new(repository.origin(), &format!("Bearer {token}")),
                    exhausted_ways: first + failed,
                    scopes,
                    ..State::default()
                }
            }
            _ => return Err(self.refused(transport, repository, answer).await),
        };
        if next.authorization.is_none() {
            let reason = "its token server issues a token that cannot stand in a header".to_owned();
            return Err(RegistryError::Protocol { registry: repository.registry().to_owned(), reason });
        }
        next.generation = state.generation + 1;
        *state = next;
        Ok(())
    }

    /// A token, and how many ways failed before.
    async fn ask_in_turn(
        &self,
        transport: &Transport,
        repository: &Repository,
        question: &Question<'_>,
        ways: &[Way],
        login: Option<&Login>,
    ) -> Result<(String, usize), RegistryError> {
        let mut failed = 0;
        loop {
            match self.ask(transport, repository, question, ways[failed], login).await {
                Ok(token) => return Ok((token, failed)),
                Err(RegistryError::Denied { .. }) if failed + 1 < ways.len() => failed += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// The ways to try, in this order, at a token server.
    fn ways(
        &self,
        repository: &Repository,
        realm: &Place,
        login: Option<&Login>,
    ) -> Result<Vec<Way>, RegistryError> {
        let own = realm.url().origin() == repository.origin();
        let untrusted = || RegistryError::UntrustedRealm {
            registry: repository.registry().to_owned(),
            realm: display(realm.url()),
        };
        match login {
            Some(login) if !self.may_see(repository, realm.url(), login) => Err(untrusted()),
            Some(login) if login.identity_token().is_some() => Ok(vec![Way::IdentityToken]),
            Some(_) => Ok(vec![Way::Password]),
            None if repository.is_ollama() && own => Ok(vec![Way::Signature]),
            None if repository.is_ollama() => Err(untrusted()),
            None if own => Ok(vec![Way::Anonymous, Way::Signature]),
            None => Ok(vec![Way::Anonymous]),
        }
    }

    /// Whether a token server may see the password of a registry.
    fn may_see(&self, repository: &Repository, realm: &Url, login: &Login) -> bool {
        let registry = repository.manifest("latest");
        let port = realm.port().map_or(String::new(), |port| format!(":{port}"));
        let realm_name = format!("{}{port}", realm.host_str().unwrap_or_default());
        let own = self.credentials.for_registry(&realm_name);
        are_related(&registry, realm) || own.is_some_and(|own| own.is_same_as(login) && own.may_go_to(realm))
    }

    async fn ask(
        &self,
        transport: &Transport,
        repository: &Repository,
        question: &Question<'_>,
        way: Way,
        login: Option<&Login>,
    ) -> Result<String, RegistryError> {
        let place = question.place();
        let authorized = |place: Place, text: &str| {
            let authorization = Authorization::new(place.url().origin(), text);
            (Request::new(Method::GET, place), authorization)
        };
        let (request, authorization) = match (way, login) {
            (Way::Password, Some(login)) => {
                let basic = login.to_basic().unwrap_or_default();
                authorized(place.with_query(&[("account", login.user())]), &format!("Basic {basic}"))
            }
            (Way::IdentityToken, Some(login)) => {
                let form = question.form(login.identity_token().unwrap_or_default());
                let request = Request::new(Method::POST, question.realm.clone())
                    .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .payload(Payload::Bytes(form.into()));
                (request, None)
            }
            (Way::Signature, _) => {
                let question = self.identity.sign(place.url().clone())?;
                authorized(Place::at(question.url, &place), &question.authorization)
            }
            (Way::Anonymous | Way::Password | Way::IdentityToken, _) => {
                (Request::new(Method::GET, place), None)
            }
        };
        let answer = transport.send(repository, &request, authorization.as_ref()).await?;
        let what = "an answer of its token server";
        match answer.response.status().as_u16() {
            200 => {}
            400..=404 => {
                let message = message_of(transport, repository, answer).await;
                return Err(self.denied(repository, message));
            }
            _ => {
                return Err(error_of(transport, repository, answer, what, "").await);
            }
        }
        let text = Body::new(transport, repository, answer).read(what, LONGEST_TOKEN_ANSWER).await?;
        let parsed: Result<TokenAnswer, _> = serde_json::from_slice(&text);
        let token =
            parsed.map(|answer| if answer.token.is_empty() { answer.access_token } else { answer.token });
        token.ok().filter(|token| !token.is_empty()).ok_or_else(|| RegistryError::Protocol {
            registry: repository.registry().to_owned(),
            reason: "its token server answers without a token".to_owned(),
        })
    }

    async fn refused(&self, transport: &Transport, repository: &Repository, answer: Answer) -> RegistryError {
        let message = message_of(transport, repository, answer).await;
        self.denied(repository, message)
    }

    fn denied(&self, repository: &Repository, message: String) -> RegistryError {
        let advice = self.advice(repository);
        RegistryError::Denied { registry: repository.registry().to_owned(), message, advice }
    }
}

/// Whether a token server evidently belongs to a registry: the same host with no weaker scheme, or,
/// both over HTTPS, hosts that share their last two labels, such as `registry-1.docker.io` and
/// `auth.docker.io`.
///
/// A registry could pass on the password by itself; this keeps one that was tampered with, or
/// mistaken, from sending it to strangers.
fn are_related(registry: &Url, realm: &Url) -> bool {
    let secure = realm.scheme() == "https";
    if registry.host() == realm.host() {
        return secure || registry.scheme() == "http";
    }
    let (Some(Host::Domain(one)), Some(Host::Domain(two))) = (registry.host(), realm.host()) else {
        return false;
    };
    let last_labels = |host: &str| {
        let mut labels = host.trim_end_matches('.').rsplit('.').map(str::to_ascii_lowercase);
        labels.next().zip(labels.next())
    };
    secure
        && registry.scheme() == "https"
        && last_labels(one).is_some()
        && last_labels(one) == last_labels(two)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_servers_that_belong_to_a_registry() {
        for (registry, realm, related) in [
            ("https://registry-1.docker.io/", "https://auth.docker.io/token", true),
            ("https://registry.gitlab.com/", "https://gitlab.com/jwt/auth", true),
            ("https://ghcr.io/", "https://ghcr.io/token", true),
            ("https://ex.com:5000/", "https://ex.com/token", true),
            ("http://127.0.0.1:5000/", "http://127.0.0.1:5001/token", true),
            ("https://ex.com/", "http://ex.com/token", false),
            ("https://ex.com/", "https://evil.com/token", false),
            ("http://a.ex.com/", "http://b.ex.com/token", false),
            ("https://ex.com/", "https://ex.com.evil.com/token", false),
            ("https://localhost/", "https://other/token", false),
            ("https://10.0.0.1/", "https://11.0.0.1/token", false),
        ] {
            assert_eq!(are_related(&registry.parse().unwrap(), &realm.parse().unwrap()), related, "{realm}");
        }
    }
}
