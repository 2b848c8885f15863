//! What was made of what, remembered in the library, so that what one machine has made no other makes again.
//!
//! A *result* is an OCI artifact in a repository of its own: its one layer is the file that was made, and its
//! annotations say by which recipe. It refers to its sources: the subject is the manifest of an artifact that
//! lists them, which follows from their digests alone, so whoever is about to make something of the same
//! sources knows where to look. Nobody need have stored that manifest (OCI distribution specification,
//! "Pushing Manifests with Subject").
//!
//! A registry that has no list of referrers is asked for the tag that stands for it ("Referrers Tag Schema"),
//! an index that we keep ourselves. Two who write it at once may lose an entry; it is looked at again, and
//! what is lost all the same costs work and nothing else.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderName};
use serde::{Deserialize, Serialize};

use super::place::Place;
use super::session::Session;
use super::transport::{Payload, Request};
use super::{RegistryError, holding, listing, manifest};
use crate::model::{Digest, MediaType, OCI_INDEX, OCI_MANIFEST};

const SOURCES: &str = "application/vnd.ollamake.sources.v1";
const RESULT: &str = "application/vnd.ollamake.result.v1";
/// What stands where an artifact needs no configuration (OCI image specification, "Guidance for an Empty
/// Descriptor").
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
const EMPTY: &[u8] = b"{}";

/// The annotation that holds the recipe: the digest of the plan, of its sources, and of the revision of what
/// makes bytes of plans.
const RECIPE: &str = "vnd.ollamake.recipe";

/// The header by which a registry says that it lists referrers itself.
const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

/// An index has no more entries; the oldest go.
const MOST_RESULTS: usize = 4096;

/// How long at least is waited after something was refused.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

/// How often something is written anew that somebody else has written at the same time.
const ATTEMPTS: usize = 6;

/// A file that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeFile {
    /// What it was made by: the digest of the plan and all that decides about it.
    pub recipe: Digest,
    /// What it was made of: blobs with their lengths.
    pub sources: Vec<(Digest, u64)>,
    /// The blob that came out.
    pub blob: Digest,
}

/// A blob that the library remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Remembered {
    pub(super) digest: Digest,
    pub(super) size: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: Digest,
    size: u64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    artifact_type: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Artifact {
    schema_version: u32,
    media_type: String,
    #[serde(default)]
    artifact_type: String,
    config: Descriptor,
    layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    media_type: String,
    manifests: Vec<Descriptor>,
}

impl Descriptor {
    fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest,
            size,
            artifact_type: String::new(),
            annotations: BTreeMap::new(),
        }
    }

    fn of(media_type: &str, bytes: &[u8]) -> Self {
        Self::new(media_type, Digest::of(bytes), bytes.len() as u64)
    }

    fn recipe(&self) -> Option<&str> {
        self.annotations.get(RECIPE).map(String::as_str)
    }
}

impl Artifact {
    fn new(artifact_type: &str, layers: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: OCI_MANIFEST.to_owned(),
            artifact_type: artifact_type.to_owned(),
            config: Descriptor::of(EMPTY_TYPE, EMPTY),
            layers,
            subject: None,
            annotations: BTreeMap::new(),
        }
    }
}

/// The bytes of what has always the same form.
fn to_bytes(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("texts and numbers are JSON")
}

/// The manifest that stands for these sources, whatever they are called and in whatever order.
fn subject(sources: &[(Digest, u64)]) -> Descriptor {
    let mut sources = sources.to_vec();
    sources.sort_unstable();
    sources.dedup();
    let layer = |(digest, size)| Descriptor::new("application/octet-stream", digest, size);
    let manifest = Artifact::new(SOURCES, sources.into_iter().map(layer).collect());
    Descriptor::of(OCI_MANIFEST, &to_bytes(&manifest))
}

/// The tag of the index of what refers to a manifest.
fn tag_of(subject: Digest) -> String {
    subject.to_string().replace(':', "-")
}

/// Whether a tag is one that stands for a list of referrers.
pub(super) fn is_index_tag(tag: &str) -> bool {
    tag.replacen('-', ":", 1).parse::<Digest>().is_ok()
}

/// What the library remembers of a recipe.
pub(super) async fn recall(
    session: &Session,
    recipe: Digest,
    sources: &[(Digest, u64)],
) -> Result<Option<Remembered>, RegistryError> {
    let subject = subject(sources);
    let referrers = match listed(session, subject.digest).await? {
        Some(listed) => listed,
        None => kept(session, subject.digest).await?,
    };
    let recipe = recipe.to_string();
    // The one that was added last is most likely to be there still.
    for referrer in referrers.iter().rev().filter(|referrer| referrer.recipe() == Some(recipe.as_str())) {
        let Some(bytes) = holding::tagged(session, &referrer.digest.to_string()).await? else { continue };
        if Digest::of(&bytes) != referrer.digest {
            continue;
        }
        let Ok(Artifact { artifact_type, layers, annotations, .. }) = serde_json::from_slice(&bytes) else {
            continue;
        };
        if let ([layer], true) =
            (&layers[..], artifact_type == RESULT && annotations.get(RECIPE) == Some(&recipe))
        {
            return Ok(Some(Remembered { digest: layer.digest, size: layer.size }));
        }
    }
    Ok(None)
}

