//! Adapters merged into weights, against what PEFT makes of the same.

use std::collections::BTreeMap;

use ollamake::convert::{self, OutputType};
use ollamake::gguf::Gguf;
use ollamake::plan::{Plan, Resources, Source, SourceDescription};
use serde_json::json;

use super::Files;
use super::checkpoint::read;
use super::tensors::{Tensor, Tensors, file, parsed};
use crate::support::files::fixture;

const WEIGHTS: &str = "model.safetensors";
const ADAPTER: &str = "adapter_model.safetensors";
const SETTINGS: &str = "adapter_config.json";

/// Each case, the names of its adapters in order, and by how much it may differ.
const CASES: [(&str, &[&str], f64); 6] = [
    ("llama", &["adapter"], EXACT),
    ("qwen2", &["one", "two"], EXACT),
    ("gpt2", &["adapter"], EXACT),
    ("bert", &["adapter"], EXACT),
    // Its embeddings have so few rows that PyTorch adds in another order.
    ("olmo2", &["adapter"], NEAR),
    ("mistral-dora", &["adapter"], NEAR),
];

const NEAR: f64 = 1.0 / (1 << 20) as f64;

const EXACT: f64 = 1.0 / (1 << 22) as f64;

/// A case's base model, its adapters with their strengths, and the weights that PEFT has merged.
struct Case {
    base: Files,
    adapters: Vec<(Files, f64)>,
    merged: Vec<u8>,
}

impl Case {
    fn read(name: &str, adapters: &[&str]) -> Self {
        let all = read(&fixture("merge").join(name));
        let strengths: BTreeMap<String, f64> = serde_json::from_slice(all.bytes("scales.json")).unwrap();
        let adapter = |adapter: &&str| {
            let own = |(name, bytes): &(String, Vec<u8>)| {
                Some((name.strip_prefix(&format!("{adapter}/"))?.to_owned(), bytes.clone()))
            };
            let files = Files(all.0.iter().filter_map(own).collect());
            (files, strengths.get(*adapter).copied().unwrap_or(1.0))
        };
        let base = all.0.iter().filter(|(name, _)| !name.contains('/') && !name.starts_with("merged"));
        Self {
            base: Files(base.cloned().collect()),
            adapters: adapters.iter().map(adapter).collect(),
            merged: all.bytes("merged.safetensors").clone(),
        }
    }
}

fn model(files: &Files) -> Plan {
    convert::checkpoint(&files.sources(), OutputType::F32).unwrap().model.unwrap()
}

/// The numbers of all tensors of a plan, whose sources are given in order.
fn numbers(plan: &Plan, sources: &[&[u8]]) -> BTreeMap<String, Vec<f32>> {
    let sources: Vec<&dyn Source> = sources.iter().map(|bytes| bytes as &dyn Source).collect();
    let mut bytes = Vec::new();
    plan.execute(&sources, &mut bytes, Resources::default(), &()).unwrap();
    let gguf = Gguf::parse(&bytes).unwrap();
    let tensor = |tensor: &ollamake::gguf::TensorInfo<'_>| {
        let data = &bytes[tensor.data.start as usize..tensor.data.end as usize];
        let values = data.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect();
        (tensor.name.to_owned(), values)
    };
    gguf.tensors().iter().map(tensor).collect()
}

/// The base model with all adapters, and the sources of that plan.
fn merged(case: &Case) -> (Plan, Vec<&[u8]>) {
    let mut plan = model(&case.base);
    let mut sources: Vec<&[u8]> = vec![case.base.bytes(WEIGHTS)];
    for (files, strength) in &case.adapters {
        plan = convert::merge(plan, &files.sources(), *strength).unwrap().model;
        sources.push(files.bytes(ADAPTER));
    }
    (plan, sources)
}

#[track_caller]
fn agree(
    name: &str,
    before: &BTreeMap<String, Vec<f32>>,
    ours: &BTreeMap<String, Vec<f32>>,
    theirs: &BTreeMap<String, Vec<f32>>,
    limit: f64,
) {
    assert!(ours.keys().eq(theirs.keys()), "{name}: {:?}, expected {:?}", ours.keys(), theirs.keys());
    let mut changed = 0;
    for (tensor, expected) in theirs {
        let before = before.get(tensor).unwrap_or(expected);
        for (index, expected) in expected.iter().enumerate() {
            let (before, got) = (f64::from(before[index]), f64::from(ours[tensor][index]));
            let expected = f64::from(*expected);
            let size = before.abs().max((expected - before).abs());
            let difference = (got - expected).abs();
            assert!(difference <= limit * size, "{name}: {tensor}[{index}] is {got}, expected {expected}");
            changed += usize::from(expected != before);
        }
    }
    assert!(changed > 100, "{name}: only {changed} numbers have changed");
}

#[test]
fn merged_weights_are_those_of_peft() {
    for (name, adapters, limit) in CASES {
        let case = Case::read(name, adapters);
        let before = numbers(&model(&case.base), &[case.base.bytes(WEIGHTS)]);
        let theirs = case.base.with(WEIGHTS, case.merged.clone());
        let theirs = numbers(&model(&theirs), &[theirs.bytes(WEIGHTS)]);
        let (plan, sources) = merged(&case);
        agree(name, &before, &numbers(&plan, &sources), &theirs, limit);
    }
}

