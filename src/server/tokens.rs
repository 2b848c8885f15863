//! Tokens for clients of the registry that have shown who they are.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::secret::{Secret, position};
use crate::config::TOKENS;
use crate::locked::locked;

/// How long a token is good.
pub(super) const LIFETIME: Duration = Duration::from_secs(3600);

/// The tokens that are good, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<VecDeque<Secret>>);

impl Tokens {
    /// A new token.
    pub(super) fn issue(&self) -> String {
        let now = Instant::now();
        let (text, token) = Secret::new(now + LIFETIME);
        let mut tokens = locked(&self.0);
        tokens.retain(|token| token.is_good(now));
        if tokens.len() >= TOKENS {
            tokens.pop_front();
        }
        tokens.push_back(token);
        text
    }

    /// Whether it is a token that was shown.
    pub(super) fn know(&self, shown: &[u8]) -> bool {
        let now = Instant::now();
        position(locked(&self.0).iter().filter(|token| token.is_good(now)), shown).is_some()
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
