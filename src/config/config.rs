//! The configuration of the program, read once when it starts.
//!
//! The `OLLAMA_*` variables mean what they mean to Ollama (`envconfig/config.go`), so one
//! environment serves both programs; what only we know is called `OLLAMAKE_*`.

use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use super::api_key::ApiKey;
use super::error::{ConfigError, OpenStoreError};
use super::host::Host;
use super::limits::Limits;
use super::ollama_key::OllamaKey;
use super::origins;
use super::path::expanded;
use super::setting::{Lookup, text};
use super::variables;
use crate::create::Sharing;
use crate::plan::Resources;
use crate::registry::hub::{HUB, Hub};
use crate::registry::{self, Library};
use crate::store::{ImportDirectories, Store};
use crate::tensor::Platform;

/// Everything that the operator can set.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen, or where a client finds the server.
    pub host: Host,
    /// The store's directory.
    pub models: PathBuf,
    /// Patterns of the web origins that may talk to the server, the local ones among them.
    pub origins: Vec<String>,
    /// Names beside the local ones under which the server may be addressed; `*` is any.
    pub hosts: Vec<String>,
    /// What this machine is called; empty if it does not say.
    pub machine: String,
    /// Whether blobs that nothing uses any more are removed.
    pub prune: bool,
    /// Where clients may name files.
    pub imports: ImportDirectories,
    /// What clients have to show.
    pub api_key: Option<ApiKey>,
    /// Whether everybody may pull from the registry that the server is.
    pub open_registry: bool,
    /// Clients of Ollama's that are let in to the registry.
    pub ollama_keys: Vec<OllamaKey>,
    /// How much to log.
    pub log: LogLevel,
    /// What to log in detail, as the `tracing` crate reads it.
    pub log_filter: Option<String>,
    /// How to write the log.
    pub log_format: LogFormat,
    /// How to reach registries, and as whom; the library is one of them.
    pub registry: registry::Config,
    /// Where Python's `huggingface_hub` keeps what it has fetched of the Hub.
    pub hub_cache: Option<PathBuf>,
    /// How the library is used.
    pub sharing: Sharing,
    /// What one job may use.
    pub resources: Resources,
    /// Bytes that a job which is interrupted makes again at most.
    pub checkpoint: u64,
    /// The width of the kernels.
    pub platform: Platform,
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

impl Config {
    /// Reads the process's environment.
    ///
    /// # Errors
    /// A variable that is set cannot be used, or one that is needed is not set.
    pub fn from_environment() -> Result<Self, ConfigError> {
        // A variable that is no Unicode must not count as one that is not set.
        Self::from_variables(|name| Some(std::env::var_os(name)?.to_string_lossy().into_owned()))
    }

    /// Reads the variables that `lookup` knows.
    ///
    /// # Errors
    /// A variable that is set cannot be used, or one that is needed is not set.
    pub fn from_variables(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let lookup: Lookup<'_> = &lookup;
        let variable = |name: &str| text(lookup, name);
        let list = |name: &str| -> Vec<String> {
            let items = variable(name).unwrap_or_default();
            items.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
        };
        let models = match (variable(variables::MODELS.name), variable(variables::HOME.name)) {
            (Some(path), home) => expanded(variables::MODELS.name, &path, home.as_deref())?,
            (None, Some(home)) => PathBuf::from(home).join(".ollama").join("models"),
            (None, None) => return Err(ConfigError::NoModelsDirectory),
        };
        let host = variable(variables::HOST.name).unwrap_or_default();
        let host =
            Host::parse(&host).ok_or(ConfigError::NotAPort { name: variables::HOST.name, value: host })?;
        let origins = origins::patterns(&variable(variables::ORIGINS.name).unwrap_or_default());
        let origins =
            origins.map_err(|value| ConfigError::NotAnOrigin { name: variables::ORIGINS.name, value })?;
        let keeps = variable(variables::NO_PRUNE.name).is_some_and(|value| truth(&value).unwrap_or(true));
        let key = |text: &String| {
            let (name, value) = (variables::OLLAMA_KEYS.name, text.clone());
            OllamaKey::parse(text).map_err(|_| ConfigError::NotAnOllamaKey { name, value })
        };
        let ollama_keys = list(variables::OLLAMA_KEYS.name).iter().map(key).collect::<Result<_, _>>()?;
        let threads = variables::JOB_THREADS.read_count(lookup)?;
        let library = library(lookup)?;
        let registry = registry::Config::from_environment(lookup)
            .bearing_silence(Duration::from_secs(variables::REGISTRY_SILENCE.read(lookup)?));
        Ok(Self {
            host,
            models,
            origins: origins.into_iter().chain(origins::local()).collect(),
            hosts: list(variables::HOSTS.name),
            machine: machine(),
            prune: !keeps,
            imports: import_directories(
                list(variables::IMPORT_DIRS.name),
                variable(variables::HOME.name).as_deref(),
            )?,
            api_key: api_key(lookup)?,
            ollama_keys,
            open_registry: variable(variables::OPEN_REGISTRY.name)
                .is_some_and(|value| truth(&value).unwrap_or(false)),
            log: LogLevel::parse(&variable(variables::DEBUG.name).unwrap_or_default()),
            log_filter: variable(variables::LOG_FILTER.name),
            log_format: LogFormat::parse(variable(variables::LOG.name))?,
            sharing: sharing(lookup, library.is_some())?,
            registry: registry::Config {
                library,
                hub: hub(variable(variables::HF_ENDPOINT.name), variable(variables::HF_TOKEN.name))?,
                ..registry
            },
            hub_cache: hub_cache(lookup)?,
            checkpoint: variables::CHECKPOINT.read(lookup)?,
            resources: Resources {
                threads: NonZeroUsize::new(threads).unwrap_or(NonZeroUsize::MIN),
                memory: variables::JOB_MEMORY.read_count(lookup)?,
            },
            platform: match variable(variables::SIMD.name) {
                Some(name) => Platform::from_name(&name)?,
                None => Platform::widest(),
            },
            limits: Limits::read(lookup)?,
        })
    }

