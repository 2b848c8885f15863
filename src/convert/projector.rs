//! The part of a model that sees, as a file of its own for llama.cpp's `--mmproj`.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::files::Files;
use super::mapping::Mapping;
use super::output_type::OutputType;
use super::parameters::Parameters;
use super::planned::{planned, state_storage};
use super::rule::Rule;
use super::size_label::ParameterCount;
use super::weight::Weight;
use super::weights::StoredWeight;
use super::{Configuration, ConvertError, Model, Source, general, hyperparameters};
use crate::family;
use crate::plan::{Plan, SourceDescription};
use crate::tensor::ElementType;

/// What is special to a family of projectors.
pub(super) struct Projector {
    /// What the family means by keys of the vision configuration that others use differently; given the whole
    /// configuration too.
    pub(super) adjust: fn(&mut Configuration, &Configuration) -> Result<(), ConvertError>,
    /// Metadata beyond those that all have.
    pub(super) hyperparameters: fn(&Vision<'_>, &mut Parameters) -> Result<(), ConvertError>,
    /// The name under which a tensor is looked up; `None` if it is not part of the projector.
    pub(super) rename: for<'n> fn(&Configuration, &'n str) -> Option<Cow<'n, str>>,
    /// Which tensor becomes which.
    pub(super) tensors: &'static [&'static [Rule]],
    /// The element type that a family insists on, by the tensor's name in the file.
    pub(super) forced: fn(&str) -> Option<ElementType>,
}

/// What a projector's metadata are made from.
pub(super) struct Vision<'a> {
    /// The encoder's configuration.
    pub(super) vision: &'a Configuration,
    /// The configuration around it.
    pub(super) whole: &'a Configuration,
    /// How images are prepared.
    pub(super) preprocessor: &'a Configuration,
    /// The text model.
    pub(super) text: &'a Model,
    /// Layers of the encoder.
    pub(super) layers: u64,
}

/// Plans the file of a projector; `None` if the checkpoint has none of its tensors.
pub(super) fn plan(
    projector: &'static Projector,
    whole: &Configuration,
    source: Source<'_>,
    weights: &[StoredWeight],
    output: OutputType,
    sources: Vec<SourceDescription>,
) -> Result<Option<Plan>, ConvertError> {
    let mut vision = whole.part("vision_config").ok_or_else(|| whole.missing(&["vision_config"]))?;
    (projector.adjust)(&mut vision, whole)?;
    let named = |weight: &'_ StoredWeight| (projector.rename)(&vision, &weight.name).map(Cow::into_owned);
    let seen: Vec<(String, &StoredWeight)> =
        weights.iter().filter_map(|weight| Some((named(weight)?, weight))).collect();
    if seen.is_empty() {
        return Ok(None);
    }
    let preprocessor = preprocessor(source.files)?;
    let model = Model::new(vision.clone(), 0)?;
    let precision = output.settle(seen.iter().map(|(_, weight)| *weight));
    let mut mapping = Mapping::new(&model, family::PROJECTOR, projector.tensors);
    for (name, weight) in &seen {
        mapping.add(name, || weight.recipe().map(Weight::Whole))?;
    }
    let tensors = planned(mapping.finish()?, |name, dimensions| {
        let forced = (projector.forced)(name).or_else(|| convolution_type(name, precision.0));
        precision.of(name, dimensions, forced)
    })?;
    let mut out = Parameters::new(family::PROJECTOR);
    let count = ParameterCount::of_model(&tensors);
    general::write(general::FileKind::Projector, source.files, source.id, count, &mut out)?;
    let layers = model.main_layers;
    let subject = Vision { vision: &vision, whole, preprocessor: &preprocessor, text: source.model, layers };
    standard(&subject, &mut out)?;
    (projector.hyperparameters)(&subject, &mut out)?;
    state_storage(&mut out, precision, &tensors);
    Ok(Some(Plan { sources, metadata: out.into_metadata(), tensors }))
}

/// What is applied as a convolution is F16 in F16 files and F32 in all others.
fn convolution_type(name: &str, asked: ElementType) -> Option<ElementType> {
    let convolution = [".patch_embd.weight", ".patch_merger.weight"].iter().any(|part| name.contains(part));
    let element_type = if asked == ElementType::F16 { ElementType::F16 } else { ElementType::F32 };
    convolution.then_some(element_type)
}

/// Metadata that all projectors have.
fn standard(subject: &Vision<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let vision = subject.vision;
    hyperparameters::file_type_here(out);
    out.set("has_vision_encoder", true);
    out.count("vision.projection_dim", subject.text.hidden_size()?)?;
    let heads = ["num_attention_heads", "num_heads", "heads", "vt_num_attention_heads"];
    for (key, number) in [
        ("image_size", vision.integer("image_size")?),
        ("patch_size", vision.integer("patch_size")?),
        ("embedding_length", vision.integer_of(&["hidden_size", "width", "vt_hidden_size"])?),
        ("feed_forward_length", vision.integer_of(&["intermediate_size", "vt_intermediate_size"])?),
        ("block_count", subject.layers),
        ("attention.head_count", vision.integer_of(&heads)?),
    ] {
        out.count(&format!("vision.{key}"), number)?;
    }
    for key in ["image_mean", "image_std"] {
        let numbers = subject.preprocessor.numbers(key)?;
        let numbers = numbers.ok_or_else(|| subject.preprocessor.missing(&[key]))?;
        let numbers: Vec<f32> = numbers.into_iter().map(|number| number as f32).collect();
        out.set(&format!("vision.{key}"), numbers);
    }
    Ok(())
}

/// The file that says how images are prepared.
const PREPROCESSOR: &str = "preprocessor_config.json";

/// How images are prepared: `processor_config.json` over `preprocessor_config.json`.
fn preprocessor(files: Files<'_>) -> Result<Configuration, ConvertError> {
    let mut values = Map::new();
    for (file, inner) in [(PREPROCESSOR, "media_proc_cfg"), ("processor_config.json", "image_processor")] {
        let Some(Value::Object(given)) = files.json(file)? else { continue };
        let nested = given.get(inner).and_then(Value::as_object).cloned().unwrap_or_default();
        values.extend(given);
        values.extend(nested);
    }
    if values.is_empty() {
        let purpose = "it says how images are prepared for the model's vision encoder";
        return Err(ConvertError::MissingFile { file: PREPROCESSOR, purpose });
    }
    Ok(Configuration::new(PREPROCESSOR, values))
}
