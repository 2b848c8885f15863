//! Users and passwords, each bound to the registry that it belongs to.

use std::collections::{HashMap, HashSet};
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use url::Url;

use super::reach::is_loopback;

/// Users and passwords by registry.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    by_registry: HashMap<String, Login>,
    /// Registries to which Docker has a login that cannot be read from its file.
    unreadable: HashSet<String>,
    /// Why Docker's configuration file is not used, if it is there and is not.
    problem: Option<String>,
}

/// A user and a password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Login {
    user: String,
    password: String,
    /// Whether the one who gave it wrote `http://` before the registry.
    over_http: bool,
}

/// Why Docker's configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message of a variant says what its fields are")]
pub enum InvalidDockerConfig {
    /// The file is not JSON of the expected form.
    #[error("docker's config.json cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    /// An `auth` is not base64 of `user:password`.
    #[error("docker's config.json: the \"auth\" of {registry} is not base64 of user:password")]
    Login { registry: String },
}

impl Credentials {
    /// No users and passwords: registries are asked anonymously or with the signing key.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a user and a password for a registry, `host[:port]`; they replace earlier ones. They are sent
    /// over plain HTTP only to this machine, or if `http://` is written before the registry.
    pub fn insert(&mut self, registry: &str, user: impl Into<String>, password: impl Into<String>) {
        let over_http = is_plain(registry);
        let login = Login { user: user.into(), password: password.into(), over_http };
        self.by_registry.insert(canonical(registry), login);
    }

    /// Adds what Docker's `config.json` holds under `auths`; entries that are there already win.
    ///
    /// What Docker keeps in an external program (`credsStore`, `credHelpers`) or as an identity token cannot
    /// be used; only whose it is.
    pub fn add_docker_config(&mut self, json: &[u8]) -> Result<(), InvalidDockerConfig> {
        // A structure would also be read from an array of its fields.
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(json)?;
        let config = DockerConfig::deserialize(serde_json::Value::Object(object))?;
        for (registry, entry) in config.auths {
            if !entry.identity_token.is_empty() {
                self.unreadable.insert(canonical(&registry));
            } else if let Some(login) =
                entry.login(is_plain(&registry)).ok_or_else(|| invalid_login(&registry))?
            {
                self.by_registry.entry(canonical(&registry)).or_insert(login);
            } else if config.external_store.is_some() {
                self.unreadable.insert(canonical(&registry));
            }
        }
        self.unreadable.extend(config.external_by_registry.keys().map(|registry| canonical(registry)));
        Ok(())
    }

    /// Notes that Docker's configuration file is there and cannot be used.
    pub(crate) fn note_problem(&mut self, problem: String) {
        self.problem = Some(problem);
    }

    /// Why Docker's configuration file is not used, if it is there and is not.
    pub(crate) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Whether Docker has a login for a registry, `host[:port]`, that cannot be read from its file.
    pub(crate) fn is_unreadable(&self, registry: &str) -> bool {
        self.unreadable.contains(&canonical(registry))
    }

    /// The login for a registry, `host[:port]`.
    pub(crate) fn for_registry(&self, registry: &str) -> Option<&Login> {
        self.by_registry.get(&canonical(registry))
    }
}

impl Login {
    /// The value of an `Authorization` header, without the word `Basic`.
    pub(crate) fn to_basic(&self) -> String {
        BASE64.encode(format!("{}:{}", self.user, self.password))
    }

    /// Whether both are the same user with the same password.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        self.user == other.user && self.password == other.password
    }

    /// Whether the way to this URL is one on which a password may be sent.
    pub(crate) fn may_go_to(&self, url: &Url) -> bool {
        url.scheme() == "https" || self.over_http || is_loopback(url)
    }

    /// The name that a token server logs the use of.
    pub(crate) fn user(&self) -> &str {
        &self.user
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(&self.by_registry).finish()
    }
}

/// The part of Docker's `config.json` that is about logins (`docker login` writes it).
#[derive(Deserialize)]
struct DockerConfig {
    #[serde(default)]
    auths: HashMap<String, DockerLogin>,
    #[serde(default, rename = "credsStore")]
    external_store: Option<String>,
    #[serde(default, rename = "credHelpers")]
    external_by_registry: HashMap<String, String>,
}

