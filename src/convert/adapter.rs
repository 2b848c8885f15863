//! LoRA adapters of PEFT and MLX as files of their own (llama.cpp, `convert_lora_to_gguf.py`).

use serde_json::{Map, Value};

use super::adapter_settings::{Settings, refuse};
use super::architecture::Family;
use super::base_model::{configuration_of, number_of};
use super::files::Files;
use super::fit;
use super::found::Found;
use super::general::{self, FileKind};
use super::mapping::Mapping;
use super::output_type::OutputType;
use super::parameters::Parameters;
use super::planned::{EMBEDDINGS, planned, sources, state_storage};
use super::size_label::ParameterCount;
use super::weight::{LowRank, Weight};
use super::weights::{self, StoredWeight};
use super::{Configuration, Conversion, ConvertError, Model, adapter_weights, architecture};
use crate::plan::{Constant, Operation, Plan};
use crate::safetensors::{Checkpoint, NamedSource};

/// What an adapter does to a base model.
pub(super) struct Adapter {
    pub(super) family: &'static Family,
    pub(super) settings: Settings,
    pub(super) checkpoint: Checkpoint,
    pub(super) weights: Vec<StoredWeight>,
    /// The changed weights, by their names in the model file.
    pub(super) changed: Vec<(String, Weight)>,
}

impl Adapter {
    /// Reads an adapter for a base model, and checks that it fits. Its files are sources of the plan to be
    /// from number `first` on.
    ///
    /// # Errors
    /// A file is missing or damaged, the base model's architecture is not known, or the adapter is not one
    /// for it.
    pub(super) fn read(files: Files<'_>, base: &Plan, first: usize) -> Result<Self, ConvertError> {
        let settings = Settings::read(files)?;
        let metadata = &base.metadata;
        let named = metadata.get("general.architecture").and_then(|value| value.as_str()).unwrap_or_default();
        let mut checkpoint = Checkpoint::from_files(files.sources(), weight_files(files)?)?;
        checkpoint.tensors.iter_mut().for_each(|tensor| tensor.file += first);
        let unquantized = Configuration::new("the adapter", Map::new());
        let (weights, _) = weights::read(&checkpoint, files, &unquantized, &[])?;
        let given = adapter_weights::changed(&settings, &weights)?;
        // Several families make files of some architectures; the adapter is for the one that knows its names.
        let mut first_error = None;
        for family in architecture::of_architecture(named) {
            let predicted = number_of(metadata, family.architecture, "nextn_predict_layers").unwrap_or(0);
            let known = configuration_of(metadata, family.architecture, predicted, files)?;
            let model = Model::new(known, predicted)?;
            match mapped(family, &model, &given) {
                Ok((changed, found)) => {
                    fit::check(base, &changed, &found)?;
                    return Ok(Self { family, settings, checkpoint, weights, changed });
                }
                Err(error) => drop(first_error.get_or_insert(error)),
            }
        }
        Err(first_error.unwrap_or_else(|| ConvertError::UnknownBase { architecture: named.to_owned() }))
    }
}

/// The changed weights as they lie in files of a family.
fn mapped(
    family: &'static Family,
    model: &Model,
    given: &[(String, Weight)],
) -> Result<(Vec<(String, Weight)>, Found), ConvertError> {
    let mut mapping = Mapping::new(model, family.architecture, family.tensors);
    for (own, weight) in given {
        if let Some(name) = (family.rename)(model, own) {
            mapping.add(&name, own, || Ok(weight.clone()))?;
        }
    }
    mapping.finish_partial()
}

/// The places of the files that hold the weights: those that go by the usual names, or whatever there is in
/// safetensors.
fn weight_files(files: Files<'_>) -> Result<Vec<usize>, ConvertError> {
    const USUAL: [&str; 2] = ["adapter_model.safetensors", "adapters.safetensors"];
    let places = |is_one: &dyn Fn(&str) -> bool| -> Vec<usize> {
        files.names().enumerate().filter(|(_, name)| is_one(name)).map(|(place, _)| place).collect()
    };
    let usual = USUAL.iter().map(|usual| places(&|name| name == *usual));
    let all = usual.chain([places(&|name| name.ends_with(".safetensors"))]);
    all.into_iter()
        .find(|places| !places.is_empty())
        .ok_or(ConvertError::MissingFile { file: USUAL[0], purpose: "it holds the weights of the adapter" })
}

