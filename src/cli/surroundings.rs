//! What commands work with.

use std::net::SocketAddr;

use futures_util::future::BoxFuture;

use super::error::CliError;
use crate::config::{Config, ConfigError};
use crate::store::Store;

/// What may come of a server.
type Served<T> = BoxFuture<'static, Result<T, Box<dyn std::error::Error + Send + Sync>>>;

/// What commands work with. They know no server but its interface, so the program tells them how to start
/// one.
#[derive(Debug)]
pub struct Surroundings {
    /// What the operator has set.
    pub config: Result<Config, ConfigError>,
    /// Whether only warnings and errors are to be said beside what was asked for.
    pub quiet: bool,
    /// Serves until the process is asked to end.
    pub serve: fn(Config) -> Served<()>,
    /// Starts a server on a store in this process and answers with its address.
    pub embed: fn(Config, Store) -> Served<SocketAddr>,
}

impl Surroundings {
    pub(super) fn config(&self) -> Result<&Config, CliError> {
        self.config.as_ref().map_err(|error| CliError::Configuration(error.clone()))
    }
}
