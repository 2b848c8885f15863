//! Tokens for clients of the registry that have shown who they are. Only their digests are kept.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use crate::config::TOKENS;
use crate::locked::locked;

/// How long a token is good.
pub(super) const LIFETIME: Duration = Duration::from_secs(3600);

/// The tokens that are good, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<VecDeque<Issued>>);

#[derive(Debug)]
struct Issued {
    secret: [u8; 32],
    end: Instant,
}

impl Tokens {
    /// A new token.
    pub(super) fn issue(&self) -> String {
        let secret = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        let now = Instant::now();
        let mut tokens = locked(&self.0);
        tokens.retain(|issued| issued.end > now);
        if tokens.len() >= TOKENS {
            tokens.pop_front();
        }
        tokens.push_back(Issued { secret: Sha256::digest(&secret).into(), end: now + LIFETIME });
        secret
    }

    /// Whether it is a token that was shown. The time that this takes tells nothing about any.
    pub(super) fn know(&self, shown: &[u8]) -> bool {
        let (shown, now): ([u8; 32], _) = (Sha256::digest(shown).into(), Instant::now());
        let tokens = locked(&self.0);
        // All are looked at, wherever the one is.
        tokens
            .iter()
            .filter(|issued| issued.end > now)
            .fold(false, |found, issued| found | bool::from(issued.secret.ct_eq(&shown)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_and_there_are_only_so_many() {
        let tokens = Tokens::default();
        let first = tokens.issue();
        assert!(tokens.know(first.as_bytes()) && !tokens.know(b"") && !tokens.know(b"other"));
        for _ in 0..TOKENS {
            tokens.issue();
        }
        assert!(!tokens.know(first.as_bytes()));
    }
}
