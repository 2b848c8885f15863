//! Repositories of a registry and what is in them (distribution specification 1.1, "Pulling manifests").
//!
//! A repository of two parts may be a model of the public registry's host, whose names are ours; its tags are
//! the model's.

use std::fmt;
use std::str::FromStr;

use super::{Digest, InvalidDigest, Name, PUBLIC_HOST};

/// No name of a repository is longer, in bytes: clients do not take longer ones, and it is a file name.
const LONGEST_REPOSITORY: usize = 255;
const LONGEST_TAG: usize = 128;

/// A valid name of a repository: parts with slashes between, each one safe path component. As with names of
/// models, letter case does not count, but is kept.
#[derive(Debug, Clone)]
pub struct Repository(String);

/// A valid tag.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

/// By what a document of a repository is asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    /// Whatever has the tag now.
    Tag(Tag),
    /// These bytes.
    Digest(Digest),
}

/// Why a text is not the name of a repository.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{shown:?} is not the name of a repository: parts of letters, digits, '.', '_' and '-' expected, with \
     slashes between, {LONGEST_REPOSITORY} bytes in all"
)]
pub struct InvalidRepository {
    shown: String,
}

/// Why a text does not stand for a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLabel {
    /// It has a colon.
    #[error("{0:?} is not a digest: sha256: and 64 digits expected")]
    Digest(String),
    /// It has none.
    #[error(
        "{0:?} is not a tag: {LONGEST_TAG} letters, digits, '.', '_' and '-' at most, and no '.' or '-' first"
    )]
    Tag(String),
}

impl Repository {
    /// The repository of a model; nothing of one of another host.
    pub fn of(name: &Name) -> Option<Self> {
        let [host, namespace, model, _] = name.parts();
        (host == PUBLIC_HOST).then(|| Self(format!("{namespace}/{model}")))
    }

    /// The model that has a tag here, if there can be one.
    pub fn model(&self, tag: &Tag) -> Option<Name> {
        let (namespace, model) = self.0.split_once('/')?;
        Name::from_parts(PUBLIC_HOST, namespace, model, &tag.0).ok()
    }

    /// Whether a model belongs to it.
    pub fn holds(&self, name: &Name) -> bool {
        let [host, namespace, model, _] = name.parts();
        let is_it = |(one, other): (&str, &str)| {
            one.eq_ignore_ascii_case(namespace) && other.eq_ignore_ascii_case(model)
        };
        host == PUBLIC_HOST && self.0.split_once('/').is_some_and(is_it)
    }

    /// The name of its directory: a plus sign is in no part.
    pub(crate) fn directory(&self) -> String {
        self.0.to_ascii_lowercase().replace('/', "+")
    }

    /// The repository whose directory is called so.
    pub(crate) fn of_directory(name: &str) -> Option<Self> {
        name.replace('+', "/").parse().ok().filter(|repository: &Self| repository.directory() == name)
    }
}

impl PartialEq for Repository {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Repository {}

impl FromStr for Repository {
    type Err = InvalidRepository;

    fn from_str(text: &str) -> Result<Self, InvalidRepository> {
        match text.len() <= LONGEST_REPOSITORY && text.split('/').all(is_component) {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidRepository { shown: shown(text) }),
        }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for Tag {
    type Err = InvalidLabel;

    fn from_str(text: &str) -> Result<Self, InvalidLabel> {
        match text.len() <= LONGEST_TAG && is_component(text) {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidLabel::Tag(shown(text))),
        }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for Label {
    type Err = InvalidLabel;

    fn from_str(text: &str) -> Result<Self, InvalidLabel> {
        match text.contains(':') {
            true => text.parse().map(Self::Digest).map_err(|InvalidDigest| InvalidLabel::Digest(shown(text))),
            false => text.parse().map(Self::Tag),
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(formatter),
            Self::Digest(digest) => digest.fmt(formatter),
        }
    }
}

/// The specification does not let a part begin with `_`, or end with anything but a letter or a digit; names
/// of models may.
fn is_component(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !text.is_empty() && !text.starts_with(['.', '-']) && text.bytes().all(is_allowed)
}

/// As much of a text as a message shows.
fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_of_two_parts_may_be_a_model() {
        let model = |repository: &str, tag: &str| {
            let model = repository.parse::<Repository>().unwrap().model(&tag.parse().unwrap());
            model.map(|name| name.short())
        };
        assert_eq!(model("library/mine", "q4"), Some("mine:q4".to_owned()));
        assert_eq!(model("Team/mine", "q4"), Some("Team/mine:q4".to_owned()));
        for (repository, tag) in [("alpine", "latest"), ("a/b/c", "latest"), ("a.b/c", "latest")] {
            assert_eq!(model(repository, tag), None, "{repository}");
        }
        assert_eq!(model("library/mine", &"t".repeat(81)), None);
        let mine: Repository = "library/mine".parse().unwrap();
        assert!(
            mine.holds(&"MINE:x".parse().unwrap()) && !mine.holds(&"h.example/library/mine".parse().unwrap())
        );
    }

    #[test]
    fn a_directory_stands_for_one_repository() {
        for text in ["alpine", "a/b/c", "A.b/C_d-e"] {
            let repository: Repository = text.parse().unwrap();
            assert_eq!(Repository::of_directory(&repository.directory()), Some(repository));
        }
        for other in ["A", "", "..", "a++b", "a+", "+", "a b"] {
            assert_eq!(Repository::of_directory(other), None, "{other}");
        }
    }

    #[test]
    fn nothing_leads_out_of_a_directory() {
        for bad in ["", "/", "a//b", "../x", "a/..", ".a", "-a", "a b", "a:b", "a+b", "ä", &"a/".repeat(200)]
        {
            assert!(bad.parse::<Repository>().is_err(), "{bad}");
        }
        let long = "x".repeat(129);
        for bad in ["", "a/b", ".a", "-a", "a b", "sha256:12", "sha512:ab", &long] {
            assert!(bad.parse::<Label>().is_err(), "{bad}");
        }
        for good in ["latest", "_", "V1.0-x", &long[1..], &Digest::of(b"x").to_string()] {
            assert_eq!(good.parse::<Label>().unwrap().to_string(), good);
        }
    }
}