/// What the registry itself lists as referring to a manifest, page by page; nothing if it keeps no such
/// lists.
async fn listed(session: &Session, subject: Digest) -> Result<Option<Vec<Descriptor>>, RegistryError> {
    let first = Place::of_user(session.repository().referrers(&subject));
    match listing::pages::<Index>(session, first, "a list of referrers").await {
        Ok(pages) => Ok(Some(pages.into_iter().flat_map(|page| page.manifests).collect())),
        // A page for people is no list.
        Err(RegistryError::NotFound { .. } | RegistryError::Protocol { .. }) => Ok(None),
        Err(RegistryError::Refused { status: 400 | 405 | 501, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What the index says that we keep ourselves; nothing if there is none.
async fn kept(session: &Session, subject: Digest) -> Result<Vec<Descriptor>, RegistryError> {
    let bytes = holding::tagged(session, &tag_of(subject)).await?;
    let index = bytes.and_then(|bytes| serde_json::from_slice::<Index>(&bytes).ok());
    Ok(index.map(|index| index.manifests).unwrap_or_default())
}

/// Has the library remember a result whose blob is in the repository.
pub(super) async fn remember(session: &Session, made: &MadeFile, size: u64) -> Result<(), RegistryError> {
    ensure_empty(session).await?;
    let subject = subject(&made.sources);
    let annotations = BTreeMap::from([(RECIPE.to_owned(), made.recipe.to_string())]);
    let mut artifact =
        Artifact::new(RESULT, vec![Descriptor::new(MediaType::Model.as_str(), made.blob, size)]);
    (artifact.subject, artifact.annotations) = (Some(subject.clone()), annotations.clone());
    let bytes = to_bytes(&artifact);
    let entry =
        Descriptor { artifact_type: RESULT.to_owned(), annotations, ..Descriptor::of(OCI_MANIFEST, &bytes) };
    let reference = entry.digest.to_string();
    let lists_itself =
        patiently(async || put(session, &reference, OCI_MANIFEST, bytes.clone()).await).await?;
    if lists_itself {
        return Ok(());
    }
    for _ in 0..ATTEMPTS {
        // Whether it stays is seen at the next look.
        if patiently(async || add(session, subject.digest, &entry).await).await? {
            break;
        }
    }
    Ok(())
}

/// Does something until it succeeds, a few times at most: Docker's registry refuses, or sends half of, what
/// somebody else is just writing, be it an index or the empty configuration that all have.
async fn patiently<T>(mut work: impl AsyncFnMut() -> Result<T, RegistryError>) -> Result<T, RegistryError> {
    for _ in 1..ATTEMPTS {
        if let Ok(done) = work().await {
            return Ok(done);
        }
        tokio::time::sleep(rand::random_range(SHORTEST_PAUSE..4 * SHORTEST_PAUSE)).await;
    }
    work().await
}

/// Adds an entry to the index of what refers to a manifest; `true` if it is there already.
async fn add(session: &Session, subject: Digest, entry: &Descriptor) -> Result<bool, RegistryError> {
    let mut entries = kept(session, subject).await?;
    if entries.contains(entry) {
        return Ok(true);
    }
    // One recipe has one result; an earlier one came of a defect, or of a lie.
    entries.retain(|other| other.recipe() != entry.recipe());
    entries.push(entry.clone());
    entries.drain(..entries.len().saturating_sub(MOST_RESULTS));
    let index = Index { schema_version: 2, media_type: OCI_INDEX.to_owned(), manifests: entries };
    put(session, &tag_of(subject), OCI_INDEX, to_bytes(&index)).await?;
    Ok(false)
}

/// Makes sure that the empty configuration is in the repository.
async fn ensure_empty(session: &Session) -> Result<(), RegistryError> {
    let (digest, what) = (Digest::of(EMPTY), "an empty configuration");
    let look = session.request(Method::HEAD, session.repository().blob(&digest));
    if session.ask(&look, what, &[200, 404]).await?.response.status().is_success() {
        return Ok(());
    }
    let begin = session.request(Method::POST, session.repository().uploads());
    let begun = session.ask(&begin, what, &[202]).await?;
    let place = begun.location(session.repository()).await?;
    let end = Request::new(Method::PUT, place.with_query(&[("digest", &digest.to_string())]))
        .header(CONTENT_TYPE, "application/octet-stream")
        .payload(Payload::Bytes(Bytes::from_static(EMPTY)));
    session.ask(&end, what, &[200, 201, 202, 204]).await?;
    Ok(())
}

/// Stores a manifest; answers whether the registry lists it itself as referring to its subject.
async fn put(
    session: &Session,
    reference: &str,
    media_type: &str,
    bytes: Vec<u8>,
) -> Result<bool, RegistryError> {
    let answer = manifest::put(session, reference, media_type, bytes.into(), "what was made of what").await?;
    Ok(answer.response.headers().contains_key(SUBJECT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(byte: u8) -> Digest {
        Digest::from_bytes([byte; 32])
    }

    #[test]
    fn sources_stand_for_themselves_in_any_order() {
        let (one, two) = ((digest(1), 10), (digest(2), 20));
        assert_eq!(subject(&[one, two]), subject(&[two, one, two]));
        assert_ne!(subject(&[one, two]), subject(&[one]));
        assert_ne!(subject(&[one]), subject(&[(digest(1), 11)]));
        let tag = tag_of(subject(&[one]).digest);
        assert!(is_index_tag(&tag) && tag.len() == 71, "{tag}");
        for other in ["latest", "sha256-12", "v1-2"] {
            assert!(!is_index_tag(other), "{other}");
        }
    }
}
