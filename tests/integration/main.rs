//! All integration tests: one binary, one module a topic.

mod generated;
mod gguf;
mod plan;
mod quantize;
mod quantize_command;
mod store;
mod template;
mod kernels;
mod support;
