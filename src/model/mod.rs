//! The vocabulary of the crate: names, digests, manifests, configurations, parameters. No I/O.

mod digest;
mod name;

pub use digest::{Digest, InvalidDigest};
pub use name::{InvalidName, Name, Scheme};
