//! HTTP: connections, redirects, and how long we wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, HeaderMap, HeaderValue, LOCATION, PROXY_AUTHENTICATE,
};
use reqwest::{Client, ClientBuilder, Method, Response, StatusCode};
use url::{Host, Origin, Url};

use super::connection_error::connection_error;
use super::event::Awaited;
use super::place::{Place, display};
use super::proxy::{Proxies, refusal_of};
use super::reach::Reach;
use super::repository::Repository;
use super::resolver::{Resolver, leads_inside};
use super::trust::secure_connections;
use super::waiting::{Waiting, Waits};
use super::{Config, RegistryError};

const MOST_REDIRECTS: usize = 10;

/// How often it is looked whether a body goes out, in the time of our patience.
const LOOKS_AT_A_BODY: u32 = 8;

/// The longest silence before an answer: a registry checks what was uploaded before it answers.
const LONGEST_ANSWER: Duration = Duration::from_secs(600);

/// The connections to registries, and to where they lead.
#[derive(Debug)]
pub(super) struct Transport {
    connections: Arc<Connections>,
    /// What is waited for on the way.
    waits: Arc<Waits>,
}

/// What all conversations have in common.
#[derive(Debug)]
struct Connections {
    public: Client,
    private: Client,
    machine: Client,
    proxies: Proxies,
    patience: Duration,
    notice: Duration,
}

/// The value of an `Authorization` header, and whom alone it may be shown to.
#[derive(Debug, Clone)]
pub(super) struct Authorization {
    /// Scheme, host and port that it belongs to.
    pub(super) origin: Origin,
    /// The header's value, marked as sensitive.
    pub(super) value: HeaderValue,
}

impl Authorization {
    /// An authorization for one origin; nothing if the text cannot stand in a header.
    pub(super) fn new(origin: Origin, text: &str) -> Option<Self> {
        let mut value = HeaderValue::from_str(text).ok()?;
        value.set_sensitive(true);
        Some(Self { origin, value })
    }
}

/// A request that can be sent more than once.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) place: Place,
    pub(super) headers: HeaderMap,
    pub(super) payload: Payload,
    /// Whether the registry has much to do before it can answer.
    pub(super) is_laborious: bool,
}

/// The body of a request.
#[derive(Debug, Clone, Default)]
pub(super) enum Payload {
    /// None.
    #[default]
    Empty,
    /// Bytes in memory.
    Bytes(Bytes),
    /// Bytes read from elsewhere while they are sent.
    Stream(Arc<dyn Stream>),
}

/// A body that is made anew for every attempt.
pub(super) trait Stream: std::fmt::Debug + Send + Sync {
    /// Its length in bytes.
    fn length(&self) -> u64;
    /// The body; `sent` is to count the bytes that are on their way.
    fn open(&self, sent: Arc<AtomicU64>) -> reqwest::Body;
}

impl Request {
    /// A request without headers and body.
    pub(super) fn new(method: Method, place: Place) -> Self {
        Self { method, place, headers: HeaderMap::new(), payload: Payload::Empty, is_laborious: false }
    }

    /// The same with a header.
    pub(super) fn header(mut self, name: impl reqwest::header::IntoHeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// The same, with an answer that may take long.
    pub(super) fn laborious(mut self) -> Self {
        self.is_laborious = true;
        self
    }

    /// The same with a body.
    pub(super) fn payload(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self
    }
}

/// An answer, and where it came from.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) response: Response,
    /// Who answered.
    pub(super) place: Place,
    /// Where the answer may lead to.
    pub(super) reach: Reach,
    proxies: Proxies,
}

