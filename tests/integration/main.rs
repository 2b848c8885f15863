//! All integration tests: one binary, one module a topic.

mod kernels;
mod support;
