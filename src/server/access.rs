//! Who may talk to the server: the rules for `Host` and `Origin`.
//!
//! A web page can make a browser send requests to this machine, so a request that a foreign page
//! caused is refused whatever its method and content type: its `Origin` is foreign, or, when the
//! page's name was made to point here (DNS rebinding), its `Host` is. Headers and status codes are
//! those of Ollama (`server/routes.go` and the `gin-contrib/cors` package).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::errors::Failure;
use crate::config::{Config, split_port};

const ALLOWED_METHODS: &str = "GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS";
const ALLOWED_HEADERS: &str = "Authorization,Content-Type,User-Agent,Accept,X-Requested-With,Openai-Beta,\
    X-Stainless-Arch,X-Stainless-Async,X-Stainless-Custom-Poll-Interval,X-Stainless-Helper-Method,\
    X-Stainless-Lang,X-Stainless-Os,X-Stainless-Package-Version,X-Stainless-Poll-Helper,\
    X-Stainless-Retry-Count,X-Stainless-Runtime,X-Stainless-Runtime-Version,X-Stainless-Timeout";
/// Browsers ask so before a public page talks to a private network (W3C, "Private Network Access").
const PRIVATE_NETWORK_REQUEST: HeaderName = HeaderName::from_static("access-control-request-private-network");
const PRIVATE_NETWORK_ALLOWED: HeaderName = HeaderName::from_static("access-control-allow-private-network");
/// Twelve hours, in seconds.
const PREFLIGHT_LIFETIME: &str = "43200";
const LOCAL_DOMAINS: [&str; 3] = [".localhost", ".local", ".internal"];

/// The server's own address of the connection that a request came over.
#[derive(Debug, Clone, Copy)]
pub struct LocalAddress(pub SocketAddr);

/// The names and origins that are allowed.
#[derive(Debug)]
pub(super) struct AccessRules {
    hosts: Vec<String>,
    origins: Vec<String>,
}

impl AccessRules {
    pub(super) fn new(config: &Config) -> Self {
        let named = config.hosts.iter().map(String::as_str);
        let hosts = ["", "localhost", &config.machine].into_iter().chain(named);
        Self {
            hosts: hosts.map(str::to_ascii_lowercase).collect(),
            origins: config.origins.iter().map(|origin| origin.to_ascii_lowercase()).collect(),
        }
    }

    fn allows_host(&self, authority: &str, local: Option<IpAddr>) -> bool {
        let (host, _) = split_port(authority);
        let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
        if let Ok(address) = host.parse::<IpAddr>() {
            // An address cannot be rebound, but a page served from a foreign address can lie in wait there.
            if is_near(address) || Some(address) == local {
                return true;
            }
        }
        self.hosts.iter().any(|name| *name == host || name == "*")
            || LOCAL_DOMAINS.iter().any(|domain| host.ends_with(domain))
    }

    /// Whether every origin is allowed, so that none has to be told apart from the others.
    fn allows_any_origin(&self) -> bool {
        self.origins.iter().any(|pattern| pattern == "*")
    }

    fn allows_origin(&self, origin: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        self.origins.iter().any(|pattern| match pattern.split_once('*') {
            None => *pattern == origin,
            Some((start, end)) => {
                origin.len() >= start.len() + end.len() && origin.starts_with(start) && origin.ends_with(end)
            }
        })
    }
}

fn is_near(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_unspecified(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local() || address.is_unspecified(),
    }
}

