//! Files of a repository into the store.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use reqwest::Method;
use sha1::{Digest as _, Sha1};

use super::entry::{HubContent, HubFile};
use super::listing::{Listing, invalid};
use super::refusal;
use crate::registry::blobs::{Shared, Wanted, fetch_blobs};
use crate::registry::session::Session;
use crate::registry::{Event, RegistryError, blocking};
use crate::store::{Blob, Store};

/// So many short files are fetched at the same time.
const PARALLEL_FILES: usize = 4;

/// The longest file that git keeps itself, in bytes. The Hub takes none of more than 10 MiB.
const LONGEST_GIT_FILE: u64 = 64 << 20;

/// Fetches files, which are in the store then, in the order in which they are named.
pub(in crate::registry) async fn fetch(
    session: &Arc<Session>,
    store: &Store,
    shared: &Shared,
    listing: &Listing,
    files: &[HubFile],
    progress: &(impl Fn(Event) + Sync),
) -> Result<Vec<Blob>, RegistryError> {
    let wanted = |file: &HubFile| match file.content {
        HubContent::Large(digest) => Some(Wanted { digest, size: file.size, url: listing.address(file) }),
        HubContent::Git(_) => None,
    };
    let short = files.iter().filter(|file| matches!(file.content, HubContent::Git(_)));
    let short = short.map(|file| async move {
        let blob = fetch_short(session, store, listing, file).await?;
        Ok::<_, RegistryError>((&file.path, blob))
    });
    let short: Vec<_> = short.collect();
    // They are quick, and what is wrong with them is known before the weights come.
    let short: Vec<(&String, Blob)> =
        stream::iter(short).buffer_unordered(PARALLEL_FILES).try_collect().await?;
    let large =
        fetch_blobs(session, store, files.iter().filter_map(wanted).collect(), shared, progress).await?;
    let found = |file: &HubFile| match file.content {
        HubContent::Large(digest) => large.iter().find(|blob| blob.digest() == digest).cloned(),
        HubContent::Git(_) => {
            short.iter().find(|(path, _)| **path == file.path).map(|(_, blob)| blob.clone())
        }
    };
    Ok(files.iter().filter_map(found).collect())
}

/// Fetches a file that git keeps itself.
async fn fetch_short(
    session: &Session,
    store: &Store,
    listing: &Listing,
    file: &HubFile,
) -> Result<Blob, RegistryError> {
    let HubFile { path, size, content } = file;
    if *size > LONGEST_GIT_FILE {
        let reason = format!("file {path:?} has {size} bytes and is not kept by Git LFS");
        return Err(invalid(&listing.model, reason));
    }
    let what = format!("file {path:?} of {}", listing.model);
    let request = session.request(Method::GET, listing.address(file));
    let mut backoff = session.backoff();
    let bytes = loop {
        let answer = refusal::ask(session, &listing.model, &request, &what).await?;
        match session.body(answer).read(&what, *size).await {
            Ok(bytes) => break bytes,
            Err(error) => backoff.after(error).await?,
        }
    };
    let got = object_name(&bytes);
    if *content != HubContent::Git(got) {
        let (repository, file, commit) = (listing.model.place(), path.clone(), listing.commit.clone());
        return Err(RegistryError::WrongFile { repository, file, commit });
    }
    let store = store.clone();
    Ok(blocking(move || store.put_bytes(&bytes)).await??.blob)
}

/// What git calls a file with these contents.
fn object_name(bytes: &[u8]) -> [u8; 20] {
    let mut hasher = Sha1::new();
    hasher.update(format!("blob {}\0", bytes.len()));
    hasher.update(bytes);
    hasher.finalize().into()
}
