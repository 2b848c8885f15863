//! What a registry sends as the manifest of a model, and whether it is one.

use std::collections::HashMap;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde::Deserialize;

use super::RegistryError;
use super::session::Session;
use super::transport::{Answer, Payload};
use crate::model::{DOCKER_INDEX, Digest, Layer, Manifest, Name, OCI_INDEX, OCI_MANIFEST};
use crate::store::LONGEST_DOCUMENT;

/// Docker's manifests and the equivalent of the Open Container Initiative.
const MEDIA_TYPES: [&str; 2] = [Manifest::MEDIA_TYPE, OCI_MANIFEST];

/// Lists of manifests of the same two: one that lists a single model stands for it.
const INDEX_TYPES: [&str; 2] = [DOCKER_INDEX, OCI_INDEX];

/// What is needed of a list of manifests (OCI image specification, "Image Index").
#[derive(Deserialize)]
struct Index {
    manifests: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    digest: Digest,
    #[serde(default)]
    annotations: HashMap<String, String>,
}

/// A manifest as it is sent, and the media type that is stated with it.
pub(super) struct Sent {
    pub(super) bytes: Vec<u8>,
    kind: String,
}

/// The manifest of a model, byte for byte.
pub(super) async fn fetch(session: &Session, name: &Name) -> Result<Vec<u8>, RegistryError> {
    let sent = ask_for(session, name).await?;
    of_model(session, name, sent).await
}

