//! What several benchmarks need.

pub(crate) mod process;
pub(crate) mod random;