impl Transport {
    /// Sets the clients up.
    pub(super) fn new(config: &Config) -> Result<Self, RegistryError> {
        // Another part of the program may have chosen a provider before: then that one serves.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let trusted = Arc::new(config.proxies.hosts());
        let secure = secure_connections(&config.certificates)?;
        let client = |limit| {
            let resolver = Resolver { limit, trusted: trusted.clone() };
            let client = builder(config, resolver)?.tls_backend_preconfigured(secure.clone());
            client.build().map_err(|error| RegistryError::Setup { reason: error.to_string() })
        };
        let connections = Connections {
            public: client(Reach::Public)?,
            private: client(Reach::Private)?,
            machine: client(Reach::Machine)?,
            proxies: config.proxies.clone(),
            patience: config.patience,
            notice: config.notice,
        };
        Ok(Self { waits: Arc::new(Waits::new(config.notice)), connections: Arc::new(connections) })
    }

    /// The same connections for another conversation, which waits by itself.
    pub(super) fn for_another(&self) -> Self {
        let connections = self.connections.clone();
        Self { waits: Arc::new(Waits::new(connections.notice)), connections }
    }

    /// The longest silence in the middle of an answer.
    pub(super) fn patience(&self) -> Duration {
        self.connections.patience
    }

    /// What this conversation waits for.
    pub(super) fn waits(&self) -> &Arc<Waits> {
        &self.waits
    }

    /// A sign of life of a registry is waited for as long as the answer lives.
    pub(super) fn wait_for(&self, repository: &Repository) -> Waiting {
        self.waits.quietly(Awaited::Registry(repository.registry().to_owned()))
    }

    /// Why a request to `url` got no answer.
    pub(super) fn connection_error(
        &self,
        repository: &Repository,
        url: &Url,
        error: &reqwest::Error,
    ) -> RegistryError {
        connection_error(repository, url, self.connections.proxies.for_url(url), error)
    }

    /// Whether somebody answers for a repository over TLS, whatever the answer, and though we may not trust
    /// them.
    pub(super) async fn speaks_tls(&self, repository: &Repository) -> bool {
        let request = Request::new(Method::GET, Place::of_user(repository.ping()));
        match self.send(repository, &request, None).await {
            Ok(_) | Err(RegistryError::Certificate { .. }) => true,
            Err(_) => false,
        }
    }

    /// Sends a request and follows redirects.
    pub(super) async fn send(
        &self,
        repository: &Repository,
        request: &Request,
        authorization: Option<&Authorization>,
    ) -> Result<Answer, RegistryError> {
        let mut place = request.place.clone();
        let mut authorization = authorization;
        for _ in 0..=MOST_REDIRECTS {
            // Once lost on the way it does not come back.
            authorization = authorization.filter(|whose| whose.origin == place.url().origin());
            let value = authorization.map(|whose| &whose.value);
            let response = self.send_once(repository, request, &place, value).await?;
            let reach = self.reach_of(&place, &response);
            let answer = Answer { response, place, reach, proxies: self.connections.proxies.clone() };
            let follow =
                matches!(request.method, Method::GET | Method::HEAD) && is_redirect(answer.response.status());
            if !follow {
                return Ok(answer);
            }
            place = answer.location(repository).await?;
        }
        let reason = format!("more than {MOST_REDIRECTS} redirects");
        Err(RegistryError::Protocol { registry: repository.registry().to_owned(), reason })
    }

