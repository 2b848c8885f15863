//! What can go wrong between us and a registry.

use std::sync::Arc;
use std::time::Duration;

use super::come_back::ComeBack;
use super::event::Party;
use crate::model::Digest;

/// Why a pull or a push failed: which registry, what it said, and what to check.
///
/// Cloned for every job that waits for the same download.
#[derive(Debug, Clone, thiserror::Error)]
#[expect(missing_docs, reason = "the message of a variant says what its fields are")]
pub enum RegistryError {
    /// The host of the name is not one that a URL can hold.
    #[error("{registry:?} is not the address of a registry: use host or host:port")]
    InvalidAddress { registry: String },
    /// The name says `http://` and nobody agreed.
    #[error(
        "registry {registry} is asked for over http://, where others can read and change what is sent: use \
         https://, or \"insecure\": true"
    )]
    PlainHttp { registry: String },
    /// The host has no address.
    #[error(
        "registry {registry} cannot be found ({reason}): check the spelling of the host, and this machine's \
         network and name servers"
    )]
    UnknownHost { registry: String, reason: String },
    /// No connection comes about.
    #[error(
        "registry {registry} cannot be reached ({reason}): check that it runs at this host and port, and \
         this machine's network and proxy"
    )]
    Unreachable { registry: String, reason: String },
    /// No secure connection comes about.
    #[error(
        "the secure connection to registry {registry} fails ({reason}): check its certificate, this \
         machine's clock, and the root certificates, to which SSL_CERT_FILE adds one that signs itself"
    )]
    Certificate { registry: String, reason: String },
    /// Somebody answers, but not in the language of secure connections.
    #[error(
        "registry {registry} does not answer over TLS ({reason}): if it has none, ask for it with http:// \
         and \"insecure\": true"
    )]
    NoTls { registry: String, reason: String },
    /// A proxy does not make the connection.
    #[error(
        "the proxy {proxy} does not connect to registry {registry} ({reason}): check HTTPS_PROXY, HTTP_PROXY \
         and ALL_PROXY, or name the registry in NO_PROXY"
    )]
    Proxy { registry: String, proxy: String, reason: String },
    /// Nothing came for too long.
    #[error(
        "registry {registry} sent nothing, or hardly anything, for {seconds} s: try again, what has arrived \
         is kept; OLLAMAKE_REGISTRY_SILENCE_SECONDS says how long that may be",
        seconds = .silence.as_secs_f32()
    )]
    Silent {
        registry: String,
        /// How long this attempt has waited.
        silence: Duration,
    },
    /// The connection broke, and trying again did not help.
    #[error("the connection to registry {registry} broke ({reason}): try again, what has arrived is kept")]
    Interrupted { registry: String, reason: String },
    /// The registry does not have what was asked for.
    #[error("{what} does not exist in registry {registry}: {message}")]
    NotFound { registry: String, what: String, message: String },
    /// The registry does not let us in.
    #[error("registry {registry} denies access: {message}; {advice}")]
    Denied { registry: String, message: String, advice: String },
    /// The registry answers with another error.
    #[error("registry {registry} answers {status} to {what}: {message}{}", come_back_clause(.come_back))]
    Refused { registry: String, status: u16, what: String, message: String, come_back: Option<Box<ComeBack>> },
    /// What it is sent does not fit on its disk.
    #[error(
        "registry {registry} has no room for {what} ({message}): remove there what nobody needs and have it \
         collect its garbage, or give its storage more room"
    )]
    NoRoom { registry: String, what: String, message: String },
    /// Where the registry keeps its blobs, or has them sent, is somebody else, who answers with an error.
    #[error(
        "{storage}, the storage that registry {registry} leads to, answers {status} to {what}: {message}{}; \
         the registry or its storage has to be mended, no login here will do", come_back_clause(.come_back)
    )]
    Storage {
        registry: String,
        storage: String,
        status: u16,
        what: String,
        message: String,
        come_back: Option<Box<ComeBack>>,
    },
    /// An answer that has to be small is not.
    #[error("registry {registry} sends more than {limit} bytes as {what}, which is more than is read")]
    TooLarge {
        registry: String,
        what: String,
        /// The most that is accepted, in bytes.
        limit: u64,
    },
    /// The registry does not keep to the protocol.
    #[error("registry {registry} does not keep to the protocol: {reason}")]
    Protocol { registry: String, reason: String },
    /// The registry sent a manifest that cannot be used.
    #[error("registry {registry} sends a manifest that cannot be used: {reason}")]
    InvalidManifest { registry: String, reason: String },
    /// The registry wants us to prove who we are to somebody else.
    #[error(
        "registry {registry} asks to send its credentials to {realm}, which is not trusted with them: \
         nothing was sent"
    )]
    UntrustedRealm { registry: String, realm: String },
    /// The registry sends us where it must not.
    #[error("registry {registry} leads to {target}: {reason}")]
    ForbiddenTarget { registry: String, target: String, reason: String },
    /// A blob has another length than the manifest says.
    #[error(
        "registry {registry} sends blob {digest} with another length: expected {expected} bytes, got {got}"
    )]
    WrongSize {
        registry: String,
        digest: Digest,
        /// The length that the manifest states, in bytes.
        expected: u64,
        got: String,
    },
    /// A blob or manifest is not the one that was asked for.
    #[error(
        "registry {registry} sends other content: expected {expected}, got {got}; nothing of it was kept"
    )]
    WrongDigest { registry: String, expected: Digest, got: Digest },
    /// Who wants a repository of the Hub has to agree to something first.
    #[error(
        "the repository {repository} is gated: agree to its conditions on its page, and start the server \
         with the token of that account in HF_TOKEN ({message})"
    )]
    Gated { repository: String, message: String },
    /// The Hub does not tell whether a repository is not there or private.
    #[error(
        "the Hub has no repository {repository}, or it is private, and HF_TOKEN is not the token of an \
         account that may read it ({message})"
    )]
    NoRepository { repository: String, message: String },
    /// What the Hub says about a repository cannot be so.
    #[error("the Hub's list of the files of {repository} cannot be used: {reason}")]
    InvalidListing { repository: String, reason: String },
    /// A file is not the one that is listed.
    #[error(
        "the Hub sends file {file:?} of {repository} with other content than commit {commit} has; nothing of \
         it was kept"
    )]
    WrongFile { repository: String, file: String, commit: String },
    /// The registry wants a signature and there is no key.
    #[error(
        "the key for signing in to registries (id_ed25519) cannot be used: {reason}; let the server write to \
         the directory .ollama of its home, or put a key without a passphrase there (ssh-keygen -t ed25519)"
    )]
    SigningKey { reason: String },
    /// The registry wants a password, and it would be readable on the way there.
    #[error(
        "registry {registry} is spoken to over http:// and asks for a password, which others could read: use \
         https://, or agree to it with OLLAMAKE_REGISTRY=http://{registry}, OLLAMAKE_REGISTRY_USER and \
         OLLAMAKE_REGISTRY_PASSWORD"
    )]
    PlainPassword { registry: String },
    /// The program that keeps the login does not tell it.
    #[error(
        "the login for registry {registry} cannot be found out: {reason}; install that program for the \
         server, or set OLLAMAKE_REGISTRY, OLLAMAKE_REGISTRY_USER and OLLAMAKE_REGISTRY_PASSWORD"
    )]
    CredentialHelper { registry: String, reason: String },
    /// The name is one of another registry, or there is no library.
    #[error(
        "model '{model}' has no place in a library: set OLLAMAKE_LIBRARY, and give the model a name without \
         a registry"
    )]
    NotOfLibrary { model: String },
    /// A thread of ours failed.
    #[error("the transfer failed because of a defect in the server; see its log")]
    Defect,
    /// The client cannot be set up.
    #[error("the client for registries cannot be set up: {reason}")]
    Setup { reason: String },
    /// The store failed.
    #[error(transparent)]
    Store(Arc<crate::store::StoreError>),
}

