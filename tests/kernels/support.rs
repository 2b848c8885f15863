//! What the kernels' tests need of what all tests share.

#[path = "../integration/support/files.rs"]
pub(crate) mod files;
#[path = "../integration/support/generator.rs"]
pub(crate) mod generator;
#[path = "../integration/support/noise.rs"]
mod noise;
#[path = "../integration/support/shared.rs"]
pub(crate) mod shared;
