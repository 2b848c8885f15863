//! All integration tests: one binary, one module a topic.

mod bundle;
mod command_line;
mod convert;
mod create;
mod create_command;
mod damage;
mod documents;
#[cfg(target_os = "linux")]
mod endurance;
mod environment;
mod fuzz;
mod gguf;
mod hostile;
mod in_process;
mod kernels;
mod library;
mod maintenance;
mod map;
mod modelfile;
mod ollama_rs;
mod plan;
mod quantize;
mod quantize_command;
mod registry;
mod registry_api;
mod server;
mod socket;
mod store;
mod support;
mod template;
mod terminal;
mod tokenizer;
mod wire;
