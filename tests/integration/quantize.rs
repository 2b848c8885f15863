//! Quantized files against those that llama-quantize makes, and mixtures against its choices.
//!
//! `mixtures.json` and `files.json` hold what llama-quantize chose and wrote; beside the fixtures stands how they
//! were made. A directory with the full data takes their place where there is one.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use ollamake::gguf::{Array, Gguf, Header, Metadata, TensorDescription, Value};
use ollamake::plan::{
    Location, Plan, PlanError, PlannedTensor, Recipe, Resources, Source, SourceDescription, Stored,
};
use ollamake::quantize::{FileType, QuantizeError, quantize};
use ollamake::tensor::{self, ElementType, Shape};
use serde_json::Value as Json;

use crate::support::bytes::digest_of;
use crate::support::files::fixture;
use crate::support::{generator, shared};

fn expected(file: &str) -> Json {
    let path =
        shared::path(&format!("quantization/{file}")).unwrap_or_else(|| fixture("quantize").join(file));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn text(json: &Json) -> &str {
    json.as_str().unwrap()
}

fn list(json: &Json) -> &[Json] {
    json.as_array().unwrap()
}

fn shape(json: &Json) -> Shape {
    let dimensions: Vec<u64> = list(json).iter().map(|length| length.as_u64().unwrap()).collect();
    Shape::new(&dimensions).unwrap()
}

fn element_type(name: &str) -> ElementType {
    ElementType::from_name(name).unwrap()
}

/// Metadata from `[key, type, value]`, with the file type where that is left open.
fn metadata(json: &Json, file_type: u32) -> Metadata {
    let mut metadata = Metadata::new();
    for entry in list(json) {
        let (key, value) = (text(&entry[0]), &entry[2]);
        let integers = || list(value).iter().map(|v| v.as_i64().unwrap());
        let value = match text(&entry[1]) {
            _ if value == "<file_type>" => Value::U32(file_type),
            "str" => text(value).into(),
            "bool" => value.as_bool().unwrap().into(),
            "u16" => (value.as_u64().unwrap() as u16).into(),
            "u32" => (value.as_u64().unwrap() as u32).into(),
            "i32" => (value.as_i64().unwrap() as i32).into(),
            "u64" => value.as_u64().unwrap().into(),
            "f32" => (value.as_f64().unwrap() as f32).into(),
            "arr:u32" => Value::Array(Array::U32(integers().map(|v| v as u32).collect())),
            "arr:i32" => Value::Array(Array::I32(integers().map(|v| v as i32).collect())),
            "arr:f32" => list(value).iter().map(|v| v.as_f64().unwrap() as f32).collect::<Vec<_>>().into(),
            "arr:str" => list(value).iter().map(|v| text(v).to_owned()).collect::<Vec<_>>().into(),
            other => panic!("type {other:?}"),
        };
        metadata.set(key, value);
    }
    metadata
}

/// The numbers in `0-3,6,9`.
fn layers(ranges: &str) -> Vec<u32> {
    let range = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        first.parse::<u32>().unwrap()..=last.parse().unwrap()
    };
    ranges.split(',').flat_map(range).collect()
}

/// A name with its layer replaced by `#`, and the layer.
fn pattern(name: &str) -> (String, Option<u32>) {
    let split = ["blk.", "enc.blk.", "dec.blk."].iter().find_map(|prefix| {
        let (layer, rest) = name.strip_prefix(prefix)?.split_once('.')?;
        Some((format!("{prefix}#.{rest}"), layer.parse().ok()?))
    });
    split.map_or((name.to_owned(), None), |(pattern, layer)| (pattern, Some(layer)))
}

