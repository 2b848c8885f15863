//! The files of a repository at one commit.

use std::collections::HashSet;

use reqwest::Method;
use reqwest::header::LINK;
use serde::Deserialize;
use url::Url;

use super::address::Hub;
use super::entry::HubFile;
use super::link::next_page;
use super::refusal;
use crate::model::HubModel;
use crate::registry::session::Session;
use crate::registry::transport::Request;
use crate::registry::{Event, RegistryError};

/// The branch that is meant where no revision is.
const MAIN: &str = "main";

/// The longest page, in bytes. One of a thousand files has about 300 KiB.
const LONGEST_PAGE: u64 = 8 << 20;
/// The most files of a repository that are looked at.
const MOST_FILES: usize = 100_000;
/// The most pages; there may be empty ones.
const MOST_PAGES: usize = 1000;

/// The files of a repository at one commit.
#[derive(Debug, Clone)]
pub struct Listing {
    /// Whose files they are.
    pub model: HubModel,
    /// The commit, as git calls it.
    pub commit: String,
    /// All files, each once.
    pub files: Vec<HubFile>,
    hub: Hub,
}

/// What is needed of what the Hub knows of a revision.
#[derive(Deserialize)]
struct Revision {
    sha: String,
}

impl Listing {
    /// Where a file is, for good: its address at the commit.
    pub fn address(&self, file: &HubFile) -> Url {
        self.hub.file(&self.model, &self.commit, &file.path)
    }
}

/// Lists the files of a repository, at the commit that its revision is now.
pub(in crate::registry) async fn list(
    session: &Session,
    hub: &Hub,
    model: &HubModel,
    progress: &(impl Fn(Event) + Sync),
) -> Result<Listing, RegistryError> {
    progress(Event::Listing(model.to_string()));
    let commit = commit(session, hub, model).await?;
    let mut listing = Listing { model: model.clone(), commit, files: Vec::new(), hub: hub.clone() };
    let first = hub.tree(model, &listing.commit);
    let mut request = session.request(Method::GET, first.clone());
    let mut known = HashSet::new();
    for _ in 0..MOST_PAGES {
        let (bytes, next) = read(session, model, &request).await?;
        let page = HubFile::page(&bytes).map_err(|reason| invalid(model, reason))?;
        for file in page {
            if !known.insert(file.path.clone()) {
                return Err(invalid(model, format!("file {:?} is listed twice", file.path)));
            }
            listing.files.push(file);
        }
        if listing.files.len() > MOST_FILES {
            return Err(invalid(model, format!("it has more than {MOST_FILES} files")));
        }
        let Some(next) = next else { return Ok(listing) };
        // Only the place in the list is its to say.
        let is_further = next.origin() == first.origin() && next.path() == first.path();
        if !is_further {
            return Err(invalid(model, "its pages lead elsewhere".to_owned()));
        }
        request = session.request(Method::GET, next);
    }
    Err(invalid(model, format!("it has more than {MOST_PAGES} pages")))
}

/// The commit that the revision is now.
async fn commit(session: &Session, hub: &Hub, model: &HubModel) -> Result<String, RegistryError> {
    let revision = model.revision.as_deref().unwrap_or(MAIN);
    let request = session.request(Method::GET, hub.revision(model, revision));
    let (bytes, _) = read(session, model, &request).await?;
    let Revision { sha } =
        serde_json::from_slice(&bytes).map_err(|error| invalid(model, error.to_string()))?;
    if !is_commit(&sha) {
        return Err(invalid(model, format!("{sha:?} is not a commit")));
    }
    if is_commit(revision) && revision != sha {
        return Err(invalid(model, format!("commit {revision} was asked for, and {sha} is told")));
    }
    Ok(sha)
}

/// The answer to a request, and where the next page is.
async fn read(
    session: &Session,
    model: &HubModel,
    request: &Request,
) -> Result<(Vec<u8>, Option<Url>), RegistryError> {
    let what = format!("the list of files of {model}");
    let mut backoff = session.backoff();
    loop {
        let answer = refusal::ask(session, model, request, &what).await?;
        let next =
            match answer.response.headers().get(LINK).and_then(|header| next_page(header.to_str().ok()?)) {
                Some(next) => Some(answer.leads_to(session.repository(), next).await?.url().clone()),
                None => None,
            };
        match session.body(answer).read(&what, LONGEST_PAGE).await {
            Ok(bytes) => return Ok((bytes, next)),
            Err(error) => backoff.after(error).await?,
        }
    }
}

/// Whether a text is the whole name of a commit, of SHA-1 or SHA-256.
fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// What the Hub says about a repository cannot be so.
pub(super) fn invalid(model: &HubModel, reason: String) -> RegistryError {
    let reason = reason.chars().take(LONGEST_REASON).collect();
    RegistryError::InvalidListing { repository: model.place(), reason }
}

/// So many characters are told of what is wrong.
const LONGEST_REASON: usize = 500;
