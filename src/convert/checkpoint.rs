//! From the files of a checkpoint to the plans of a model and its projector.

use std::collections::HashMap;

use serde_json::Value;

use super::architecture::Family;
use super::configuration::{Configuration, TARGET, TASKS, TITLE};
use super::error::ConvertError;
use super::files::Files;
use super::general::{FileKind, MODEL_CARD};
use super::lengths::Facts;
use super::mapping::Mapping;
use super::model::{Model, Subject};
use super::numbers::Numbers;
use super::output_type::OutputType;
use super::parameters::Parameters;
use super::planned::{
    EMBEDDINGS, packed_stacks_last, planned, sources, state_precise_inputs, state_storage,
    with_precise_inputs,
};
use super::rule::Rule;
use super::size_label::ParameterCount;
use super::target::{self, Target};
use super::tokenizer::Sizes;
use super::warning::Warning;
use super::weight::Weight;
use super::weights::{self, StoredWeight};
use super::{
    architecture, completeness, general, model_card, modules, projector, shapes, tokenizer, warning,
};
use crate::plan::{Plan, PlannedTensor, SourceDescription};
use crate::safetensors::{Checkpoint, NamedSource};
use crate::tensor::ElementType;

/// The files that a checkpoint or an adapter becomes.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversion {
    /// The model, or the adapter; `None` for an encoder that is kept without the model that it belongs to.
    pub model: Option<Plan>,
    /// The projector of a model that sees or hears; it has the same sources.
    pub projector: Option<Plan>,
    /// The places of the plans' sources among the files that were given.
    pub sources: Vec<usize>,
    /// What the person who asked should know although the conversion goes on.
    pub warnings: Vec<Warning>,
}

