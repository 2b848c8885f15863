//! What several topics need.

pub(crate) mod cutting_proxy;
pub(crate) mod damage;
pub(crate) mod files;
pub(crate) mod generator;
pub(crate) mod large_gguf;
pub(crate) mod noise;
pub(crate) mod older_matrix;
pub(crate) mod process;
pub(crate) mod shared;
pub(crate) mod skopeo;
pub(crate) mod terminal;
