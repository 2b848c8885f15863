//! The proxies that the environment names, as most programs understand them: `HTTPS_PROXY`,
//! `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`, in either letter case.

use std::collections::HashSet;

use reqwest::{ClientBuilder, NoProxy, Proxy};
use url::Url;

use super::Error;

/// This machine is never asked through a proxy.
const NEVER: &str = "localhost,127.0.0.0/8,::1";

/// The proxies to use.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    http: Option<String>,
    https: Option<String>,
    except: String,
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
            found.filter(|value| !value.is_empty())
        };
        let all = either("ALL_PROXY");
        Self {
            http: either("HTTP_PROXY").or_else(|| all.clone()),
            https: either("HTTPS_PROXY").or(all),
            except: either("NO_PROXY").unwrap_or_default(),
        }
    }

    /// Whether there are any.
    pub(crate) fn any(&self) -> bool {
        self.http.is_some() || self.https.is_some()
    }

    /// The names of their hosts.
    pub(crate) fn hosts(&self) -> HashSet<String> {
        let urls =
            self.http.iter().chain(&self.https).filter_map(|text| with_scheme(text).parse::<Url>().ok());
        urls.filter_map(|url| url.host_str().map(str::to_owned)).collect()
    }

    /// Makes a client use them.
    pub(crate) fn apply(&self, builder: ClientBuilder) -> Result<ClientBuilder, Error> {
        let except = || NoProxy::from_string(&format!("{NEVER},{}", self.except));
        // What the variable holds may contain a password.
        let invalid = |variable: &str| {
            let reason = format!(
                "{variable} (or ALL_PROXY) is not the address of a proxy: set it to http://host:port, or http://user:password@host:port"
            );
            Error::Setup { reason }
        };
        let mut builder = builder.no_proxy();
        if let Some(proxy) = &self.http {
            let proxy = Proxy::http(with_scheme(proxy)).map_err(|_| invalid("HTTP_PROXY"))?;
            builder = builder.proxy(proxy.no_proxy(except()));
        }
        if let Some(proxy) = &self.https {
            let proxy = Proxy::https(with_scheme(proxy)).map_err(|_| invalid("HTTPS_PROXY"))?;
            builder = builder.proxy(proxy.no_proxy(except()));
        }
        Ok(builder)
    }
}

fn with_scheme(proxy: &str) -> String {
    if proxy.contains("://") { proxy.to_owned() } else { format!("http://{proxy}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_in_either_case() {
        let proxies = Proxies::from_environment(|name| match name {
            "https_proxy" => Some("proxy.lan:3128".to_owned()),
            "ALL_PROXY" => Some("http://all.lan".to_owned()),
            _ => None,
        });
        let hosts = ["proxy.lan", "all.lan"].map(str::to_owned);
        assert_eq!(proxies.hosts(), HashSet::from(hosts));
        assert!(proxies.apply(reqwest::Client::builder()).is_ok());
        assert!(!Proxies::from_environment(|_| None).any());
    }

    #[test]
    fn what_is_no_proxy_is_named_and_not_shown() {
        for variable in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            let proxies = Proxies::from_environment(|name| {
                (name == variable).then(|| "http://me:secret@proxy.lan:port".to_owned())
            });
            let message = proxies.apply(reqwest::Client::builder()).err().unwrap().to_string();
            assert!(message.contains(variable) && message.contains("http://host:port"), "{message}");
            assert!(!message.contains("secret"), "{message}");
        }
    }
}
