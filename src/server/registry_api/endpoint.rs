//! What a path below `/v2/` asks for.

use super::refusal::{Code, Refusal};
use crate::model::{Digest, Name};

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// Which repositories there are.
    Catalog,
    /// Something of a repository.
    Of(Repository, Subject),
}

/// What of a repository is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Subject {
    Tags,
    Manifest(Reference),
    Blob(Digest),
    Referrers,
}

/// Which manifest.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reference {
    Tag(String),
    Digest(Digest),
}

/// A model of the default host, whatever its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Repository {
    namespace: String,
    model: String,
}

impl Endpoint {
    /// Takes a path apart. The name of a repository may have slashes, so the end tells what is asked for.
    pub(super) fn parse(path: &str) -> Result<Self, Refusal> {
        let path = path.trim_end_matches('/');
        if path == "_catalog" {
            return Ok(Self::Catalog);
        }
        if let Some(repository) = path.strip_suffix("/tags/list") {
            return Ok(Self::Of(repository.parse()?, Subject::Tags));
        }
        let mut parts = path.rsplitn(3, '/');
        let (Some(last), Some(kind), Some(repository)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(nothing_here(path));
        };
        let subject: fn(&str) -> Result<Subject, Refusal> = match kind {
            "manifests" => |text| Reference::parse(text).map(Subject::Manifest),
            "blobs" => |text| digest(text).map(Subject::Blob),
            "referrers" => |text| digest(text).map(|_| Subject::Referrers),
            _ => return Err(nothing_here(path)),
        };
        Ok(Self::Of(repository.parse()?, subject(last)?))
    }
}

impl Reference {
    fn parse(text: &str) -> Result<Self, Refusal> {
        match text.contains(':') {
            true => digest(text).map(Self::Digest),
            false => Ok(Self::Tag(text.to_owned())),
        }
    }
}

impl Repository {
    /// The model with a tag.
    pub(super) fn tagged(&self, tag: &str) -> Result<Name, Refusal> {
        format!("{}/{}:{tag}", self.namespace, self.model)
            .parse()
            .map_err(|_| Refusal::new(Code::ManifestUnknown, format!("{tag:?} is not a tag")))
    }

    /// Whether a model of the store belongs to it; letter case does not count.
    pub(super) fn holds(&self, name: &Name) -> bool {
        Self::of(name).is_some_and(|other| {
            other.namespace.eq_ignore_ascii_case(&self.namespace)
                && other.model.eq_ignore_ascii_case(&self.model)
        })
    }

    /// The repository that a model belongs to, if it is one of the default host.
    pub(super) fn of(name: &Name) -> Option<Self> {
        let [host, namespace, model, _] = name.parts();
        (host == crate::model::PUBLIC_HOST)
            .then(|| Self { namespace: namespace.to_owned(), model: model.to_owned() })
    }
}

impl std::str::FromStr for Repository {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let invalid = || {
            let message =
                format!("{text:?} is not a repository here: give NAMESPACE/MODEL, for example library/mine");
            Refusal::new(Code::NameInvalid, message)
        };
        let Some((namespace, model)) = text.split_once('/') else { return Err(invalid()) };
        let repository = Self { namespace: namespace.to_owned(), model: model.to_owned() };
        // What a name may hold is for names to know.
        let name = Name::from_parts(crate::model::PUBLIC_HOST, namespace, model, "latest");
        name.map(|_| repository).map_err(|_| invalid())
    }
}

impl std::fmt::Display for Repository {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.model)
    }
}

fn digest(text: &str) -> Result<Digest, Refusal> {
    text.parse().map_err(|_| {
        let message = format!("{text:?} is not a digest: sha256: and 64 digits expected");
        Refusal::new(Code::DigestInvalid, message)
    })
}

fn nothing_here(path: &str) -> Refusal {
    Refusal::new(Code::Unsupported, format!("/v2/{path} is nothing that a registry answers"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_path_tells_what_is_asked_for() {
        let mine = || Repository { namespace: "library".into(), model: "mine".into() };
        let digest = Digest::of(b"x");
        for (path, expected) in [
            ("_catalog".to_owned(), Endpoint::Catalog),
            ("library/mine/tags/list".to_owned(), Endpoint::Of(mine(), Subject::Tags)),
            (
                "library/mine/manifests/q4".to_owned(),
                Endpoint::Of(mine(), Subject::Manifest(Reference::Tag("q4".into()))),
            ),
            (
                format!("library/mine/manifests/{digest}"),
                Endpoint::Of(mine(), Subject::Manifest(Reference::Digest(digest))),
            ),
            (format!("library/mine/blobs/{digest}"), Endpoint::Of(mine(), Subject::Blob(digest))),
            (format!("library/mine/referrers/{digest}"), Endpoint::Of(mine(), Subject::Referrers)),
        ] {
            assert_eq!(Endpoint::parse(&path).unwrap(), expected, "{path}");
        }
        for (path, code) in [
            ("", Code::Unsupported),
            ("mine", Code::Unsupported),
            ("library/mine", Code::Unsupported),
            ("library/mine/other/x", Code::Unsupported),
            ("mine/manifests/latest", Code::NameInvalid),
            ("a/b/c/manifests/latest", Code::NameInvalid),
            ("../x/manifests/latest", Code::NameInvalid),
            ("library/mine/blobs/sha256:1", Code::DigestInvalid),
            ("library/mine/manifests/sha512:1", Code::DigestInvalid),
        ] {
            assert_eq!(Endpoint::parse(path).unwrap_err().code(), code, "{path}");
        }
    }
}
