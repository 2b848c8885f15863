//! All integration tests: one binary, one module a topic.

mod create;
mod server;
mod store;
mod template;
mod wire;