/// The same, if there is anything under the tag.
pub(super) async fn fetch_if_there(session: &Session, name: &Name) -> Result<Option<Vec<u8>>, RegistryError> {
    match ask_for(session, name).await {
        Ok(sent) => of_model(session, name, sent).await.map(Some),
        Err(RegistryError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn ask_for(session: &Session, name: &Name) -> Result<Sent, RegistryError> {
    ask(session, name.tag(), &format!("model {}", name.short())).await
}

/// The manifest itself, where a list of one stands for it.
async fn of_model(session: &Session, name: &Name, sent: Sent) -> Result<Vec<u8>, RegistryError> {
    let what = format!("model {}", name.short());
    let Some(index) = index_in(&sent.bytes) else { return checked_for_text(session, sent) };
    let digest = the_only_one(index).map_err(|reason| invalid(session, reason))?;
    let sent = ask(session, &digest.to_string(), &what).await?;
    let got = Digest::of(&sent.bytes);
    if got != digest {
        return Err(RegistryError::WrongDigest { registry: session.registry(), expected: digest, got });
    }
    checked_for_text(session, sent)
}

/// What a tag or a digest leads to.
pub(super) async fn ask(session: &Session, reference: &str, what: &str) -> Result<Sent, RegistryError> {
    let url = session.repository().manifest(reference);
    let accepted = [MEDIA_TYPES, INDEX_TYPES].concat().join(", ");
    let request = session.request(Method::GET, url).header(ACCEPT, &accepted);
    let mut backoff = session.backoff();
    loop {
        let answer = session.ask(&request, what, &[200]).await?;
        let header = |name: &str| {
            let value = answer.response.headers().get(name);
            value.and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        let stated = header("docker-content-digest").parse::<Digest>().ok();
        let kind = header("content-type");
        match session.body(answer).read("a manifest", LONGEST_DOCUMENT as u64).await {
            Err(error) => backoff.after(error).await?,
            Ok(bytes) => {
                let got = Digest::of(&bytes);
                return match stated {
                    Some(expected) if expected != got => {
                        Err(RegistryError::WrongDigest { registry: session.registry(), expected, got })
                    }
                    _ => Ok(Sent { bytes, kind }),
                };
            }
        }
    }
}

/// Stores a manifest under a tag or a digest.
pub(super) async fn put(
    session: &Session,
    reference: &str,
    media_type: &str,
    bytes: Bytes,
    what: &str,
) -> Result<Answer, RegistryError> {
    let request = session
        .request(Method::PUT, session.repository().manifest(reference))
        .header(CONTENT_TYPE, media_type)
        .payload(Payload::Bytes(bytes));
    session.ask(&request, what, &[200, 201, 202, 204]).await
}

/// Login pages and the like are not even JSON.
fn checked_for_text(session: &Session, sent: Sent) -> Result<Vec<u8>, RegistryError> {
    let kind = sent.kind.split(';').next().unwrap_or_default().trim();
    let is_page = kind.eq_ignore_ascii_case("text/html") || sent.bytes.trim_ascii_start().starts_with(b"<");
    if is_page && serde_json::from_slice::<serde::de::IgnoredAny>(&sent.bytes).is_err() {
        let kind = if kind.is_empty() { "a web page" } else { kind };
        let reason = format!("it is {kind}: is there a proxy, or a login page, in between?");
        return Err(invalid(session, reason));
    }
    Ok(sent.bytes)
}

fn index_in(bytes: &[u8]) -> Option<Index> {
    serde_json::from_slice(bytes).ok()
}

/// The one model of a list. Beside it there may be what builders attest of it (Docker, "Attestation
/// storage").
fn the_only_one(index: Index) -> Result<Digest, String> {
    let is_model = |entry: &&Entry| !entry.annotations.contains_key("vnd.docker.reference.type");
    let models: Vec<_> = index.manifests.iter().filter(is_model).collect();
    match models.as_slice() {
        [model] => Ok(model.digest),
        models => Err(format!(
            "it is an image index of {} manifests, of which none can be preferred: give the tag of a single \
             one",
            models.len()
        )),
    }
}

/// The manifest in these bytes, and the blobs that it names, each once.
pub(super) fn check(session: &Session, bytes: &[u8]) -> Result<(Manifest, Vec<Layer>), RegistryError> {
    if index_in(bytes).is_some() {
        return Err(invalid(session, "it is an image index in an image index".to_owned()));
    }
    let manifest = Manifest::from_bytes(bytes).map_err(|error| invalid(session, error.to_string()))?;
    if let Some(digest) = odd_digest(bytes) {
        return Err(invalid(session, format!("invalid digest format: {digest:?}")));
    }
    if manifest.schema_version != 2 {
        let reason = format!("schemaVersion 2 expected, got {}", manifest.schema_version);
        return Err(invalid(session, reason));
    }
    if !manifest.media_type.is_empty() && !MEDIA_TYPES.contains(&manifest.media_type.as_str()) {
        return Err(invalid(session, format!("it is a {}", manifest.media_type)));
    }
    let mut sizes: HashMap<Digest, u64> = HashMap::new();
    let mut layers = Vec::new();
    for layer in manifest.blobs() {
        match sizes.insert(layer.digest, layer.size) {
            None => layers.push(layer.clone()),
            Some(other) if other == layer.size => {}
            Some(other) => {
                let reason =
                    format!("{} has {other} bytes in one place and {} in another", layer.digest, layer.size);
                return Err(invalid(session, reason));
            }
        }
    }
    Ok((manifest, layers))
}

/// A digest that is spelled as only manifests of a store may spell it.
fn odd_digest(bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        digest: String,
    }
    #[derive(Deserialize)]
    struct Written {
        config: Named,
        layers: Option<Vec<Named>>,
    }
    let written: Written = serde_json::from_slice(bytes).ok()?;
    let mut named = written.layers.into_iter().flatten().chain([written.config]);
    named.find(|named| named.digest.parse::<Digest>().is_err()).map(|named| named.digest)
}

pub(super) fn invalid(session: &Session, reason: String) -> RegistryError {
    RegistryError::InvalidManifest { registry: session.registry(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_of_one_stands_for_it() {
        let digest = |digit: &str| format!("sha256:{}", digit.repeat(64));
        let index = |entries: &[String]| {
            let text = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","));
            the_only_one(index_in(text.as_bytes()).unwrap())
        };
        let model = |digit| format!(r#"{{"digest":"{}","size":1}}"#, digest(digit));
        let attestation = format!(
            r#"{{"digest":"{}","annotations":{{"vnd.docker.reference.type":"attestation-manifest"}}}}"#,
            digest("c")
        );
        assert_eq!(index(&[model("a")]).unwrap().to_string(), digest("a"));
        assert_eq!(index(&[model("a"), attestation.clone()]).unwrap().to_string(), digest("a"));
        for (entries, count) in [(vec![model("a"), model("b")], "2"), (vec![attestation], "0"), (vec![], "0")]
        {
            let message = index(&entries).unwrap_err();
            assert!(message.contains(&format!("image index of {count} manifests")), "{message}");
        }
        assert!(index_in(br#"{"schemaVersion":2,"config":{},"layers":[]}"#).is_none());
    }
}
