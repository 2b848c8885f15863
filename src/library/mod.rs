//! What is known of the models of a store: what their layers hold, what they can do, how they are listed and shown.

mod capabilities;
mod catalog;
mod contents;
mod description;
mod descriptions;
mod model_info;
mod modelfile;
mod parameter_text;
mod parts;

pub(crate) use capabilities::{capabilities, is_rendered_by_ollama};
pub(crate) use catalog::{Catalog, Models};
pub(crate) use contents::Contents;
pub use description::{CHAT_TEMPLATE_KEY, ChatTemplateSupport, Description, UNKNOWN_FILE_TYPE};
pub use descriptions::{DescriptionError, Descriptions};
pub(crate) use model_info::{Info, info, remote_info};
pub(crate) use modelfile::modelfile;
pub(crate) use parts::{Details, Facts, Parts};
