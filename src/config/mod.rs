//! Everything that the operator can set, read once when the program starts and passed down.

mod api_key;
#[expect(clippy::module_inception, reason = "the configuration is what the room is about")]
mod config;
mod host;

pub use api_key::{ApiKey, InvalidApiKey};
pub use config::{Config, ConfigError, Limits, LogFormat, LogLevel};
pub use host::Host;
pub(crate) use host::split_port;
