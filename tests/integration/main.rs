//! All integration tests: one binary, one module a topic.

mod modelfile;
mod plan;
mod store;
mod template;
