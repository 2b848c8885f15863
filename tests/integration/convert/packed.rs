//! Weights in the formats of other programs: the numbers that they stand for, and what is refused.

use std::collections::BTreeMap;

use ollamake::convert::{self, ConvertError, OutputType};
use ollamake::gguf::Gguf;
use ollamake::model::Digest;
use ollamake::plan::PlanError;
use ollamake::quantize::{self, FileType, Scheme};
use ollamake::tensor::{ElementType, dequantize};
use serde_json::{Map, Value, json};

use super::Files;
use super::checkpoint::execute;

use crate::support::files::fixture;

const BASE: &str = "model-00001-of-00002.safetensors";
const PACKED: &str = "model-00002-of-00002.safetensors";

/// A case: a checkpoint of which some weights are packed, and what these are.
#[derive(Clone)]
struct Case {
    name: String,
    config: Value,
    packed: Vec<u8>,
    expected: Map<String, Value>,
}

/// The cases of `tests/fixtures/packed`.
fn cases() -> Vec<Case> {
    let directory = fixture("packed");
    let json = |name: &str| -> Value {
        serde_json::from_slice(&std::fs::read(directory.join(name)).unwrap()).unwrap()
    };
    let names = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.filter_map(|name| name.to_str()?.strip_suffix(".safetensors").map(str::to_owned));
    let mut cases: Vec<Case> = names
        .filter(|name| name != "base")
        .map(|name| {
            let mut config = json("config.json");
            let case = json(&format!("{name}.json"));
            for (key, value) in case["config"].as_object().unwrap() {
                config[key] = value.clone();
            }
            let packed = std::fs::read(directory.join(format!("{name}.safetensors"))).unwrap();
            Case { name, config, packed, expected: case["expected"].as_object().unwrap().clone() }
        })
        .collect();
    cases.sort_by(|one, other| one.name.cmp(&other.name));
    assert!(cases.len() > 20, "only {} cases", cases.len());
    cases
}

/// Why a case comes to no file.
#[derive(Debug)]
enum Refused {
    Planning(ConvertError),
    Executing(PlanError),
}

impl std::fmt::Display for Refused {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refused::Planning(error) => error.fmt(formatter),
            Refused::Executing(error) => error.fmt(formatter),
        }
    }
}

impl Case {
    fn files(&self) -> Files {
        let read = |name: &str| std::fs::read(fixture("packed").join(name)).unwrap();
        let mut files = Files(vec![
            ("config.json".to_owned(), self.config.to_string().into_bytes()),
            (BASE.to_owned(), read("base.safetensors")),
            (PACKED.to_owned(), self.packed.clone()),
        ]);
        for name in ["tokenizer.json", "tokenizer_config.json"] {
            files.0.push((name.to_owned(), read(name)));
        }
        files
    }

    /// The file that is made of the case, and what is told.
    fn convert(&self) -> Result<(Vec<u8>, Vec<String>), Refused> {
        let files = self.files();
        let conversion = convert::checkpoint(&files.sources(), OutputType::F32).map_err(Refused::Planning)?;
        let plan = conversion.model.expect("a model is made");
        plan.check().map_err(Refused::Executing)?;
        let told = conversion.warnings.iter().map(ToString::to_string).collect();
        Ok((execute(&plan, &files).map_err(Refused::Executing)?, told))
    }

