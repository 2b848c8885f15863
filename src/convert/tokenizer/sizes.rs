//! How large a vocabulary has to be.

use super::TokenizerError;

/// What the configuration of a model says of its vocabulary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sizes {
    /// `vocab_size`.
    pub tokens: Option<u64>,
    /// `type_vocab_size`, 1 where it is not given.
    pub token_types: Option<u64>,
}

impl Sizes {
    /// How many segments of a text the model tells apart.
    pub(super) fn checked_token_types(self) -> Result<u32, TokenizerError> {
        let count = self.token_types.unwrap_or(1);
        u32::try_from(count).map_err(|_| {
            TokenizerError::bad_field("config.json", "type_vocab_size", &count, "a 32-bit number")
        })
    }
}