/// The plan of a model of which only names, shapes and types matter.
fn skeleton(model: &Json) -> Plan {
    let mut tensors = Vec::new();
    for group in list(&model["groups"]) {
        let layers = group["layers"].as_str().map_or(vec![0], layers);
        for layer in layers {
            for tensor in list(&group["tensors"]) {
                let shape = shape(&tensor[2]);
                let element_type = element_type(text(&tensor[1]));
                let dimensions: Vec<u64> = shape.dimensions().iter().rev().copied().collect();
                let stored = Stored::plain(Location { source: 0, offset: 0 }, element_type, &dimensions);
                let name = text(&tensor[0]).replace('#', &layer.to_string());
                tensors.push(PlannedTensor {
                    name,
                    shape,
                    element_type,
                    recipe: Recipe::stored(stored).unwrap(),
                    importance: None,
                });
            }
        }
    }
    assert_eq!(tensors.len() as u64, model["n_tensors"].as_u64().unwrap());
    let source = SourceDescription { label: "skeleton".into(), length: u64::MAX };
    Plan { sources: vec![source], metadata: metadata(&model["kv"], 1), tensors }
}

/// The type that was chosen for a tensor; `None` if it kept its own.
fn chosen(types: &Json, name: &str) -> Option<ElementType> {
    let (pattern, layer) = pattern(name);
    match &types[&pattern] {
        Json::Null => None,
        Json::String(name) => Some(element_type(name)),
        Json::Object(by_layers) => by_layers
            .iter()
            .find(|(_, ranges)| layer.is_some_and(|layer| layers(text(ranges)).contains(&layer)))
            .map(|(name, _)| element_type(name)),
        other => panic!("{other}"),
    }
}

#[test]
fn mixtures_are_those_of_llama_quantize() {
    let mixtures = expected("mixtures.json");
    let mut compared = 0;
    for model in list(&mixtures["models"]) {
        let label = text(&model["name"]);
        let mut plan = skeleton(model);
        // It also chooses types for what is quantized already, and then refuses. The choice does not depend on it.
        let quantized = |tensor: &PlannedTensor| tensor.element_type.is_quantized();
        if plan.tensors.iter().any(quantized) {
            let refused = quantize(plan.clone(), FileType::Q4_0).err();
            assert!(matches!(refused, Some(QuantizeError::AlreadyQuantized { .. })), "{label}");
            for tensor in plan.tensors.iter_mut().filter(|tensor| quantized(tensor)) {
                tensor.element_type = ElementType::F16;
            }
        }
        // The reference chooses a type for matrices of four dimensions and then fails; here they are refused.
        if let Err(QuantizeError::FourDimensions { tensor }) = quantize(plan.clone(), FileType::Q4_0) {
            assert_eq!(tensor, "w512x.weight", "{label}");
            plan.tensors.retain(|other| other.name != tensor);
        } else {
            let mut names: Vec<_> = quantize(plan.clone(), FileType::F32)
                .map(|plan| plan.tensors.into_iter().map(|tensor| tensor.name).collect())
                .unwrap();
            assert_eq!(digest_of(names.join("\n").as_bytes()).hex(), model["output_order_sha256"], "{label}");
            names.truncate(8);
            assert_eq!(serde_json::json!(names), model["output_order_first"], "{label}");
        }
        for file_type in FileType::all() {
            let expected = &model["ftypes"][file_type.name()];
            let quantized = quantize(plan.clone(), file_type);
            if let Some(error) = expected["error"].as_str() {
                let refused = quantized.unwrap_err();
                assert!(
                    matches!(refused, QuantizeError::Layer { .. }),
                    "{label} {file_type}: {error}, {refused}"
                );
                continue;
            }
            let kept: BTreeMap<&str, _> =
                plan.tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.element_type)).collect();
            for tensor in quantized.unwrap().tensors {
                let expected = chosen(&expected["types"], &tensor.name).unwrap_or(kept[tensor.name.as_str()]);
                assert_eq!(tensor.element_type, expected, "{label} {file_type} {}", tensor.name);
                compared += 1;
            }
        }
    }
    println!("{compared} tensors");
    assert!(compared > 150_000);
}

