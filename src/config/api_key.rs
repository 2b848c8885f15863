//! The key that clients have to show, where the operator has set one.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

/// A secret that the server and its clients know.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

/// A text that cannot be sent as a key: it is empty, or holds something else than visible ASCII characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidApiKey;

impl ApiKey {
    /// Takes a text for a key, without the blanks and line ends around it.
    ///
    /// # Errors
    /// The rest is not a key.
    pub fn parse(text: &str) -> Result<Self, InvalidApiKey> {
        let text = text.trim();
        let is_key = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_key { Ok(Self(text.to_owned())) } else { Err(InvalidApiKey) }
    }

    /// The key itself, for a client to send.
    pub fn secret(&self) -> &str {
        &self.0
    }

    /// Whether it is the key that was shown. The time that this takes tells nothing about the key: what is
    /// compared are digests, all of their bytes.
    pub(crate) fn matches(&self, shown: &[u8]) -> bool {
        Sha256::digest(&self.0).ct_eq(&Sha256::digest(shown)).into()
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ApiKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_what_a_header_can_hold() {
        assert_eq!(ApiKey::parse(" s3cret+/=\n").map(|key| key.secret().to_owned()), Ok("s3cret+/=".into()));
        for bad in ["", " \n", "two words", "schlüssel", "a\0b"] {
            assert_eq!(ApiKey::parse(bad), Err(InvalidApiKey), "{bad:?}");
        }
    }

    #[test]
    fn only_the_whole_key_matches_and_nothing_tells_it() {
        let key = ApiKey::parse("secret").unwrap();
        assert!(key.matches(b"secret"));
        for wrong in [&b""[..], b"secre", b"secrets", b"Secret", &[0xFF; 6]] {
            assert!(!key.matches(wrong));
        }
        assert!(!format!("{key:?}").contains("secret"));
    }
}
