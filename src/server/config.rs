//! Everything that the operator can set, read once at start.
//!
//! The `OLLAMA_*` variables mean what they mean to Ollama (`envconfig/config.go`), so one
//! environment serves both programs; what only we know is called `OLLAMAKE_*`.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::registry;

/// The server's configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen, or where a client finds the server (`OLLAMA_HOST`).
    pub host: Host,
    /// The store's directory (`OLLAMA_MODELS`, by default `~/.ollama/models`).
    pub models: PathBuf,
    /// Patterns of the web origins that may talk to the server (`OLLAMA_ORIGINS` and the local ones).
    pub origins: Vec<String>,
    /// Names beside the local ones under which the server may be addressed (`OLLAMAKE_HOSTS`); `*` is any.
    pub hosts: Vec<String>,
    /// Whether blobs that nothing uses any more are removed (`OLLAMA_NOPRUNE` unset or false).
    pub prune: bool,
    /// How much to log (`OLLAMA_DEBUG`).
    pub log: LogLevel,
    /// How to reach registries, and as whom.
    pub registry: registry::Config,
    /// What a client may demand.
    pub limits: Limits,
}

/// The scheme, host and port of `OLLAMA_HOST`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// `http` or `https`.
    pub scheme: String,
    /// A name or an address, an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// What an operator wants to know.
    Info,
    /// Each request and each step of a job.
    Debug,
    /// Everything.
    Trace,
}

/// Bounds on what a client may demand.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a JSON body (`OLLAMAKE_MAX_REQUEST`).
    pub request: u64,
    /// Bytes of one uploaded blob (`OLLAMAKE_MAX_UPLOAD`).
    pub upload: u64,
    /// Jobs that run at once; more wait their turn (`OLLAMAKE_MAX_JOBS`).
    pub jobs: usize,
    /// How long a request's head may take to arrive, and an idle connection is kept.
    pub head: Duration,
    /// How long a body may make no progress (`OLLAMAKE_STALL_SECONDS`).
    pub stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request: 32 << 20,
            upload: 4 << 40,
            jobs: 2,
            head: Duration::from_secs(30),
            stall: Duration::from_secs(60),
        }
    }
}

/// A variable whose value cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A number was expected.
    #[error("{name}={value:?} is not a number greater than zero")]
    NotANumber {
        /// The variable.
        name: &'static str,
        /// What it holds.
        value: String,
    },
    /// Neither `OLLAMA_MODELS` nor a home directory is set.
    #[error("no place for models: set OLLAMA_MODELS, or HOME")]
    NoModelsDirectory,
}

impl Config {
    /// Reads the process's environment.
    pub fn from_environment() -> Result<Self, ConfigError> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    /// Reads the variables that `lookup` knows.
    pub fn from_variables(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let variable = |name: &str| {
            let value = lookup(name)?;
            let value = value.trim().trim_matches(['"', '\'']);
            (!value.is_empty()).then(|| value.to_owned())
        };
        let number = |name: &'static str, default: u64| match variable(name) {
            None => Ok(default),
            Some(value) => match value.parse() {
                Ok(number) if number > 0 => Ok(number),
                _ => Err(ConfigError::NotANumber { name, value }),
            },
        };
        let list = |name: &str| -> Vec<String> {
            let items = variable(name).unwrap_or_default();
            items.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
        };
        let home = variable("HOME").or_else(|| variable("USERPROFILE")).map(PathBuf::from);
        let models = match (variable("OLLAMA_MODELS"), &home) {
            (Some(path), _) => PathBuf::from(path),
            (None, Some(home)) => home.join(".ollama").join("models"),
            (None, None) => return Err(ConfigError::NoModelsDirectory),
        };
        let defaults = Limits::default();
        Ok(Self {
            host: Host::parse(&variable("OLLAMA_HOST").unwrap_or_default()),
            models,
            origins: list("OLLAMA_ORIGINS").into_iter().chain(local_origins()).collect(),
            hosts: list("OLLAMAKE_HOSTS"),
            prune: !variable("OLLAMA_NOPRUNE").is_some_and(|value| truth(&value).unwrap_or(true)),
            log: LogLevel::parse(&variable("OLLAMA_DEBUG").unwrap_or_default()),
            registry: registry::Config::from_environment(variable),
            limits: Limits {
                request: number("OLLAMAKE_MAX_REQUEST", defaults.request)?,
                upload: number("OLLAMAKE_MAX_UPLOAD", defaults.upload)?,
                jobs: usize::try_from(number("OLLAMAKE_MAX_JOBS", defaults.jobs as u64)?)
                    .unwrap_or(defaults.jobs),
                stall: Duration::from_secs(number("OLLAMAKE_STALL_SECONDS", defaults.stall.as_secs())?),
                ..defaults
            },
        })
    }

    /// The defaults, with the store in `models`.
    pub fn for_store(models: impl Into<PathBuf>) -> Self {
        Self {
            host: Host::parse(""),
            models: models.into(),
            origins: local_origins().collect(),
            hosts: Vec::new(),
            prune: true,
            log: LogLevel::Info,
            registry: registry::Config::default(),
            limits: Limits::default(),
        }
    }
}

