//! All integration tests: one binary, one module a topic.

mod generated;
mod gguf;
mod plan;
mod store;
mod template;
mod quantize;
