//! All integration tests: one binary, one module a topic.

mod convert;
mod generated;
mod plan;
mod quantize;
mod tokenizer;
