//! What the library holds of one model. A registry is believed as far as it can be checked without fetching
//! everything: the manifest is the very bytes that are here, and each blob is there in its length.

use std::collections::HashSet;

use reqwest::Method;
use reqwest::header::CONTENT_LENGTH;

use super::RegistryError;
use super::manifest;
use super::session::Session;
use crate::model::{Digest, Layer};
use crate::store::StoredManifest;

/// What is under a tag, byte for byte; nothing if there is no such model.
pub(super) async fn tagged(session: &Session, tag: &str) -> Result<Option<Vec<u8>>, RegistryError> {
    match manifest::ask(session, tag, &format!("tag {tag}")).await {
        Ok(sent) => Ok(Some(sent.bytes)),
        Err(RegistryError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Why the library could not give a model back as it is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lack {
    /// It has no such model.
    Model,
    /// It has another model of this name.
    Other(Digest),
    /// A blob is not there, or not in its length.
    Blob(Digest),
}

/// Whether the library could give a model back as it is here, and why not.
pub(super) async fn lack(session: &Session, model: &StoredManifest) -> Result<Option<Lack>, RegistryError> {
    let Some(bytes) = tagged(session, model.name.tag()).await? else { return Ok(Some(Lack::Model)) };
    if bytes != model.bytes {
        return Ok(Some(Lack::Other(Digest::of(&bytes))));
    }
    let mut asked = HashSet::new();
    for layer in model.manifest.blobs().filter(|layer| asked.insert(layer.digest)) {
        if !has(session, layer).await? {
            return Ok(Some(Lack::Blob(layer.digest)));
        }
    }
    Ok(None)
}

/// Whether a blob is there in its length.
async fn has(session: &Session, layer: &Layer) -> Result<bool, RegistryError> {
    let request = session.request(Method::HEAD, session.repository().blob(&layer.digest));
    let answer = session.ask(&request, &format!("blob {}", layer.digest), &[200, 404]).await?;
    // The length of an answer to HEAD stands in its header alone.
    let length = answer.response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let length = length.and_then(|length| length.parse::<u64>().ok());
    Ok(answer.response.status().is_success() && length == Some(layer.size))
}