impl From<crate::store::StoreError> for RegistryError {
    fn from(error: crate::store::StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl RegistryError {
    /// Whether the same request may succeed when somebody has mended what keeps it from that, which may take
    /// long.
    pub fn may_be_mended(&self) -> bool {
        self.is_transient() || matches!(self, Self::NoRoom { .. })
    }

    /// Whether the same request may succeed a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Interrupted { .. }
            | Self::Silent { .. }
            | Self::Unreachable { .. }
            | Self::UnknownHost { .. } => true,
            Self::Refused { status, .. } | Self::Storage { status, .. } => {
                matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504)
            }
            _ => false,
        }
    }

    /// Whether no connection came about at all.
    pub(super) fn is_unreachable(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::UnknownHost { .. })
    }

    /// The HTTP status that was answered.
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } | Self::Storage { status, .. } => Some(*status),
            Self::NotFound { .. } => Some(404),
            Self::NoRoom { .. } => Some(507),
            _ => None,
        }
    }

    /// When we are asked to make the next attempt.
    pub(super) fn come_back(&self) -> Option<ComeBack> {
        match self {
            Self::Refused { come_back, .. } | Self::Storage { come_back, .. } => {
                come_back.as_deref().copied()
            }
            _ => None,
        }
    }

    /// How much silence the attempt was met with.
    pub(super) fn silence(&self) -> Duration {
        match self {
            Self::Silent { silence, .. } => *silence,
            _ => Duration::ZERO,
        }
    }

    /// Who has answered with this error.
    pub(super) fn party(&self) -> Option<Party> {
        match self {
            Self::Storage { storage, .. } => Some(Party::Storage(storage.clone())),
            Self::Refused { registry, .. } => Some(Party::Registry(registry.clone())),
            _ => None,
        }
    }
}

fn come_back_clause(come_back: &Option<Box<ComeBack>>) -> String {
    come_back.as_ref().map_or_else(String::new, |back| format!("; it asks to come back {back}"))
}