    async fn send_once(
        &self,
        repository: &Repository,
        request: &Request,
        place: &Place,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response, RegistryError> {
        let client = match place.reach() {
            Reach::Public => &self.connections.public,
            Reach::Private => &self.connections.private,
            Reach::Machine => &self.connections.machine,
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
            silence = self.silence(repository, &sent, length, request.is_laborious) => {
                return Err(RegistryError::Silent { registry: repository.registry().to_owned(), silence });
            }
        };
        let failure = match response {
            Ok(response) => return self.unless_of_proxy(repository, place, response),
            Err(error) => self.connection_error(repository, place.url(), &error),
        };
        match (failure, self.connections.proxies.for_url(place.url())) {
            (RegistryError::Proxy { registry, proxy, reason }, Some(url)) => {
                let reason = refusal_of(url, place.url())
                    .await
                    .map_or(reason, |status| format!("it answers {status}"));
                Err(RegistryError::Proxy { registry, proxy, reason })
            }
            (failure, _) => Err(failure),
        }
    }

    /// A response, unless it is the proxy's own, who wants to know who we are.
    fn unless_of_proxy(
        &self,
        repository: &Repository,
        place: &Place,
        response: Response,
    ) -> Result<Response, RegistryError> {
        let is_proxys = response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED
            && response.headers().contains_key(PROXY_AUTHENTICATE);
        match self.connections.proxies.for_url(place.url()).filter(|_| is_proxys) {
            None => Ok(response),
            Some(proxy) => Err(RegistryError::Proxy {
                registry: repository.registry().to_owned(),
                proxy: display(proxy),
                reason: format!("it answers {}", response.status()),
            }),
        }
    }

    /// Ends when neither a body goes out nor an answer comes for too long; answers for how long.
    async fn silence(
        &self,
        repository: &Repository,
        sent: &AtomicU64,
        length: u64,
        is_laborious: bool,
    ) -> Duration {
        let waiting = self.wait_for(repository);
        let (mut before, mut since) = (0, tokio::time::Instant::now());
        loop {
            tokio::time::sleep(self.patience().min(self.connections.notice) / LOOKS_AT_A_BODY).await;
            let now = sent.load(Ordering::Relaxed);
            if now != before {
                (before, since) = (now, tokio::time::Instant::now());
                waiting.begin_anew();
            }
            let longest = if is_laborious && before >= length { LONGEST_ANSWER } else { self.patience() };
            if since.elapsed() >= longest {
                return longest;
            }
        }
    }

    /// Where an answer may lead to: nowhere more private than the address that it came from.
    fn reach_of(&self, place: &Place, response: &Response) -> Reach {
        let address = response.remote_addr().map(|address| Reach::of(address.ip()));
        // Through a proxy, the address is the proxy's.
        let is_proxied = self.connections.proxies.for_url(place.url()).is_some();
        let peer = if is_proxied { Reach::of_literal(place.url()) } else { address };
        peer.unwrap_or(Reach::Public).min(place.reach())
    }
}

impl Answer {
    /// Whether somebody other than the registry has answered.
    pub(super) fn is_elsewhere(&self, repository: &Repository) -> bool {
        self.place.url().origin() != repository.origin()
    }

    /// How its body is packed, empty if it is not.
    pub(super) fn encoding(&self) -> String {
        let header = self.response.headers().get(CONTENT_ENCODING);
        header.and_then(|value| value.to_str().ok()).unwrap_or_default().trim().to_owned()
    }

    /// Where the header `Location` leads to.
    pub(super) async fn location(&self, repository: &Repository) -> Result<Place, RegistryError> {
        let header = self.response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let location = header.ok_or_else(|| RegistryError::Protocol {
            registry: repository.registry().to_owned(),
            reason: format!("an answer {} without Location", self.response.status().as_u16()),
        })?;
        self.leads_to(repository, location).await
    }

    /// Where a reference in this answer leads to.
    pub(super) async fn leads_to(
        &self,
        repository: &Repository,
        reference: &str,
    ) -> Result<Place, RegistryError> {
        let place = self.place.leads_to(repository, reference, self.reach)?;
        if self.proxies.for_url(place.url()).is_some()
            && place.reach() < Reach::Machine
            && let Some(Host::Domain(host)) = place.url().host()
            && leads_inside(host, place.reach()).await
        {
            let reason = format!("{host} is an address of a private network");
            let (registry, target) = (repository.registry().to_owned(), display(place.url()));
            return Err(RegistryError::ForbiddenTarget { registry, target, reason });
        }
        Ok(place)
    }
}

/// Whether the answer sends us elsewhere with the same question.
pub(super) fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

fn builder(config: &Config, resolver: Resolver) -> Result<ClientBuilder, RegistryError> {
    let builder = Client::builder()
        .user_agent(concat!("ollamake/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(config.patience)
        .tcp_nodelay(true)
        .dns_resolver(resolver);
    config.proxies.apply(builder)
}
