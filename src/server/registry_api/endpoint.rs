//! What a path below `/v2/` asks for.

use super::refusal::{Code, Refusal};
use crate::model::{Digest, Label, Repository};
use crate::store::UploadId;

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
    Manifest(Label),
    Blob(Digest),
    Referrers(Digest),
    /// Uploads to come.
    Uploads,
    /// An upload under way.
    Upload(UploadId),
}

impl Endpoint {
    /// Takes a path apart. The name of a repository may have slashes, so the end tells what is asked for.
    pub(super) fn parse(path: &str) -> Result<Self, Refusal> {
        let path = path.trim_end_matches('/');
        if path == "_catalog" {
            return Ok(Self::Catalog);
        }
        for (end, subject) in [("/tags/list", Subject::Tags), ("/blobs/uploads", Subject::Uploads)] {
            if let Some(repository) = path.strip_suffix(end) {
                return Ok(Self::Of(parse_repository(repository)?, subject));
            }
        }
        let mut parts = path.rsplitn(3, '/');
        let (Some(last), Some(kind), Some(repository)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(nothing_here(path));
        };
        let subject: fn(&str) -> Result<Subject, Refusal> = match kind {
            "manifests" => |text| Ok(Subject::Manifest(text.parse()?)),
            "blobs" => |text| digest(text).map(Subject::Blob),
            "referrers" => |text| digest(text).map(Subject::Referrers),
            "uploads" => |text| {
                let unknown = |error: crate::store::InvalidUploadId| {
                    Refusal::new(Code::BlobUploadUnknown, error.to_string())
                };
                text.parse().map(Subject::Upload).map_err(unknown)
            },
            _ => return Err(nothing_here(path)),
        };
        let repository = match kind {
            "uploads" => repository.strip_suffix("/blobs").ok_or_else(|| nothing_here(path))?,
            _ => repository,
        };
        Ok(Self::Of(parse_repository(repository)?, subject(last)?))
    }

    /// The methods that are known here.
    pub(super) fn allow(&self) -> &'static str {
        match self {
            Self::Catalog | Self::Of(_, Subject::Tags | Subject::Referrers(_)) => "HEAD, GET",
            Self::Of(_, Subject::Manifest(_)) => "HEAD, GET, PUT, DELETE",
            Self::Of(_, Subject::Blob(_)) => "HEAD, GET, DELETE",
            Self::Of(_, Subject::Uploads) => "POST",
            Self::Of(_, Subject::Upload(_)) => "HEAD, GET, PUT, PATCH, DELETE",
        }
    }
}

/// A digest, of which we know one algorithm.
pub(super) fn digest(text: &str) -> Result<Digest, Refusal> {
    match text.parse() {
        Ok(digest) if text.contains(':') => Ok(digest),
        _ => {
            let shown: String = text.chars().take(160).collect();
            let message = format!("{shown:?} is not a digest: sha256: and 64 digits expected");
            Err(Refusal::new(Code::DigestInvalid, message))
        }
    }
}

fn parse_repository(text: &str) -> Result<Repository, Refusal> {
    text.parse::<Repository>().map_err(|error| Refusal::new(Code::NameInvalid, error.to_string()))
}

fn nothing_here(path: &str) -> Refusal {
    let shown: String = path.chars().take(80).collect();
    Refusal::new(Code::Unsupported, format!("/v2/{shown} is nothing that a registry answers"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_path_tells_what_is_asked_for() {
        let mine = || "library/mine".parse::<Repository>().unwrap();
        let digest = Digest::of(b"x");
        let id = "0123456789abcdef".repeat(2);
        for (path, expected) in [
            ("_catalog".to_owned(), Endpoint::Catalog),
            ("library/mine/tags/list".to_owned(), Endpoint::Of(mine(), Subject::Tags)),
            (
                "library/mine/manifests/q4".to_owned(),
                Endpoint::Of(mine(), Subject::Manifest("q4".parse().unwrap())),
            ),
            (
                format!("library/mine/manifests/{digest}"),
                Endpoint::Of(mine(), Subject::Manifest(Label::Digest(digest))),
            ),
            (format!("library/mine/blobs/{digest}"), Endpoint::Of(mine(), Subject::Blob(digest))),
            (format!("library/mine/referrers/{digest}"), Endpoint::Of(mine(), Subject::Referrers(digest))),
            ("library/mine/blobs/uploads/".to_owned(), Endpoint::Of(mine(), Subject::Uploads)),
            (
                format!("library/mine/blobs/uploads/{id}"),
                Endpoint::Of(mine(), Subject::Upload(id.parse().unwrap())),
            ),
            ("a/b/c/blobs/tags/list".to_owned(), Endpoint::Of("a/b/c/blobs".parse().unwrap(), Subject::Tags)),
            (
                "alpine/manifests/3.20".to_owned(),
                Endpoint::Of("alpine".parse().unwrap(), Subject::Manifest("3.20".parse().unwrap())),
            ),
        ] {
            assert_eq!(Endpoint::parse(&path).unwrap(), expected, "{path}");
        }
        for (path, code) in [
            ("", Code::Unsupported),
            ("mine", Code::Unsupported),
            ("library/mine", Code::Unsupported),
            ("library/mine/other/x", Code::Unsupported),
            ("library/mine/uploads/x", Code::Unsupported),
            ("../x/manifests/latest", Code::NameInvalid),
            ("a//b/manifests/latest", Code::NameInvalid),
            ("library/mine/manifests/.hidden", Code::ManifestUnknown),
            ("library/mine/blobs/sha256:1", Code::DigestInvalid),
            ("library/mine/manifests/sha512:1", Code::DigestInvalid),
            ("library/mine/blobs/uploads/..", Code::BlobUploadUnknown),
        ] {
            assert_eq!(Endpoint::parse(path).unwrap_err().code(), code, "{path}");
        }
    }
}
