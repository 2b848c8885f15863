//! All integration tests: one binary, one module a topic.

mod convert;
mod create;
mod generated;
mod in_process;
mod kernels;
mod plan;
mod quantize;
mod registry;
mod server;
mod socket;
mod store;
mod support;
mod template;
mod wire;
