//! What the environment says about registries.

use std::path::PathBuf;

use super::{Config, Credentials, Proxies};

impl Config {
    /// The configuration that environment variables describe; `variable` looks one up.
    ///
    /// | variable | meaning |
    /// |---|---|
    /// | `OLLAMAKE_REGISTRY` | the registry of the next two; after `http://` they go there in the clear |
    /// | `OLLAMAKE_REGISTRY_USER`, `OLLAMAKE_REGISTRY_PASSWORD` | its user and password |
    /// | `DOCKER_CONFIG` | the directory of Docker's `config.json`, otherwise `~/.docker` |
    /// | `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY` | proxies |
    /// | `HOME` | where `.ollama/id_ed25519` lies, or will |
    ///
    /// Root certificates are the system's, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let home = set("HOME").map(PathBuf::from);
        let mut credentials = Credentials::none();
        match (set("OLLAMAKE_REGISTRY"), set("OLLAMAKE_REGISTRY_USER"), set("OLLAMAKE_REGISTRY_PASSWORD")) {
            (Some(registry), Some(user), Some(password)) => credentials.insert(&registry, user, password),
            (None, None, None) => {}
            _ => tracing::warn!(
                "OLLAMAKE_REGISTRY, OLLAMAKE_REGISTRY_USER and OLLAMAKE_REGISTRY_PASSWORD count only together"
            ),
        }
        let directory = set("DOCKER_CONFIG")
            .map(PathBuf::from)
            .or_else(|| home.as_ref().map(|home| home.join(".docker")));
        let problem = match directory.map(|directory| std::fs::read(directory.join("config.json"))) {
            Some(Ok(json)) => credentials.add_docker_config(&json).err().map(|error| error.to_string()),
            Some(Err(error)) if !is_absence(&error) => {
                Some(format!("docker's config.json cannot be read: {error}"))
            }
            Some(Err(_)) | None => None,
        };
        if let Some(problem) = problem {
            tracing::warn!(%problem, "its logins are not used");
            credentials.note_problem(problem);
        }
        Self {
            credentials,
            signing_key: home.map(|home| home.join(".ollama").join("id_ed25519")),
            proxies: Proxies::from_environment(&variable),
            ..Self::default()
        }
    }
}

fn is_absence(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_and_dockers_file_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let json = r#"{"auths": {"docker.example": {"auth": "YWxpY2U6d29uZGVy"}}}"#;
        std::fs::write(directory.path().join("config.json"), json).unwrap();
        let config = Config::from_environment(|name| match name {
            "OLLAMAKE_REGISTRY" => Some("own.example:5000".to_owned()),
            "OLLAMAKE_REGISTRY_USER" => Some("bob".to_owned()),
            "OLLAMAKE_REGISTRY_PASSWORD" => Some("builder".to_owned()),
            "DOCKER_CONFIG" => Some(directory.path().display().to_string()),
            "HOME" => Some("/home/bob".to_owned()),
            _ => None,
        });
        let user =
            |registry: &str| config.credentials.for_registry(registry).map(|login| login.user().to_owned());
        assert_eq!(user("own.example:5000").as_deref(), Some("bob"));
        assert_eq!(user("docker.example").as_deref(), Some("alice"));
        assert_eq!(user("other.example"), None);
        assert!(config.signing_key.unwrap().ends_with(".ollama/id_ed25519"));
    }

    #[test]
    fn a_password_without_its_registry_goes_to_nobody() {
        let config = Config::from_environment(|name| match name {
            "OLLAMAKE_REGISTRY_USER" | "OLLAMAKE_REGISTRY_PASSWORD" => Some("secret".to_owned()),
            _ => None,
        });
        assert!(config.credentials.for_registry("registry.ollama.ai").is_none());
        assert!(config.signing_key.is_none());
    }
}
