//! Users and passwords, each bound to the registry that it belongs to.

use std::collections::HashMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use url::Url;

use super::helper;
use super::reach::is_loopback;

/// Logins by registry: users with passwords, and identity tokens.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    by_registry: HashMap<String, Login>,
    /// The external program that keeps the login of a registry.
    helpers: HashMap<String, Kept>,
    /// The external program that may keep the logins of all others.
    store: Option<String>,
    /// Why Docker's configuration file is not used, if it is there and is not.
    problem: Option<String>,
}

/// A login that an external program keeps.
#[derive(Clone, PartialEq, Eq)]
struct Kept {
    helper: String,
    over_http: bool,
}

/// Who we are to a registry.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Login {
    user: String,
    secret: Secret,
    /// Whether the one who gave it wrote `http://` before the registry.
    over_http: bool,
}

/// What proves it.
#[derive(Clone, PartialEq, Eq)]
enum Secret {
    Password(String),
    /// What a token server gives for a password, and takes in place of it.
    IdentityToken(String),
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
    /// What is named as a helper cannot be the end of a program's name.
    #[error(
        "docker's config.json: {helper:?} cannot be a credential helper: letters, digits, -, _ and . only"
    )]
    Helper { helper: String },
}

/// A credential helper that does not do what it is for.
#[derive(Debug, thiserror::Error)]
#[error("docker-credential-{helper} {reason}")]
pub(super) struct HelperFailed {
    helper: String,
    reason: String,
}

impl Credentials {
    /// No logins: registries are asked anonymously or with the signing key.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a user and a password for a registry, `host[:port]`; they replace earlier ones. They are sent
    /// over plain HTTP only to this machine, or if `http://` is written before the registry.
    pub fn insert(&mut self, registry: &str, user: impl Into<String>, password: impl Into<String>) {
        let (over_http, secret) = (is_plain(registry), Secret::Password(password.into()));
        self.by_registry.insert(canonical(registry), Login { user: user.into(), secret, over_http });
    }

    /// Adds what Docker's `config.json` holds under `auths`; entries that are there already win. What Docker
    /// keeps in an external program (`credHelpers`, `credsStore`) is asked for when it is needed.
    pub fn add_docker_config(&mut self, json: &[u8]) -> Result<(), InvalidDockerConfig> {
        // A structure would also be read from an array of its fields.
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(json)?;
        let config = DockerConfig::deserialize(serde_json::Value::Object(object))?;
        for (registry, entry) in config.auths {
            let login = entry.login(is_plain(&registry)).ok_or_else(|| invalid_login(&registry))?;
            if let Some(login) = login {
                self.by_registry.entry(canonical(&registry)).or_insert(login);
            }
        }
        for (registry, helper) in config.helpers {
            let kept = Kept { helper: checked(helper)?, over_http: is_plain(&registry) };
            self.helpers.insert(canonical(&registry), kept);
        }
        self.store = config.store.filter(|store| !store.is_empty()).map(checked).transpose()?;
        Ok(())
    }

    /// Notes that Docker's configuration file is there and cannot be used.
    pub(super) fn note_problem(&mut self, problem: String) {
        self.problem = Some(problem);
    }

    /// Why Docker's configuration file is not used, if it is there and is not.
    pub(super) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// The login for a registry, `host[:port]`, as far as it was given and not kept elsewhere.
    pub(super) fn for_registry(&self, registry: &str) -> Option<&Login> {
        self.by_registry.get(&canonical(registry))
    }

    /// The login for a registry. An external program is asked if it keeps it; that blocks.
    ///
    /// # Errors
    /// The program is not there, or does not answer as it should.
    pub(super) fn find(&self, registry: &str) -> Result<Option<Login>, HelperFailed> {
        let registry = canonical(registry);
        if let Some(login) = self.by_registry.get(&registry) {
            return Ok(Some(login.clone()));
        }
        let of_all = || self.store.clone().map(|helper| Kept { helper, over_http: false });
        let Some(Kept { helper, over_http }) = self.helpers.get(&registry).cloned().or_else(of_all) else {
            return Ok(None);
        };
        let asked = match registry.as_str() {
            // Docker itself keeps its own login under this name.
            "docker.io" => "https://index.docker.io/v1/",
            other => other,
        };
        let failed = |reason| HelperFailed { helper: helper.clone(), reason };
        let Some((user, secret)) = helper::ask(&helper, asked).map_err(failed)? else { return Ok(None) };
        let secret = match user.as_str() {
            helper::TOKEN_USER => Secret::IdentityToken(secret),
            _ => Secret::Password(secret),
        };
        Ok(Some(Login { user, secret, over_http }))
    }
}