impl Host {
    const DEFAULT_PORT: u16 = 11434;

    /// Parses `[scheme://]host[:port][/path]`; whatever is missing or wrong has its default.
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let default_port = match text.split_once("://") {
            Some(("http", _)) => 80,
            Some(("https", _)) => 443,
            _ => Self::DEFAULT_PORT,
        };
        let authority = rest.split('/').next().unwrap_or_default();
        let (host, port) = split_port(authority);
        let host = match host.trim_matches(['[', ']']) {
            "" if port.is_none() => "127.0.0.1",
            host => host,
        };
        Self {
            scheme: scheme.to_owned(),
            host: host.to_owned(),
            port: port.and_then(|port| port.parse().ok()).unwrap_or(default_port),
        }
    }

    /// Where a client on this machine connects: an unspecified address stands for the loopback one.
    pub fn connectable(&self) -> Self {
        let host = match self.host.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) if address.is_unspecified() => "127.0.0.1",
            Ok(IpAddr::V6(address)) if address.is_unspecified() => "::1",
            _ if self.host.is_empty() => "127.0.0.1",
            _ => &self.host,
        };
        Self { host: host.to_owned(), ..self.clone() }
    }

    /// Whether it is this machine.
    pub fn is_loopback(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost")
            || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// `host:port`, as a socket wants it.
    pub fn authority(&self) -> String {
        match self.host.as_str() {
            "" => format!("0.0.0.0:{}", self.port),
            host if host.contains(':') => format!("[{host}]:{}", self.port),
            host => format!("{host}:{}", self.port),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}", self.scheme, self.authority())
    }
}

impl LogLevel {
    fn parse(text: &str) -> Self {
        match (truth(text), text.parse::<i64>()) {
            (Some(true), _) => Self::Debug,
            (_, Ok(2..)) => Self::Trace,
            _ => Self::Info,
        }
    }

    /// The filter directive of the `tracing` crate.
    pub fn directive(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// Splits `host:port`; an IPv6 address has a port only behind brackets.
pub(super) fn split_port(authority: &str) -> (&str, Option<&str>) {
    if authority.parse::<IpAddr>().is_ok() {
        return (authority, None);
    }
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    }
}

/// The truth values of Go's `strconv.ParseBool`.
fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// Origins on this machine, and those of desktop programs that embed a browser.
fn local_origins() -> impl Iterator<Item = String> {
    let web = ["localhost", "127.0.0.1", "0.0.0.0"].into_iter().flat_map(|host| {
        ["http", "https"]
            .into_iter()
            .flat_map(move |scheme| [format!("{scheme}://{host}"), format!("{scheme}://{host}:*")])
    });
    let desktop = ["app", "file", "tauri", "vscode-webview", "vscode-file"];
    web.chain(desktop.into_iter().map(|scheme| format!("{scheme}://*")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_parsed_as_ollama_does() {
        let cases = [
            ("", "http://127.0.0.1:11434"),
            ("0.0.0.0", "http://0.0.0.0:11434"),
            ("1.2.3.4:56", "http://1.2.3.4:56"),
            (":8080", "http://0.0.0.0:8080"),
            ("example.com", "http://example.com:11434"),
            ("http://example.com", "http://example.com:80"),
            ("https://example.com", "https://example.com:443"),
            ("https://example.com:1234/path", "https://example.com:1234"),
            ("::1", "http://[::1]:11434"),
            ("[::1]", "http://[::1]:11434"),
            ("[::1]:99", "http://[::1]:99"),
            ("1.2.3.4:99999", "http://1.2.3.4:11434"),
        ];
        for (text, url) in cases {
            assert_eq!(Host::parse(text).to_string(), url, "{text}");
        }
        assert_eq!(Host::parse("0.0.0.0:5").connectable().authority(), "127.0.0.1:5");
    }

    #[test]
    fn variables_are_trimmed_and_checked() {
        let config = |pairs: &[(&str, &str)]| {
            Config::from_variables(|name| {
                pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
            })
        };
        let set =
            config(&[("OLLAMA_MODELS", " '/m' "), ("OLLAMA_NOPRUNE", "1"), ("OLLAMA_DEBUG", "2")]).unwrap();
        assert_eq!(set.models, PathBuf::from("/m"));
        assert!(!set.prune);
        assert_eq!(set.log, LogLevel::Trace);
        let unset = config(&[("HOME", "/home/me"), ("OLLAMA_ORIGINS", "http://a, http://b")]).unwrap();
        assert_eq!(unset.models, PathBuf::from("/home/me/.ollama/models"));
        assert!(unset.prune);
        assert_eq!(unset.origins[..2], ["http://a", "http://b"]);
        assert_eq!(config(&[]).unwrap_err(), ConfigError::NoModelsDirectory);
        assert!(config(&[("HOME", "/h"), ("OLLAMAKE_MAX_JOBS", "many")]).is_err());
    }
}
