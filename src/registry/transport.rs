//! HTTP: connections, redirects, and how long we wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Client, ClientBuilder, Method, Response, StatusCode};
use url::{Host, Origin};

use super::connection_error::connection_error;
use super::place::{Place, display};
use super::proxy::Proxies;
use super::reach::Reach;
use super::repository::Repository;
use super::resolver::{Resolver, leads_inside};
use super::{Config, Error};

const MOST_REDIRECTS: usize = 10;

/// The longest silence before an answer: a registry checks what was uploaded before it answers.
const LONGEST_ANSWER: Duration = Duration::from_secs(600);

/// The connections to registries, and to where they lead.
#[derive(Debug)]
pub(crate) struct Transport {
    public: Client,
    private: Client,
    machine: Client,
    proxies: Proxies,
    patience: Duration,
}

/// The value of an `Authorization` header, and whom alone it may be shown to.
#[derive(Debug, Clone)]
pub(crate) struct Authorization {
    /// Scheme, host and port that it belongs to.
    pub(crate) origin: Origin,
    /// The header's value, marked as sensitive.
    pub(crate) value: HeaderValue,
}

impl Authorization {
    /// An authorization for one origin; nothing if the text cannot stand in a header.
    pub(crate) fn new(origin: Origin, text: &str) -> Option<Self> {
        let mut value = HeaderValue::from_str(text).ok()?;
        value.set_sensitive(true);
        Some(Self { origin, value })
    }
}

/// A request that can be sent more than once.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) place: Place,
    pub(crate) headers: HeaderMap,
    pub(crate) payload: Payload,
    /// Whether the registry has much to do before it can answer.
    pub(crate) is_laborious: bool,
}

/// The body of a request.
#[derive(Debug, Clone, Default)]
pub(crate) enum Payload {
    /// None.
    #[default]
    Empty,
    /// Bytes in memory.
    Bytes(Bytes),
    /// Bytes read from elsewhere while they are sent.
    Stream(Arc<dyn Stream>),
}

/// A body that is made anew for every attempt.
pub(crate) trait Stream: std::fmt::Debug + Send + Sync {
    /// Its length in bytes.
    fn length(&self) -> u64;
    /// The body; `sent` is to count the bytes that are on their way.
    fn open(&self, sent: Arc<AtomicU64>) -> reqwest::Body;
}

impl Request {
    /// A request without headers and body.
    pub(crate) fn new(method: Method, place: Place) -> Self {
        Self { method, place, headers: HeaderMap::new(), payload: Payload::Empty, is_laborious: false }
    }

    /// The same with a header.
    pub(crate) fn header(mut self, name: impl reqwest::header::IntoHeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// The same, with an answer that may take long.
    pub(crate) fn laborious(mut self) -> Self {
        self.is_laborious = true;
        self
    }

    /// The same with a body.
    pub(crate) fn payload(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self
    }
}

/// An answer, and where it came from.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) response: Response,
    /// Who answered.
    pub(crate) place: Place,
    /// Where the answer may lead to.
    pub(crate) reach: Reach,
    /// Whether a proxy may be who goes there.
    is_proxied: bool,
}

