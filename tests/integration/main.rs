//! All integration tests: one binary, one module a topic.

mod create;
mod convert;
mod generated;
mod in_process;
mod plan;
mod quantize;
mod server;
mod registry;
mod store;
mod template;
mod wire;
mod kernels;
mod support;
