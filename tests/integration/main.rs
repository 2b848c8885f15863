//! All integration tests: one binary, one module a topic.

mod create;
mod server;
mod store;
mod template;
mod wire;
mod generated;
mod modelfile;
mod plan;
mod store;
mod template;
mod quantize;
