//! A server that makes models.
//!
//! The rooms, from the bottom up; imports run downwards only:
//!
//! | room | what it knows |
//! |---|---|
//! | [`model`] | the vocabulary: names, digests, manifests, configurations, parameters; no I/O |
//! | [`family`] | what an architecture means beyond its numbers; plain data |
//! | [`tensor`] | element types, block formats, casts and quantization kernels over slices |
//! | [`gguf`] | the GGUF file format over untrusted bytes |
//! | [`safetensors`] | the safetensors format and sharded checkpoints over untrusted bytes |
//! | [`plan`] | what a file to come consists of, and the executor that makes it |
//! | [`store`] | blobs, manifests, leases, pruning |
//! | [`template`] | Go `text/template`: parse and check; chat formats |
//! | [`registry`] | client of OCI registries |
//! | [`bundle`] | models in one stream: an OCI image layout as a tar file |
//! | [`quantize`] | plan → plan: which tensor gets which type |
//! | [`convert`] | Hugging Face checkpoint or adapter → plan |
//! | [`modelfile`] | the Modelfile language |
//! | [`library`] | what is known of a model: contents, capabilities, lists, Modelfile text |
//! | [`create`] | one create job from request to manifest |
//! | [`jobs`] | what runs longer than a request: stages, turns, events, who follows |
//! | [`config`] | everything that the operator can set |
//! | [`server`] | HTTP: routes, access, streams, and which status an error is |
//! | [`cli`] | the command line |

mod locked;

pub mod bundle;
pub mod cli;
pub mod config;
pub mod convert;
pub mod create;
pub mod family;
pub mod gguf;
pub mod jobs;
pub mod library;
pub mod model;
pub mod modelfile;
pub mod plan;
pub mod quantize;
pub mod registry;
pub mod safetensors;
pub mod server;
pub mod store;
pub mod template;
pub mod tensor;