/// Plans the conversion of an adapter for a base model, given as the plan of its file; where that has no
/// tensors, whether the adapter fits it is not checked.
///
/// `files` are `adapter_config.json`, the weights in safetensors and, if there are any, the model card and
/// the base model's `config.json`.
///
/// # Errors
///
/// A file is missing or damaged, tensor names of the base model's architecture are not known, the adapter is
/// for another model, or it does what a GGUF adapter cannot express.
pub fn adapter(
    files: &[NamedSource<'_>],
    base: &Plan,
    output: OutputType,
) -> Result<Conversion, ConvertError> {
    let files = Files::new(files);
    let Adapter { family, settings, checkpoint, weights, changed } = Adapter::read(files, base, 0)?;
    let precision = output.settle(&weights);
    let alpha = settings.alpha()?;
    let changed = changed.into_iter().map(|(name, weight)| expressible(name, weight, alpha));
    let changed = changed.collect::<Result<Vec<_>, _>>()?;
    let tensors = planned(changed, |name, dimensions| precision.of(name, dimensions, None))?;

    let mut out = Parameters::new(family.architecture);
    let configuration = files.json("config.json")?;
    let id = configuration.as_ref().and_then(|values| values.get("_name_or_path")).and_then(Value::as_str);
    general::write(FileKind::Adapter, files, id, ParameterCount::of_adapter(&tensors), &mut out)?;
    out.set_plain("adapter.lora.alpha", alpha);
    let tokens = settings.values.integers("alora_invocation_tokens")?;
    if let Some(tokens) = tokens.filter(|tokens| !tokens.is_empty()) {
        let tokens: Vec<u32> = tokens.into_iter().map(|token| token as u32).collect();
        out.set_plain("adapter.alora.invocation_tokens", tokens);
    }
    state_storage(&mut out, precision, &tensors);
    let model = Plan { sources: sources(&checkpoint), metadata: out.into_metadata(), tensors };
    let sources = checkpoint.given;
    Ok(Conversion { model: Some(model), projector: None, sources, warnings: Vec::new() })
}

/// A change as a GGUF adapter has it. The runtime scales all of them by `alpha` and their ranks: where that
/// is not right, the outer factor takes the rest.
fn expressible(name: String, weight: Weight, alpha: f32) -> Result<(String, Weight), ConvertError> {
    const MERGE: &str = "a GGUF adapter cannot hold that; merge it into the base (merge_adapters, --merge)";
    let LowRank { a, b, scale, lengths } = match weight {
        Weight::LowRank(factors) => factors,
        Weight::Whole(derivation) if name.contains("norm") => return Ok((name, Weight::Whole(derivation))),
        Weight::Whole(_) | Weight::Packed(_) => {
            return Err(refuse(format!("it replaces {name:?} (modules_to_save or bias); {MERGE}")));
        }
    };
    if lengths.is_some() {
        return Err(refuse(format!("it has DoRA magnitudes for {name:?}; {MERGE}")));
    }
    let rank = b.dimensions().last().copied().unwrap_or(1);
    let rest = scale * rank as f64 / f64::from(alpha);
    // Rounding of alpha is no difference; without any scale there is nothing to make up for.
    let b = if !rest.is_finite() || (rest - 1.0).abs() < 1e-6 {
        b
    } else {
        b.map(Operation::Multiply(Constant::new(rest)))
    };
    if name != EMBEDDINGS {
        return Ok((name, Weight::LowRank(LowRank { a, b, scale, lengths })));
    }
    // Embeddings are looked up, not multiplied: their factors change places.
    let turned =
        a.transpose(0, 1).map_err(|reason| ConvertError::Dimensions { tensor: name.clone(), reason })?;
    Ok((name, Weight::LowRank(LowRank { a: b, b: turned, scale, lengths })))
}