impl Transport {
    /// Sets the clients up.
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        // Another part of the program may have chosen a provider before: then that one serves.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let trusted = Arc::new(config.proxies.hosts());
        let setup = |error: reqwest::Error| Error::Setup { reason: error.to_string() };
        let mut certificates = Vec::new();
        for pem in &config.certificates {
            certificates.extend(reqwest::Certificate::from_pem_bundle(pem).map_err(setup)?);
        }
        let client = |limit| {
            let resolver = Resolver { limit, trusted: trusted.clone() };
            let with_roots = builder(config, resolver.clone())?.tls_certs_merge(certificates.clone());
            with_roots.build().or_else(|error| {
                // A machine without root certificates can still talk to plain registries.
                tracing::warn!(%error, "no root certificates: secure connections will fail");
                builder(config, resolver)?.tls_certs_only(certificates.clone()).build().map_err(setup)
            })
        };
        Ok(Self {
            public: client(Reach::Public)?,
            private: client(Reach::Private)?,
            machine: client(Reach::Machine)?,
            proxies: config.proxies.clone(),
            patience: config.patience,
        })
    }

    /// The longest silence in the middle of an answer.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// Sends a request and follows redirects.
    pub(crate) async fn send(
        &self,
        repository: &Repository,
        request: &Request,
        authorization: Option<&Authorization>,
    ) -> Result<Answer, Error> {
        let mut place = request.place.clone();
        let mut authorization = authorization;
        for _ in 0..=MOST_REDIRECTS {
            // Once lost on the way it does not come back.
            authorization = authorization.filter(|whose| whose.origin == place.url().origin());
            let value = authorization.map(|whose| &whose.value);
            let response = self.send_once(repository, request, &place, value).await?;
            let reach = self.reach_of(&place, &response);
            let answer = Answer { response, place, reach, is_proxied: self.proxies.any() };
            let follow =
                matches!(request.method, Method::GET | Method::HEAD) && is_redirect(answer.response.status());
            if !follow {
                return Ok(answer);
            }
            place = answer.location(repository).await?;
        }
        let reason = format!("more than {MOST_REDIRECTS} redirects");
        Err(Error::Protocol { registry: repository.registry().to_owned(), reason })
    }

    async fn send_once(
        &self,
        repository: &Repository,
        request: &Request,
        place: &Place,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response, Error> {
        let client = match place.reach() {
            Reach::Public => &self.public,
            Reach::Private => &self.private,
            Reach::Machine => &self.machine,
        };
        let mut builder = client
            .request(request.method.clone(), place.url().clone())
            .headers(request.headers.clone())
            // Compressed answers could be bombs, and digests are of the bytes as they are.
            .header(ACCEPT_ENCODING, "identity");
        if let Some(value) = authorization {
            builder = builder.header(AUTHORIZATION, value.clone());
        }
        let sent = Arc::new(AtomicU64::new(0));
        let mut length = 0;
        match &request.payload {
            Payload::Empty if request.method == Method::GET || request.method == Method::HEAD => {}
            Payload::Empty => builder = builder.body(Bytes::new()),
            Payload::Bytes(bytes) => builder = builder.body(bytes.clone()),
            Payload::Stream(stream) => {
                length = stream.length();
                let body = stream.open(sent.clone());
                builder = builder.header(reqwest::header::CONTENT_LENGTH, length).body(body);
            }
        }
        let response = tokio::select! {
            response = builder.send() => response,
            reason = self.silence(&sent, length, request.is_laborious) => {
                return Err(Error::Interrupted { registry: repository.registry().to_owned(), reason });
            }
        };
        response.map_err(|error| connection_error(repository, place.url(), &error))
    }

    /// Ends when neither a body goes out nor an answer comes for too long.
    async fn silence(&self, sent: &AtomicU64, length: u64, is_laborious: bool) -> String {
        let mut before = 0;
        loop {
            let wait = if is_laborious && before >= length { LONGEST_ANSWER } else { self.patience };
            tokio::time::sleep(wait).await;
            let now = sent.load(Ordering::Relaxed);
            if now == before {
                return format!("no answer for {} s", wait.as_secs_f32());
            }
            before = now;
        }
    }

    /// Where an answer may lead to: nowhere more private than the address that it came from.
    fn reach_of(&self, place: &Place, response: &Response) -> Reach {
        let address = response.remote_addr().map(|address| Reach::of(address.ip()));
        // Through a proxy, the address is the proxy's.
        let peer = if self.proxies.any() { Reach::of_literal(place.url()) } else { address };
        peer.unwrap_or(Reach::Public).min(place.reach())
    }
}

impl Answer {
    /// Where the header `Location` leads to.
    pub(crate) async fn location(&self, repository: &Repository) -> Result<Place, Error> {
        let header = self.response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let location = header.ok_or_else(|| Error::Protocol {
            registry: repository.registry().to_owned(),
            reason: format!("an answer {} without Location", self.response.status().as_u16()),
        })?;
        self.leads_to(repository, location).await
    }

    /// Where a reference in this answer leads to.
    pub(crate) async fn leads_to(&self, repository: &Repository, reference: &str) -> Result<Place, Error> {
        let place = self.place.leads_to(repository, reference, self.reach)?;
        if self.is_proxied
            && place.reach() < Reach::Machine
            && let Some(Host::Domain(host)) = place.url().host()
            && leads_inside(host, place.reach()).await
        {
            let reason = format!("{host} is an address of a private network");
            let (registry, target) = (repository.registry().to_owned(), display(place.url()));
            return Err(Error::ForbiddenTarget { registry, target, reason });
        }
        Ok(place)
    }
}

/// Whether the answer sends us elsewhere with the same question.
pub(crate) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn builder(config: &Config, resolver: Resolver) -> Result<ClientBuilder, Error> {
    let builder = Client::builder()
        .user_agent(concat!("ollamake/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(config.patience)
        .tcp_nodelay(true)
        .dns_resolver(resolver);
    config.proxies.apply(builder)
}
