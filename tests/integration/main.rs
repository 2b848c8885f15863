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
mod convert;
mod create;
mod generated;
mod in_process;
mod kernels;
mod plan;
mod quantize;
mod registry;
mod server;
mod store;
mod support;
mod template;
mod wire;