impl Login {
    /// The value of an `Authorization` header, without the word `Basic`; nothing of an identity token.
    pub(super) fn to_basic(&self) -> Option<String> {
        match &self.secret {
            Secret::Password(password) => Some(BASE64.encode(format!("{}:{password}", self.user))),
            Secret::IdentityToken(_) => None,
        }
    }

    /// The identity token, if it is one.
    pub(super) fn identity_token(&self) -> Option<&str> {
        match &self.secret {
            Secret::Password(_) => None,
            Secret::IdentityToken(token) => Some(token),
        }
    }

    /// Whether both are the same user with the same secret.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        self.user == other.user && self.secret == other.secret
    }

    /// Whether the way to this URL is one on which a secret may be sent.
    pub(super) fn may_go_to(&self, url: &Url) -> bool {
        url.scheme() == "https" || self.over_http || is_loopback(url)
    }

    /// The name that a token server logs the use of.
    pub(super) fn user(&self) -> &str {
        &self.user
    }
}

/// The name of a helper, which becomes the end of a program's name.
fn checked(helper: String) -> Result<String, InvalidDockerConfig> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    match !helper.is_empty() && helper.bytes().all(is_part) {
        true => Ok(helper),
        false => Err(InvalidDockerConfig::Helper { helper }),
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
    store: Option<String>,
    #[serde(default, rename = "credHelpers")]
    helpers: HashMap<String, String>,
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
        let (user, password) = match self.auth.as_str() {
            "" => (self.username, self.password),
            auth => {
                let text = String::from_utf8(BASE64.decode(auth.trim()).ok()?).ok()?;
                let (user, password) = text.split_once(':')?;
                (user.to_owned(), password.trim_end_matches('\0').to_owned())
            }
        };
        // Beside an identity token there is no password, and perhaps no user.
        let secret = match self.identity_token {
            token if !token.is_empty() => Secret::IdentityToken(token),
            _ if user.is_empty() => return Some(None),
            _ => Secret::Password(password),
        };
        Some(Some(Login { user, secret, over_http }))
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
        let login = |registry: &str| match credentials.for_registry(registry) {
            Some(Login { user, secret: Secret::Password(password), .. }) => {
                Some((user.as_str(), password.as_str()))
            }
            _ => None,
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
        let json = r#"{"auths": {"https://index.docker.io/v1/": {},
            "cloud.example": {"auth": "MDAwMDo=", "identitytoken": "t"},
            "plain.example": {"username": "u", "password": "p"}},
            "credsStore": "no-such-store", "credHelpers": {"helper.example": "no-such-helper"}}"#;
        credentials.add_docker_config(json.as_bytes()).unwrap();
        let token = credentials.find("cloud.example").unwrap().unwrap();
        assert_eq!((token.identity_token(), token.to_basic()), (Some("t"), None));
        assert!(credentials.find("plain.example").unwrap().unwrap().identity_token().is_none());
        for (registry, helper) in [
            ("helper.example", "no-such-helper"),
            ("docker.io", "no-such-store"),
            ("x.example", "no-such-store"),
        ] {
            let error = credentials.find(registry).err().unwrap().to_string();
            assert!(error.starts_with(&format!("docker-credential-{helper} is not installed")), "{error}");
        }
        assert!(Credentials::none().find("helper.example").unwrap().is_none());
    }

    #[test]
    fn a_broken_file_is_an_error() {
        for json in [
            "",
            "[]",
            r#"{"auths": {"a": {"auth": "%%"}}}"#,
            r#"{"auths": {"a": {"auth": "dXNlcg=="}}}"#,
            r#"{"credsStore": "../evil"}"#,
            r#"{"credHelpers": {"a": ""}}"#,
        ] {
            assert!(Credentials::none().add_docker_config(json.as_bytes()).is_err(), "{json}");
        }
    }
}
