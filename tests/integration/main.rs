//! All integration tests: one binary, one module a topic.

mod generated;
mod modelfile;
mod plan;
mod quantize;
mod store;
mod template;
mod kernels;
mod support;
