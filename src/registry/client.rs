//! The client: pull, push, and files of the Hub.

use std::sync::Arc;
use std::time::Duration;

use super::authentication::Authentication;
use super::blobs::Shared;
use super::hub::{self, Hub, HubFile, Listing};
use super::identity::Identity;
use super::repository::{Naming, Repository};
use super::session::Session;
use super::sharing::Downloads;
use super::transport::{Authorization, Transport};
use super::{Config, Credentials, Event, Library, Pulled, RegistryError, RetryPolicy, pull, push};
use crate::model::{Digest, HubModel, Name};
use crate::store::{Blob, Store};

/// What a request says about its registry.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Plain HTTP is agreed to, and taken where the name states no scheme.
    pub insecure: bool,
}

/// A client of registries over one store. Pulls of the same blob through one client share a download.
#[derive(Debug, Clone)]
pub struct Client {
    pub(super) store: Store,
    transport: Arc<Transport>,
    credentials: Arc<Credentials>,
    hub: Hub,
    identity: Arc<Identity>,
    pub(super) retry: RetryPolicy,
    pub(super) upload_piece: u64,
    pub(super) shared: Shared,
    pub(super) library: Option<Library>,
    /// How long that may take to tell what it remembers.
    pub(super) recall: Duration,
}

impl Client {
    /// A client that pulls into and pushes from `store`.
    ///
    /// # Errors
    /// [`RegistryError::Setup`] if a certificate or a proxy of the configuration cannot be used.
    pub fn new(config: Config, store: Store) -> Result<Self, RegistryError> {
        let transport = Arc::new(Transport::new(&config)?);
        let shared =
            Shared { downloads: Arc::new(Downloads::default()), piece: config.download_piece.max(1) };
        Ok(Self {
            store,
            transport,
            credentials: Arc::new(config.credentials),
            hub: config.hub,
            identity: Arc::new(Identity::new(config.signing_key)),
            retry: config.retry,
            upload_piece: config.upload_piece.max(1),
            shared,
            library: config.library,
            recall: config.recall,
        })
    }

    /// Fetches a model. It appears in the store when all of it is there and verified; what was replaced is
    /// answered, its blobs untouched. An artifact of another tool's becomes no model by itself: its files are
    /// answered.
    ///
    /// Dropping the future cancels the pull; what has arrived stays for the next one.
    ///
    /// # Errors
    /// What the registry or the store makes impossible; nothing of the model is visible then.
    pub async fn pull(
        &self,
        name: &Name,
        options: Options,
        progress: impl Fn(Event) + Sync,
    ) -> Result<Pulled, RegistryError> {
        self.speaking(self.repository_of(name, options)?, &progress, async |session| {
            pull::pull(&session, &self.store, name, &self.shared, &progress).await
        })
        .await
    }

    /// Sends a model, its manifest byte for byte; answers with the digest of that.
    ///
    /// Dropping the future cancels the push.
    ///
    /// # Errors
    /// What the registry or the store makes impossible; the model does not appear there then.
    pub async fn push(
        &self,
        name: &Name,
        options: Options,
        progress: impl Fn(Event) + Sync,
    ) -> Result<Digest, RegistryError> {
        let naming = || Naming::Host(name.host().to_owned());
        self.speaking(self.repository_of(name, options)?, &progress, async |session| {
            push::push(&session, &self.store, name, naming(), self.upload_piece, &progress).await
        })
        .await
    }

    /// The repository that a name means.
    fn repository_of(&self, name: &Name, options: Options) -> Result<Repository, RegistryError> {
        match HubModel::of_name(name) {
            Some(model) => Ok(self.hub.registry(&model)),
            None => Repository::of(name, options.insecure),
        }
    }

    /// Does something in a conversation with a repository, and tells what is waited for meanwhile. Where
    /// plain HTTP is only a guess and is not understood, it is done over TLS if that is.
    pub(super) async fn speaking<T>(
        &self,
        repository: Repository,
        progress: &(impl Fn(Event) + Sync),
        work: impl AsyncFn(Arc<Session>) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let session = self.session(repository.clone());
        let error = match session.waits().told(progress, work(session.clone())).await {
            Err(error) if session.may_be_misunderstood(&error) => error,
            result => return result,
        };
        let Some(secure) = repository.over_tls() else { return Err(error) };
        let session = match self.transport.speaks_tls(&secure).await {
            true => self.session(secure),
            false => self.session(repository.in_the_clear()),
        };
        session.waits().told(progress, work(session.clone())).await
    }

    /// Lists the files of a repository of the Hub, at the commit that its revision is now.
    ///
    /// # Errors
    /// What the Hub makes impossible.
    pub async fn list(
        &self,
        model: &HubModel,
        progress: impl Fn(Event) + Sync,
    ) -> Result<Listing, RegistryError> {
        let session = self.session_with_hub(model);
        session.waits().told(&progress, hub::list(&session, &self.hub, model, &progress)).await
    }

    /// Fetches files of a repository of the Hub into the store; answers with their blobs in the same order.
    ///
    /// Dropping the future cancels it; what has arrived stays for the next one.
    ///
    /// # Errors
    /// What the Hub or the store makes impossible.
    pub async fn fetch(
        &self,
        listing: &Listing,
        files: &[HubFile],
        progress: impl Fn(Event) + Sync,
    ) -> Result<Vec<Blob>, RegistryError> {
        let session = self.session_with_hub(&listing.model);
        let fetching = hub::fetch(&session, &self.store, &self.shared, listing, files, &progress);
        session.waits().told(&progress, fetching).await
    }

    fn session(&self, repository: Repository) -> Arc<Session> {
        // Of registries, the Hub alone is shown something before it asks.
        let token = self.token_of_hub().filter(|token| token.origin == repository.origin());
        self.conversation(repository, self.authentication().showing(token))
    }

    /// A conversation with the Hub itself, which knows tokens only.
    fn session_with_hub(&self, model: &HubModel) -> Arc<Session> {
        let authentication = self.authentication().showing(self.token_of_hub()).and_no_more();
        self.conversation(self.hub.registry(model), authentication)
    }

    fn token_of_hub(&self) -> Option<Authorization> {
        self.hub.proof().and_then(|(origin, proof)| Authorization::new(origin, &proof))
    }

    fn authentication(&self) -> Authentication {
        Authentication::new(self.credentials.clone(), self.identity.clone())
    }

    fn conversation(&self, repository: Repository, authentication: Authentication) -> Arc<Session> {
        let transport = self.transport.for_another();
        Arc::new(Session::new(transport, repository, authentication, self.retry.clone()))
    }
}
