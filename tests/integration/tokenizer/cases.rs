//! Every case: all `tokenizer.*` pairs in order, type and value.

use std::fs;
use std::path::{Path, PathBuf};

use ollamake::convert::tokenizer::{self, Flavour, Format, Sizes};
use ollamake::gguf::{Array, Value};
use ollamake::model::Digest;
use serde_json::Value as Json;

use super::{Files, released_tokenizers};
use crate::support::files::fixture;
use crate::support::shared;

const PRE_TOKENIZER: &str = "tokenizer.ggml.pre";

/// The kind of vocabulary that the models of an architecture have.
fn flavour(architecture: &str) -> Flavour {
    match architecture {
        "BertModel" | "NomicBertModel" => Flavour::WORD_PIECE,
        "LlamaForCausalLM"
        | "MistralForCausalLM"
        | "MixtralForCausalLM"
        | "GraniteForCausalLM"
        | "SmolLM3ForCausalLM"
        | "Mistral3ForConditionalGeneration"
        | "Ministral3ForCausalLM" => Flavour::LLAMA,
        "GemmaForCausalLM" => Flavour::GEMMA,
        "Gemma2ForCausalLM" => Flavour::GEMMA2,
        "Gemma3ForCausalLM" | "Gemma3ForConditionalGeneration" | "Gemma3nForConditionalGeneration" => {
            Flavour::GEMMA3
        }
        "Gemma4ForCausalLM" => Flavour::GEMMA4,
        "Glm4ForCausalLM" => Flavour::GLM4,
        "Glm4MoeLiteForCausalLM" => Flavour::GLM4_MOE,
        "NemotronHForCausalLM" => Flavour::NEMOTRON_H,
        // The planner writes the key with the other metadata of the architecture.
        "PhiForCausalLM" => Flavour { opening: &[("add_bos_token", false)], ..Flavour::BYTE_PAIR },
        "Phi3ForCausalLM" => Flavour::PHI3,
        "Qwen2ForCausalLM"
        | "Qwen3ForCausalLM"
        | "Qwen2_5_VLForConditionalGeneration"
        | "Qwen3VLForConditionalGeneration" => Flavour::SENTENCE_PIECE_OR_BYTE_PAIR,
        "rewritten" => Flavour { formats: &[Format::RewrittenSentencePiece], ..Flavour::SENTENCE_PIECE },
        _ => Flavour::BYTE_PAIR,
    }
}

/// What the configuration says, with the defaults of its class where the cases rely on them.
fn sizes(files: &Files) -> Sizes {
    let config = files.json("config.json");
    let number =
        |key: &str| config["text_config"].get(key).or_else(|| config.get(key)).and_then(Json::as_u64);
    Sizes { tokens: number("vocab_size"), token_types: number("type_vocab_size") }
}

fn check(case: &Path, files: &Files) -> Vec<String> {
    let expected: Json = serde_json::from_slice(&fs::read(case.join("expected.json")).unwrap()).unwrap();
    let listing = expected["outtypes"].as_object().map_or(&expected, |outtypes| &outtypes["f16"]);
    let forced = expected.get("forced_pre").is_some();
    let wanted: Vec<&Json> =
        listing["kv"].as_array().unwrap().iter().filter(|entry| is_checked(entry)).collect();
    let flavour = flavour(expected["architecture"].as_str().unwrap());
    let vocabulary = match tokenizer::read(&files.sources(), &flavour, sizes(files)) {
        Ok(vocabulary) => vocabulary,
        Err(error) => return vec![error.to_string()],
    };
    let mut found = Vec::new();
    let keys: Vec<&str> = vocabulary.metadata.iter().map(|(key, _)| key).collect();
    let wanted_keys: Vec<&str> = wanted.iter().map(|entry| entry["key"].as_str().unwrap()).collect();
    if keys != wanted_keys {
        found.push(format!("keys are {keys:?}, expected {wanted_keys:?}"));
    }
    for entry in wanted {
        let key = entry["key"].as_str().unwrap();
        if forced && key == PRE_TOKENIZER {
            continue;
        }
        if let Some(value) = vocabulary.metadata.get(key) {
            found.extend(difference(value, entry).map(|what| format!("{key}: {what}")));
        }
    }
    let pre = vocabulary.metadata.get(PRE_TOKENIZER).and_then(Value::as_str);
    println!(
        "{}: pre {pre:?}, forced {:?}, {:?}",
        case.display(),
        expected.get("forced_pre"),
        vocabulary.warnings
    );
    found
}

