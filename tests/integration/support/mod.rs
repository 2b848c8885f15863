//! What several topics need.

pub(crate) mod generator;
pub(crate) mod shared;
