//! Hugging Face checkpoints and adapters → [`Plan`](crate::plan::Plan): what llama.cpp's
//! `convert_hf_to_gguf.py` would write, tensor by tensor and key by key, planned from headers and
//! configuration alone.
//!
//! [`checkpoint`] is the way in for models, [`adapter`] for PEFT LoRA adapters. Families of models are
//! declarations in `architecture`; everything here is the same for all of them.
//!
//! | file | what it knows |
//! |---|---|
//! | `checkpoint` | the way from files to the plans of a model and its projector |
//! | `selection` | which files of a directory make up a model |
//! | `files`, `configuration` | the files by name; configuration values with their class's defaults |
//! | `weights` | stored tensors as they can be computed with |
//! | `packed` | the formats that other programs quantize weights to, a file each |
//! | `stored_bytes` | the numbers of a tensor, for what only they tell |
//! | `rule`, `mapping`, `weight` | tables of tensor names, and what is done to a weight |
//! | `found`, `completeness`, `lengths`, `shapes` | whether layers are whole, tensors as long as stated |
//! | `model`, `target` | what is known of a model before its weights, and of the one that it drafts for |
//! | `parameters`, `hyperparameters`, `rope`, `modules`, `pooling` | metadata of the architecture |
//! | `numbers` | the few numbers of weights that are metadata |
//! | `general`, `model_card`, `model_id`, `size_label` | metadata about the model |
//! | [`tokenizer`] | metadata of the vocabulary |
//! | `warning` | what a person should know although the conversion goes on |
//! | `output_type`, `planned` | the element type of each tensor, and the tensors of a plan |
//! | `projector`, `adapter` | the two other kinds of file |
//! | `adapter_settings`, `adapter_weights`, `base_model`, `fit` | what an adapter does, if it fits its base |
//! | `merge` | adapters that become part of the weights |

mod adapter;
mod adapter_settings;
mod adapter_weights;
mod architecture;
mod base_model;
mod checkpoint;
mod completeness;
mod configuration;
mod error;
mod files;
mod fit;
mod found;
mod general;
mod hyperparameters;
mod lengths;
mod mapping;
mod merge;
mod model;
mod model_card;
mod model_id;
mod modules;
mod numbers;
mod output_type;
mod packed;
mod parameters;
mod planned;
mod pooling;
mod projector;
mod rope;
mod rule;
mod selection;
mod shapes;
mod size_label;
mod stored_bytes;
mod target;
pub mod tokenizer;
mod warning;
mod weight;
mod weights;

pub use self::adapter::adapter;
pub use self::architecture::{ModelClass, model_classes};
pub use self::checkpoint::{Conversion, checkpoint, is_module};
pub use self::error::ConvertError;
pub use self::fit::check_gguf_adapter;
pub use self::merge::{Merged, merge, merge_gguf, unrounded};
pub use self::output_type::OutputType;
pub use self::packed::Undone;
pub use self::selection::{Unselectable, select, select_gguf};
pub use self::warning::Warning;
pub use model::MAX_LAYERS;

use self::configuration::Configuration;
use self::model::{Model, Subject};
