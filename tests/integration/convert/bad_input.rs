//! Broken and hostile checkpoints: each is refused with an error that names the file and what is wrong in it.

use serde_json::{Value, json};

use super::Files;
use super::tiny::{
    INDEX, NORM, TINY, WEIGHTS, configuration, configured, convert, put, tensors, tiny, tokenized, weighted,
    with, with_header, without,
};

/// The name of a file, and the name, element type and shape of each tensor in it.
type Shard<'a> = (&'a str, &'a [(&'a str, &'a str, &'a [u64])]);

/// Checks that each change of a good checkpoint is refused with a message that has all of these words.
fn refuses(cases: Vec<(Files, &[&str])>) {
    for (index, (files, words)) in cases.into_iter().enumerate() {
        let error = convert(&files).expect_err(&format!("case {index} ({words:?}) is accepted")).to_string();
        for word in words {
            assert!(error.contains(word), "case {index}: {error:?} does not say {word:?}");
        }
    }
}

#[test]
fn a_good_checkpoint_is_accepted() {
    let conversion = convert(&tiny()).unwrap();
    assert_eq!(conversion.model.as_ref().unwrap().tensors.len(), TINY.len());
    assert!(conversion.warnings.is_empty(), "{:?}", conversion.warnings);
    assert!(conversion.model.unwrap().check().is_ok());
}

#[test]
fn numbers_that_become_metadata_are_few_and_plain() {
    const ALPHA: &str = "model.layers.0.mlp.act_fn.alpha_n";
    const SLOPES: &str = "transformer.relative_pe.slopes";
    let named = |class: &'static str, tensor: &'static str, dtype: &'static str, shape: &'static [u64]| {
        let mut files = weighted(|list| list.push((tensor, dtype, shape)));
        let mut value = configuration();
        value["architectures"] = json!([class]);
        value["activation_function"] = json!("swiglu");
        value["position_embedding_type"] = json!("alibi");
        put(&mut files, "config.json", value.to_string());
        files
    };
    refuses(vec![
        (named("ApertusForCausalLM", ALPHA, "F32", &[2]), &[ALPHA, "2 numbers instead of one"]),
        (named("ApertusForCausalLM", ALPHA, "I32", &[1]), &[ALPHA, "I32"]),
        (named("JAISLMHeadModel", SLOPES, "F32", &[64, 65]), &[SLOPES, "more than 4096"]),
    ]);
}

#[test]
fn tensors_that_are_joined_are_all_there() {
    const KEYS: &str = "model.layers.0.self_attn.k_proj.bias";
    let mut value = configuration();
    value["architectures"] = json!(["RuGPT3XLForCausalLM"]);
    let mut files = weighted(|list| {
        list.retain(|(name, ..)| !name.contains("gate_proj"));
        list.push(("model.embed_positions.weight", "F32", &[6, 8]));
        list.push(("model.layers.0.self_attn.q_proj.bias", "F32", &[8]));
        list.push(("model.layers.0.self_attn.v_proj.bias", "F32", &[4]));
    });
    put(&mut files, "config.json", value.to_string());
    refuses(vec![(files, &[KEYS])]);
}

#[test]
fn damaged_modules_are_refused() {
    const MODULE: &str = "2_Dense/model.safetensors";
    let mut value = configuration();
    value["architectures"] = json!(["Gemma3TextModel"]);
    let mut files = with("config.json", value.to_string());
    put(&mut files, MODULE, *b"1234567");
    refuses(vec![(files, &[MODULE, "7 bytes"])]);
}

