//! What a client says that bytes hash to, and whether they do.

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// What a client says that the bytes of one attempt hash to.
#[derive(Debug, Clone)]
pub enum Checksum {
    /// SHA-1
    Sha1([u8; 20]),
    /// SHA-256
    Sha256([u8; 32]),
}

/// Hashes bytes to compare them with a checksum.
pub(super) enum Hasher {
    Sha1(Sha1, [u8; 20]),
    Sha256(Sha256, [u8; 32]),
}

impl Hasher {
    pub(super) fn new(checksum: Checksum) -> Self {
        match checksum {
            Checksum::Sha1(expected) => Self::Sha1(Sha1::new(), expected),
            Checksum::Sha256(expected) => Self::Sha256(Sha256::new(), expected),
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(hasher, _) => hasher.update(bytes),
            Self::Sha256(hasher, _) => hasher.update(bytes),
        }
    }

    pub(super) fn matches(self) -> bool {
        match self {
            Self::Sha1(hasher, expected) => hasher.finalize()[..] == expected,
            Self::Sha256(hasher, expected) => hasher.finalize()[..] == expected,
        }
    }
}
