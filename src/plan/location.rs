//! Where something lies.

/// A place in one of the sources of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Location {
    /// Index into [`Plan::sources`](super::Plan::sources).
    pub source: usize,
    /// Offset of the first byte in that source.
    pub offset: u64,
}