fn is_checked(entry: &Json) -> bool {
    entry["key"].as_str().unwrap().starts_with("tokenizer.")
}

/// How a value differs from what is expected.
fn difference(value: &Value, expected: &Json) -> Option<String> {
    let same = match value {
        Value::U32(number) => expected["type"] == "uint32" && expected["value"] == *number,
        Value::Bool(flag) => expected["type"] == "bool" && expected["value"] == *flag,
        Value::String(text) => expected["type"] == "string" && expected["value"] == text.as_str(),
        Value::Array(array) => {
            let (element, payload) = payload(array);
            let length = expected["len"] == array.len();
            let same = match expected.get("payload_sha256") {
                Some(hash) => *hash == Digest::of(&payload).hex(),
                None => match array {
                    Array::String(texts) => expected["value"] == texts.iter().collect::<Json>(),
                    _ => false,
                },
            };
            expected["elem_type"] == element && length && same
        }
        _ => false,
    };
    let brief = |text: String| text.chars().take(600).collect::<String>();
    (!same).then(|| format!("{}, expected {}", brief(format!("{value:?}")), brief(expected.to_string())))
}

/// The elements of an array as they lie in the file, and their type.
fn payload(array: &Array) -> (&'static str, Vec<u8>) {
    match array {
        Array::String(texts) => {
            let bytes = |text: &str| [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
            ("string", texts.iter().flat_map(bytes).collect())
        }
        Array::F32(numbers) => ("float32", numbers.iter().flat_map(|number| number.to_le_bytes()).collect()),
        Array::I32(numbers) => ("int32", numbers.iter().flat_map(|number| number.to_le_bytes()).collect()),
        other => panic!("unexpected array {other:?}"),
    }
}

/// The directories of cases.
fn cases(directory: &Path) -> Vec<PathBuf> {
    let mut cases: Vec<PathBuf> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|case| case.join("expected.json").exists());
    cases.sort();
    cases
}

#[test]
fn all_cases_have_the_expected_vocabulary() {
    let directories = [Some(fixture("tokenizer")), shared::path("conversion"), released_tokenizers()];
    if directories[1].is_none() {
        println!("the full set of conversion cases is absent; using the fixtures alone");
    }
    let (mut checked, mut failed) = (0, Vec::new());
    for case in directories.iter().flatten().flat_map(|directory| cases(directory)) {
        let mut files = Files::read(&case);
        let name = case.file_name().unwrap();
        if let Some(other) =
            released_tokenizers().map(|directory| directory.join(name)).filter(|other| other.is_dir())
        {
            files.0.extend(Files::read(&other).0);
        }
        if !["tokenizer.json", "tekken.json"].iter().any(|name| files.0.contains_key(*name)) {
            println!("{}: no tokenizer", case.display());
            continue;
        }
        assert!(files.0.contains_key("config.json"), "{}: no config.json", case.display());
        checked += 1;
        let found = check(&case, &files);
        for difference in found.iter().take(4) {
            println!("{}: {difference}", case.display());
        }
        if !found.is_empty() {
            failed.push(name.to_owned());
        }
    }
    println!("{} of {checked} cases are identical", checked - failed.len());
    assert!(checked >= 5, "there are too few cases");
    assert!(failed.is_empty(), "cases that differ: {failed:?}");
}
