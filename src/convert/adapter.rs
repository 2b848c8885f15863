//! PEFT LoRA adapters (llama.cpp, `convert_lora_to_gguf.py`).

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::{Map, Value};

use super::files::Files;
use super::general::{self, FileKind};
use super::mapping::Mapping;
use super::output_type::OutputType;
use super::parameters::Parameters;
use super::planned::{planned, sources, state_storage};
use super::size_label::ParameterCount;
use super::weight::Weight;
use super::weights::{self, StoredWeight};
use super::{Configuration, Conversion, ConvertError, Model, architecture};
use crate::gguf::{self, Array, Metadata};
use crate::plan::Plan;
use crate::safetensors::{Checkpoint, NamedSource};

/// The adapter's settings.
const SETTINGS: &str = "adapter_config.json";
/// The adapter's weights.
const WEIGHTS: &str = "adapter_model.safetensors";

/// Plans the conversion of an adapter for a base model whose metadata are given.
///
/// `files` are `adapter_config.json`, `adapter_model.safetensors` and, if there is one, the model card.
///
/// # Errors
///
/// A file is missing or damaged, tensor names of the base model's architecture are not known, or the adapter does what
/// a GGUF adapter cannot express.
pub fn adapter(
    files: &[NamedSource<'_>],
    base: &Metadata,
    output: OutputType,
) -> Result<Conversion, ConvertError> {
    let files = Files::new(files);
    let settings = settings(files)?;
    let named = base.get("general.architecture").and_then(|value| value.as_str()).unwrap_or_default();
    let family = architecture::find_by_architecture(named)
        .ok_or_else(|| ConvertError::UnknownBase { architecture: named.to_owned() })?;
    let predicted = number_of(base, family.architecture, "nextn_predict_layers").unwrap_or(0);
    let model = Model::new(configuration_of(base, family.architecture, predicted), predicted)?;

    let given = files.sources().iter().position(|source| source.name == WEIGHTS);
    let given = given
        .ok_or(ConvertError::MissingFile { file: WEIGHTS, purpose: "it holds the weights of the adapter" })?;
    let checkpoint = Checkpoint::from_files(files.sources(), vec![given])?;
    let unquantized = Configuration::new(SETTINGS, Map::new());
    let (weights, _) = weights::read(&checkpoint, files, &unquantized, &[])?;
    let precision = output.settle(&weights);
    let mut mapping = Mapping::new(&model, family.architecture, family.tensors);
    for (name, weight) in factors(&weights)? {
        if let Some(name) = (family.rename)(&model, &name) {
            mapping.add(&name, || Ok(weight))?;
        }
    }
    let (mapped, _) = mapping.finish_partial()?;
    let mapped = mapped.into_iter().map(|(name, weight)| embeddings_last(name, weight));
    let mapped = mapped.collect::<Result<Vec<_>, _>>()?;
    let tensors = planned(mapped, |name, dimensions| precision.of(name, dimensions, None))?;

    let mut out = Parameters::new(family.architecture);
    let configuration = files.json("config.json")?;
    let id = configuration.as_ref().and_then(|values| values.get("_name_or_path")).and_then(Value::as_str);
    general::write(FileKind::Adapter, files, id, ParameterCount::of_adapter(&tensors), &mut out)?;
    out.set_plain("adapter.lora.alpha", alpha(&settings)?);
    if let Some(tokens) = settings.integers("alora_invocation_tokens")?.filter(|tokens| !tokens.is_empty()) {
        let tokens: Vec<u32> = tokens.into_iter().map(|token| token as u32).collect();
        out.set_plain("adapter.alora.invocation_tokens", tokens);
    }
    state_storage(&mut out, precision, &tensors);
    let model = Plan { sources: sources(&checkpoint), metadata: out.into_metadata(), tensors };
    Ok(Conversion { model: Some(model), projector: None, sources: checkpoint.given, warnings: Vec::new() })
}

fn settings(files: Files<'_>) -> Result<Configuration, ConvertError> {
    let values = match files.json(SETTINGS)? {
        Some(Value::Object(values)) => values,
        Some(_) => return Err(refuse(format!("{SETTINGS} is not an object"))),
        None => {
            return Err(ConvertError::MissingFile {
                file: SETTINGS,
                purpose: "it says how the adapter is applied",
            });
        }
    };
    let settings = Configuration::new(SETTINGS, values);
    match settings.text_value("peft_type")? {
        None | Some("LORA") => {}
        Some(other) => return Err(refuse(format!("its type is {other}, and only LORA is supported"))),
    }
    if settings.flag("use_dora")? {
        return Err(refuse("DoRA magnitudes are not supported".to_owned()));
    }
    let tokens = settings.value("alora_invocation_tokens").and_then(Value::as_array);
    let invoked = settings.text_value("invocation_string")?.is_some_and(|text| !text.is_empty());
    if invoked && tokens.is_none_or(Vec::is_empty) {
        let reason = "an invocation_string alone does not say when it begins; add alora_invocation_tokens";
        return Err(refuse(reason.to_owned()));
    }
    let patterns = settings.value("alpha_pattern").and_then(Value::as_object);
    if patterns.is_some_and(|patterns| !patterns.is_empty()) {
        return Err(refuse("it has an alpha of its own for some modules (alpha_pattern)".to_owned()));
    }
    let patterns = settings.value("rank_pattern").and_then(Value::as_object);
    if settings.flag("use_rslora")? && patterns.is_some_and(|patterns| !patterns.is_empty()) {
        return Err(refuse("it is rank-stabilised and has several ranks (rank_pattern)".to_owned()));
    }
    Ok(settings)
}

/// The number that the product of the factors is multiplied by before it is divided by their rank.
fn alpha(settings: &Configuration) -> Result<f32, ConvertError> {
    let alpha = settings.number("lora_alpha")?;
    if settings.flag("use_rslora")? {
        // Rank-stabilised adapters divide by the root of the rank; the runtime divides by the rank.
        return Ok((alpha * settings.number("r")?.sqrt()) as f32);
    }
    Ok(alpha as f32)
}

/// Pairs the factors of the adapter under the names of the weights that they change, in the order of the file.
fn factors(weights: &[StoredWeight]) -> Result<Vec<(String, Weight)>, ConvertError> {
    const ENDINGS: [(&str, bool); 4] = [
        (".lora_A.weight", true),
        (".lora_B.weight", false),
        (".lora_embedding_A", true),
        (".lora_embedding_B", false),
    ];
    let mut changed: Vec<(String, Weight)> = Vec::new();
    let mut pairs: Vec<(String, [Option<&StoredWeight>; 2])> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for weight in weights {
        let name = base_name(&weight.name);
        let factor = ENDINGS.iter().find_map(|(ending, first)| Some((name.strip_suffix(ending)?, *first)));
        if let Some((stem, first)) = factor {
            let place = *places.entry(stem.to_owned()).or_insert_with(|| {
                pairs.push((format!("{stem}.weight"), [None, None]));
                pairs.len() - 1
            });
            pairs[place].1[usize::from(!first)] = Some(weight);
        } else if name.contains("_layernorm") || name.contains(".norm") {
            changed.push((name.into_owned(), Weight::Whole(weight.recipe()?)));
        } else if !name.contains(".base_layer.weight") {
            return Err(refuse(format!("tensor {} is neither lora_A nor lora_B", weight.name)));
        }
    }
    for (name, pair) in pairs {
        let [Some(a), Some(b)] = pair else {
            return Err(refuse(format!("one of the two factors of {name} is missing")));
        };
        match (a.dimensions(), b.dimensions()) {
            ([rank, _], [_, other]) if rank == other => {}
            (a, b) => {
                return Err(refuse(format!("the factors {a:?} and {b:?} of {name} do not fit each other")));
            }
        }
        changed.push((name, Weight::LowRank { a: a.recipe()?, b: b.recipe()? }));
    }
    Ok(changed)
}

/// The name of a tensor without what PEFT wraps around the model.
fn base_name(name: &str) -> Cow<'_, str> {
    let name = name.strip_prefix("base_model.model.").unwrap_or(name);
    // Some versions name the adapter within the tensor's name.
    architecture::replaced(Cow::Borrowed(name), ".default.weight", ".weight")
}

