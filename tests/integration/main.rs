//! All integration tests: one binary, one module a topic.

mod plan;
mod store;
mod template;
