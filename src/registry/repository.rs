//! Where a model lives: names to URLs (distribution specification, "Endpoints").

use url::{Origin, Url};

use super::reach::is_loopback;
use super::{Library, RegistryError};
use crate::model::{Digest, Name, Scheme};

/// Which repository of one registry a name means.
#[derive(Debug, Clone)]
pub(super) enum Naming {
    /// The registry is this host, and only names with it are of it.
    Host(String),
    /// It is the library.
    Library(Library),
}

impl Naming {
    /// The path of the repository, if the name is of this registry.
    pub(super) fn repository(&self, name: &Name) -> Option<String> {
        match self {
            Self::Host(host) => name.host().eq_ignore_ascii_case(host).then(|| path_of(name)),
            Self::Library(library) => library.repository(name),
        }
    }
}

fn path_of(name: &Name) -> String {
    format!("{}/{}", name.namespace(), name.model())
}

/// The repository of a model in its registry.
#[derive(Debug, Clone)]
pub(super) struct Repository {
    registry: String,
    base: Url,
    /// Nobody has said that it speaks plain HTTP.
    is_guessed: bool,
}

impl Repository {
    /// The repository that a name means.
    ///
    /// Without a scheme in the name that is HTTPS, but HTTP for a registry on this machine and
    /// where `insecure` agrees to it.
    pub(super) fn of(name: &Name, insecure: bool) -> Result<Self, RegistryError> {
        Self::addressed(name.host(), name.scheme(), &path_of(name), insecure)
    }

    /// A repository of the library. Who wrote `http://` before it has agreed to that.
    pub(super) fn in_library(library: &Library, path: &str) -> Result<Self, RegistryError> {
        Self::addressed(library.host(), library.scheme(), path, library.scheme() == Some(Scheme::Http))
    }

    fn addressed(
        host: &str,
        scheme: Option<Scheme>,
        path: &str,
        insecure: bool,
    ) -> Result<Self, RegistryError> {
        let registry = host.to_owned();
        // Docker's own registry is known by a name under which it does not answer.
        let host =
            if registry.eq_ignore_ascii_case("docker.io") { "registry-1.docker.io" } else { &registry };
        let url = |scheme: &str| {
            let text = format!("{scheme}://{host}/v2/{path}/");
            Url::parse(&text).map_err(|_| RegistryError::InvalidAddress { registry: registry.clone() })
        };
        let plain = url("http")?;
        let base = match scheme {
            Some(Scheme::Https) => url("https")?,
            Some(Scheme::Http) if !insecure && !is_loopback(&plain) => {
                return Err(RegistryError::PlainHttp { registry });
            }
            Some(Scheme::Http) => plain,
            None if insecure || is_loopback(&plain) => plain,
            None => url("https")?,
        };
        let is_guessed = scheme.is_none() && base.scheme() == "http";
        Ok(Self { registry, base, is_guessed })
    }

    /// A repository at an address that somebody has set, which ends in a slash.
    pub(super) fn at(registry: String, base: Url) -> Self {
        Self { registry, base, is_guessed: false }
    }

    /// The same over HTTPS, where plain HTTP was only guessed.
    pub(super) fn over_tls(&self) -> Option<Self> {
        let mut secure = Self { is_guessed: false, ..self.clone() };
        (self.is_guessed && secure.base.set_scheme("https").is_ok()).then_some(secure)
    }

    /// The same, now that it is known to speak plain HTTP.
    pub(super) fn in_the_clear(self) -> Self {
        Self { is_guessed: false, ..self }
    }

    /// Whether plain HTTP was only guessed.
    pub(super) fn is_guessed(&self) -> bool {
        self.is_guessed
    }

    /// Where registries answer whatever they hold (distribution specification, "Determining Support").
    pub(super) fn ping(&self) -> Url {
        let mut url = self.base.clone();
        url.set_path("/v2/");
        url
    }

    /// The registry as people call it, `host[:port]`.
    pub(super) fn registry(&self) -> &str {
        &self.registry
    }

