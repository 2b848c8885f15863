//! Bytes without meaning, and the digest of any.

use ollamake::model::Digest;
use sha2::{Digest as _, Sha256};

pub(crate) use super::noise::noise;

pub(crate) fn digest_of(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}
