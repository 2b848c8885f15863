//! Tokenizers with something wrong in them: an error that says in which file and where.

use std::time::{Duration, Instant};

use ollamake::convert::ConvertError;
use ollamake::convert::tokenizer::{self, Flavour, Sizes, TokenizerError, TokenizerWarning, Vocabulary};
use ollamake::gguf::{Array, Value};
use serde_json::{Value as Json, json};

use super::Files;
use crate::support::files::fixture;

fn files(name: &str) -> Files {
    Files::read(&fixture("tokenizer").join(name))
}

fn read(files: &Files, flavour: Flavour, size: Option<u64>) -> Result<Vocabulary, ConvertError> {
    tokenizer::read(&files.sources(), &flavour, Sizes { tokens: size, token_types: None })
}

/// The error of a vocabulary of byte pairs whose `tokenizer.json` was changed.
fn error(size: Option<u64>, change: impl FnOnce(&mut Json)) -> ConvertError {
    read(&changed(change), Flavour::BYTE_PAIR, size).unwrap_err()
}

fn changed(change: impl FnOnce(&mut Json)) -> Files {
    let files = files("llama-plain");
    let mut json = files.json("tokenizer.json");
    change(&mut json);
    files.with("tokenizer.json", json.to_string())
}

fn tokens(vocabulary: &Vocabulary) -> Vec<&str> {
    match vocabulary.metadata.get("tokenizer.ggml.tokens") {
        Some(Value::Array(Array::String(tokens))) => tokens.iter().collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_missing_tokenizer_is_named() {
    let none = Files::default();
    let message = |flavour| read(&none, flavour, None).unwrap_err().to_string();
    assert_eq!(
        message(Flavour::BYTE_PAIR),
        "the tokenizer is missing; expected tokenizer.json or vocab.json with merges.txt"
    );
    assert_eq!(message(Flavour::GEMMA), "the tokenizer is missing; expected tokenizer.model");
    assert_eq!(
        message(Flavour::GEMMA3),
        "the tokenizer is missing; expected tokenizer.model or tokenizer.json or vocab.json with merges.txt"
    );
    assert!(
        message(Flavour::LLAMA)
            .starts_with("the tokenizer is missing; expected tekken.json or tokenizer.model")
    );
}

#[test]
fn a_size_that_disagrees_is_named() {
    let small = error(Some(200), |_| {}).to_string();
    assert!(small.contains("the vocabulary (vocab_size in config.json) ends at 200"), "{small}");
    let huge = error(Some(1_000_000_000), |_| {});
    assert_eq!(huge, TokenizerError::Size { size: 1_000_000_000, limit: 2_097_152 }.into());
    for (name, flavour) in [
        ("mistral", Flavour::LLAMA),
        ("gemma4", Flavour::GEMMA4),
        ("phi3", Flavour::PHI3),
        ("bert", Flavour::WORD_PIECE),
    ] {
        let error = read(&files(name), flavour, Some(u64::MAX)).unwrap_err();
        assert!(matches!(error, ConvertError::Tokenizer(TokenizerError::Size { .. })), "{name}: {error}");
    }
}

#[test]
fn holes_are_padded_and_doubles_are_refused() {
    let files = changed(|json| {
        json["added_tokens"]
            .as_array_mut()
            .unwrap()
            .push(json!({"id": 1000, "content": "far", "special": true}));
    });
    let vocabulary = read(&files, Flavour::BYTE_PAIR, Some(1002)).unwrap();
    let tokens = tokens(&vocabulary);
    assert_eq!(
        (tokens.len(), tokens[999], tokens[1000], tokens[1001]),
        (1002, "[PAD999]", "far", "[PAD1001]")
    );

    let double = error(None, |json| {
        json["added_tokens"].as_array_mut().unwrap().push(json!({"id": 5, "content": "twice"}));
    });
    assert!(matches!(double, ConvertError::Tokenizer(TokenizerError::DuplicateId { id: 5, .. })), "{double}");
    let beyond = error(Some(320), |json| json["model"]["vocab"]["beyond"] = 4_000_000_000_u32.into());
    assert!(
        matches!(beyond, ConvertError::Tokenizer(TokenizerError::BeyondVocabulary { id: 4_000_000_000, .. })),
        "{beyond}"
    );
    let without_size = error(None, |json| json["model"]["vocab"]["beyond"] = 4_000_000_000_u32.into());
    assert!(
        matches!(without_size, ConvertError::Tokenizer(TokenizerError::BeyondVocabulary { .. })),
        "{without_size}"
    );
}

#[test]
fn messages_name_the_older_file_that_is_wrong() {
    let older = |vocabulary: Json, merges: &str| {
        let files = Files::default().with("vocab.json", vocabulary.to_string()).with("merges.txt", merges);
        read(&files, Flavour::BYTE_PAIR, None).unwrap_err().to_string()
    };
    assert_eq!(older(json!({}), ""), "vocab.json has no tokens");
    assert_eq!(older(json!({"a": "b"}), ""), "vocab.json: a is \"b\", expected a token id");
    let double = older(json!({"a": 0, "b": 0}), "");
    assert_eq!(double, "vocab.json: tokens \"a\" and \"b\" both have id 0");
    let merge = older(json!({"a": 0}), "a qq\n");
    assert_eq!(merge, "merges.txt: the merges name \"qq\", which is not in the vocabulary");
    let merge = error(None, |json| json["model"]["merges"] = json!(["a 🦙"])).to_string();
    assert_eq!(merge, "tokenizer.json: the merges name \"🦙\", which is not in the vocabulary");

    let far = files("mistral").with("added_tokens.json", r#"{"far": 2000000000}"#);
    let warnings = read(&far, Flavour::LLAMA, None).unwrap().warnings;
    let is_left_out = |warning: &TokenizerWarning| match warning {
        TokenizerWarning::TokenLeftOut { file, token, .. } => *file == "added_tokens.json" && token == "far",
        _ => false,
    };
    assert!(warnings.iter().any(is_left_out), "{warnings:?}");
}

#[test]
fn settings_of_a_chat_template_alone_are_settings() {
    let metadata = |settings: &str| {
        let files = files("llama-plain").without("special_tokens_map.json");
        let files = files.with("config.json", "{}").with("tokenizer_config.json", settings);
        read(&files, Flavour::BYTE_PAIR, None).unwrap().metadata
    };
    let with_template = metadata(r#"{"chat_template": "x"}"#);
    let key = "tokenizer.ggml.bos_token_id";
    assert!(with_template.get(key).is_some());
    assert_eq!(with_template.get(key), metadata(r#"{"other": "x"}"#).get(key));
}

#[test]
fn merges_have_to_be_merges() {
    let missing = error(None, |json| _ = json["model"].as_object_mut().unwrap().remove("merges"));
    assert_eq!(missing.to_string(), "tokenizer.json: model.merges is missing");
    for bad in [json!([1, 2]), json!([["a"]]), json!([["a", "b", "c"]]), json!({"a": "b"}), json!("a b")] {
        let error = error(None, |json| json["model"]["merges"] = bad.clone());
        assert!(matches!(error, ConvertError::Json { .. }), "{bad}: {error}");
    }
    // The two notations give the same.
    let files = files("llama-plain");
    let (strings, pairs) = (
        Files::clone(&files),
        changed(|json| {
            for merge in json["model"]["merges"].as_array_mut().unwrap() {
                if let Json::String(text) = merge {
                    let parts: Vec<&str> = text.split(' ').collect();
                    *merge = json!(parts);
                } else {
                    let parts: Vec<&str> =
                        merge.as_array().unwrap().iter().map(|part| part.as_str().unwrap()).collect();
                    *merge = parts.join(" ").into();
                }
            }
        }),
    );
    let read = |files| read(files, Flavour::BYTE_PAIR, None).unwrap().metadata;
    assert_eq!(read(&strings), read(&pairs));
}

#[test]
fn files_that_are_something_else_are_refused() {
    let files = files("llama-plain");
    let cases: [(&str, &[u8]); 9] = [
        ("tokenizer.json", b"{"),
        ("tokenizer.json", b"[]"),
        ("tokenizer.json", b"{\"model\": {\"vocab\": {\"a\": -1}, \"merges\": []}}"),
        ("tokenizer.json", b"{\"model\": {\"vocab\": 7}}"),
        ("tokenizer.json", b"\xff\xfe"),
        ("tokenizer_config.json", b"[]"),
        ("tokenizer_config.json", b"{\"added_tokens_decoder\": []}"),
        ("tokenizer_config.json", b"{\"added_tokens_decoder\": {\"x\": {\"content\": \"a\"}}}"),
        ("tokenizer_config.json", b"{\"added_tokens_decoder\": {\"1\": {\"content\": 7}}}"),
    ];
    for (name, bytes) in cases {
        let error = read(&files.clone().with(name, bytes), Flavour::BYTE_PAIR, None).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
    let empty = read(
        &files
            .clone()
            .with("tokenizer.json", "{\"model\": {\"vocab\": {}, \"merges\": []}}")
            .with("tokenizer_config.json", "{}")
            .without("special_tokens_map.json"),
        Flavour::BYTE_PAIR,
        None,
    );
    assert_eq!(empty.unwrap_err(), TokenizerError::Empty { file: "tokenizer.json" }.into());
    let deep = format!("{{\"model\": {}", "[".repeat(10_000));
    assert!(read(&files.with("tokenizer.json", deep), Flavour::BYTE_PAIR, None).is_err());
}

#[test]
fn a_damaged_sentence_piece_model_is_refused() {
    let files = files("mistral");
    let model = files.0["tokenizer.model"].clone();
    for length in 0..model.len().min(3000) {
        let cut = files.clone().with("tokenizer.model", &model[..length]);
        match read(&cut, Flavour::LLAMA, Some(400)) {
            Ok(vocabulary) => assert_eq!(vocabulary.tokens, 400),
            Err(ConvertError::Tokenizer(
                TokenizerError::Damaged { file, .. } | TokenizerError::Empty { file },
            )) => {
                assert_eq!(file, "tokenizer.model");
            }
            Err(other) => panic!("{other}"),
        }
    }
    // Field 1, a message, that claims to be longer than the file; the largest length; a length that never
    // ends.
    for lie in [
        &b"\x0a\x7f\x0a\x01a"[..],
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80",
    ] {
        let error = read(&files.clone().with("tokenizer.model", lie), Flavour::LLAMA, None).unwrap_err();
        assert!(matches!(error, ConvertError::Tokenizer(TokenizerError::Damaged { .. })), "{error}");
    }
}

#[test]
fn tokens_without_embeddings_are_left_out_with_a_warning() {
    let mut settings = files("llama-plain").json("tokenizer_config.json");
    settings["pad_token"] = "[PAD]".into();
    let files = files("llama-plain").with("tokenizer_config.json", settings.to_string());
    let exact = read(&files, Flavour::BYTE_PAIR, None).unwrap().tokens - 1;
    let vocabulary = read(&files, Flavour::BYTE_PAIR, Some(exact)).unwrap();
    assert_eq!(vocabulary.tokens, exact);
    let expected = TokenizerWarning::TokenLeftOut {
        file: "tokenizer_config.json",
        token: "[PAD]".to_owned(),
        size: exact,
    };
    assert_eq!(vocabulary.warnings.iter().filter(|warning| **warning == expected).count(), 1);
}

#[test]
fn many_bad_tokens_are_refused_in_little_time() {
    let token = |id: u32| {
        json!({
            "content": format!("t{id}"), "lstrip": false, "normalized": false, "rstrip": false,
            "single_word": false, "special": true,
        })
    };
    let listed: serde_json::Map<String, Json> =
        (0..100_000).map(|id| ((1_000_000 + id).to_string(), token(id))).collect();
    let settings = json!({"added_tokens_decoder": listed}).to_string();
    let files = files("llama-plain").with("tokenizer_config.json", settings);
    let started = Instant::now();
    let vocabulary = read(&files, Flavour::BYTE_PAIR, Some(320)).unwrap();
    assert_eq!((vocabulary.tokens, vocabulary.warnings.len()), (320, 16));
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_role_that_has_no_token_is_named() {
    let files = files("glm4");
    let mut json = files.json("tokenizer.json");
    json["added_tokens"].as_array_mut().unwrap().retain(|token| token["content"] != "<|user|>");
    let error = read(&files.with("tokenizer.json", json.to_string()), Flavour::GLM4, None).unwrap_err();
    assert_eq!(
        error,
        TokenizerError::MissingToken { file: "tokenizer.json", token: "<|user|>", role: "eot" }.into()
    );
}
