//! Bundles: models in a stream, for machines without a network.
//!
//! A bundle is a tar stream of an OCI image layout (image specification 1.1, `image-layout.md`), so other
//! programs read it too. Its index names for each model an OCI manifest of the same configuration and layers,
//! since they refuse Ollama's media types in a manifest of Docker's. The document that the store has, a
//! manifest or a list of manifests, lies beside it as a blob; an annotation of the index says which, so a
//! model comes back as it was, byte for byte. Blobs that several models share are there once.
//!
//! We write the index first and the blobs in the order in which they are named. Read is every order, since
//! other programs write others; and every blob is verified before anything names it.

mod allowance;
mod error;
mod layout;
mod load;
mod save;

pub use error::BundleError;
pub use load::{Loaded, load};
pub use save::{Saved, save};
