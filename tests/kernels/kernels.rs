//! The tests of the kernels, with the little that they need of the other tests.

#[path = "../integration/kernels.rs"]
mod kernels;
#[allow(dead_code, unused_imports, reason = "the other tests need more of these files")]
mod support;
