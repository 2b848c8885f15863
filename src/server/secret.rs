//! Secrets that are given out for a while. Only their digests are kept, and digests are compared in a time
//! that tells nothing.

use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

/// A secret that somebody has.
#[derive(Debug)]
pub(super) struct Secret {
    digest: [u8; 32],
    end: Instant,
}

impl Secret {
    /// A new one, which is good until `end`, and the text that its owner shows.
    pub(super) fn new(end: Instant) -> (String, Self) {
        let text = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        let digest = Sha256::digest(&text).into();
        (text, Self { digest, end })
    }

    /// Whether it is still good.
    pub(super) fn is_good(&self, now: Instant) -> bool {
        self.end > now
    }
}

/// Which of them was shown. All are looked at, wherever the one is.
pub(super) fn position<'s>(secrets: impl Iterator<Item = &'s Secret>, shown: &[u8]) -> Option<usize> {
    let shown: [u8; 32] = Sha256::digest(shown).into();
    secrets.enumerate().fold(
        None,
        |found, (index, secret)| {
            if secret.digest.ct_eq(&shown).into() { Some(index) } else { found }
        },
    )
}