/// A model of `files.json`, stored in a type of plain floats.
fn source_file(model: &Json, source: &str) -> Vec<u8> {
    let wanted = element_type(source);
    let file_type: FileType = source.parse().unwrap();
    let tensors: Vec<_> = list(&model["tensors"])
        .iter()
        .map(|tensor| {
            let (name, shape) = (text(&tensor[0]), shape(&tensor[1]));
            let kept = shape.rank() == 1 || name.ends_with("ffn_gate_inp.weight");
            let element_type = if kept { ElementType::F32 } else { wanted };
            let seed = tensor[3].as_u64().unwrap();
            let (rows, columns) = (shape.rows() as usize, shape.row_len() as usize);
            let mut values = generator::matrix(text(&tensor[2]), seed, rows, columns);
            if model["patch"]["tensor"] == name {
                let bits = u32::from_str_radix(text(&model["patch"]["f32_bits"]), 16).unwrap();
                values[model["patch"]["element"].as_u64().unwrap() as usize] = f32::from_bits(bits);
            }
            let mut data = vec![0; element_type.tensor_bytes(&shape).unwrap() as usize];
            tensor::quantize(element_type, &values, columns, None, &mut data).unwrap();
            (TensorDescription { name, shape, element_type }, data)
        })
        .collect();
    let descriptions: Vec<_> = tensors.iter().map(|(description, _)| *description).collect();
    let header = Header::new(&metadata(&model["kv"], file_type.id()), &descriptions).unwrap();
    let mut file = header.bytes().to_vec();
    for ((_, data), range) in tensors.iter().zip(header.data()) {
        file.resize(range.start as usize, 0);
        file.extend_from_slice(data);
    }
    file.resize(header.file_length() as usize, 0);
    let expected = &model["files"][source];
    assert_eq!(file.len() as u64, expected["size"].as_u64().unwrap());
    assert_eq!(digest_of(&file).hex(), expected["sha256"], "{} {source}", model["name"]);
    file
}

fn copying(file: &[u8]) -> Plan {
    let description = SourceDescription { label: "model.gguf".into(), length: file.len() as u64 };
    Plan::copying(&Gguf::parse(file).unwrap(), description).unwrap()
}

fn execute(plan: &Plan, source: &[u8]) -> Result<Vec<u8>, PlanError> {
    let mut file = Vec::new();
    let resources = Resources { threads: NonZeroUsize::new(2).unwrap(), ..Resources::default() };
    plan.execute(&[&source.to_vec() as &dyn Source], &mut file, resources, &())?;
    assert_eq!(file.len() as u64, plan.size()?);
    Ok(file)
}

#[test]
fn files_are_those_of_llama_quantize() {
    let files = expected("files.json");
    let mut sources: BTreeMap<(String, String), Vec<u8>> = BTreeMap::new();
    let mut compared = 0;
    for run in list(&files["runs"]) {
        let Ok(file_type) = text(&run["ftype"]).parse::<FileType>() else { continue };
        if !list(&run["args"]).is_empty() {
            continue;
        }
        let (model, source) = (text(&run["model"]).to_owned(), text(&run["source"]).to_owned());
        let label = format!("{model} {source} {file_type}");
        let bytes = sources.entry((model.clone(), source.clone())).or_insert_with(|| {
            let description = list(&files["models"]).iter().find(|known| known["name"] == *model).unwrap();
            match source.strip_suffix(".gguf").and_then(|name| name.strip_prefix("tiny-llama-")) {
                // The result of quantizing before.
                Some(already) => {
                    let source = source_file(description, "f32");
                    execute(&quantize(copying(&source), already.parse().unwrap()).unwrap(), &source).unwrap()
                }
                None => source_file(description, &source),
            }
        });
        let planned = quantize(copying(bytes), file_type);
        let Some(error) = run["error"].as_str() else {
            let file = execute(&planned.unwrap(), bytes).unwrap_or_else(|error| panic!("{label}: {error}"));
            if model == "tiny-align64" {
                compare_tensors(&file, list(&run["tensors"]), &label);
            } else {
                assert_eq!(file.len() as u64, run["size"].as_u64().unwrap(), "{label}");
                assert_eq!(digest_of(&file).hex(), run["sha256"], "{label}");
            }
            compared += 1;
            continue;
        };
        let refused = planned.map_err(|error| error.to_string());
        let refused = refused.and_then(|plan| execute(&plan, bytes).map_err(|error| error.to_string()));
        let refused = refused.expect_err(&label);
        let tensor = error.split('\'').nth(1).unwrap_or_default();
        let reason = match error {
            _ if error.ends_with("has invalid data") => "invalid data",
            _ if error.starts_with("requantizing") => "already quantized",
            "quantized data validation failed" => "does not fit",
            other => panic!("{label}: {other}"),
        };
        assert!(refused.contains(reason) && refused.contains(tensor), "{label}: {error}, {refused}");
        compared += 1;
    }
    println!("{compared} files");
    assert!(compared >= 125);
}

