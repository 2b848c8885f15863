//! All integration tests: one binary, one module a topic.

mod gguf;
mod kernels;
mod modelfile;
mod plan;
mod quantize;
mod quantize_command;
mod store;
mod support;
mod template;
