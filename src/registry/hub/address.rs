//! Where the Hub is, and where on it everything lies.

use std::fmt;

use url::{Origin, Url};

use crate::model::HubModel;
use crate::registry::reach::is_loopback;
use crate::registry::repository::Repository;

/// Where the Hub is unless something else is set.
pub const HUB: &str = "https://huggingface.co";

/// Where the Hub is, and what proves there who we are.
#[derive(Clone, PartialEq, Eq)]
pub struct Hub {
    endpoint: Url,
    token: Option<String>,
}

/// Why the Hub cannot be spoken with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of a variant says what its fields are")]
pub enum InvalidHub {
    /// Not an address.
    #[error("HF_ENDPOINT={address:?} is not an address: write https://host, as {HUB} is")]
    Address { address: String },
    /// The token would be readable on the way.
    #[error(
        "HF_TOKEN is not sent to HF_ENDPOINT={address:?}, where others could read it on the way: use https://"
    )]
    PlainToken { address: String },
    /// A token that cannot stand in a header.
    #[error("HF_TOKEN holds no token: visible ASCII characters without blanks")]
    Token,
}

impl Hub {
    /// The Hub at an address, asked with a token or without one. The token goes to that address alone.
    ///
    /// # Errors
    /// The address is none, or the token cannot be sent there.
    pub fn new(address: &str, token: Option<String>) -> Result<Self, InvalidHub> {
        let invalid = || InvalidHub::Address { address: address.to_owned() };
        let endpoint: Url = address.parse().map_err(|_| invalid())?;
        let is_bare = endpoint.username().is_empty() && endpoint.password().is_none();
        let is_plain = endpoint.query().is_none() && endpoint.fragment().is_none();
        if !matches!(endpoint.scheme(), "http" | "https") || !endpoint.has_host() || !is_bare || !is_plain {
            return Err(invalid());
        }
        if let Some(token) = &token {
            if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(InvalidHub::Token);
            }
            if endpoint.scheme() == "http" && !is_loopback(&endpoint) {
                return Err(InvalidHub::PlainToken { address: address.to_owned() });
            }
        }
        Ok(Self { endpoint, token })
    }

    /// The registry that it is for GGUF files.
    pub(in crate::registry) fn registry(&self, model: &HubModel) -> Repository {
        let base = self.url(&["v2", &model.owner, &model.repository, ""]);
        let host = self.endpoint.host_str().unwrap_or_default();
        let registry = match self.endpoint.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        Repository::at(registry, base)
    }

    /// What proves who we are, and to whom alone it may be shown.
    pub(in crate::registry) fn proof(&self) -> Option<(Origin, String)> {
        Some((self.endpoint.origin(), format!("Bearer {}", self.token.as_ref()?)))
    }

    /// An address of parts, of which none is left as it is if it could mean anything else.
    fn url(&self, parts: &[&str]) -> Url {
        let mut url = self.endpoint.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(parts);
        }
        url
    }

    /// What is known of a repository at a revision.
    pub(super) fn revision(&self, model: &HubModel, revision: &str) -> Url {
        self.url(&["api", "models", &model.owner, &model.repository, "revision", revision])
    }

    /// The files of a repository at a commit.
    pub(super) fn tree(&self, model: &HubModel, commit: &str) -> Url {
        let mut url = self.url(&["api", "models", &model.owner, &model.repository, "tree", commit]);
        url.set_query(Some("recursive=true"));
        url
    }

    /// A file of a repository at a commit.
    pub fn file(&self, model: &HubModel, commit: &str, path: &str) -> Url {
        let parts = [&model.owner, &model.repository, "resolve", commit];
        self.url(&parts.into_iter().chain(path.split('/')).collect::<Vec<_>>())
    }
}

impl Default for Hub {
    fn default() -> Self {
        Self { endpoint: HUB.parse().expect("an address"), token: None }
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Hub").field("endpoint", &self.endpoint.as_str()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stay_parts() {
        let hub = Hub::new("https://mirror.example/hf/", None).unwrap();
        let model = HubModel::parse("hf.co/o/r@refs/pr/1").unwrap().unwrap();
        assert_eq!(
            hub.revision(&model, "refs/pr/1").as_str(),
            "https://mirror.example/hf/api/models/o/r/revision/refs%2Fpr%2F1"
        );
        assert_eq!(
            hub.file(&model, "c0", "a b/ä?#%.json").as_str(),
            "https://mirror.example/hf/o/r/resolve/c0/a%20b/%C3%A4%3F%23%25.json"
        );
        assert_eq!(
            hub.registry(&model).manifest("Q4").as_str(),
            "https://mirror.example/hf/v2/o/r/manifests/Q4"
        );
    }

    #[test]
    fn a_token_goes_where_nobody_else_reads_it() {
        let token = || Some("hf_secret".to_owned());
        assert!(Hub::new("http://127.0.0.1:9", token()).is_ok());
        assert!(matches!(Hub::new("http://10.0.0.1", token()), Err(InvalidHub::PlainToken { .. })));
        assert_eq!(Hub::new(HUB, Some("a b".to_owned())), Err(InvalidHub::Token));
        for address in ["", "huggingface.co", "ftp://h", "https://u:p@h", "https://h?x", "file:///x"] {
            assert!(matches!(Hub::new(address, None), Err(InvalidHub::Address { .. })), "{address}");
        }
        let hub = Hub::new(HUB, token()).unwrap();
        assert!(!format!("{hub:?}").contains("hf_secret"));
    }
}
