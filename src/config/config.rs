//! Everything that the operator can set, read once at start.
//!
//! The `OLLAMA_*` variables mean what they mean to Ollama (`envconfig/config.go`), so one
//! environment serves both programs; what only we know is called `OLLAMAKE_*`.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::api_key::ApiKey;
use super::host::Host;
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
    /// What clients have to show (`OLLAMAKE_API_KEY`, or the contents of the file `OLLAMAKE_API_KEY_FILE`).
    pub api_key: Option<ApiKey>,
    /// How much to log (`OLLAMA_DEBUG`).
    pub log: LogLevel,
    /// How to write the log (`OLLAMAKE_LOG`).
    pub log_format: LogFormat,
    /// How to reach registries, and as whom.
    pub registry: registry::Config,
    /// What a client may demand.
    pub limits: Limits,
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

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// A JSON object a line, for programs.
    Json,
}

/// Bounds on what a client may demand.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a JSON body (`OLLAMAKE_MAX_REQUEST`).
    pub request: u64,
    /// Bytes of one uploaded blob (`OLLAMAKE_MAX_UPLOAD`).
    pub upload: u64,
    /// Files that one request may name (`OLLAMAKE_MAX_FILES`).
    pub files: usize,
    /// Jobs that compute at once; more wait their turn (`OLLAMAKE_MAX_JOBS`).
    pub jobs: usize,
    /// Pulls and pushes at once; more wait their turn (`OLLAMAKE_MAX_TRANSFERS`).
    pub transfers: usize,
    /// Jobs of a kind that wait; more are refused (`OLLAMAKE_MAX_QUEUE`).
    pub queue: usize,
    /// Connections at once; more wait to be accepted (`OLLAMAKE_MAX_CONNECTIONS`).
    pub connections: usize,
    /// How long a request's head may take to arrive, and an idle connection is kept (`OLLAMAKE_IDLE_SECONDS`).
    pub head: Duration,
    /// How long a body may bring hardly anything, and how long a client may not take what is sent
    /// (`OLLAMAKE_STALL_SECONDS`).
    pub stall: Duration,
    /// How long jobs may go on once the server is to stop (`OLLAMAKE_SHUTDOWN_SECONDS`).
    pub shutdown: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request: 32 << 20,
            upload: 4 << 40,
            files: 1024,
            jobs: 2,
            transfers: 8,
            queue: 128,
            connections: 1024,
            head: Duration::from_secs(30),
            stall: Duration::from_secs(60),
            // Container runtimes kill ten seconds after they have asked.
            shutdown: Duration::from_secs(8),
        }
    }
}

/// A century in seconds: clocks can be set forward by this.
const LONGEST: u64 = 100 * 365 * 24 * 3600;

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
    /// A format of the log that does not exist.
    #[error("{name}={value:?} is no format of the log: set it to text or json")]
    UnknownLogFormat {
        /// The variable.
        name: &'static str,
        /// What it holds.
        value: String,
    },
    /// The variable is set, but what it holds cannot be a key. A server without protection would be a surprise.
    #[error("{name} holds no key: visible ASCII characters without blanks; unset it to serve without a key")]
    NoApiKey {
        /// The variable.
        name: &'static str,
    },
    /// The file with the key cannot be read.
    #[error("the file that {name} names cannot be read: {reason}")]
    UnreadableApiKey {
        /// The variable.
        name: &'static str,
        /// What the operating system says.
        reason: io::ErrorKind,
    },
    /// The key is given twice.
    #[error("set either OLLAMAKE_API_KEY or OLLAMAKE_API_KEY_FILE")]
    TwoApiKeys,
    /// Neither `OLLAMA_MODELS` nor a home directory is set.
    #[error("no place for models: set OLLAMA_MODELS, or HOME")]
    NoModelsDirectory,
}

