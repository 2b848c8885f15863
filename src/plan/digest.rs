//! The digest of a plan.

use std::fmt::{self, Write};

use sha2::{Digest as _, Sha256};

use super::Plan;
use crate::model::Digest;

impl Plan {
    /// A digest of everything that the plan says: equal plans have equal digests. It holds for one version of this
    /// program; the bytes of sources are no part of it, only their labels and lengths.
    pub fn digest(&self) -> Digest {
        let mut text = Hashed(Sha256::new());
        // Hashing cannot fail, and every number in the text is written so that it can be read back exactly.
        write!(text, "{self:?}").unwrap_or_default();
        Digest::from_bytes(text.0.finalize().into())
    }
}

/// Text that is hashed as it is written.
struct Hashed(Sha256);

impl Write for Hashed {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text);
        Ok(())
    }
}
