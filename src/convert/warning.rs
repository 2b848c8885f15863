//! What the person who asked for a conversion should know although it goes on.

use serde_json::Value;

use super::architecture::{self, Family};
use super::files::Files;
use super::found::Found;
use super::modules::{self, Module};
use super::packed::Undone;
use super::tokenizer::TokenizerWarning;
use super::weights::StoredWeight;
use super::{ConvertError, Model};

/// Something that may be wrong with a converted model.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Warning {
    /// The vocabulary.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerWarning),
    /// Weights were packed, and what packing lost is not to be had back.
    #[error("{0}; what was lost when they were quantized stays lost")]
    Dequantized(Undone),
    /// A part of the checkpoint has no counterpart among the projectors made here.
    #[error("the encoder of {input} is not converted; the model will not understand {input}")]
    EncoderLeftOut {
        /// What it encodes.
        input: &'static str,
    },
    /// Of the text model there are tensors, but no layers.
    #[error("the text model has no layers in these files; only its encoder is converted")]
    TextLeftOut,
    /// The runtime does not predict further tokens with models of the architecture.
    #[error(
        "the layers that predict further tokens ({tensor:?} and others) are left out: the runtime does not \
         use them"
    )]
    PredictionLeftOut {
        /// The first of their tensors.
        tensor: String,
    },
    /// The head is not that of the embeddings, and it is not there.
    #[error(
        "lm_head.weight is missing, although config.json says that it is not tied to the embeddings; these \
         serve as head"
    )]
    HeadMissing,
    /// The files say that there is a pooling and not which.
    #[error(
        "modules.json names the pooling {path}, but {path}/config.json is missing; the model is made without \
         pooling"
    )]
    PoolingMissing {
        /// Its folder.
        path: String,
    },
    /// The architecture has no place for a module, or the module was not given.
    #[error(
        "the module {path} ({kind}) is not part of the model; its embeddings are those before that module"
    )]
    ModuleLeftOut {
        /// Its folder.
        path: String,
        /// Its class.
        kind: String,
    },
    /// Adapters are model files of their own, of which a runtime that has no tasks would apply all at once.
    #[error("the adapters for {tasks} are not converted; the model answers as if there were no task")]
    AdaptersLeftOut {
        /// What they are for.
        tasks: String,
    },
}

/// Types of models whose class does not tie the head to the embeddings where a configuration says nothing.
const UNTIED: [&str; 44] = [
    "apertus",
    "arcee",
    "bitnet",
    "chameleon",
    "dbrx",
    "deepseek_v2",
    "deepseek_v3",
    "dots1",
    "exaone4",
    "falcon_h1",
    "glm",
    "glm4",
    "glm4_moe",
    "glm4v_moe_text",
    "glm4v_text",
    "gpt_neox",
    "gpt_oss",
    "granite",
    "hunyuan_v1_dense",
    "jamba",
    "llama",
    "llama4",
    "llama4_text",
    "mistral",
    "mixtral",
    "nemotron",
    "olmo",
    "olmo2",
    "olmo3",
    "olmoe",
    "phi",
    "phi3",
    "phimoe",
    "qwen2",
    "qwen2_moe",
    "qwen3",
    "qwen3_moe",
    "qwen3_next",
    "qwen3_vl",
    "qwen3_vl_moe",
    "qwen3_vl_moe_text",
    "qwen3_vl_text",
    "seed_oss",
    "stablelm",
];

/// What is left out of a model on purpose, or serves as something else.
pub(super) fn tensors_left_out(
    family: &Family,
    model: &Model,
    weights: &[StoredWeight],
    found: &Found,
) -> Vec<Warning> {
    let is_predicting = |name: &str| architecture::is_beyond(model, name) || name.starts_with("mtp.");
    let is_dropped = |name: &str| match (family.rename)(model, name) {
        Some(renamed) => found.dropped.iter().any(|dropped| *dropped == *renamed),
        None => true,
    };
    let names = weights.iter().map(|weight| weight.name.as_str());
    let dropped = names.into_iter().find(|name| is_predicting(name) && is_dropped(name));
    let prediction = dropped.map(|name| Warning::PredictionLeftOut { tensor: name.to_owned() });
    let configuration = &model.configuration;
    let of_class = || {
        configuration.value("model_type").and_then(Value::as_str).is_none_or(|kind| !UNTIED.contains(&kind))
    };
    let is_untied =
        !configuration.value("tie_word_embeddings").and_then(Value::as_bool).unwrap_or_else(of_class);
    let has_place = family
        .tensors
        .iter()
        .flat_map(|table| table.iter())
        .any(|rule| rule.targets().iter().any(|target| matches!(*target, "output.*" | "output.weight")));
    // Models without a head are saved by the name of their trunk.
    let is_trunk = configuration.own_class().is_some_and(|class| class.ends_with("Model"));
    let is_there =
        found.has("output.weight") || weights.iter().any(|weight| weight.name.contains("lm_head."));
    let lacks_head = is_untied && has_place && !is_trunk && !is_there;
    prediction.into_iter().chain(lacks_head.then_some(Warning::HeadMissing)).collect()
}

/// What of `sentence-transformers` does not become part of a model.
pub(super) fn modules_left_out(family: &Family, files: Files<'_>) -> Result<Vec<Warning>, ConvertError> {
    let modules = modules::listed(files)?.into_iter().filter(Module::matters);
    let warning = |module: Module| {
        let (path, kind) = (module.path.clone(), module.name().to_owned());
        let is_given = |file: &str| files.has(&format!("{path}/{file}"));
        if module.is_a("Pooling") {
            return (!is_given("config.json")).then_some(Warning::PoolingMissing { path });
        }
        let is_taken = family.modules.contains(&path.as_str()) && is_given(modules::WEIGHTS);
        (!is_taken).then_some(Warning::ModuleLeftOut { path, kind })
    };
    Ok(modules.filter_map(warning).collect())
}
