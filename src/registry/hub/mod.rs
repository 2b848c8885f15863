//! The Hugging Face Hub: repositories of files, as git has them.
//!
//! Repositories of GGUF files are models of a registry that the Hub is too; all others are listed and fetched
//! file by file, at one commit. Paths, pages and error codes are those of `huggingface_hub` (`hf_api.py`,
//! `utils/_pagination.py`, `utils/_http.py`).
//!
//! The Hub is no more trusted than a registry. What it lists is believed as far as the files keep to it: a
//! file has the length, and the digest or the object's name in git, that the listing of the commit states.

mod address;
mod entry;
mod fetch;
mod link;
mod listing;
mod refusal;

pub use address::{HUB, Hub, InvalidHub};
pub use entry::{HubContent, HubFile};
pub use link::next_page;
pub use listing::Listing;

pub(super) use fetch::fetch;
pub(super) use listing::list;