/// Plans the conversion of a checkpoint.
///
/// `files` are `config.json`, the weights (`*.safetensors`, with `model.safetensors.index.json` if there are
/// several), the tokenizer's files, and whatever else of the checkpoint's directory there is, by their names
/// in it.
///
/// # Errors
///
/// A file is missing or damaged, the architecture is not known, the weights are quantized in a foreign
/// format, or configuration, tokenizer and weights do not fit each other.
pub fn checkpoint(files: &[NamedSource<'_>], output: OutputType) -> Result<Conversion, ConvertError> {
    let files = Files::new(files);
    let (file, values) = files.configuration()?;
    let whole = Configuration::with_defaults(file, values, &architecture::classes());
    let name = architecture::text_class(&whole).ok_or(ConvertError::NoArchitecture)?;
    let mut text = whole.text();
    if let Some(title) = files.text(MODEL_CARD)?.and_then(model_card::title) {
        text.set(TITLE, title);
    }
    let family = architecture::find(name, &text)?;
    if family.drafts {
        text.set_part(TARGET, Target::read(files)?.configuration);
    }
    let mut checkpoint = Checkpoint::read(files.sources())?;
    for folder in family.modules.iter().rev() {
        let name = format!("{folder}/{}", modules::WEIGHTS);
        if let Some(place) = files.sources().iter().position(|source| source.name == name) {
            checkpoint.put_before(folder, files.sources(), place)?;
        }
    }
    let (weights, undone) = weights::read(&checkpoint, files, &text, family.stored_by_rank)?;
    let names: Vec<&str> = weights.iter().map(|weight| weight.name.as_str()).collect();
    let projector = architecture::projector(&whole);
    let (sees, hears) = projector.map_or((false, false), |projector| projector.senses(&whole));
    let alone = (sees || hears) && !has_layers(family, &Model::bare(text.clone())?, &names, 0);
    let model = if alone {
        Model::bare(text)?
    } else {
        (family.adjust)(&mut text, files)?;
        model_with_layers(family, text, &names)?
    };

    let sources = sources(&checkpoint);
    let mut warnings: Vec<Warning> = undone.into_iter().map(Warning::Dequantized).collect();
    let id = whole.value("_name_or_path").and_then(Value::as_str);
    if let Some(tasks) = whole.value(TASKS).and_then(Value::as_array) {
        let tasks: Vec<&str> = tasks.iter().filter_map(Value::as_str).collect();
        warnings.push(Warning::AdaptersLeftOut { tasks: tasks.join(", ") });
    }
    let subject = Subject { model: &model, files, id };
    let (plan, output) = if alone {
        if names.iter().any(|name| (family.rename)(&model, name).is_some()) {
            warnings.push(Warning::TextLeftOut);
        }
        (None, output)
    } else {
        let (plan, output) = text_plan(family, subject, &weights, output, sources.clone(), &mut warnings)?;
        (Some(plan), output)
    };
    let projector = match projector {
        Some(projector) => projector::plan(projector, &whole, subject, &weights, output, sources)?,
        None => None,
    };
    let has = |part, words: &[&str]| {
        let is_of_it = |name: &&str| words.iter().any(|word| name.contains(word));
        whole.part(part).is_some() && names.iter().any(is_of_it)
    };
    let images = has("vision_config", &["vision", "visual"]) || has("vq_config", &["vqmodel"]);
    for (input, is_there, is_made) in
        [("images", images, sees), ("sound", has("audio_config", &["audio"]), hears)]
    {
        if is_there && !(is_made && projector.is_some()) {
            warnings.push(Warning::EncoderLeftOut { input });
        }
    }
    Ok(Conversion { model: plan, projector, sources: checkpoint.given, warnings })
}

/// Whether some tensor belongs to a layer of the text model, from number `first` on. Encoders are kept
/// without it too.
fn has_layers(family: &Family, model: &Model, names: &[&str], first: u64) -> bool {
    let rules = family.tensors.iter().copied().flatten().filter(|rule| rule.pattern.contains("{}"));
    let rules: Vec<&Rule> = rules.collect();
    names.iter().any(|name| {
        let Some(name) = (family.rename)(model, name) else { return false };
        let found = rules.iter().find_map(|rule| rule.matches(&name));
        found.is_some_and(|found| found.numbers[0] >= first)
    })
}

/// Writes the vocabulary as the family declares it, or as that of its target does.
fn write_vocabulary(
    family: &Family,
    subject: Subject<'_>,
    out: &mut Parameters,
    warnings: &mut Vec<Warning>,
) -> Result<(), ConvertError> {
    let configuration = &subject.model.configuration;
    let sizes = Sizes {
        tokens: configuration.optional_integer(&["vocab_size"])?,
        token_types: configuration.optional_integer(&["type_vocab_size"])?,
    };
    let vocabulary = if family.drafts {
        let target = Target::read(subject.files)?;
        tokenizer::read(&target.files, &target.family.tokenizer, sizes)?
    } else {
        tokenizer::read(subject.files.sources(), &family.tokenizer, sizes)?
    };
    for (key, value) in vocabulary.metadata.iter() {
        match key.contains('.') {
            true => out.set_plain(key, value.clone()),
            false => out.set(key, value.clone()),
        }
    }
    warnings.extend(vocabulary.warnings.into_iter().map(Warning::Tokenizer));
    (family.after_vocabulary)(&subject, out)
}

/// The plan of the model without the part that sees, and the type that the other part is to have.
fn text_plan(
    family: &'static Family,
    subject: Subject<'_>,
    weights: &[StoredWeight],
    output: OutputType,
    sources: Vec<SourceDescription>,
    warnings: &mut Vec<Warning>,
) -> Result<(Plan, OutputType), ConvertError> {
    let model = subject.model;
    let named = |weight: &&StoredWeight| (family.rename)(model, &weight.name).is_some();
    let mut out = Parameters::new(family.architecture);
    let mut mapping = Mapping::new(model, family.architecture, family.tensors);
    for (name, derivation) in (family.generated)(model, &mut out)? {
        mapping.push(name.to_owned(), Weight::Whole(derivation))?;
    }
    let numbers = Numbers { weights, sources: &sources, files: subject.files };
    (family.measured)(model, &numbers, &mut out)?;
    for weight in weights {
        let apart = weight.packed_name.as_deref().and_then(|name| (family.rename)(model, name));
        let apart = apart.filter(|name| mapping.knows(name));
        if let Some(name) = apart.or_else(|| (family.rename)(model, &weight.name)) {
            let added = mapping.add(&name, &weight.name, || weight.weight());
            added.map_err(|error| explained(model, weights, error.naming(&name, &weight.name)))?;
        }
    }
    let (mut mapped, found) = mapping.finish()?;
    packed_stacks_last(model, &mut mapped);
    let precise = with_precise_inputs(&mapped);
    let settled = output.settle(weights.iter().filter(named));
    let precision = settled.for_tensors(output, &mapped);
    let output = if precision == settled { output } else { OutputType::F32 };
    let kept = if family.keeps_types { kept_types(&mapped) } else { HashMap::new() };
    let forced =
        |name: &str| kept.get(name).copied().or_else(|| (family.element_type)(model, name, precision.0));
    let mut tensors = planned(mapped, |name, dimensions| precision.of(name, dimensions, forced(name)))?;
    check_vocabulary(model, &tensors)?;

    general::write(FileKind::Model, subject.files, subject.id, ParameterCount::of_model(&tensors), &mut out)?;
    tensors.extend((family.appended)(model, subject.files)?);
    (family.hyperparameters)(&subject, &mut out)?;
    let vocabulary = tensors.iter().find(|tensor| tensor.name == EMBEDDINGS);
    let facts = Facts {
        model,
        architecture: family.architecture,
        metadata: out.metadata(),
        vocabulary: vocabulary.map(|tensor| tensor.shape.rows()),
    };
    completeness::check(family.lacking, &facts, &found)?;
    shapes::check(family.shapes, &facts, &found, &tensors)?;
    warnings.extend(warning::tensors_left_out(family, model, weights, &found));
    warnings.extend(warning::modules_left_out(family, subject.files)?);
    state_storage(&mut out, precision, &tensors);
    state_precise_inputs(&mut out, precise);
    write_vocabulary(family, subject, &mut out, warnings)?;
    Ok((Plan { sources, metadata: out.into_metadata(), tensors }, output))
}

/// The model with as many layers beyond the last as are there: fine-tuned checkpoints often lack those that
/// predict further tokens, whatever their configuration says.
fn model_with_layers(family: &Family, text: Configuration, names: &[&str]) -> Result<Model, ConvertError> {
    let predicted = (family.predicted_layers)(&text, names)?;
    let model = Model::new(text, predicted)?;
    let counts = predicted == 0 || family.counts_promised_layers;
    if counts || has_layers(family, &model, names, model.main_layers) {
        return Ok(model);
    }
    Model::new(model.configuration, 0)
}

/// A layer that the configuration does not count takes the name of one that predicts further tokens.
fn explained(model: &Model, weights: &[StoredWeight], error: ConvertError) -> ConvertError {
    let ConvertError::SameName { .. } = error else { return error };
    let beyond = weights.iter().find(|weight| architecture::is_beyond(model, &weight.name));
    beyond.map_or(error, |weight| model.too_many_layers(model.main_layers, &weight.name))
}

/// The types in which tensors are stored, by name; 8-bit floats become blocks of 8 bits.
fn kept_types(mapped: &[(String, Weight)]) -> HashMap<String, ElementType> {
    let kept = mapped.iter().filter_map(|(name, weight)| match weight {
        Weight::Whole(derivation) if derivation.has_codes() => Some((name.clone(), ElementType::Q8_0)),
        Weight::Whole(derivation) => Some((name.clone(), derivation.stored_type())),
        _ => None,
    });
    kept.collect()
}

/// Checks that the configuration's vocabulary is that of the embeddings.
fn check_vocabulary(model: &Model, tensors: &[PlannedTensor]) -> Result<(), ConvertError> {
    let stated = model.configuration.optional_integer(&["vocab_size"])?;
    let embeddings = tensors.iter().find(|tensor| tensor.name == EMBEDDINGS);
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

/// Whether a file of a checkpoint's directory, by its name in it, may hold weights of a module behind the
/// model's layers.
pub fn is_module(name: &str) -> bool {
    name.split_once('/').is_some_and(|(folder, file)| {
        file == modules::WEIGHTS && architecture::modules().any(|module| *module == folder)
    })
}

/// Whether a file of a checkpoint's directory, by its name in it, may say something about the model beside
/// its weights.
pub(super) fn is_description(name: &str) -> bool {
    let of_tokenizer = tokenizer::is_file(target::in_folder(name).unwrap_or(name));
    name.ends_with(".json") || name == MODEL_CARD || of_tokenizer
}
