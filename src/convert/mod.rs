//! Hugging Face checkpoints and adapters → [`Plan`]: what llama.cpp's `convert_hf_to_gguf.py` would write, tensor by
//! tensor and key by key, planned from headers and configuration alone.
//!
//! [`checkpoint`] is the way in for models, [`adapter`] for PEFT LoRA adapters. Families of models are
//! declarations in `architecture`; everything here is the same for all of them.
//!
//! | file | what it knows |
//! |---|---|
//! | `files`, `configuration` | the files by name; configuration values with their class's defaults |
//! | `weights` | stored tensors with their scales; formats of other programs are refused by name |
//! | `rule`, `mapping`, `weight` | tables of tensor names, and what is done to a weight |
//! | `model` | what is known of a model before its weights are looked at |
//! | `parameters`, `hyperparameters`, `rope`, `pooling` | metadata of the architecture |
//! | `general`, `model_card`, `model_id`, `size_label` | metadata about the model |
//! | [`tokenizer`] | metadata of the vocabulary |
//! | `output_type` | the element type of each tensor |
//! | `projector`, `adapter` | the two other kinds of file |

mod adapter;
mod architecture;
mod configuration;
mod error;
mod files;
mod general;
mod hyperparameters;
mod mapping;
mod model;
mod model_card;
mod model_id;
mod output_type;
mod parameters;
mod pooling;
mod projector;
mod rope;
mod rule;
mod size_label;
pub mod tokenizer;
mod weight;
mod weights;

use serde_json::{Map, Value};

pub use self::adapter::adapter;
pub use self::error::ConvertError;
pub use self::output_type::OutputType;

use self::architecture::Family;
use self::configuration::Configuration;
use self::files::Files;
use self::general::{FileKind, MODEL_CARD};
use self::mapping::Mapping;
use self::model::{Model, Source};
use self::output_type::{FILE_TYPE_MXFP4, Precision};
use self::parameters::Parameters;
use self::rope::Rope;
use self::size_label::ParameterCount;
use self::tokenizer::{Sizes, TokenizerWarning};
use self::weight::Weight;
use self::weights::StoredWeight;
use crate::plan::{Plan, PlannedTensor, Recipe, SourceDescription};
use crate::quantize::FILE_TYPE_KEY;
use crate::safetensors::{Checkpoint, NamedSource};
use crate::tensor::ElementType;

/// The version of ggml's block formats that quantized files state.
const QUANTIZATION_VERSION: u32 = 2;

/// The files that a checkpoint becomes.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversion {
    /// The model. Its sources are the checkpoint's safetensors files by name.
    pub model: Plan,
    /// The projector of a model that sees; it has the same sources.
    pub projector: Option<Plan>,
    /// What the person who asked should know although the conversion goes on.
    pub warnings: Vec<Warning>,
}

/// Something that may be wrong with a converted model.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Warning {
    /// The vocabulary.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerWarning),
    /// A part of the checkpoint has no counterpart among the projectors made here.
    #[error("the encoder of {input} is not converted; the model will not understand {input}")]
    EncoderLeftOut {
        /// What it encodes.
        input: &'static str,
    },
}