    /// How a file differs from what is expected.
    fn differences(&self, file: &[u8]) -> Vec<String> {
        let gguf = Gguf::parse(file).unwrap();
        let numbers = |name: &str| {
            let tensor = gguf.tensor(name)?;
            let bytes = &file[tensor.data.start as usize..tensor.data.end as usize];
            let mut values = vec![0.0; tensor.shape.elements() as usize];
            dequantize(tensor.element_type, bytes, &mut values).unwrap();
            Some((tensor.element_type, values))
        };
        let mut found = Vec::new();
        for (name, expected) in &self.expected {
            let Some((element_type, values)) = numbers(name) else {
                found.push(format!("{name} is missing"));
                continue;
            };
            let mut shape: Vec<u64> = gguf.tensor(name).unwrap().shape.dimensions().to_vec();
            shape.reverse();
            if json!(shape) != expected["shape"] {
                found.push(format!("{name} has shape {shape:?}, expected {}", expected["shape"]));
            }
            let first: Vec<f32> =
                expected["first"].as_array().unwrap().iter().map(|n| n.as_f64().unwrap() as f32).collect();
            if element_type == ElementType::Nvfp4 {
                // Packed as they were, with what multiplies all of them beside them.
                let scale = numbers(&name.replace(".weight", ".scale")).unwrap().1[0];
                let near = |(value, expected): (&f32, &f32)| {
                    (value * scale - expected).abs() <= expected.abs() / 4_194_304.0
                };
                if !values.iter().zip(&first).all(near) {
                    found.push(format!("{name} begins with {:?}, expected {first:?}", &values[..4]));
                }
                continue;
            }
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            if ![ElementType::F32, ElementType::Mxfp4].contains(&element_type)
                || json!(Digest::of(&bytes).hex()) != expected["sha256"]
            {
                found.push(format!(
                    "{name} ({element_type}) begins with {:?}, expected {first:?}",
                    &values[..4]
                ));
            }
        }
        found
    }
}