    /// The defaults, with the store in `models`.
    pub fn for_store(models: impl Into<PathBuf>) -> Self {
        let defaults = Self::from_variables(|name| (name == variables::MODELS.name).then(|| "?".to_owned()));
        Self { models: models.into(), ..defaults.expect("the defaults can be used") }
    }

    /// Opens the store; where there is none yet it begins.
    ///
    /// # Errors
    /// The directory cannot be used.
    pub fn open_store(&self) -> Result<Store, OpenStoreError> {
        Store::open(&self.models).map_err(|source| OpenStoreError { path: self.models.clone(), source })
    }

    /// Opens the store if there is one.
    ///
    /// # Errors
    /// There is none, or the directory cannot be used.
    pub fn open_existing_store(&self) -> Result<Store, OpenStoreError> {
        let store = Store::open_existing(&self.models);
        store.map_err(|source| OpenStoreError { path: self.models.clone(), source })
    }
}

fn hub(address: Option<String>, token: Option<String>) -> Result<Hub, ConfigError> {
    Ok(Hub::new(address.as_deref().unwrap_or(HUB), token)?)
}

/// The directory of `huggingface_hub`'s cache; there is none without a home.
fn hub_cache(lookup: Lookup<'_>) -> Result<Option<PathBuf>, ConfigError> {
    let home = text(lookup, variables::HOME.name);
    let path = |name: &'static str| {
        let value = text(lookup, name);
        value.map(|value| expanded(name, &value, home.as_deref())).transpose()
    };
    let (cache, all) = (path(variables::HF_HUB_CACHE.name)?, path(variables::HF_HOME.name)?);
    let all = all.or_else(|| Some(PathBuf::from(home.as_deref()?).join(".cache/huggingface")));
    Ok(cache.or_else(|| Some(all?.join("hub"))))
}

/// The directories in which clients may name files.
fn import_directories(paths: Vec<String>, home: Option<&str>) -> Result<ImportDirectories, ConfigError> {
    const NAME: &str = variables::IMPORT_DIRS.name;
    let absolute = |value: String| match expanded(NAME, &value, home)? {
        path if path.is_absolute() => Ok(path),
        _ => Err(ConfigError::NotAbsolute { name: NAME, value }),
    };
    paths.into_iter().map(absolute).collect::<Result<_, _>>().map(ImportDirectories::new)
}

/// What the operating system calls this machine.
fn machine() -> String {
    let node = rustix::system::uname();
    node.nodename().to_string_lossy().trim().to_owned()
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
    fn parse(text: Option<String>) -> Result<Self, ConfigError> {
        match text.as_deref() {
            None | Some("text") => Ok(Self::Text),
            Some("json") => Ok(Self::Json),
            Some(_) => {
                let (name, value) = (variables::LOG.name, text.unwrap_or_default());
                Err(ConfigError::UnknownLogFormat { name, value })
            }
        }
    }
}

