//! What several topics need.

pub(crate) mod bytes;
pub(crate) mod generator;
pub(crate) mod process;
pub(crate) mod shared;
