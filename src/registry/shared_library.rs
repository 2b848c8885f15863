//! What a client does with the library.

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::blobs::{Wanted, fetch_blobs};
use super::client::Client;
use super::listing::{self, PARALLEL, Shelved};
use super::repository::{Naming, Repository};
use super::upload::Upload;
use super::{
    Event, Library, MadeFile, Pulled, RegistryError, blocking, holding, manifest, pull, push, results,
};
use crate::model::{Digest, Name};
use crate::store::Blob;

/// A model that was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The digest of its manifest.
    pub digest: Digest,
    /// The digest of another model's manifest whose place it took.
    pub displaced: Option<Digest>,
}

impl Client {
    /// The library, if there is one.
    pub fn library(&self) -> Option<&Library> {
        self.library.as_ref()
    }

    /// The library, if a name is of it.
    pub fn library_of(&self, name: &Name) -> Option<&Library> {
        self.library.as_ref().filter(|library| library.knows(name))
    }

    /// How long to wait after so many failures in a row before the library is asked again.
    pub fn pause_after(&self, failures: u32) -> Duration {
        self.retry.pause(failures)
    }

    /// Fetches a model from the library, if it is there. It gets this name here.
    ///
    /// # Errors
    /// As [`pull`](Self::pull).
    pub async fn pull_from_library(
        &self,
        name: &Name,
        progress: impl Fn(Event) + Sync,
    ) -> Result<Option<Pulled>, RegistryError> {
        self.speaking(self.shelf_of(name)?, &progress, async |session| {
            let Some(bytes) = manifest::fetch_if_there(&session, name).await? else { return Ok(None) };
            progress(Event::PullingManifest);
            pull::take(&session, &self.store, name, bytes, &self.shared, &progress).await.map(Some)
        })
        .await
    }

    /// Sends a model to the library, whatever is there under its name.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub async fn publish(
        &self,
        name: &Name,
        progress: impl Fn(Event) + Sync,
    ) -> Result<Published, RegistryError> {
        let (library, repository) = (self.some_library(name)?, self.shelf_of(name)?);
        self.speaking(repository, &progress, async |session| {
            let before = holding::tagged(&session, name.tag()).await?.map(|bytes| Digest::of(&bytes));
            let naming = Naming::Library(library.clone());
            let digest =
                push::push(&session, &self.store, name, naming, self.upload_piece, &progress).await?;
            Ok(Published { digest, displaced: before.filter(|before| *before != digest) })
        })
        .await
    }

    /// Has the library remember what was made for a model that was published.
    ///
    /// # Errors
    /// What the registry makes impossible; it costs the others work and nothing else.
    pub async fn remember(&self, made: &MadeFile, of: &Name) -> Result<(), RegistryError> {
        let library = self.some_library(of)?;
        let repository = Repository::in_library(library, &library.results())?;
        let (store, digest) = (self.store.clone(), made.blob);
        let blob = blocking(move || store.blob(digest)).await??;
        self.speaking(repository, &|_| (), async |session| {
            Upload::new(&session, blob.clone(), library.repository(of), self.upload_piece)
                .run(|_| ())
                .await?;
            results::remember(&session, made, blob.length()).await
        })
        .await
    }

    /// The blob that the library remembers a recipe to have made, fetched if it has this many bytes. Nothing
    /// vouches for it but the library.
    ///
    /// # Errors
    /// What the registry or the store makes impossible.
    pub async fn recall(
        &self,
        recipe: Digest,
        sources: &[(Digest, u64)],
        size: Option<u64>,
        progress: impl Fn(Event) + Sync,
    ) -> Result<Option<Blob>, RegistryError> {
        let Some(library) = &self.library else { return Ok(None) };
        let repository = Repository::in_library(library, &library.results())?;
        self.speaking(repository, &progress, async |session| {
            let asking = results::recall(&session, recipe, sources);
            let Ok(found) = tokio::time::timeout(self.recall, asking).await else { return Ok(None) };
            let Some(found) = found?.filter(|found| size.is_none_or(|size| size == found.size)) else {
                return Ok(None);
            };
            let url = session.repository().blob(&found.digest);
            let wanted = vec![Wanted { digest: found.digest, size: found.size, url }];
            Ok(fetch_blobs(&session, &self.store, wanted, &self.shared, &progress).await?.pop())
        })
        .await
    }

    /// All models of the library, in the order of their names.
    ///
    /// # Errors
    /// There is no library, or it does not tell.
    pub async fn shelved(&self) -> Result<Vec<Shelved>, RegistryError> {
        let Some(library) = &self.library else { return Ok(Vec::new()) };
        // Which repository asks does not matter; there has to be one.
        let any = Repository::in_library(library, &library.results())?;
        let all = self.speaking(any, &|_| (), async |session| listing::repositories(&session).await).await?;
        let models = all.into_iter().filter(|path| library.name(path, "latest").is_some());
        let look = |path: String| async move {
            let repository = Repository::in_library(library, &path)?;
            self.speaking(repository, &|_| (), async |session| {
                let tags = listing::tags(&session).await?;
                let names = tags.iter().filter(|tag| !results::is_index_tag(tag));
                let names = names.filter_map(|tag| library.name(&path, tag)).collect();
                listing::models(&session, names).await
            })
            .await
        };
        let found: Vec<_> = stream::iter(models.map(look)).buffer_unordered(PARALLEL).try_collect().await?;
        let mut found: Vec<Shelved> = found.into_iter().flatten().collect();
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    /// The model's repository in the library.
    pub(super) fn shelf_of(&self, name: &Name) -> Result<Repository, RegistryError> {
        let library = self.some_library(name)?;
        match library.repository(name) {
            Some(path) => Repository::in_library(library, &path),
            None => Err(not_of_library(name)),
        }
    }

    fn some_library(&self, name: &Name) -> Result<&Library, RegistryError> {
        self.library.as_ref().ok_or_else(|| not_of_library(name))
    }
}

fn not_of_library(name: &Name) -> RegistryError {
    RegistryError::NotOfLibrary { model: name.short() }
}