#[test]
fn a_gguf_adapter_is_merged_as_the_one_that_it_was_made_of() {
    let case = Case::read("qwen2", &["one"]);
    let base = model(&case.base);
    let before = numbers(&base, &[case.base.bytes(WEIGHTS)]);
    let files = &case.adapters[0].0;
    let plan = convert::adapter(&files.sources(), &base, OutputType::F32).unwrap().model.unwrap();
    let mut adapter = Vec::new();
    let sources: [&dyn Source; 1] = [files.bytes(ADAPTER)];
    plan.execute(&sources, &mut adapter, Resources::default(), &()).unwrap();
    let source = SourceDescription { label: "lora.gguf".to_owned(), length: adapter.len() as u64 };
    let gguf = Gguf::parse(&adapter).unwrap();
    let ours = convert::merge_gguf(base, &gguf, source, 1.0).unwrap().model;
    let ours = numbers(&ours, &[case.base.bytes(WEIGHTS), &adapter]);
    let (plan, sources) = merged(&case);
    agree("qwen2", &before, &ours, &numbers(&plan, &sources), EXACT);
}

#[test]
fn rows_in_chunks_of_any_size_are_the_same() {
    for name in ["llama", "mistral-dora"] {
        let case = Case::read(name, &["adapter"]);
        let (plan, sources) = merged(&case);
        let all: Vec<&dyn Source> = sources.iter().map(|bytes| bytes as &dyn Source).collect();
        let make = |memory| {
            let mut bytes = Vec::new();
            let resources = Resources { memory, ..Resources::default() };
            plan.execute(&all, &mut bytes, resources, &()).unwrap();
            bytes
        };
        assert_eq!(make(1), make(192 << 20), "{name}");
    }
}

/// A matrix of F32 the other way round.
fn turned(tensor: &Tensor) -> Tensor {
    let [rows, columns] = tensor.shape[..] else { panic!("no matrix") };
    let element = |row: u64, column: u64| &tensor.bytes[(row * columns + column) as usize * 4..][..4];
    let bytes = (0..columns).flat_map(|column| (0..rows).flat_map(move |row| element(row, column)));
    Tensor { dtype: tensor.dtype.clone(), shape: vec![columns, rows], bytes: bytes.copied().collect() }
}

/// The same adapter as MLX saves it.
fn as_mlx(adapter: &Files) -> Files {
    let name = |name: &str| {
        let name = name.strip_prefix("base_model.model.").unwrap();
        name.replace(".lora_A.weight", ".lora_a").replace(".lora_B.weight", ".lora_b")
    };
    let tensors: Tensors =
        parsed(adapter.bytes(ADAPTER)).iter().map(|(key, tensor)| (name(key), turned(tensor))).collect();
    let settings = json!({"fine_tune_type": "lora", "num_layers": 2,
        "lora_parameters": {"rank": 4, "scale": 2.0, "dropout": 0.0}});
    Files(vec![
        (SETTINGS.to_owned(), settings.to_string().into_bytes()),
        ("adapters.safetensors".to_owned(), file(&tensors)),
    ])
}

#[test]
fn adapters_of_mlx_are_those_of_peft_inputs_first() {
    let case = Case::read("qwen2", &["one"]);
    let base = model(&case.base);
    let peft = &case.adapters[0].0;
    let mlx = as_mlx(peft);
    let plan =
        |files: &Files| convert::adapter(&files.sources(), &base, OutputType::F32).unwrap().model.unwrap();
    let (of_peft, of_mlx) = (plan(peft), plan(&mlx));
    let alpha = |plan: &Plan| plan.metadata.get("adapter.lora.alpha").cloned();
    assert_eq!(alpha(&of_peft), alpha(&of_mlx));
    let expected = numbers(&of_peft, &[peft.bytes(ADAPTER)]);
    assert_eq!(numbers(&of_mlx, &[mlx.bytes("adapters.safetensors")]), expected);
}

#[test]
fn an_adapter_is_checked_against_its_base() {
    let case = Case::read("qwen2", &["one"]);
    let base = model(&case.base);
    let adapter = &case.adapters[0].0;
    let refused = |files: &Files| {
        let merged = convert::merge(base.clone(), &files.sources(), 1.0).map(|_| ());
        let made = convert::adapter(&files.sources(), &base, OutputType::F16).map(|_| ());
        assert_eq!(merged, made);
        made.unwrap_err().to_string()
    };
    let changed = |change: &dyn Fn(&mut Tensors)| adapter.weighted(ADAPTER, |tensors| change(tensors));
    let error = refused(&changed(&|tensors| {
        for (name, tensor) in tensors.iter_mut().filter(|(name, _)| name.contains("lora_A")) {
            assert!(name.contains("layers"));
            tensor.shape[1] *= 2;
            tensor.bytes = tensor.bytes.repeat(2);
        }
    }));
    assert!(error.contains("model.layers.0.mlp.down_proj.weight") && error.contains("[32, 96]"), "{error}");
    let error = refused(&changed(&|tensors| {
        let moved = std::mem::take(tensors).into_iter();
        *tensors = moved.map(|(name, tensor)| (name.replace("layers.0", "layers.7"), tensor)).collect();
    }));
    assert!(error.contains("model.layers.7.") && error.contains("does not have"), "{error}");
    assert!(refused(&changed(&Tensors::clear)).contains("no tensors"));
    // Any name will do for the file.
    let renamed = Files(
        adapter
            .0
            .iter()
            .map(|(name, bytes)| (name.replace(ADAPTER, "x.safetensors"), bytes.clone()))
            .collect(),
    );
    assert!(convert::adapter(&renamed.sources(), &base, OutputType::F16).is_ok());
}

#[test]
fn what_a_gguf_adapter_cannot_hold_is_told_with_the_remedy() {
    for (name, words) in [("llama", "modules_to_save"), ("mistral-dora", "DoRA")] {
        let case = Case::read(name, &["adapter"]);
        let files = &case.adapters[0].0;
        let error =
            convert::adapter(&files.sources(), &model(&case.base), OutputType::F16).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("merge_adapters"), "{error}");
    }
}
