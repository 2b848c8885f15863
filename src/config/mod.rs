//! Everything that the operator can set, read once when the program starts and passed down; and the limits
//! that nobody can set.
//!
//! A setting is declared once, in `variables`; the table in `docs/settings.md` is made from these
//! declarations.

mod api_key;
#[expect(clippy::module_inception, reason = "the configuration is what the room is about")]
mod config;
mod error;
mod fixed;
mod host;
mod limits;
mod ollama_key;
mod origins;
mod path;
mod setting;
mod shown;
mod table;
mod variables;

pub use api_key::{ApiKey, InvalidApiKey};
pub use config::{Config, LogFormat, LogLevel};
pub use error::{ConfigError, OpenStoreError};
pub(crate) use fixed::*;
pub use host::Host;
pub(crate) use host::split_port;
pub use limits::Limits;
pub use ollama_key::{InvalidOllamaKey, OllamaKey};
pub use shown::{Setting, Shown};
pub use table::{settings_text, variables_text};