/// Embeddings are looked up, not multiplied: their first factor lies the other way round.
fn embeddings_last(name: String, weight: Weight) -> Result<(String, Weight), ConvertError> {
    match weight {
        Weight::LowRank { a, b } if name == "token_embd.weight" => {
            let a = a
                .transpose(0, 1)
                .map_err(|reason| ConvertError::Dimensions { tensor: name.clone(), reason })?;
            Ok((name, Weight::LowRank { a, b }))
        }
        other => Ok((name, other)),
    }
}

fn refuse(reason: String) -> ConvertError {
    ConvertError::Adapter { reason }
}

/// A number of the base model. Where there is one a layer, it is zero in the layers that it does not concern, and the
/// same in all others.
fn number_of(base: &Metadata, architecture: &str, key: &str) -> Option<u64> {
    match base.get(&format!("{architecture}.{key}"))? {
        gguf::Value::Array(Array::I32(numbers)) => {
            numbers.iter().max().and_then(|number| (*number).try_into().ok())
        }
        gguf::Value::Array(Array::U32(numbers)) => numbers.iter().max().copied().map(u64::from),
        value => value.as_u64(),
    }
}

/// The configuration that a model file was made from, as far as rearranging weights needs it.
fn configuration_of(base: &Metadata, architecture: &str, predicted_layers: u64) -> Configuration {
    const KEYS: [(&str, &str); 15] = [
        ("num_hidden_layers", "block_count"),
        ("hidden_size", "embedding_length"),
        ("intermediate_size", "feed_forward_length"),
        ("num_attention_heads", "attention.head_count"),
        ("num_key_value_heads", "attention.head_count_kv"),
        ("num_experts", "expert_count"),
        ("head_dim", "attention.key_length"),
        ("kv_lora_rank", "attention.kv_lora_rank"),
        ("v_head_dim", "attention.value_length_mla"),
        ("conv_L_cache", "shortconv.l_cache"),
        ("linear_conv_kernel_dim", "ssm.conv_kernel"),
        ("linear_key_head_dim", "ssm.state_size"),
        ("linear_num_key_heads", "ssm.group_count"),
        ("linear_num_value_heads", "ssm.time_step_rank"),
        ("ssm_inner_size", "ssm.inner_size"),
    ];
    let number = |key: &str| {
        let number = number_of(base, architecture, key);
        if key == "block_count" {
            number.map(|layers| layers.saturating_sub(predicted_layers))
        } else {
            number
        }
    };
    let mut values: Map<String, Value> =
        KEYS.iter().filter_map(|(key, name)| Some(((*key).to_owned(), number(name)?.into()))).collect();
    if let (Some(inner), Some(heads)) = (number("ssm.inner_size"), number("ssm.time_step_rank")) {
        values.extend(inner.checked_div(heads).map(|size| ("linear_value_head_dim".to_owned(), size.into())));
    }
    Configuration::new("the base model's metadata", values)
}