/// Plans the conversion of a checkpoint.
///
/// `files` are `config.json`, the weights (`*.safetensors`, with `model.safetensors.index.json` if there are
/// several), the tokenizer's files, and whatever else of the checkpoint's directory there is, by their names in it.
///
/// # Errors
///
/// A file is missing or damaged, the architecture is not known, the weights are quantized in a foreign format, or
/// configuration, tokenizer and weights do not fit each other.
pub fn checkpoint(files: &[NamedSource<'_>], output: OutputType) -> Result<Conversion, ConvertError> {
    let files = Files::new(files);
    let values = configuration_values(files)?;
    let whole = Configuration::with_defaults("config.json", values, &architecture::classes());
    let name = whole.class_name().ok_or(ConvertError::NoArchitecture)?;
    let mut text = whole.text();
    let family = architecture::find(name, &text)?;
    let checkpoint = Checkpoint::read(files.sources())?;
    let weights = weights::read(&checkpoint, &text)?;
    (family.adjust)(&mut text, files)?;
    let names: Vec<&str> = weights.iter().map(|weight| weight.name.as_str()).collect();
    let predicted = (family.predicted_layers)(&text, &names)?;
    let model = Model::new(text, predicted)?;

    let sources = sources(&checkpoint);
    let mut warnings = Vec::new();
    let source = Source { model: &model, files };
    let plan = text_plan(family, source, &weights, output, sources.clone(), &mut warnings)?;
    let projector = match family.projector {
        Some(projector) if whole.part("vision_config").is_some() => {
            projector::plan(projector, &whole, source, &weights, output, sources)?
        }
        _ => None,
    };
    let has = |part, words: &[&str]| {
        let is_of_it = |name: &&str| words.iter().any(|word| name.contains(word));
        whole.part(part).is_some() && names.iter().any(is_of_it)
    };
    if projector.is_none() && has("vision_config", &["vision", "visual"]) {
        warnings.push(Warning::EncoderLeftOut { input: "images" });
    }
    if has("audio_config", &["audio"]) {
        warnings.push(Warning::EncoderLeftOut { input: "sound" });
    }
    Ok(Conversion { model: plan, projector, warnings })
}

/// Whether a file of a checkpoint's directory, by its name in it, may say something about the model beside its weights.
pub fn is_description(name: &str) -> bool {
    name.ends_with(".json") || name == MODEL_CARD || tokenizer::is_file(name)
}

/// Writes the vocabulary as the family declares it.
fn write_vocabulary(
    family: &Family,
    source: Source<'_>,
    out: &mut Parameters,
    warnings: &mut Vec<Warning>,
) -> Result<(), ConvertError> {
    let configuration = &source.model.configuration;
    let sizes = Sizes {
        tokens: configuration.optional_integer(&["vocab_size"])?,
        token_types: configuration.optional_integer(&["type_vocab_size"])?,
    };
    let vocabulary = tokenizer::read(source.files.sources(), &family.tokenizer, sizes)?;
    for (key, value) in vocabulary.metadata.iter() {
        out.set_plain(key, value.clone());
    }
    warnings.extend(vocabulary.warnings.into_iter().map(Warning::Tokenizer));
    Ok(())
}

fn text_plan(
    family: &'static Family,
    source: Source<'_>,
    weights: &[StoredWeight],
    output: OutputType,
    sources: Vec<SourceDescription>,
    warnings: &mut Vec<Warning>,
) -> Result<Plan, ConvertError> {
    let model = source.model;
    let named = |weight: &&StoredWeight| (family.rename)(model, &weight.name).is_some();
    let precision = output.settle(weights.iter().filter(named));
    let mut out = Parameters::new(family.architecture);
    let mut mapping = Mapping::new(model, family.architecture, family.tensors);
    for (name, recipe) in (family.generated)(model, &mut out)? {
        mapping.push(name.to_owned(), Weight::Whole(recipe))?;
    }
    for weight in weights {
        if let Some(name) = (family.rename)(model, &weight.name) {
            mapping.add(&name, || weight.recipe().map(Weight::Whole))?;
        }
    }
    let tensors = planned(mapping.finish()?, |name, dimensions| precision.of(name, dimensions, None))?;
    check_vocabulary(model, &tensors)?;

    general::write(FileKind::Model, source.files, ParameterCount::of_model(&tensors), &mut out)?;
    (family.hyperparameters)(&source, &mut out)?;
    set_file_type(&mut out, precision, &tensors);
    out.set_plain("general.quantization_version", QUANTIZATION_VERSION);
    write_vocabulary(family, source, &mut out, warnings)?;
    Ok(Plan { sources, metadata: out.into_metadata(), tensors })
}

/// States the file type where the family states one.
fn set_file_type(out: &mut Parameters, precision: Precision, tensors: &[PlannedTensor]) {
    let packed = tensors.iter().any(|tensor| tensor.element_type == ElementType::Mxfp4);
    let number =
        if packed && precision.0 != ElementType::Q8_0 { FILE_TYPE_MXFP4 } else { precision.file_type() };
    if out.has_plain(FILE_TYPE_KEY) {
        out.set_plain(FILE_TYPE_KEY, number);
    }
}

/// The tensors of a plan. Those that are already packed stand first and stay what they are.
fn planned(
    mapped: Vec<(String, Weight)>,
    element_type: impl Fn(&str, &[u64]) -> ElementType,
) -> Result<Vec<PlannedTensor>, ConvertError> {
    let mut tensors = Vec::with_capacity(mapped.len());
    for (name, weight) in mapped {
        match weight {
            Weight::Whole(recipe) => tensors.push(planned_tensor(name, recipe, &element_type)?),
            Weight::LowRank { a, b } => {
                tensors.push(planned_tensor(format!("{name}.lora_a"), a, &element_type)?);
                tensors.push(planned_tensor(format!("{name}.lora_b"), b, &element_type)?);
            }
        }
    }
    tensors.sort_by_key(|tensor| tensor.element_type != ElementType::Mxfp4);
    Ok(tensors)
}

fn planned_tensor(
    name: String,
    recipe: Recipe,
    element_type: impl Fn(&str, &[u64]) -> ElementType,
) -> Result<PlannedTensor, ConvertError> {
    let recipe = if recipe.dimensions().is_empty() {
        recipe.reshape(&[1]).map_err(|reason| ConvertError::Dimensions { tensor: name.clone(), reason })?
    } else {
        recipe
    };
    let element_type = match recipe.stored_type() {
        ElementType::Mxfp4 => ElementType::Mxfp4,
        _ => element_type(&name, &recipe.dimensions()),
    };
    PlannedTensor::new(name.clone(), element_type, recipe)
        .map_err(|reason| ConvertError::Shape { tensor: name, reason })
}

/// Checks that the configuration's vocabulary is that of the embeddings.
fn check_vocabulary(model: &Model, tensors: &[PlannedTensor]) -> Result<(), ConvertError> {
    let stated = model.configuration.optional_integer(&["vocab_size"])?;
    let embeddings = tensors.iter().find(|tensor| tensor.name == "token_embd.weight");
    match (stated, embeddings) {
        (Some(tokens), Some(embeddings)) if embeddings.shape.rows() != tokens => {
            Err(ConvertError::VocabularySize {
                tokens,
                source_of_count: "vocab_size in config.json",
                tensor: embeddings.name.clone(),
                rows: embeddings.shape.rows(),
            })
        }
        _ => Ok(()),
    }
}

fn sources(checkpoint: &Checkpoint) -> Vec<SourceDescription> {
    let files = checkpoint.files.iter();
    files.map(|(label, length)| SourceDescription { label: label.clone(), length: *length }).collect()
}

fn configuration_values(files: Files<'_>) -> Result<Map<String, Value>, ConvertError> {
    match files.json("config.json")? {
        Some(Value::Object(values)) => Ok(values),
        Some(_) => Err(ConvertError::Json {
            file: "config.json".to_owned(),
            reason: "expected an object".to_owned(),
        }),
        None => Err(ConvertError::MissingFile {
            file: "config.json",
            purpose: "it says what kind of model the weights are",
        }),
    }
}
