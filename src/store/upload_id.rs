//! What an upload is called.

use std::fmt;
use std::str::FromStr;

/// What tells an upload from all others. It cannot be guessed, so only those who were told can go on with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct UploadId(u128);

impl UploadId {
    pub(super) fn random() -> Self {
        Self(rand::random())
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

/// A text that no upload is called by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{got:?} is not the identifier of an upload: 32 hexadecimal digits expected")]
pub struct InvalidUploadId {
    /// The text.
    pub got: String,
}

impl FromStr for UploadId {
    type Err = InvalidUploadId;

    fn from_str(text: &str) -> Result<Self, InvalidUploadId> {
        let is_id = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let number = u128::from_str_radix(text, 16).ok().filter(|_| is_id);
        number.map(Self).ok_or_else(|| InvalidUploadId { got: text.chars().take(64).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_written_one_way() {
        let id = UploadId::random();
        assert_eq!(id.to_string().parse(), Ok(id));
        let zeros = "0".repeat(31);
        for bad in ["", "x", &zeros, &format!("{zeros}A"), &format!("+{zeros}"), &format!("{zeros}00")] {
            assert!(bad.parse::<UploadId>().is_err(), "{bad}");
        }
    }
}