impl Config {
    /// Reads the process's environment.
    pub fn from_environment() -> Result<Self, ConfigError> {
        // A variable that is no Unicode must not count as one that is not set.
        Self::from_variables(|name| Some(std::env::var_os(name)?.to_string_lossy().into_owned()))
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
        let count = |name: &'static str, default: usize| {
            Ok(usize::try_from(number(name, default as u64)?).unwrap_or(usize::MAX))
        };
        let seconds = |name: &'static str, default: Duration| {
            Ok(Duration::from_secs(number(name, default.as_secs())?.min(LONGEST)))
        };
        let list = |name: &str| -> Vec<String> {
            let items = variable(name).unwrap_or_default();
            items.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
        };
        let home = variable("HOME").map(PathBuf::from);
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
            api_key: api_key(&lookup)?,
            log: LogLevel::parse(&variable("OLLAMA_DEBUG").unwrap_or_default()),
            log_format: LogFormat::parse("OLLAMAKE_LOG", variable("OLLAMAKE_LOG"))?,
            registry: registry::Config::from_environment(&lookup),
            limits: Limits {
                request: number("OLLAMAKE_MAX_REQUEST", defaults.request)?,
                upload: number("OLLAMAKE_MAX_UPLOAD", defaults.upload)?,
                files: count("OLLAMAKE_MAX_FILES", defaults.files)?,
                jobs: count("OLLAMAKE_MAX_JOBS", defaults.jobs)?,
                transfers: count("OLLAMAKE_MAX_TRANSFERS", defaults.transfers)?,
                queue: count("OLLAMAKE_MAX_QUEUE", defaults.queue)?,
                connections: count("OLLAMAKE_MAX_CONNECTIONS", defaults.connections)?,
                head: seconds("OLLAMAKE_IDLE_SECONDS", defaults.head)?,
                stall: seconds("OLLAMAKE_STALL_SECONDS", defaults.stall)?,
                shutdown: seconds("OLLAMAKE_SHUTDOWN_SECONDS", defaults.shutdown)?,
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
            api_key: None,
            log: LogLevel::Info,
            log_format: LogFormat::Text,
            registry: registry::Config::default(),
            limits: Limits::default(),
        }
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

impl LogFormat {
    fn parse(name: &'static str, text: Option<String>) -> Result<Self, ConfigError> {
        match text.as_deref() {
            None | Some("text") => Ok(Self::Text),
            Some("json") => Ok(Self::Json),
            Some(_) => Err(ConfigError::UnknownLogFormat { name, value: text.unwrap_or_default() }),
        }
    }
}

/// The key, from the variable or from the file. One that is set and empty is an error.
fn api_key(lookup: impl Fn(&str) -> Option<String>) -> Result<Option<ApiKey>, ConfigError> {
    const VARIABLE: &str = "OLLAMAKE_API_KEY";
    const FILE: &str = "OLLAMAKE_API_KEY_FILE";
    let (name, text) = match (lookup(VARIABLE), lookup(FILE)) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => return Err(ConfigError::TwoApiKeys),
        (Some(text), None) => (VARIABLE, text),
        (None, Some(path)) => {
            let unreadable =
                |error: io::Error| ConfigError::UnreadableApiKey { name: FILE, reason: error.kind() };
            (FILE, std::fs::read_to_string(path.trim()).map_err(unreadable)?)
        }
    };
    ApiKey::parse(&text).map(Some).map_err(|_| ConfigError::NoApiKey { name })
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
        let patient = config(&[("HOME", "/h"), ("OLLAMAKE_IDLE_SECONDS", "18446744073709551615")]).unwrap();
        assert!(std::time::Instant::now().checked_add(patient.limits.head).is_some());
        assert!(config(&[("HOME", "/h"), ("OLLAMAKE_LOG", "xml")]).is_err());
        // A password is what was set, to the last blank.
        let login = |password: &str| {
            let names = ["OLLAMAKE_REGISTRY", "OLLAMAKE_REGISTRY_USER", "OLLAMAKE_REGISTRY_PASSWORD"];
            let set =
                config(&[("HOME", "/h"), (names[0], "a.example"), (names[1], "u"), (names[2], password)]);
            set.unwrap().registry.credentials
        };
        let mut expected = registry::Credentials::none();
        expected.insert("a.example", "u", " 'quoted\" ");
        assert_eq!(login(" 'quoted\" "), expected);
    }

    #[test]
    fn a_key_that_is_set_is_used_or_refused() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, contents: &[u8]| {
            let path = directory.path().join(name);
            std::fs::write(&path, contents).unwrap();
            path.to_string_lossy().into_owned()
        };
        let key = |variable: Option<&str>, file: Option<&str>| {
            api_key(|name| match name {
                "OLLAMAKE_API_KEY" => variable.map(str::to_owned),
                "OLLAMAKE_API_KEY_FILE" => file.map(str::to_owned),
                _ => None,
            })
        };
        let good = file("good", b"from-file\n");
        assert_eq!(key(None, None), Ok(None));
        assert_eq!(key(Some("k"), None).unwrap().unwrap().secret(), "k");
        assert_eq!(key(None, Some(&good)).unwrap().unwrap().secret(), "from-file");
        assert_eq!(key(Some("k"), Some(&good)), Err(ConfigError::TwoApiKeys));
        assert_eq!(key(Some(""), None), Err(ConfigError::NoApiKey { name: "OLLAMAKE_API_KEY" }));
        let empty = file("empty", b"\n");
        assert_eq!(key(None, Some(&empty)), Err(ConfigError::NoApiKey { name: "OLLAMAKE_API_KEY_FILE" }));
        for missing in ["", "/does/not/exist", &file("binary", b"\xFF\xFE")] {
            assert!(
                matches!(key(None, Some(missing)), Err(ConfigError::UnreadableApiKey { .. })),
                "{missing}"
            );
        }
    }
}