/// The reference pads to 32 bytes whatever the metadata say, and its file cannot be read. Here the alignment that
/// the file states is kept, so only the tensors can be compared.
fn compare_tensors(file: &[u8], expected: &[Json], label: &str) {
    let parsed = Gguf::parse(file).unwrap();
    assert_eq!(parsed.alignment(), 64);
    assert_eq!(parsed.tensors().len(), expected.len(), "{label}");
    for (tensor, expected) in parsed.tensors().iter().zip(expected) {
        assert_eq!(tensor.data.start % 64, 0);
        let data = &file[tensor.data.start as usize..tensor.data.end as usize];
        assert_eq!(tensor.name, expected[0], "{label}");
        assert_eq!(tensor.element_type, element_type(text(&expected[1])), "{label} {}", tensor.name);
        assert_eq!(digest_of(data).hex()[..16], *text(&expected[2]), "{label} {}", tensor.name);
    }
}

#[test]
fn rounding_on_the_way_is_part_of_the_plan() {
    // Values of F32 planned as BF16 and then quantized are what a BF16 file of them would give.
    let files = expected("files.json");
    let model = &list(&files["models"])[0];
    let single = source_file(model, "f32");
    let half = source_file(model, "bf16");
    let mut plan = copying(&single);
    for (tensor, stored) in plan.tensors.iter_mut().zip(copying(&half).tensors) {
        tensor.element_type = stored.element_type;
    }
    plan.metadata = copying(&half).metadata;
    let on_the_way = execute(&quantize(plan, FileType::F32).unwrap(), &single).unwrap();
    let in_two_steps = execute(&quantize(copying(&half), FileType::F32).unwrap(), &half).unwrap();
    assert_eq!(on_the_way, in_two_steps);
    let never = execute(&quantize(copying(&single), FileType::F32).unwrap(), &single).unwrap();
    assert_ne!(never, in_two_steps);
}

#[test]
fn metadata_without_what_the_mixture_needs_are_refused() {
    let files = expected("files.json");
    let source = source_file(&list(&files["models"])[0], "f16");
    let with = |change: &dyn Fn(&mut Metadata)| {
        let mut plan = copying(&source);
        change(&mut plan.metadata);
        quantize(plan, FileType::Q4_0).unwrap_err().to_string()
    };
    let set = |key: &str, value: Value| with(&|metadata| metadata.set(key, value.clone()));
    assert_eq!(
        with(&|metadata| drop(metadata.remove("general.architecture"))),
        "key \"general.architecture\" is missing"
    );
    assert_eq!(
        with(&|metadata| drop(metadata.remove("llama.block_count"))),
        "key \"llama.block_count\" is missing"
    );
    for absurd in [0, 513, u32::MAX] {
        let message = set("llama.block_count", absurd.into());
        assert_eq!(message, format!("llama.block_count is {absurd}, expected 1 to 512"));
    }
    assert!(set("llama.block_count", (-1).into()).contains("expected an integer from 0"));
    assert!(set("llama.block_count", "two".into()).contains("expected an integer from 0"));
    assert!(set("general.architecture", 7_u32.into()).contains("expected a string"));
    assert!(set("llama.attention.head_count", 1.5_f32.into()).contains("expected an integer from 0"));
}
