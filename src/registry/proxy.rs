//! The proxies that the environment names, as most programs understand them: `HTTPS_PROXY`,
//! `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`, in either letter case.

use std::collections::HashSet;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::{ClientBuilder, Proxy};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::Url;

use super::RegistryError;
use super::proxy_exceptions::Exceptions;

/// What a proxy may speak.
const SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// A proxy that refuses is asked so long why.
const LONGEST_QUESTION: Duration = Duration::from_secs(3);

/// The proxies to use.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    http: Option<Setting>,
    https: Option<Setting>,
    except: Exceptions,
}

/// A variable that names a proxy.
#[derive(Debug, Clone)]
struct Setting {
    variable: &'static str,
    url: Option<Url>,
}

impl Proxies {
    /// No proxies.
    pub fn none() -> Self {
        Self::default()
    }

    /// The proxies that environment variables name; `variable` looks one up.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let either = |name: &str| {
            let found = variable(name).or_else(|| variable(&name.to_ascii_lowercase()));
            found.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
        };
        let setting = |variable| Some(Setting { variable, url: parse(&either(variable)?) });
        Self {
            http: setting("HTTP_PROXY").or_else(|| setting("ALL_PROXY")),
            https: setting("HTTPS_PROXY").or_else(|| setting("ALL_PROXY")),
            except: Exceptions::parse(&either("NO_PROXY").unwrap_or_default()),
        }
    }

    /// The proxy through which a URL is asked for, if there is one.
    pub(super) fn for_url(&self, url: &Url) -> Option<&Url> {
        let setting = if url.scheme() == "https" { &self.https } else { &self.http };
        setting.as_ref()?.url.as_ref().filter(|_| !self.except.contain(url))
    }

    /// The names of their hosts.
    pub(super) fn hosts(&self) -> HashSet<String> {
        let urls = self.http.iter().chain(&self.https).filter_map(|setting| setting.url.as_ref());
        urls.filter_map(|url| url.host_str().map(str::to_owned)).collect()
    }

    /// Makes a client use them.
    pub(super) fn apply(&self, builder: ClientBuilder) -> Result<ClientBuilder, RegistryError> {
        for Setting { variable, url } in self.http.iter().chain(&self.https) {
            if url.is_none() {
                // What the variable holds may contain a password.
                let reason = format!(
                    "{variable} is not the address of a proxy that can be used: set it to http://host:port, \
                     http://user:password@host:port or socks5h://host:port"
                );
                return Err(RegistryError::Setup { reason });
            }
        }
        let this = self.clone();
        Ok(builder.no_proxy().proxy(Proxy::custom(move |url| this.for_url(url).cloned())))
    }
}

fn parse(text: &str) -> Option<Url> {
    let text = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let mut url: Url = text.parse().ok()?;
    if !SCHEMES.contains(&url.scheme()) || !url.has_host() {
        return None;
    }
    if url.scheme().starts_with("socks") && url.port().is_none() {
        // The port that is registered for them.
        url.set_port(Some(1080)).ok()?;
    }
    Some(url)
}

/// What a proxy that does not make a connection says about it, which the HTTP library keeps to itself: the
/// status of its answer to `CONNECT`.
pub(super) async fn refusal_of(proxy: &Url, target: &Url) -> Option<String> {
    if proxy.scheme() != "http" {
        return None;
    }
    let (host, port) = (target.host_str()?, target.port_or_known_default()?);
    let login = match proxy.username() {
        "" => String::new(),
        user => {
            let login = format!("{user}:{}", proxy.password().unwrap_or_default());
            format!("Proxy-Authorization: Basic {}\r\n", BASE64.encode(login))
        }
    };
    let question = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{login}\r\n");
    let asking = async {
        let address = (proxy.host_str()?.trim_matches(['[', ']']), proxy.port_or_known_default()?);
        let mut connection = TcpStream::connect(address).await.ok()?;
        connection.write_all(question.as_bytes()).await.ok()?;
        let mut answer = vec![0; 512];
        let length = connection.read(&mut answer).await.ok()?;
        status_line(&answer[..length])
    };
    tokio::time::timeout(LONGEST_QUESTION, asking).await.ok()?
}

/// Status and reason of an answer that is not a success.
fn status_line(answer: &[u8]) -> Option<String> {
    let line = String::from_utf8_lossy(answer.split(|byte| *byte == b'\r').next()?).into_owned();
    let status = line.strip_prefix("HTTP/1.")?.split_once(' ')?.1;
    let is_refusal = !status.starts_with('2') && status.starts_with(|first: char| first.is_ascii_digit());
    is_refusal.then(|| status.chars().filter(|character| !character.is_control()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(variable: &'static str, value: &str) -> Proxies {
        Proxies::from_environment(|name| (name == variable).then(|| value.to_owned()))
    }

    #[test]
    fn variables_in_either_case() {
        let proxies = Proxies::from_environment(|name| match name {
            "https_proxy" => Some("proxy.lan:3128".to_owned()),
            "ALL_PROXY" => Some("socks5h://all.lan".to_owned()),
            "no_proxy" => Some("reg.example.com:443".to_owned()),
            _ => None,
        });
        let hosts = ["proxy.lan", "all.lan"].map(str::to_owned);
        assert_eq!(proxies.hosts(), HashSet::from(hosts));
        assert!(proxies.apply(reqwest::Client::builder()).is_ok());
        let proxy_of = |url: &str| proxies.for_url(&url.parse().unwrap()).map(Url::as_str);
        assert_eq!(proxy_of("http://ex.com/"), Some("socks5h://all.lan:1080"));
        assert_eq!(proxy_of("https://ex.com/"), Some("http://proxy.lan:3128/"));
        assert_eq!(proxy_of("https://reg.example.com/"), None);
        assert!(Proxies::from_environment(|_| None).hosts().is_empty());
    }

    #[test]
    fn what_is_no_proxy_is_named_and_not_shown() {
        for variable in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            for value in ["http://me:secret@proxy.lan:port", "gopher://me:secret@proxy.lan", "http://"] {
                let message = only(variable, value).apply(reqwest::Client::builder());
                let message = message.err().unwrap().to_string();
                assert!(message.contains(variable) && message.contains("http://host:port"), "{message}");
                assert!(!message.contains("secret"), "{message}");
            }
        }
    }

    #[test]
    fn refusals_are_read_from_the_first_line() {
        assert_eq!(status_line(b"HTTP/1.1 403 Forbidden\r\n\r\n").as_deref(), Some("403 Forbidden"));
        for other in [&b"HTTP/1.0 200 OK\r\n\r\n"[..], b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 \r\n"] {
            assert_eq!(status_line(other), None, "{other:?}");
        }
    }
}
