//! All integration tests: one binary, one module a topic.

mod registry;
mod store;
