//! The part of a model that sees or hears, as a file of its own for llama.cpp's `--mmproj`.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::files::Files;
use super::mapping::Mapping;
use super::model::ENCODER_LAYERS;
use super::numbers::Numbers;
use super::output_type::OutputType;
use super::parameters::Parameters;
use super::planned::{planned, state_storage};
use super::rule::Rule;
use super::size_label::ParameterCount;
use super::weight::{Generated, Weight};
use super::weights::StoredWeight;
use super::{Configuration, ConvertError, Model, Subject, general, hyperparameters};
use crate::family;
use crate::plan::{Derivation, Plan, SourceDescription};
use crate::tensor::ElementType;

/// What is special to a family of projectors. [`Projector::STANDARD`] is one with an encoder of images.
pub(super) struct Projector {
    /// The configuration of the encoder of images, if the family has one.
    pub(super) vision: fn(&Configuration) -> Option<Configuration>,
    /// The configuration of the encoder of sound, if the family has one.
    pub(super) audio: fn(&Configuration) -> Option<Configuration>,
    /// The file that describes the encoder of sound, where it has one of its own.
    pub(super) audio_file: Option<&'static str>,
    /// What the family means by keys of the vision configuration that others use differently; given the whole
    /// configuration too.
    pub(super) adjust: fn(&mut Configuration, &Configuration) -> Result<(), ConvertError>,
    /// The same for the configuration of the encoder of sound.
    pub(super) adjust_audio: fn(&mut Configuration, &Configuration) -> Result<(), ConvertError>,
    /// Metadata that stand before those that all have.
    pub(super) opening: fn(&Encoders<'_>, &mut Parameters) -> Result<(), ConvertError>,
    /// Metadata beyond those that all have.
    pub(super) hyperparameters: fn(&Encoders<'_>, &mut Parameters) -> Result<(), ConvertError>,
    /// Tensors that no file holds; they stand before all others.
    pub(super) generated: fn(&Encoders<'_>) -> Result<Generated, ConvertError>,
    /// The numbers of a tensor that is computed from several small ones, by the name of the tensor that it
    /// stands for.
    pub(super) computed: fn(&Numbers<'_>, &str) -> Result<Option<Derivation>, ConvertError>,
    /// The name under which a tensor is looked up; `None` if it is not part of the projector. Given the
    /// configuration of the encoder of images, or that of the only encoder.
    pub(super) rename: for<'n> fn(&Configuration, &'n str) -> Option<Cow<'n, str>>,
    /// Which tensor becomes which.
    pub(super) tensors: &'static [&'static [Rule]],
    /// The element type that a family insists on, by the tensor's name in the file.
    pub(super) forced: fn(&str) -> Option<ElementType>,
    /// Tensors of the file that are applied as convolutions, beside those that cut and merge patches.
    pub(super) convolutions: &'static [&'static str],
    /// Mean and deviation of the colours of images, where no file says them.
    pub(super) normalization: Option<[[f64; 3]; 2]>,
}

impl Projector {
    /// A projector whose encoder of images is where most families have it.
    pub(super) const STANDARD: Self = Self {
        vision: |whole| whole.part("vision_config"),
        audio: |_| None,
        audio_file: None,
        adjust: |_, _| Ok(()),
        adjust_audio: |_, _| Ok(()),
        opening: |_, _| Ok(()),
        hyperparameters: |_, _| Ok(()),
        generated: |_| Ok(Vec::new()),
        computed: |_, _| Ok(None),
        rename: |_, name| Some(Cow::Borrowed(name)),
        tensors: &[],
        forced: |_| None,
        convolutions: &[],
        normalization: None,
    };

    /// Whether the checkpoint with this configuration has an encoder of images, and one of sound.
    pub(super) fn senses(&self, whole: &Configuration) -> (bool, bool) {
        ((self.vision)(whole).is_some(), (self.audio)(whole).is_some())
    }
}

/// What a projector's metadata are made from.
pub(super) struct Encoders<'a> {
    /// The configuration of the encoder of images; without values if there is none.
    pub(super) vision: &'a Configuration,
    /// The configuration of the encoder of sound; without values if there is none.
    pub(super) audio: &'a Configuration,
    /// The configuration around them.
    pub(super) whole: &'a Configuration,
    /// How images are prepared.
    pub(super) preprocessor: &'a Configuration,
    /// The text model.
    pub(super) text: &'a Model,
    /// Layers of the encoder of images, or of the only encoder.
    pub(super) layers: u64,
}