    /// Scheme, host and port: whom the credentials of this registry belong to.
    pub(super) fn origin(&self) -> Origin {
        self.base.origin()
    }

    /// Whether the registry is Ollama's own, which knows a few things more.
    pub(super) fn is_ollama(&self) -> bool {
        ["registry.ollama.ai", "ollama.com"].iter().any(|own| self.registry.eq_ignore_ascii_case(own))
    }

    /// Where the registry lists its repositories.
    pub(super) fn catalog(&self) -> Url {
        let mut url = self.ping();
        url.set_path("/v2/_catalog");
        url
    }

    /// Where the tags are listed.
    pub(super) fn tags(&self) -> Url {
        self.join("tags/list")
    }

    /// Where is listed what refers to a manifest.
    pub(super) fn referrers(&self, subject: &Digest) -> Url {
        self.join(&format!("referrers/{subject}"))
    }

    /// The manifest with this tag.
    pub(super) fn manifest(&self, tag: &str) -> Url {
        self.join(&format!("manifests/{tag}"))
    }

    /// A blob.
    pub(super) fn blob(&self, digest: &Digest) -> Url {
        self.join(&format!("blobs/{digest}"))
    }

    /// Where uploads begin.
    pub(super) fn uploads(&self) -> Url {
        self.join("blobs/uploads/")
    }

    fn join(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path()));
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(name: &str, insecure: bool) -> Result<Repository, RegistryError> {
        Repository::of(&name.parse().unwrap(), insecure)
    }

    #[test]
    fn names_become_urls() {
        for (name, insecure, url) in [
            ("llama3", false, "https://registry.ollama.ai/v2/library/llama3/manifests/latest"),
            ("me/m:t", false, "https://registry.ollama.ai/v2/me/m/manifests/t"),
            ("ex.com:5000/ns/m", false, "https://ex.com:5000/v2/ns/m/manifests/latest"),
            ("ex.com:5000/ns/m", true, "http://ex.com:5000/v2/ns/m/manifests/latest"),
            ("http://ex.com/ns/m", true, "http://ex.com/v2/ns/m/manifests/latest"),
            ("https://ex.com/ns/m", true, "https://ex.com/v2/ns/m/manifests/latest"),
            ("127.0.0.1:5000/ns/m", false, "http://127.0.0.1:5000/v2/ns/m/manifests/latest"),
            ("http://localhost:5000/ns/m", false, "http://localhost:5000/v2/ns/m/manifests/latest"),
            ("https://localhost/ns/m", false, "https://localhost/v2/ns/m/manifests/latest"),
            ("docker.io/ns/m", false, "https://registry-1.docker.io/v2/ns/m/manifests/latest"),
        ] {
            let tag = name.parse::<Name>().unwrap().tag().to_owned();
            assert_eq!(repository(name, insecure).unwrap().manifest(&tag).as_str(), url, "{name}");
        }
    }

    #[test]
    fn blobs_and_uploads() {
        let repository = repository("ex.com/ns/m", false).unwrap();
        let digest = Digest::from_bytes([0xab; 32]);
        assert_eq!(
            repository.blob(&digest).as_str(),
            format!("https://ex.com/v2/ns/m/blobs/sha256:{}", "ab".repeat(32))
        );
        assert_eq!(repository.uploads().as_str(), "https://ex.com/v2/ns/m/blobs/uploads/");
    }

    #[test]
    fn plain_http_needs_consent() {
        assert!(matches!(repository("http://ex.com/ns/m", false), Err(RegistryError::PlainHttp { .. })));
        assert!(matches!(repository("http://10.0.0.1/ns/m", false), Err(RegistryError::PlainHttp { .. })));
    }

    #[test]
    fn a_host_that_no_url_can_hold() {
        for name in ["a:b/ns/m", "a:99999/ns/m", "a:1:2/ns/m"] {
            assert!(matches!(repository(name, false), Err(RegistryError::InvalidAddress { .. })), "{name}");
        }
    }
}