#[derive(Deserialize)]
struct DockerLogin {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default, rename = "identitytoken")]
    identity_token: String,
}

impl DockerLogin {
    /// The login, `Some(None)` if the entry holds none, `None` if it cannot be understood.
    fn login(self, over_http: bool) -> Option<Option<Login>> {
        if self.auth.is_empty() {
            let Self { username: user, password, .. } = self;
            return Some((!user.is_empty()).then_some(Login { user, password, over_http }));
        }
        let text = String::from_utf8(BASE64.decode(self.auth.trim()).ok()?).ok()?;
        let (user, password) = text.split_once(':')?;
        let password = password.trim_end_matches('\0').to_owned();
        Some(Some(Login { user: user.to_owned(), password, over_http }))
    }
}

fn invalid_login(registry: &str) -> InvalidDockerConfig {
    InvalidDockerConfig::Login { registry: registry.to_owned() }
}

/// Whether a registry is written with `http://`.
fn is_plain(registry: &str) -> bool {
    registry.split_once("://").is_some_and(|(scheme, _)| scheme.trim().eq_ignore_ascii_case("http"))
}

/// The form under which a registry is looked up: Docker writes some with a scheme and a path, and
/// its own under several names.
fn canonical(registry: &str) -> String {
    let rest = registry.split_once("://").map_or(registry, |(_, rest)| rest).trim();
    let host = rest.split('/').next().unwrap_or_default().to_ascii_lowercase();
    match host.as_str() {
        "docker.io" | "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_found_by_registry_only() {
        let mut credentials = Credentials::none();
        credentials.insert("Registry.example:5000", "own", "secret");
        let json = format!(
            r#"{{"auths": {{"registry.example:5000": {{"auth": "{0}"}},
                 "https://index.docker.io/v1/": {{"auth": "{0}"}},
                 "plain.example": {{"username": "u", "password": "p"}},
                 "helper.example": {{}}}}, "HttpHeaders": {{}}}}"#,
            BASE64.encode("user:pass:word")
        );
        credentials.add_docker_config(json.as_bytes()).unwrap();
        let login = |registry: &str| {
            credentials.for_registry(registry).map(|l| (l.user.as_str(), l.password.as_str()))
        };
        assert_eq!(login("registry.example:5000"), Some(("own", "secret")));
        assert_eq!(login("docker.io"), Some(("user", "pass:word")));
        assert_eq!(login("plain.example"), Some(("u", "p")));
        for unknown in
            ["registry.example", "registry.example:5001", "evil.registry.example:5000", "helper.example"]
        {
            assert_eq!(login(unknown), None, "{unknown}");
        }
        assert!(!format!("{credentials:?}").contains("secret"));
    }

    #[test]
    fn logins_that_docker_keeps_elsewhere_are_known() {
        let mut credentials = Credentials::none();
        let json = r#"{"auths": {"https://index.docker.io/v1/": {}, "cloud.example": {"auth": "MDAwMDo=", "identitytoken": "t"},
            "plain.example": {"username": "u", "password": "p"}},
            "credsStore": "desktop", "credHelpers": {"helper.example": "gcloud"}}"#;
        credentials.add_docker_config(json.as_bytes()).unwrap();
        for registry in ["docker.io", "cloud.example", "helper.example"] {
            assert!(credentials.is_unreadable(registry), "{registry}");
            assert!(credentials.for_registry(registry).is_none(), "{registry}");
        }
        assert!(!credentials.is_unreadable("plain.example") && !credentials.is_unreadable("other.example"));
    }

    #[test]
    fn a_broken_file_is_an_error() {
        for json in
            ["", "[]", r#"{"auths": {"a": {"auth": "%%"}}}"#, r#"{"auths": {"a": {"auth": "dXNlcg=="}}}"#]
        {
            assert!(Credentials::none().add_docker_config(json.as_bytes()).is_err(), "{json}");
        }
    }
}
