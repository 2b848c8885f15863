//! What several benchmarks need.

mod memory;
pub(crate) mod process;
mod processor_time;
pub(crate) mod random;
