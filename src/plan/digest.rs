//! The digest of a plan.

use std::fmt::{self, Write};

use sha2::{Digest as _, Sha256};

use super::{Plan, SourceDescription};
use crate::model::Digest;

impl Plan {
    /// A digest of everything that the plan says, with other labels for its sources: equal plans with equal labels have
    /// equal digests. It holds for one version of this program; the bytes of sources are no part of it.
    pub fn digest(&self, labels: impl Iterator<Item = String>) -> Digest {
        let Self { sources, metadata, tensors } = self;
        let mut text = Hashed(Sha256::new());
        // Hashing cannot fail.
        for (SourceDescription { label: _, length }, label) in sources.iter().zip(labels) {
            write!(text, "{label:?} {length} ").unwrap_or_default();
        }
        write!(text, "{metadata:?} {tensors:?}").unwrap_or_default();
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
