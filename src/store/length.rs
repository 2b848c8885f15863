//! How long something becomes that is on its way.

/// How many bytes an upload has when it is whole, as far as that is known when it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// It is whole when it has so many.
    Exactly(u64),
    /// It is whole when its client says so.
    AtMost(u64),
}

impl Length {
    /// More bytes than that it never has.
    pub fn bound(self) -> u64 {
        match self {
            Self::Exactly(bytes) | Self::AtMost(bytes) => bytes,
        }
    }

    /// The number of bytes, if it is known.
    pub fn exact(self) -> Option<u64> {
        match self {
            Self::Exactly(bytes) => Some(bytes),
            Self::AtMost(_) => None,
        }
    }

    /// Whether something of so many bytes can be whole.
    pub(super) fn allows(self, bytes: u64) -> bool {
        match self {
            Self::Exactly(expected) => bytes == expected,
            Self::AtMost(most) => bytes <= most,
        }
    }
}

impl Default for Length {
    fn default() -> Self {
        Self::Exactly(0)
    }
}