#[test]
fn damaged_headers_are_refused() {
    let length = |length: u64| with(WEIGHTS, [&length.to_le_bytes()[..], b"{}"].concat());
    let header = |header: &str, data: usize| with(WEIGHTS, with_header(header.as_bytes(), data));
    let entry = |entry: &str| header(&format!(r#"{{"t": {entry}}}"#), 8);
    let mut blanks = vec![b' '; 100_000_001];
    blanks[0] = b'{';
    refuses(vec![
        (with(WEIGHTS, *b""), &[WEIGHTS, "0 bytes"]),
        (with(WEIGHTS, *b"1234567"), &[WEIGHTS, "7 bytes"]),
        (length(u64::MAX), &[WEIGHTS, "18446744073709551615"]),
        (length(1 << 63), &[WEIGHTS, "9223372036854775808"]),
        (length(3), &[WEIGHTS, "3 bytes"]),
        (length(0), &[WEIGHTS, "0 bytes"]),
        (with(WEIGHTS, with_header(&blanks, 0)), &[WEIGHTS, "limit"]),
        (header("nonsense", 0), &[WEIGHTS, "JSON"]),
        (header("[1, 2]", 0), &[WEIGHTS, "JSON object"]),
        (with(WEIGHTS, with_header(b"{\"\xff\": 1}", 0)), &[WEIGHTS, "JSON"]),
        (header(&format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)), 0), &[WEIGHTS, "JSON"]),
        (entry(r#"{"dtype": "F32", "shape": [2]}"#), &[WEIGHTS, "tensor \"t\"", "data_offsets"]),
        (entry(r#"{"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}"#), &[WEIGHTS, "tensor \"t\""]),
        (
            entry(r#"{"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}"#),
            &["tensor \"t\"", "before it begins"],
        ),
        (entry(r#"{"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}"#), &["tensor \"t\"", "cut off"]),
        (
            entry(r#"{"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}"#),
            &["tensor \"t\"", "8 bytes", "12"],
        ),
        (entry(r#"{"dtype": "F99", "shape": [2], "data_offsets": [0, 8]}"#), &["tensor \"t\"", "F99"]),
        (entry(r#"{"dtype": "F4", "shape": [3], "data_offsets": [0, 1]}"#), &["tensor \"t\"", "whole bytes"]),
        (
            entry(r#"{"dtype": "F32", "shape": [4294967296, 4294967296, 2], "data_offsets": [0, 8]}"#),
            &["tensor \"t\"", "too large"],
        ),
        (
            entry(r#"{"dtype": "F16", "shape": [2], "data_offsets": [0, 4]}"#),
            &[WEIGHTS, "4 bytes", "no tensor"],
        ),
        (
            entry(r#"{"dtype": "F16", "shape": [2], "data_offsets": [4, 8]}"#),
            &[WEIGHTS, "byte 0", "no tensor"],
        ),
        (
            header(
                r#"{"a": {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]},
                    "b": {"dtype": "F16", "shape": [3], "data_offsets": [2, 8]}}"#,
                8,
            ),
            &["tensors \"a\" and \"b\"", "overlap"],
        ),
        (
            header(
                r#"{"a": {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]},
                    "a": {"dtype": "F16", "shape": [2], "data_offsets": [4, 8]}}"#,
                8,
            ),
            &["tensor \"a\"", "twice"],
        ),
    ]);
}

#[test]
fn every_truncation_of_a_checkpoint_is_refused() {
    for name in [WEIGHTS, "config.json", "tokenizer.json"] {
        let whole = tiny().bytes(name).clone();
        for length in (0..whole.len()).step_by(7) {
            assert!(convert(&with(name, &whole[..length])).is_err(), "{name} cut to {length} bytes");
        }
    }
}

#[test]
fn shards_that_do_not_fit_their_index_are_refused() {
    let sharded = |index: &Value, shards: &[Shard<'_>]| {
        let mut files = without(WEIGHTS);
        put(&mut files, INDEX, index.to_string());
        for (name, list) in shards {
            put(&mut files, name, tensors(list));
        }
        files
    };
    let (one, two) = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors");
    let index = |shard: &str| {
        let map: serde_json::Map<_, _> =
            TINY.iter().map(|(name, ..)| ((*name).to_owned(), shard.into())).collect();
        json!({"weight_map": map})
    };
    let mut unindexed = without(WEIGHTS);
    put(&mut unindexed, one, tensors(&TINY));
    let mut last = without(WEIGHTS);
    put(&mut last, "model-00009-of-00002.safetensors", tensors(&TINY));
    let mut twice = without(WEIGHTS);
    put(&mut twice, one, tensors(&TINY));
    put(&mut twice, two, tensors(&TINY[..1]));
    refuses(vec![
        (sharded(&index(two), &[(one, &TINY)]), &[two, "missing", INDEX]),
        (sharded(&index(one), &[(one, &TINY[1..])]), &[one, TINY[0].0, "missing"]),
        (
            sharded(&index(one), &[(one, &[&TINY[..], &[("extra", "F32", &[1])]].concat())]),
            &["extra", one, INDEX],
        ),
        (sharded(&json!({"weight_map": {}}), &[]), &[INDEX, "empty"]),
        (sharded(&json!({"map": 1}), &[]), &[INDEX, "weight_map"]),
        (sharded(&json!([]), &[]), &[INDEX]),
        (unindexed, &[two, "missing", one]),
        (last, &[two, "missing", "model-00009-of-00002"]),
        (twice, &[TINY[0].0, one, two]),
        (without(WEIGHTS), &["no .safetensors"]),
    ]);
}

#[test]
fn configurations_that_make_no_sense_are_refused() {
    refuses(vec![
        (without("config.json"), &["config.json is missing"]),
        (with("config.json", *b"{"), &["config.json"]),
        (with("config.json", *b"[]"), &["config.json", "object"]),
        (with("config.json", *b"\xff"), &["config.json", "UTF-8"]),
        (configured(|config| config["architectures"] = json!([])), &["config.json", "architectures"]),
        (configured(|config| config["architectures"] = json!("LlamaForCausalLM")), &["architectures"]),
        (
            configured(|config| config["architectures"] = json!(["LlamaForCasualLM"])),
            &["LlamaForCasualLM", "nearest", "LlamaForCausalLM"],
        ),
        (
            configured(|config| {
                config["architectures"] = json!(["Mistral3ForConditionalGeneration"]);
                config["model_type"] = json!("mistral4");
            }),
            &["Mistral3ForConditionalGeneration are supported", "model_type mistral4"],
        ),
        (
            configured(|config| {
                config["architectures"] = json!(["LlavaForConditionalGeneration"]);
                config["vision_config"] = json!({"model_type": "clip_vision_model"});
            }),
            &["LlavaForConditionalGeneration are supported", "llama with clip_vision_model"],
        ),
        (configured(|config| config["num_hidden_layers"] = json!(0)), &["num_hidden_layers", "0"]),
        (
            configured(|config| config["num_hidden_layers"] = json!(1_000_000_000)),
            &["num_hidden_layers", "512"],
        ),
        (configured(|config| config["n_layers"] = json!(0)), &["n_layers is 0"]),
        (
            configured(|config| config["intermediate_size"] = json!(1_u64 << 40)),
            &["intermediate_size is 1099511627776"],
        ),
        (configured(|config| config["head_dim"] = json!(65_537)), &["head_dim is 65537", "65536"]),
        (
            configured(|config| {
                config["architectures"] = json!(["GraniteForCausalLM"]);
                config["hidden_size"] = json!(1 << 20);
                config["num_attention_heads"] = json!(1);
                config["rope_scaling"] = json!({"rope_type": "llama3"});
            }),
            &["hidden_size for each head is 1048576", "65536"],
        ),
        (configured(|config| config["num_hidden_layers"] = json!("two")), &["num_hidden_layers", "two"]),
        (configured(|config| config["num_hidden_layers"] = json!(2)), &["model.layers.1.", "missing"]),
        (configured(|config| config["num_attention_heads"] = json!(0)), &["num_attention_heads"]),
        (configured(|config| config["num_attention_heads"] = json!(3)), &["q_proj", "config.json"]),
        (configured(|config| config["num_key_value_heads"] = json!(-1)), &["num_key_value_heads", "-1"]),
        (configured(|config| config["hidden_size"] = json!(1e300)), &["hidden_size"]),
        (configured(|config| config["rope_scaling"] = json!([1])), &["rope_scaling", "object"]),
        (configured(|config| config["vocab_size"] = json!(7)), &["7 tokens", "embd", "6 rows"]),
        (configured(|config| config["vocab_size"] = json!(1_000_000_000)), &["1000000000 tokens", "6 rows"]),
        (
            configured(|config| config["quantization_config"] = json!({"quant_method": "hqq"})),
            &["HQQ-quantized weights are not supported", "original checkpoint"],
        ),
        (
            configured(|config| config["quantization_config"] = json!({"quant_method": "torchao"})),
            &["torchao-quantized weights are not supported"],
        ),
        (
            configured(|config| config["quantization_config"] = json!({"quant_method": "vptq"})),
            &["vptq-quantized weights are not supported"],
        ),
    ]);
    // Numbers that Python writes and JSON does not have are no reason to refuse a file.
    let limits = r#"{"limit": [0.0, Infinity, -Infinity, NaN], "#;
    let text = configuration().to_string().replacen('{', limits, 1);
    convert(&with("config.json", text)).unwrap();
}

#[test]
fn tensors_that_do_not_belong_are_named() {
    refuses(vec![
        (
            weighted(|list| list.push(("model.layers.0.extra.weight", "BF16", &[8]))),
            &["model.layers.0.extra.weight"],
        ),
        (weighted(|list| list.retain(|(name, ..)| *name != NORM)), &[NORM, "missing", "llama"]),
        // The runtime knows this mixture with experts in every layer alone.
        (
            configured(|config| config["architectures"] = json!(["Qwen2MoeForCausalLM"])),
            &["model.layers.0.mlp.", "qwen2moe"],
        ),
        (weighted(|list| list[4].1 = "I32"), &["q_proj", "I32"]),
        (weighted(|list| list[4].2 = &[8, 8, 1, 1, 1]), &["attn_q"]),
        (weighted(|list| list[4].2 = &[0, 8]), &["q_proj"]),
        (weighted(|list| list[4].2 = &[]), &["q_proj"]),
        (
            weighted(|list| list.push(("model.layers.0.self_attn.q_proj.qweight", "I32", &[8, 8]))),
            &["q_proj.qweight", "GPTQ or AWQ", "quantization_config"],
        ),
        (
            weighted(|list| list.push(("lm_head.weight.absmax", "U8", &[8]))),
            &["lm_head.weight.absmax", "bitsandbytes", "quantization_config"],
        ),
        (
            weighted(|list| list.push(("model.x.weight_scale_inv", "F32", &[1, 1]))),
            &["model.x.weight", "missing"],
        ),
        (
            weighted(|list| {
                list[4].1 = "F8_E4M3";
                list.push(("model.layers.0.self_attn.q_proj.weight_scale_inv", "F32", &[3, 5]));
            }),
            &["q_proj.weight_scale_inv", "do not fit"],
        ),
        (
            weighted(|list| list.push(("model.layers.0.self_attn.q_proj.weight_scale_inv", "F32", &[1]))),
            &["q_proj.weight", "BF16", "only F8_E4M3"],
        ),
        // No bytes, and more elements than can be counted.
        (
            weighted(|list| {
                list[4] = (list[4].0, "F8_E4M3", &[0, 1 << 40, 1 << 40]);
                list.push(("model.layers.0.self_attn.q_proj.weight_scale_inv", "F32", &[1 << 4]));
            }),
            &["q_proj.weight_scale_inv", "do not fit"],
        ),
    ]);
}

#[test]
fn damaged_tokenizers_are_refused() {
    let mut spm = tiny();
    put(&mut spm, "tokenizer.model", *b"\x0a\xff\xff\xff\xff\x0f");
    let mut empty = tiny();
    put(&mut empty, "tokenizer.model", *b"");
    refuses(vec![
        (without("tokenizer.json"), &["tokenizer is missing", "tokenizer.json"]),
        (with("tokenizer.json", *b"{}"), &["tokenizer.json", "model"]),
        (tokenized(|json| json["model"]["vocab"]["b"] = json!(0)), &["tokenizer.json", "id 0"]),
        (tokenized(|json| json["model"]["vocab"]["b"] = json!(6)), &["id 6", "vocab_size"]),
        (tokenized(|json| json["model"]["vocab"]["b"] = json!(-1)), &["tokenizer.json"]),
        (tokenized(|json| json["model"]["merges"] = json!(["a z"])), &["tokenizer.json"]),
        (tokenized(|json| json["model"]["merges"] = json!([["a", "b", "c"]])), &["tokenizer.json"]),
        (spm, &["tokenizer.model"]),
        (empty, &["tokenizer.model", "no tokens"]),
    ]);
    // Merges in either notation or missing, and ids with gaps, are what real tokenizers have.
    for merges in [json!(["a b"]), json!([["a", "b"]]), json!([])] {
        convert(&tokenized(|json| json["model"]["merges"] = merges)).unwrap();
    }
    let settings = json!({"tokenizer_class": 7, "bos_token": {"content": 3}});
    convert(&with("tokenizer_config.json", settings.to_string())).unwrap();
    let settings = json!({"added_tokens_decoder": {"x": {}}});
    refuses(vec![(
        with("tokenizer_config.json", settings.to_string()),
        &["tokenizer_config.json", "token ids"],
    )]);
}
