//! Models by generator, and what llama-quantize made of them.

use std::num::NonZeroUsize;

use ollamake::gguf::{Array, Gguf, Header, Metadata, TensorDescription, Value};
use ollamake::model::Digest;
use ollamake::plan::{Plan, PlanError, Resources, Source, SourceDescription};
use ollamake::quantize::FileType;
use ollamake::tensor::{self, ElementType, Shape};
use serde_json::Value as Json;

use crate::support::files::fixture;
use crate::support::{generator, shared};

pub(crate) fn expected(file: &str) -> Json {
    let path =
        shared::path(&format!("quantization/{file}")).unwrap_or_else(|| fixture("quantize").join(file));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

pub(crate) fn text(json: &Json) -> &str {
    json.as_str().unwrap()
}

pub(crate) fn list(json: &Json) -> &[Json] {
    json.as_array().unwrap()
}

pub(crate) fn shape(json: &Json) -> Shape {
    let dimensions: Vec<u64> = list(json).iter().map(|length| length.as_u64().unwrap()).collect();
    Shape::new(&dimensions).unwrap()
}

pub(crate) fn element_type(name: &str) -> ElementType {
    ElementType::from_name(name).unwrap()
}

/// Metadata from `[key, type, value]`, with the file type where that is left open.
pub(crate) fn metadata(json: &Json, file_type: u32) -> Metadata {
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

/// A model of `files.json`, stored in a type of plain floats.
pub(crate) fn source_file(model: &Json, source: &str) -> Vec<u8> {
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
    assert_eq!(Digest::of(&file).hex(), expected["sha256"], "{} {source}", model["name"]);
    file
}

pub(crate) fn copying(file: &[u8]) -> Plan {
    let description = SourceDescription { label: "model.gguf".into(), length: file.len() as u64 };
    Plan::copying(&Gguf::parse(file).unwrap(), description).unwrap()
}

pub(crate) fn execute(plan: &Plan, source: &[u8]) -> Result<Vec<u8>, PlanError> {
    execute_all(plan, &[source])
}

pub(crate) fn execute_all(plan: &Plan, sources: &[&[u8]]) -> Result<Vec<u8>, PlanError> {
    let mut file = Vec::new();
    let resources = Resources { threads: NonZeroUsize::new(2).unwrap(), ..Resources::default() };
    let sources: Vec<&dyn Source> = sources.iter().map(|source| source as &dyn Source).collect();
    plan.execute(&sources, &mut file, resources, &())?;
    assert_eq!(file.len() as u64, plan.size()?);
    Ok(file)
}

/// An importance matrix of `files.json`.
pub(crate) fn matrix_file(json: &Json) -> Vec<u8> {
    let entries = list(&json["entries"]).iter().map(|entry| {
        let number = |index: usize| entry[index].as_u64().unwrap();
        // One stream for all matrices of a tensor.
        let values = generator::importance(text(&json["kind"]), number(1), (number(2) * number(3)) as usize);
        let counts = match &entry[4] {
            Json::Array(counts) => counts.iter().map(|count| count.as_f64().unwrap() as f32).collect(),
            count => vec![count.as_f64().unwrap() as f32; number(3) as usize],
        };
        (text(&entry[0]), values, counts)
    });
    let entries: Vec<(&str, Vec<f32>, Vec<f32>)> = entries.collect();
    let file = match text(&json["format"]) {
        "legacy" => older_matrix(json, &entries),
        _ => matrix_in_gguf(json, &entries),
    };
    assert_eq!(Digest::of(&file).hex(), json["sha256"], "{}", json["file"]);
    file
}

fn bytes_of(values: impl Iterator<Item = f32>) -> Vec<u8> {
    values.flat_map(f32::to_le_bytes).collect()
}

fn matrix_in_gguf(json: &Json, entries: &[(&str, Vec<f32>, Vec<f32>)]) -> Vec<u8> {
    let mut metadata = Metadata::new();
    metadata.set("general.type", "imatrix");
    let datasets: Vec<String> = list(&json["datasets"]).iter().map(|name| text(name).to_owned()).collect();
    metadata.set("imatrix.datasets", datasets);
    metadata.set("imatrix.chunk_count", json["chunk_count"].as_u64().unwrap() as u32);
    metadata.set("imatrix.chunk_size", json["chunk_size"].as_u64().unwrap() as u32);
    let mut tensors = Vec::new();
    for (name, values, counts) in entries {
        let matrices = counts.len() as u64;
        let columns = values.len() as u64 / matrices;
        let of_matrices = values.chunks_exact(columns as usize).zip(counts);
        let sums = of_matrices.flat_map(|(values, count)| values.iter().map(move |value| value * count));
        tensors.push((format!("{name}.in_sum2"), [columns, matrices], bytes_of(sums)));
        tensors.push((format!("{name}.counts"), [1, matrices], bytes_of(counts.iter().copied())));
    }
    let description = |(name, dimensions, _): &'_ (String, [u64; 2], Vec<u8>)| {
        (name.clone(), Shape::new(dimensions).unwrap())
    };
    let described: Vec<_> = tensors.iter().map(description).collect();
    let descriptions: Vec<_> = described
        .iter()
        .map(|(name, shape)| TensorDescription { name, shape: *shape, element_type: ElementType::F32 })
        .collect();
    let header = Header::new(&metadata, &descriptions).unwrap();
    let mut file = header.bytes().to_vec();
    for ((_, _, data), range) in tensors.iter().zip(header.data()) {
        file.resize(range.start as usize, 0);
        file.extend_from_slice(data);
    }
    file.resize(header.file_length() as usize, 0);
    file
}

fn older_matrix(json: &Json, entries: &[(&str, Vec<f32>, Vec<f32>)]) -> Vec<u8> {
    let mut file = Vec::new();
    let number = |file: &mut Vec<u8>, number: usize| file.extend_from_slice(&(number as i32).to_le_bytes());
    number(&mut file, entries.len());
    for (name, values, counts) in entries {
        number(&mut file, name.len());
        file.extend_from_slice(name.as_bytes());
        number(&mut file, counts[0] as usize);
        number(&mut file, values.len());
        file.extend(bytes_of(values.iter().map(|value| value * counts[0])));
    }
    number(&mut file, json["chunk_count"].as_u64().unwrap() as usize);
    let dataset = text(&json["datasets"][0]);
    number(&mut file, dataset.len());
    file.extend_from_slice(dataset.as_bytes());
    file
}