/// Refuses what the rules forbid, answers pre-flight requests, and marks answers for browsers.
pub(super) async fn enforce(State(rules): State<Arc<AccessRules>>, request: Request, next: Next) -> Response {
    let host = authority(&request);
    let local = request.extensions().get::<LocalAddress>().map(|address| address.0.ip());
    let origin = match request.headers().get(header::ORIGIN) {
        Some(value) if !is_same_origin(value, &host) => Some(value.clone()),
        _ => None,
    };
    if let Some(origin) = &origin
        && !origin.to_str().is_ok_and(|origin| rules.allows_origin(origin))
    {
        tracing::warn!(?origin, "refused: the origin is not in OLLAMA_ORIGINS");
        return StatusCode::FORBIDDEN.into_response();
    }
    if !rules.allows_host(&host, local) {
        tracing::warn!(host, "refused: the host is not a local name and not in OLLAMAKE_HOSTS");
        return forbidden("the server is not known under this host name; the operator sets OLLAMAKE_HOSTS");
    }
    let method = request.method().clone();
    let asks_for_private_network = request.headers().contains_key(PRIVATE_NETWORK_REQUEST);
    let mut response = next.run(request).await;
    let Some(origin) = origin else { return response };
    let is_preflight = method == Method::OPTIONS;
    if is_preflight {
        response = preflight(response.headers(), asks_for_private_network);
    }
    let headers = response.headers_mut();
    if rules.allows_any_origin() {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        return response;
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if is_preflight {
        for value in ["Access-Control-Request-Method", "Access-Control-Request-Headers"] {
            headers.append(header::VARY, HeaderValue::from_static(value));
        }
    }
    response
}

fn forbidden(reason: &str) -> Response {
    Failure::new(StatusCode::FORBIDDEN, reason).into_response()
}

/// The answer to a pre-flight request, with the `Allow` of the route asked for, and the headers that it takes
/// beside those of all routes.
fn preflight(route: &HeaderMap, asks_for_private_network: bool) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS),
        (header::ACCESS_CONTROL_ALLOW_METHODS, ALLOWED_METHODS),
        (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_LIFETIME),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if asks_for_private_network {
        headers.insert(PRIVATE_NETWORK_ALLOWED, HeaderValue::from_static("true"));
    }
    if let Some(allow) = route.get(header::ALLOW) {
        headers.insert(header::ALLOW, allow.clone());
    }
    if let Some(more) = route.get(header::ACCESS_CONTROL_ALLOW_HEADERS).and_then(|more| more.to_str().ok())
        && let Ok(all) = HeaderValue::try_from(format!("{ALLOWED_HEADERS},{more}"))
    {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, all);
    }
    // A page that asks what an upload may be asks in the same way.
    let told = route.iter().filter(|(name, _)| name.as_str().starts_with("tus-"));
    headers.extend(told.map(|(name, value)| (name.clone(), value.clone())));
    response
}

/// Whom the client thinks that it is talking to.
fn authority(request: &Request) -> String {
    let header = request.headers().get(header::HOST).map(|value| String::from_utf8_lossy(value.as_bytes()));
    match (request.uri().authority(), header) {
        (_, Some(host)) => host.into_owned(),
        (Some(authority), None) => authority.to_string(),
        (None, None) => String::new(),
    }
}

fn is_same_origin(origin: &HeaderValue, host: &str) -> bool {
    let origin = origin.to_str().unwrap_or_default();
    let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    origin.is_empty() || authority == Some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(hosts: &[&str]) -> AccessRules {
        let mut config = Config::for_store("");
        config.hosts = hosts.iter().map(|&host| host.to_owned()).collect();
        AccessRules::new(&config)
    }

    #[test]
    fn only_local_names_and_addresses_are_hosts() {
        let local: IpAddr = "203.0.113.7".parse().unwrap();
        let rules_ = rules(&[]);
        for good in [
            "127.0.0.1:11434",
            "localhost",
            "LOCALHOST:1",
            "[::1]:5",
            "10.1.2.3",
            "box.local",
            "a.b.internal:80",
            "0.0.0.0:11434",
            "203.0.113.7:11434",
            "",
        ] {
            assert!(rules_.allows_host(good, Some(local)), "{good}");
        }
        for bad in
            ["evil.example", "localhost.evil.example", "8.8.8.8", "local", "notlocalhost", "[2001:db8::1]"]
        {
            assert!(!rules_.allows_host(bad, Some(local)), "{bad}");
        }
        assert!(rules(&["models.example"]).allows_host("models.example:443", None));
        assert!(rules(&["*"]).allows_host("evil.example", None));
    }

    #[test]
    fn origins_match_with_one_star() {
        let rules = rules(&[]);
        for good in ["http://localhost", "http://localhost:3000", "https://127.0.0.1:1", "tauri://anything"] {
            assert!(rules.allows_origin(good), "{good}");
        }
        for bad in ["http://evil.example", "http://localhost.evil.example", "null", "ftp://localhost"] {
            assert!(!rules.allows_origin(bad), "{bad}");
        }
    }
}
