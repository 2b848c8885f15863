//! All integration tests: one binary, one module a topic.

mod generated;
mod modelfile;
mod plan;
mod quantize;
mod store;
mod template;
mod gguf;
mod kernels;
mod plan;
mod quantize;
mod quantize_command;
mod store;
mod support;
mod template;