/// The key, from the variable or from the file. One that is set and empty is an error.
fn api_key(lookup: Lookup<'_>) -> Result<Option<ApiKey>, ConfigError> {
    const VARIABLE: &str = variables::API_KEY.name;
    const FILE: &str = variables::API_KEY_FILE.name;
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

/// The registry that is shared with others.
fn library(lookup: Lookup<'_>) -> Result<Option<Library>, ConfigError> {
    let name = variables::LIBRARY.name;
    let Some(value) = text(lookup, name) else { return Ok(None) };
    let library = value.parse();
    library.map(Some).map_err(|reason| ConfigError::NotALibrary { name, value, reason })
}

/// How it is used. What would mean nothing without one is refused: who sets it counts on it.
fn sharing(lookup: Lookup<'_>, has_library: bool) -> Result<Sharing, ConfigError> {
    let publish = text(lookup, variables::PUBLISH.name);
    let publish = publish.is_some_and(|value| truth(&value).unwrap_or(true));
    let cache = variables::CACHE_SIZE.read(lookup)?;
    let cache = (cache != variables::CACHE_SIZE.default()).then_some(cache);
    for (name, is_set) in [(variables::PUBLISH.name, publish), (variables::CACHE_SIZE.name, cache.is_some())]
    {
        if is_set && !has_library {
            return Err(ConfigError::NoLibrary { name });
        }
    }
    let patience = Duration::from_secs(variables::LIBRARY_WAIT.read(lookup)?);
    Ok(Sharing { publish, patience, cache })
}

/// The truth values of Go's `strconv.ParseBool`.
fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
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
        let patient = config(&[("HOME", "/h"), ("OLLAMAKE_IDLE_SECONDS", "3153600000")]).unwrap();
        assert!(std::time::Instant::now().checked_add(patient.limits.head).is_some());
        for (name, value, expected) in [
            ("OLLAMAKE_IDLE_SECONDS", "3153600001", "a whole number of seconds from 1 to "),
            ("OLLAMAKE_JOB_MEMORY", "1GiB", "a whole number of bytes from 1048576 to "),
            ("OLLAMAKE_MAX_JOBS", "0", "a whole number from 1 to "),
        ] {
            let message = config(&[("HOME", "/h"), (name, value)]).unwrap_err().to_string();
            assert!(message.starts_with(&format!("{name}=\"{value}\" is not {expected}")), "{message}");
        }
        let quiet = config(&[("HOME", "/h"), ("OLLAMAKE_REGISTRY_SILENCE_SECONDS", "7")]).unwrap();
        assert_eq!(quiet.registry.retry.longest_silence, Duration::from_secs(7));
        assert!(config(&[("HOME", "/h"), ("OLLAMAKE_REGISTRY_SILENCE_SECONDS", "0")]).is_err());
        let modest =
            config(&[("HOME", "/h"), ("OLLAMAKE_JOB_THREADS", "3"), ("OLLAMAKE_SIMD", "scalar")]).unwrap();
        assert_eq!((modest.resources.threads.get(), modest.platform.name()), (3, "scalar"));
        assert!(config(&[("HOME", "/h"), ("OLLAMAKE_LOG", "xml")]).is_err());
        let alone = config(&[("HOME", "/h"), ("OLLAMAKE_CACHE_SIZE", "1000")]).unwrap_err();
        assert_eq!(alone, ConfigError::NoLibrary { name: "OLLAMAKE_CACHE_SIZE" });
        let two = config(&[("HOME", "/h"), ("OLLAMAKE_LIBRARY", "a.example/x,b.example/y")]).unwrap_err();
        assert!(two.to_string().contains("there is one library"), "{two}");
        let library = ("OLLAMAKE_LIBRARY", "a.example/x");
        let cached = config(&[("HOME", "/h"), library, ("OLLAMAKE_CACHE_SIZE", "1000")]).unwrap();
        assert_eq!((cached.sharing.cache, cached.sharing.publish), (Some(1000), false));
        let shared = config(&[("HOME", "/h"), library, ("OLLAMAKE_PUBLISH", "1")]).unwrap();
        assert_eq!((shared.sharing.cache, shared.sharing.publish), (None, true));
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
            api_key(&|name| match name {
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