/// Plans the file of a projector; `None` if the checkpoint has none of its tensors.
pub(super) fn plan(
    projector: &'static Projector,
    whole: &Configuration,
    text: Subject<'_>,
    weights: &[StoredWeight],
    output: OutputType,
    sources: Vec<SourceDescription>,
) -> Result<Option<Plan>, ConvertError> {
    let (mut vision, mut audio) = ((projector.vision)(whole), (projector.audio)(whole));
    let Some(first) = vision.as_ref().or(audio.as_ref()) else { return Ok(None) };
    if !weights.iter().any(|weight| (projector.rename)(first, &weight.name).is_some()) {
        return Ok(None);
    }
    if let Some(vision) = &mut vision {
        (projector.adjust)(vision, whole)?;
    }
    if let Some(audio) = &mut audio {
        if let Some(file) = projector.audio_file {
            *audio = described(file, text.files)?;
        }
        (projector.adjust_audio)(audio, whole)?;
    }
    let Some(first) = vision.as_ref().or(audio.as_ref()) else { return Ok(None) };
    let named = |weight: &'_ StoredWeight| (projector.rename)(first, &weight.name).map(Cow::into_owned);
    let seen: Vec<(String, &StoredWeight)> =
        weights.iter().filter_map(|weight| Some((named(weight)?, weight))).collect();
    let none = |label: &str| Configuration::new(label, Map::new());
    let (no_vision, no_audio) = (none("config.json, vision_config"), none("config.json, audio_config"));
    let mut configuration = first.clone();
    if let Some(audio) = &audio {
        configuration.set_part(AUDIO, audio.clone());
    }
    let model = Model::encoder(configuration)?;
    let subject = Encoders {
        vision: vision.as_ref().unwrap_or(&no_vision),
        audio: audio.as_ref().unwrap_or(&no_audio),
        whole,
        preprocessor: &if vision.is_some() {
            preprocessor(projector, text.files)?
        } else {
            none(PREPROCESSOR)
        },
        text: text.model,
        layers: model.main_layers,
    };
    let precision = output.settle(seen.iter().map(|(_, weight)| *weight));
    let mut mapping = Mapping::new(&model, family::PROJECTOR, projector.tensors);
    if vision.is_some() {
        let layers = audio.clone().map_or(Ok(0), |audio| Model::encoder(audio).map(|model| model.layers))?;
        mapping = mapping.with_layers("a.blk.", layers);
    }
    for (name, derivation) in (projector.generated)(&subject)? {
        mapping.push(name.to_owned(), Weight::Whole(derivation))?;
    }
    let numbers = Numbers { weights, sources: &sources, files: text.files };
    for (name, weight) in &seen {
        let computed = (projector.computed)(&numbers, &weight.name)?;
        let added = mapping
            .add(name, &weight.name, || computed.map_or_else(|| weight.derivation(), Ok).map(Weight::Whole));
        added.map_err(|error| error.naming(name, &weight.name))?;
    }
    let (mapped, _) = mapping.finish()?;
    let tensors = planned(mapped, |name, dimensions| {
        let forced = (projector.forced)(name).or_else(|| convolution_type(projector, name, precision.0));
        precision.of(name, dimensions, forced)
    })?;
    let mut out = Parameters::new(family::PROJECTOR);
    let count = ParameterCount::of_model(&tensors);
    general::write(general::FileKind::Projector, text.files, text.id, count, &mut out)?;
    (projector.opening)(&subject, &mut out)?;
    hyperparameters::file_type_here(&mut out);
    if vision.is_some() {
        vision_standard(&subject, &mut out)?;
    }
    if let Some(audio) = &audio {
        audio_standard(audio, text.model, &mut out)?;
    }
    (projector.hyperparameters)(&subject, &mut out)?;
    state_storage(&mut out, precision, &tensors);
    Ok(Some(Plan { sources, metadata: out.into_metadata(), tensors }))
}

/// What is applied as a convolution is F16 in F16 files and F32 in all others.
fn convolution_type(projector: &Projector, name: &str, asked: ElementType) -> Option<ElementType> {
    let convolution = [".patch_embd.weight", ".patch_merger.weight"].iter().any(|part| name.contains(part))
        || projector.convolutions.contains(&name);
    let element_type = if asked == ElementType::F16 { ElementType::F16 } else { ElementType::F32 };
    convolution.then_some(element_type)
}

/// Metadata of all encoders of images.
fn vision_standard(subject: &Encoders<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let vision = subject.vision;
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

/// Metadata of all encoders of sound.
fn audio_standard(audio: &Configuration, text: &Model, out: &mut Parameters) -> Result<(), ConvertError> {
    out.set("has_audio_encoder", true);
    out.count("audio.projection_dim", text.hidden_size()?)?;
    for (key, number) in [
        ("embedding_length", audio.integer("hidden_size")?),
        ("feed_forward_length", audio.integer("intermediate_size")?),
        ("block_count", audio.integer_of(&ENCODER_LAYERS)?),
        ("attention.head_count", audio.integer("num_attention_heads")?),
    ] {
        out.count(&format!("audio.{key}"), number)?;
    }
    Ok(())
}

/// The key under which steps find what is said of the encoder of sound.
pub(super) const AUDIO: &str = "encoder of sound";

/// A description in a file of its own.
fn described(file: &'static str, files: Files<'_>) -> Result<Configuration, ConvertError> {
    match files.json(file)? {
        Some(Value::Object(values)) => Ok(Configuration::new(file, values)),
        _ => Err(ConvertError::MissingFile { file, purpose: "it describes the encoder of sound" }),
    }
}

/// The file that says how images are prepared.
const PREPROCESSOR: &str = "preprocessor_config.json";

/// How images are prepared: `processor_config.json` over `preprocessor_config.json`.
fn preprocessor(projector: &Projector, files: Files<'_>) -> Result<Configuration, ConvertError> {
    let mut values = Map::new();
    if let Some([mean, deviation]) = projector.normalization {
        values.insert("image_mean".to_owned(), mean.to_vec().into());
        values.insert("image_std".to_owned(), deviation.to_vec().into());
    }
    let of_images: &[&str] = &["media_proc_cfg", "vision_config"];
    for (file, parts) in [(PREPROCESSOR, of_images), ("processor_config.json", &["image_processor"])] {
        let Some(Value::Object(given)) = files.json(file)? else { continue };
        let part = |key: &&str| given.get(*key).and_then(Value::as_object).cloned();
        let nested: Vec<_> = parts.iter().filter_map(part).collect();
        values.extend(given);
        values.extend(nested.into_iter().flatten());
    }
    if values.is_empty() {
        let purpose = "it says how images are prepared for the model's vision encoder";
        return Err(ConvertError::MissingFile { file: PREPROCESSOR, purpose });
    }
    Ok(Configuration::new(PREPROCESSOR, values))
}
