//! Client of Docker and OCI registries, as Ollama uses them.
//!
//! The protocol is the distribution specification, version 2 (`/v2/<name>/manifests/<tag>`,
//! `/v2/<name>/blobs/<digest>`); names, progress lines and the signed challenge are Ollama's.
//! A registry is not trusted: what it sends is bounded and checked against its digest before anything
//! appears in the store, and where it leads us is checked before we go there.
//!
//! | file | its idea |
//! |---|---|
//! | `repository` | names to URLs |
//! | `reach`, `place`, `resolver` | where a registry may lead us |
//! | `transport`, `trust`, `connection_error`, `encoding` | HTTP and its failures |
//! | `proxy`, `proxy_exceptions` | what goes through a proxy |
//! | `challenge`, `credentials`, `helper`, `identity`, `authentication` | proving who we are |
//! | `session`, `answer`, `retry`, `waiting` | one conversation with one repository |
//! | `pull`, `manifest`, `artifact` | a model from a registry |
//! | `blobs`, `download`, `incoming`, `sharing` | blobs from a registry, or from the Hub |
//! | [`hub`] | a checkpoint from the Hugging Face Hub |
//! | `push`, `upload` | a model to a registry |
//! | `library`, `shared_library`, `holding`, `listing` | a registry that several machines share |
//! | `results`, `eviction` | what was made of what, in it; and a store as its cache |
//! | `client`, `config`, `environment`, `event`, `progress` | what other rooms see |

mod answer;
mod artifact;
mod authentication;
mod blobs;
mod blocking;
mod challenge;
mod client;
mod come_back;
mod config;
mod connection_error;
mod credentials;
mod download;
mod encoding;
mod environment;
mod error;
mod event;
mod eviction;
mod helper;
mod holding;
pub mod hub;
mod identity;
mod incoming;
mod library;
mod listing;
mod manifest;
mod place;
mod progress;
mod proxy;
mod proxy_exceptions;
mod pull;
mod push;
mod reach;
mod repository;
mod resolver;
mod results;
mod retry;
mod session;
mod shared_library;
mod sharing;
mod transport;
mod trust;
mod upload;
mod waiting;

pub use artifact::Artifact;
pub use client::{Client, Options};
pub use come_back::ComeBack;
pub use config::Config;
pub use credentials::{Credentials, InvalidDockerConfig};
pub use error::RegistryError;
pub use event::{Awaited, Event, Party, Transfer, Wait};
pub use eviction::Evicted;
pub use library::{InvalidLibrary, Library};
pub use listing::Shelved;
pub use proxy::Proxies;
pub use pull::Pulled;
pub use results::MadeFile;
pub use retry::RetryPolicy;
pub use shared_library::Published;

use blocking::{blocking, defect};
