//! What is known of the models of a store: what their layers hold, what they can do, how they are listed and
//! shown, and what a check has found.

mod capabilities;
mod catalog;
mod checked;
mod contents;
mod description;
mod descriptions;
mod error;
mod model_info;
mod modelfile;
mod parameter_text;
mod parts;
mod running;
mod shards;
mod weights;

pub(crate) use capabilities::{capabilities, is_rendered_by_ollama};
pub(crate) use catalog::{Catalog, Models};
pub(crate) use checked::{Checked, UnreadEntry};
pub(crate) use contents::Contents;
pub use description::{CHAT_TEMPLATE_KEY, ChatTemplateSupport, Description, UNKNOWN_FILE_TYPE};
pub use descriptions::Descriptions;
pub use error::LibraryError;
pub(crate) use model_info::{Info, info, remote_info};
pub(crate) use modelfile::modelfile;
pub(crate) use parts::{Details, Facts, Parts};
pub use running::{Cache, RunningMemory, USUAL_CONTEXT};
pub(crate) use shards::{Shards, shard_label};
pub(crate) use weights::{Weights, parse_gguf};