#[test]
fn numbers_are_those_of_the_formats() {
    let mut wrong = Vec::new();
    for case in cases() {
        match case.convert() {
            Ok((file, told)) => {
                wrong.extend(
                    case.differences(&file).into_iter().map(|found| format!("{}: {found}", case.name)),
                );
                let is_told = told.iter().any(|line| line.contains("dequantized"));
                let is_kept = ["ct-nvfp4", "ct-mxfp4"].iter().any(|name| case.name.starts_with(name));
                if is_told == is_kept {
                    wrong.push(format!("{}: nothing is told of what was dequantized: {told:?}", case.name));
                }
            }
            Err(error) => wrong.push(format!("{}: {error}", case.name)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The header of a safetensors file, changed.
fn with_header(file: &[u8], change: impl FnOnce(&mut Map<String, Value>)) -> Vec<u8> {
    let length = u64::from_le_bytes(*file.first_chunk().unwrap()) as usize;
    let mut header: Map<String, Value> = serde_json::from_slice(&file[8..8 + length]).unwrap();
    change(&mut header);
    let text = Value::Object(header).to_string();
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes(), &file[8 + length..]].concat()
}

/// The names, types and shapes of the tensors of a file.
fn tensors(file: &[u8]) -> BTreeMap<String, Value> {
    let mut listed = BTreeMap::new();
    with_header(file, |header| {
        listed.extend(header.clone().into_iter().filter(|(name, _)| name != "__metadata__"))
    });
    listed
}

/// Parts that are not needed to tell the numbers.
const UNREAD: [&str; 4] = [".input_scale", ".qscale_act", ".weight_format", "input_global_scale"];

/// A change of a case that has to be refused by a name, or to make no difference.
fn refused_or_same(case: &Case, what: &str, named: &str, wrong: &mut Vec<String>) {
    let what = format!("{}, {what}", case.name);
    match case.convert() {
        Ok((file, _)) if case.differences(&file).is_empty() => {}
        Ok(_) => wrong.push(format!("{what}: other numbers are made")),
        Err(error) => {
            let message = error.to_string();
            let tensor = ["blk.0.ffn_", "model.layers.0.mlp."];
            if !message.contains(named) && !tensor.iter().any(|name| message.contains(name)) {
                wrong.push(format!("{what}: {message}"));
            }
        }
    }
}

/// A safetensors file without a tensor.
fn without(file: &[u8], name: &str) -> Vec<u8> {
    let length = u64::from_le_bytes(*file.first_chunk().unwrap()) as usize;
    let data = &file[8 + length..];
    let (mut header, mut kept) = (Map::new(), Vec::new());
    for (other, mut entry) in tensors(file).into_iter().filter(|(other, _)| other != name) {
        let [begin, end] = [0, 1].map(|side| entry["data_offsets"][side].as_u64().unwrap() as usize);
        entry["data_offsets"] = json!([kept.len(), kept.len() + end - begin]);
        kept.extend_from_slice(&data[begin..end]);
        header.insert(other, entry);
    }
    let text = Value::Object(header).to_string();
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes(), &kept].concat()
}

#[test]
fn a_part_that_is_missing_is_named() {
    let mut wrong = Vec::new();
    for case in cases() {
        for name in tensors(&case.packed).into_keys() {
            if UNREAD.iter().any(|part| name.contains(part)) {
                continue;
            }
            let changed = Case { packed: without(&case.packed, &name), ..case.clone() };
            refused_or_same(&changed, &format!("without {name}"), &name, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_part_of_another_type_or_shape_is_refused() {
    let other = |dtype: &str| match dtype {
        "F32" => "I32",
        "I32" | "U32" => "F32",
        "F16" | "BF16" => "I16",
        "I64" => "F64",
        _ => "BOOL",
    };
    let mut wrong = Vec::new();
    for case in cases() {
        for (name, entry) in tensors(&case.packed) {
            let dtype = other(entry["dtype"].as_str().unwrap());
            let packed = with_header(&case.packed, |header| header[&name]["dtype"] = json!(dtype));
            refused_or_same(&Case { packed, ..case.clone() }, &format!("{name} {dtype}"), &name, &mut wrong);
            // What shape the numbers of a weight have, and what says nothing of that, is not for formats to
            // know.
            let is_byte = ["I8", "F8_E4M3", "F8_E5M2"].iter().any(|dtype| entry["dtype"] == *dtype);
            if name.ends_with(".weight") && is_byte || UNREAD.iter().any(|part| name.contains(part)) {
                continue;
            }
            let shape: Vec<u64> = serde_json::from_value(entry["shape"].clone()).unwrap();
            let count: u64 = shape.iter().product();
            let reversed: Vec<u64> = shape.iter().rev().copied().collect();
            for shape in [vec![count], vec![1, count], vec![count, 1], reversed, vec![1, 1, count]] {
                let packed = with_header(&case.packed, |header| header[&name]["shape"] = json!(shape));
                let what = format!("{name} {shape:?}");
                refused_or_same(&Case { packed, ..case.clone() }, &what, &name, &mut wrong);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Changes every number within a value, one at a time.
fn each_number(value: &Value, path: &mut Vec<String>, visit: &mut impl FnMut(&[String])) {
    match value {
        Value::Object(values) => {
            for (key, value) in values {
                path.push(key.clone());
                each_number(value, path, visit);
                path.pop();
            }
        }
        Value::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                path.push(index.to_string());
                each_number(value, path, visit);
                path.pop();
            }
        }
        Value::Number(_) => visit(path),
        _ => {}
    }
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let mut wrong = Vec::new();
    for case in cases() {
        for key in ["quantization", "quantization_config"] {
            let Some(settings) = case.config.get(key) else { continue };
            let mut paths = Vec::new();
            each_number(settings, &mut vec![key.to_owned()], &mut |path| paths.push(path.to_vec()));
            for path in paths {
                let pointer = format!("/{}", path.join("/"));
                for value in [
                    json!(0),
                    json!(-1),
                    json!(1),
                    json!(3),
                    json!(48),
                    json!(1_u64 << 40),
                    json!("x"),
                    Value::Null,
                ] {
                    let mut config = case.config.clone();
                    *config.pointer_mut(&pointer).unwrap() = value.clone();
                    let what = format!("{pointer} {value}");
                    let named = path.iter().rev().find(|key| key.parse::<u32>().is_err()).unwrap();
                    refused_or_same(&Case { config, ..case.clone() }, &what, named, &mut wrong);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_group_that_is_not_there_is_named() {
    let mut found = 0;
    for case in cases() {
        for (name, entry) in tensors(&case.packed).into_iter().filter(|(name, _)| name.ends_with("g_idx")) {
            for (position, number) in [(0_usize, -1_i32), (5, 4), (7, i32::MAX)] {
                let header = u64::from_le_bytes(*case.packed.first_chunk().unwrap()) as usize;
                let start = 8 + header + entry["data_offsets"][0].as_u64().unwrap() as usize + 4 * position;
                let mut packed = case.packed.clone();
                packed[start..start + 4].copy_from_slice(&number.to_le_bytes());
                let error = Case { packed, ..case.clone() }.convert().unwrap_err();
                let words =
                    [PACKED, &format!("number {position} of"), &format!("is {number}, expected 0 to")];
                let message = error.to_string();
                assert!(words.iter().all(|word| message.contains(word)), "{}, {name}: {message}", case.name);
                found += 1;
            }
        }
    }
    assert!(found >= 6, "no case has a list of groups");
}

#[test]
fn packed_weights_are_quantized_on_the_way() {
    for case in cases() {
        let files = case.files();
        let plan = convert::checkpoint(&files.sources(), OutputType::Unrounded).unwrap().model.unwrap();
        // Blocks that stayed what they were are quantized again.
        let scheme = Scheme { allow_requantize: true, ..Scheme::new(FileType::Q8_0) };
        let quantized = quantize::quantize(plan, &scheme, None).unwrap();
        let file = execute(&quantized.plan, &files).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        let gguf = Gguf::parse(&file).unwrap();
        // Rows of 48 do not consist of blocks.
        for name in case.expected.keys().filter(|_| !case.name.ends_with("rows-of-48")) {
            assert_eq!(gguf.tensor(name).unwrap().element_type, ElementType::Q8_0, "{}: {name}", case.name);
        }
    }
}

#[test]
fn settings_in_a_file_of_their_own_are_read() {
    let case = cases().into_iter().find(|case| case.name == "gptq-4-act-order").unwrap();
    let mut files = case.files();
    let mut config = case.config.clone();
    let settings = config.as_object_mut().unwrap().remove("quantization_config").unwrap();
    files.0.retain(|(name, _)| name != "config.json");
    files.0.push(("config.json".to_owned(), config.to_string().into_bytes()));
    assert!(convert::checkpoint(&files.sources(), OutputType::F32).is_err());
    files.0.push(("quantize_config.json".to_owned(), settings.to_string().into_bytes()));
    let plan = convert::checkpoint(&files.sources(), OutputType::F32).unwrap().model.unwrap();
    assert_eq!(case.differences(&execute(&plan, &files).unwrap()), [""; 0]);
}

#[test]
fn stacked_experts_are_as_many_as_is_said() {
    let case = cases().into_iter().find(|case| case.name == "mlx-experts").unwrap();
    for (count, words) in
        [(1, "num_experts 1, the checkpoint has 2"), (3, "num_experts 3, the checkpoint has 2")]
    {
        let mut config = case.config.clone();
        config["num_experts"] = json!(count);
        let message = Case { config, ..case.clone() }.convert().unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn formats_that_are_left_out_are_named() {
    let case = cases().into_iter().find(|case| case.name == "gptq-8").unwrap();
    let settings = |settings: Value| {
        let mut config = case.config.clone();
        config["quantization_config"] = settings;
        Case { config, ..case.clone() }.convert().unwrap_err().to_string()
    };
    for (given, words) in [
        (json!({"quant_method": "hqq"}), "HQQ-quantized weights"),
        (json!({"quant_method": "torchao"}), "torchao-quantized weights"),
        (json!({"quant_method": "auto-round", "bits": 4}), "AutoRound-quantized weights"),
        (json!({"quant_method": "gptq", "bits": 4, "checkpoint_format": "marlin"}), "in the layout marlin"),
        (json!({"quant_method": "awq", "bits": 4, "version": "GEMV_FAST"}), "in the layout gemv_fast"),
        (json!({"quant_method": "awq", "bits": 8, "group_size": 64}), "bits is 8"),
        (json!({"quant_method": "compressed-tensors", "format": "marlin-24"}), "the format marlin-24"),
        (json!({"quant_method": "fp8"}), "GPTQ or AWQ"),
    ] {
        let message = settings(given);
        assert!(message.contains(words), "{message:?} does not say {words:?}");
    }
}
