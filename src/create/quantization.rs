//! The quantization that a client wishes for.

use super::CreateError;
use crate::quantize::{Scheme, Target};

/// The quantization wished for.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantization {
    pub(super) scheme: Scheme,
    /// As the client calls it, in upper case; progress lines show it.
    pub(super) wish: String,
}

impl Quantization {
    /// What a client calls a quantization; nothing is wished for by an empty text.
    ///
    /// # Errors
    /// [`CreateError::UnknownQuantization`].
    pub fn parse(wish: &str) -> Result<Option<Self>, CreateError> {
        if wish.is_empty() {
            return Ok(None);
        }
        match wish.parse::<Target>() {
            Ok(target) => Ok(Some(Self { scheme: Scheme::new(target), wish: wish.to_uppercase() })),
            Err(_) => Err(CreateError::UnknownQuantization {
                got: wish.to_owned(),
                supported: Target::names().collect(),
            }),
        }
    }
}
