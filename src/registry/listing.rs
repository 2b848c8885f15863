//! Which models the library holds (OCI distribution specification, "Listing Tags"; the distribution project's
//! `_catalog`).

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use reqwest::Method;
use reqwest::header::LINK;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::hub::next_page;
use super::place::Place;
use super::session::Session;
use super::transport::Request;
use super::{RegistryError, holding};
use crate::model::{Digest, Manifest, Name};

/// Names on a page of a listing, as we ask for it.
const PAGE: &str = "1000";

/// A listing has no more pages.
const MOST_PAGES: usize = 100;

/// The longest page, in bytes.
const LONGEST_PAGE: u64 = 4 * 1024 * 1024;

/// The longest listing: all its pages, in bytes.
const LONGEST_LISTING: u64 = 32 * 1024 * 1024;

/// Repositories, or manifests, that are asked about at the same time.
pub(super) const PARALLEL: usize = 8;

/// A model of the library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shelved {
    /// What it is called.
    pub name: Name,
    /// The digest of its manifest.
    pub digest: Digest,
    /// The bytes of its blobs.
    pub size: u64,
}

#[derive(Deserialize)]
struct Catalog {
    #[serde(default)]
    repositories: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Tags {
    #[serde(default)]
    tags: Option<Vec<String>>,
}

/// All repositories of the registry.
pub(super) async fn repositories(session: &Session) -> Result<Vec<String>, RegistryError> {
    let first = Place::of_user(session.repository().catalog()).with_query(&[("n", PAGE)]);
    let pages = pages::<Catalog>(session, first, "its list of repositories").await?;
    Ok(pages.into_iter().flat_map(|page| page.repositories.unwrap_or_default()).collect())
}

/// The tags of a repository; none if it is not there.
pub(super) async fn tags(session: &Session) -> Result<Vec<String>, RegistryError> {
    let first = Place::of_user(session.repository().tags()).with_query(&[("n", PAGE)]);
    match pages::<Tags>(session, first, "a list of tags").await {
        Ok(pages) => Ok(pages.into_iter().flat_map(|page| page.tags.unwrap_or_default()).collect()),
        Err(RegistryError::NotFound { .. }) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Those of the models that are there; what is no model is passed over.
pub(super) async fn models(session: &Session, names: Vec<Name>) -> Result<Vec<Shelved>, RegistryError> {
    let look = |name: Name| async move {
        let Some(bytes) = holding::tagged(session, name.tag()).await? else { return Ok(None) };
        let Ok(manifest) = Manifest::from_bytes(&bytes) else { return Ok(None) };
        Ok::<_, RegistryError>(Some(Shelved { name, digest: Digest::of(&bytes), size: manifest.size() }))
    };
    let found: Vec<_> =
        stream::iter(names.into_iter().map(look)).buffer_unordered(PARALLEL).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// All pages of a listing.
pub(super) async fn pages<T: DeserializeOwned>(
    session: &Session,
    first: Place,
    what: &str,
) -> Result<Vec<T>, RegistryError> {
    let mut pages = Vec::new();
    let (mut next, mut left) = (Some(first), LONGEST_LISTING);
    while let Some(place) = next.filter(|_| pages.len() < MOST_PAGES) {
        let request = Request::new(Method::GET, place);
        let mut backoff = session.backoff();
        let text = loop {
            let answer = session.ask(&request, what, &[200]).await?;
            let link = answer.response.headers().get(LINK).and_then(|value| next_page(value.to_str().ok()?));
            next = match link {
                Some(reference) => Some(answer.leads_to(session.repository(), reference).await?),
                None => None,
            };
            match session.body(answer).read(what, LONGEST_PAGE.min(left)).await {
                Ok(text) => break text,
                Err(error) => backoff.after(error).await?,
            }
        };
        left -= text.len() as u64;
        let page = serde_json::from_slice(&text).map_err(|error| RegistryError::Protocol {
            registry: session.registry(),
            reason: format!("{what} cannot be read: {error}"),
        })?;
        pages.push(page);
    }
    Ok(pages)
}
