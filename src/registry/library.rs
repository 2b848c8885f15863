//! The library: a registry that several machines share, and what names mean there.
//!
//! A name without a registry means the official one. With a library it means that first: `tiny` is the
//! repository `tiny` below the library's path, and `alice/tiny` is `alice/tiny` there. The name that other
//! machines use, with the library's host and path before it, is the same repository. A name of any other
//! registry stays one of that registry.
//!
//! Repositories are in lower case, since registries know no other (OCI distribution specification, "Pulling
//! manifests"), and names here are equal in any. Of a tag the case counts there.

use std::fmt;
use std::str::FromStr;

use crate::model::{DEFAULT_NAMESPACE, Name, PUBLIC_HOST, Scheme};

/// Below the library's path, the repository of what was made from what. No model is called so, since models
/// whose names begin like this are not published.
const RESULTS: &str = "ollamake-results";

/// A registry that several machines share: its host and the path below which its repositories are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library {
    scheme: Option<Scheme>,
    host: String,
    path: String,
}

/// Why a text names no library.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLibrary {
    /// Only one registry can be the source of truth.
    #[error("several are named; there is one library: models of the others are pulled by their full names")]
    Several,
    /// Machines that run Ollama could not name its models.
    #[error("the path is missing: write host[:port]/path, such as registry.example.com/team")]
    NoPath,
    /// The text is something else.
    #[error("write host[:port]/path, in lower case, with http:// before it if it has no TLS")]
    Form,
}

impl FromStr for Library {
    type Err = InvalidLibrary;

    fn from_str(text: &str) -> Result<Self, InvalidLibrary> {
        if text.contains([',', ';', ' ']) {
            return Err(InvalidLibrary::Several);
        }
        let (scheme, rest) = match text.split_once("://") {
            None => (None, text),
            Some(("http", rest)) => (Some(Scheme::Http), rest),
            Some(("https", rest)) => (Some(Scheme::Https), rest),
            Some(_) => return Err(InvalidLibrary::Form),
        };
        let (host, path) = rest.split_once('/').ok_or(InvalidLibrary::NoPath)?;
        let path = path.trim_end_matches('/');
        if path.is_empty() {
            return Err(InvalidLibrary::NoPath);
        }
        let is_host = Name::from_parts(host, DEFAULT_NAMESPACE, "m", "latest").is_ok();
        if !is_host || !path.split('/').all(is_component) {
            return Err(InvalidLibrary::Form);
        }
        Ok(Self { scheme, host: host.to_owned(), path: path.to_owned() })
    }
}

impl fmt::Display for Library {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.host, self.path)
    }
}

impl Library {
    /// The host, with its port if one was written.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// How it is spoken to, if that was said.
    pub(super) fn scheme(&self) -> Option<Scheme> {
        self.scheme
    }

    /// Whether a name means a model of the library.
    pub fn knows(&self, name: &Name) -> bool {
        self.repository(name).is_some()
    }

    /// The path of a model's repository; nothing if the name is of another registry.
    pub(super) fn repository(&self, name: &Name) -> Option<String> {
        let [namespace, model] = [name.namespace(), name.model()].map(str::to_ascii_lowercase);
        let below = match name.host() {
            PUBLIC_HOST if namespace == DEFAULT_NAMESPACE => model,
            PUBLIC_HOST => format!("{namespace}/{model}"),
            host if host.eq_ignore_ascii_case(&self.host) && namespace == self.path => model,
            _ => return None,
        };
        (!below.starts_with(RESULTS)).then(|| format!("{}/{below}", self.path))
    }

    /// The name of the model with a tag of a repository; nothing if it is not one of the library's models.
    pub(super) fn name(&self, repository: &str, tag: &str) -> Option<Name> {
        let below = repository.strip_prefix(&self.path)?.strip_prefix('/')?;
        let (namespace, model) = below.split_once('/').unwrap_or((DEFAULT_NAMESPACE, below));
        let name = Name::from_parts(PUBLIC_HOST, namespace, model, tag).ok()?;
        self.knows(&name).then_some(name)
    }

    /// The path of the repository of what was made from what.
    pub(super) fn results(&self) -> String {
        format!("{}/{RESULTS}", self.path)
    }
}

/// Whether a text can be a part of a repository's path (OCI distribution specification): letters in lower
/// case and digits, and single dots, up to two underscores or any number of hyphens between them.
fn is_component(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let separators =
        text.split(|character: char| character.is_ascii_lowercase() || character.is_ascii_digit());
    let is_separator =
        |text: &str| matches!(text, "" | "." | "_" | "__") || text.bytes().all(|byte| byte == b'-');
    let ends = [text.bytes().next(), text.bytes().next_back()];
    ends.into_iter().all(|end| end.is_some_and(is_word)) && separators.into_iter().all(is_separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library(text: &str) -> Result<Library, InvalidLibrary> {
        text.parse()
    }

    #[test]
    fn names_have_their_repositories() {
        let library = library("registry.example.com:5000/team").unwrap();
        for (name, repository) in [
            ("tiny", Some("team/tiny")),
            ("Tiny:Q4", Some("team/tiny")),
            ("alice/tiny:v1", Some("team/alice/tiny")),
            ("registry.example.com:5000/team/tiny", Some("team/tiny")),
            ("registry.example.com/team/tiny", None),
            ("registry.example.com:5000/other/tiny", None),
            ("hf.co/alice/tiny", None),
            ("ollamake-results", None),
        ] {
            assert_eq!(library.repository(&name.parse().unwrap()).as_deref(), repository, "{name}");
        }
        let name = |repository| library.name(repository, "v1").map(|name| name.short());
        assert_eq!(name("team/tiny").as_deref(), Some("tiny:v1"));
        assert_eq!(name("team/alice/tiny").as_deref(), Some("alice/tiny:v1"));
        for other in ["team", "team/a/b/c", "teams/tiny", "tiny", "team/ollamake-results", "team/-"] {
            assert_eq!(name(other), None, "{other}");
        }
    }

    #[test]
    fn there_is_one_library_and_it_has_a_path() {
        for text in ["a.example/team", "http://127.0.0.1:5000/a/b-c/d__e.f", "https://a.example/team/"] {
            library(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        }
        for (text, error) in [
            ("a.example/x,b.example/y", InvalidLibrary::Several),
            ("a.example/x b.example/y", InvalidLibrary::Several),
            ("a.example", InvalidLibrary::NoPath),
            ("a.example/", InvalidLibrary::NoPath),
            ("ftp://a.example/x", InvalidLibrary::Form),
            ("a.example/Team", InvalidLibrary::Form),
            ("a.example/x//y", InvalidLibrary::Form),
            ("a.example/x/../y", InvalidLibrary::Form),
            ("a.example/-x", InvalidLibrary::Form),
            ("user@a.example/x", InvalidLibrary::Form),
        ] {
            assert_eq!(library(text), Err(error), "{text}");
        }
    }
}
