//! One conversation with one repository.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::{Method, StatusCode};
use url::Url;

use super::RegistryError;
use super::answer::{Body, error_of};
use super::authentication::Authentication;
use super::place::Place;
use super::repository::Repository;
use super::retry::{Backoff, RetryPolicy};
use super::transport::{Answer, Request, Transport};
use super::waiting::Waits;

/// A registry that refuses more often in a row will not change its mind.
const MOST_CHALLENGES: usize = 4;

/// The requests of one pull or push, with one proof of who we are.
#[derive(Debug)]
pub(super) struct Session {
    transport: Transport,
    repository: Repository,
    authentication: Authentication,
    retry: RetryPolicy,
    /// Whether it has answered, and not in a way that means only that it did not understand.
    reached: AtomicBool,
}

impl Session {
    pub(super) fn new(
        transport: Transport,
        repository: Repository,
        authentication: Authentication,
        retry: RetryPolicy,
    ) -> Self {
        Self { transport, repository, authentication, retry, reached: AtomicBool::new(false) }
    }

    /// The repository that is spoken with.
    pub(super) fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The registry, for messages.
    pub(super) fn registry(&self) -> String {
        self.repository.registry().to_owned()
    }

    /// A request to the repository itself.
    pub(super) fn request(&self, method: Method, url: Url) -> Request {
        Request::new(method, Place::of_user(url))
    }

    /// What it waits for.
    pub(super) fn waits(&self) -> &Arc<Waits> {
        self.transport.waits()
    }

    /// Counts failures in a row.
    pub(super) fn backoff(&self) -> Backoff<'_> {
        Backoff::new(&self.retry, self.waits())
    }

    /// Whether the registry may speak TLS where plain HTTP was guessed: it has answered nothing that makes
    /// sense, or has hung up. Servers that expect TLS do the one or the other.
    pub(super) fn may_be_misunderstood(&self, error: &RegistryError) -> bool {
        let is_doubtful =
            matches!(error, RegistryError::Interrupted { .. } | RegistryError::Refused { status: 400, .. });
        is_doubtful && self.repository.is_guessed() && !self.reached.load(Ordering::Relaxed)
    }

    /// The body of an answer.
    pub(super) fn body(&self, answer: Answer) -> Body<'_> {
        Body::new(&self.transport, &self.repository, answer)
    }

    /// Sends a request until it is answered with one of the statuses that are `accepted`, or it is
    /// clear that it will not be. `what` names the request in errors.
    pub(super) async fn ask(
        &self,
        request: &Request,
        what: &str,
        accepted: &[u16],
    ) -> Result<Answer, RegistryError> {
        let mut backoff = self.backoff();
        loop {
            match self.ask_once(request, what, accepted).await {
                Ok(answer) => return Ok(answer),
                // A registry that never answered is more likely misspelled than restarting.
                Err(error) if error.is_unreachable() && !self.reached.load(Ordering::Relaxed) => {
                    return Err(error);
                }
                Err(error) if self.may_be_misunderstood(&error) => return Err(error),
                Err(error) => backoff.after(error).await?,
            }
        }
    }

    /// Sends a request once.
    pub(super) async fn ask_once(
        &self,
        request: &Request,
        what: &str,
        accepted: &[u16],
    ) -> Result<Answer, RegistryError> {
        let answer = self.send(request).await?;
        if accepted.contains(&answer.response.status().as_u16()) {
            return Ok(answer);
        }
        let advice = self.authentication.advice(&self.repository);
        Err(self.refusal(answer, what, &advice).await)
    }

    /// The error that an answer stands for.
    pub(super) async fn refusal(&self, answer: Answer, what: &str, advice: &str) -> RegistryError {
        error_of(&self.transport, &self.repository, answer, what, advice).await
    }

    /// Sends a request, proving who we are if we are asked to.
    async fn send(&self, request: &Request) -> Result<Answer, RegistryError> {
        let mut challenges = 0;
        loop {
            let ticket = self.authentication.ticket().await;
            let authorization = ticket.authorization.as_ref();
            let answer = self.transport.send(&self.repository, request, authorization).await?;
            if answer.response.status() != StatusCode::BAD_REQUEST {
                self.reached.store(true, Ordering::Relaxed);
            }
            let may_answer =
                !answer.is_elsewhere(&self.repository) && self.authentication.answers_challenges();
            if answer.response.status() != StatusCode::UNAUTHORIZED
                || !may_answer
                || challenges == MOST_CHALLENGES
            {
                if !matches!(answer.response.status().as_u16(), 401 | 403) {
                    self.authentication.confirm(&ticket).await;
                }
                return Ok(answer);
            }
            challenges += 1;
            self.authentication.renew(&self.transport, &self.repository, &ticket, answer).await?;
        }
    }
}
