//! What a client may write where a model is meant: a name, a digest, or both.
//!
//! Spellings: Ollama from 0.35 on.

use std::str::FromStr;

use super::{Digest, InvalidName, Name};

/// Which model is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// The model of this name; a name of 12 to 63 hexadecimal digits may also be the beginning of a digest.
    Name(Name),
    /// The manifest of this digest, which the name has to reach: `name@sha256-<hex>`.
    Pinned(Name, Digest),
    /// The manifest of this digest: `sha256-<hex>` or `sha256:<hex>`.
    Digest(Digest),
}

impl FromStr for Reference {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if let Ok(digest) = Digest::in_any_spelling(text) {
            return Ok(Self::Digest(digest));
        }
        match text.rsplit_once('@') {
            Some((name, digest)) => {
                let digest = Digest::in_any_spelling(digest).map_err(|_| {
                    InvalidName::because(text, "behind @ a whole digest is expected, sha256: and 64 digits")
                })?;
                Ok(Self::Pinned(name.parse()?, digest))
            }
            None => Ok(Self::Name(text.parse()?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_digests_are_told_apart() {
        let hex = "0123456789abcdef".repeat(4);
        let digest: Digest = format!("sha256:{hex}").parse().unwrap();
        for text in [format!("sha256-{hex}"), format!("sha256:{}", hex.to_uppercase())] {
            assert_eq!(text.parse(), Ok(Reference::Digest(digest)), "{text}");
            assert_eq!(
                format!("a/m:t@{text}").parse(),
                Ok(Reference::Pinned("a/m:t".parse().unwrap(), digest)),
                "{text}"
            );
        }
        assert_eq!(hex[..12].parse(), Ok(Reference::Name(hex[..12].parse().unwrap())));
        for text in ["m@sha256:12", "@", "bad name", ""] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }
}
