//! Checkpoints whose files do not mean what they say.

use serde_json::{Map, Value, json};

use super::{Case, Input};

const WEIGHTS: &str = "model.safetensors";

type Files = Vec<(String, Vec<u8>)>;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = headers();
    cases.extend(configurations());
    cases.extend(tokenizers());
    cases.extend(indexes());
    cases
}

/// A safetensors file with this header and so many zeros.
fn with_header(header: &[u8], data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header);
    bytes.resize(bytes.len() + data, 0);
    bytes
}

const LAYER: &str = "model.layers.0.";
const TENSORS: [(&str, &[u64]); 11] = [
    ("model.embed_tokens.weight", &[6, 8]),
    ("model.norm.weight", &[8]),
    ("model.layers.0.input_layernorm.weight", &[8]),
    ("model.layers.0.post_attention_layernorm.weight", &[8]),
    ("model.layers.0.self_attn.q_proj.weight", &[8, 8]),
    ("model.layers.0.self_attn.k_proj.weight", &[4, 8]),
    ("model.layers.0.self_attn.v_proj.weight", &[4, 8]),
    ("model.layers.0.self_attn.o_proj.weight", &[8, 8]),
    ("model.layers.0.mlp.gate_proj.weight", &[16, 8]),
    ("model.layers.0.mlp.up_proj.weight", &[16, 8]),
    ("model.layers.0.mlp.down_proj.weight", &[8, 16]),
];

fn weights(tensors: &[(&str, &[u64])]) -> Vec<u8> {
    let mut header = Map::new();
    let mut end = 0;
    for (name, shape) in tensors {
        let begin = end;
        end += 2 * shape.iter().product::<u64>();
        header.insert((*name).into(), json!({"dtype": "BF16", "shape": shape, "data_offsets": [begin, end]}));
    }
    with_header(Value::Object(header).to_string().as_bytes(), end as usize)
}

fn configuration() -> Value {
    json!({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 8,
        "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1,
        "vocab_size": 6})
}

fn tokenizer() -> Value {
    json!({"version": "1.0", "normalizer": null, "decoder": {"type": "ByteLevel"}, "added_tokens": [],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
            "use_regex": true},
        "post_processor": null,
        "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, "ab": 3}, "merges": ["a b"]}})
}

/// A checkpoint that has nothing wrong with it but for these files.
fn with(others: &[(&str, &[u8])]) -> Files {
    let mut files: Files = vec![
        ("config.json".into(), configuration().to_string().into()),
        ("tokenizer.json".into(), tokenizer().to_string().into()),
        (WEIGHTS.into(), weights(&TENSORS)),
    ];
    for (name, bytes) in others {
        files.retain(|(known, _)| known != name);
        files.push(((*name).into(), bytes.to_vec()));
    }
    files
}

fn case(row: &'static str, name: &str, files: Files, says: &[&str]) -> Case {
    Case::new(row, name, Input::Create { files, fields: json!({}) }, 400, says)
}

fn headers() -> Vec<Case> {
    let length = |length: u64| [&length.to_le_bytes()[..], b"{}"].concat();
    let blanks = [b"{".as_slice(), &vec![b' '; 900_000]].concat();
    let nested = "[".repeat(900_000);
    let mut cases = Vec::new();
    for (name, bytes) in [
        ("-1", length(u64::MAX)),
        ("2^63", length(1 << 63)),
        ("larger than the file", length(3)),
        ("0", length(0)),
        ("no JSON", with_header(b"nonsense", 0)),
        ("no object", with_header(b"[1, 2]", 0)),
        ("900,000 blanks", with_header(&blanks, 0)),
        ("900,000 brackets", with_header(nested.as_bytes(), 0)),
    ] {
        cases.push(case("safetensors-header", name, with(&[(WEIGHTS, &bytes)]), &[WEIGHTS]));
    }
    let entry = |text: &str| with_header(format!(r#"{{"t": {text}}}"#).as_bytes(), 8);
    let overlap = r#"{"a": {"dtype": "F16", "shape": [2], "data_offsets": [0, 4]},
        "b": {"dtype": "F16", "shape": [3], "data_offsets": [2, 8]}}"#;
    let many: Map<String, Value> = (0..15_000)
        .map(|index| (format!("{index:x}"), json!({"dtype": "U8", "shape": [0], "data_offsets": [0, 0]})))
        .collect();
    for (row, name, bytes, word) in [
        ("safetensors-entries", "no offsets", entry(r#"{"dtype": "F32", "shape": [2]}"#), "data_offsets"),
        (
            "safetensors-entries",
            "offsets reversed",
            entry(r#"{"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}"#),
            "t",
        ),
        (
            "safetensors-entries",
            "past the end",
            entry(r#"{"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}"#),
            "t",
        ),
        ("safetensors-entries", "overlapping", with_header(overlap.as_bytes(), 8), "overlap"),
        (
            "safetensors-entries",
            "a gap",
            entry(r#"{"dtype": "F16", "shape": [2], "data_offsets": [4, 8]}"#),
            "no tensor",
        ),
        (
            "safetensors-entries",
            "another size",
            entry(r#"{"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}"#),
            "12",
        ),
        (
            "safetensors-entries",
            "15,000 tensors of nothing",
            with_header(Value::Object(many).to_string().as_bytes(), 0),
            "",
        ),
        (
            "safetensors-types",
            "unknown",
            entry(r#"{"dtype": "F99", "shape": [2], "data_offsets": [0, 8]}"#),
            "F99",
        ),
        (
            "safetensors-types",
            "less than a byte",
            entry(r#"{"dtype": "F4", "shape": [3], "data_offsets": [0, 1]}"#),
            "whole bytes",
        ),
        (
            "safetensors-types",
            "a shape with 0",
            entry(r#"{"dtype": "F32", "shape": [0, 2], "data_offsets": [0, 8]}"#),
            "t",
        ),
        (
            "safetensors-types",
            "a number that nothing asks for",
            entry(r#"{"dtype": "F64", "shape": [], "data_offsets": [0, 8]}"#),
            "t",
        ),
    ] {
        let says: &[&str] = if word.is_empty() { &[] } else { &[word] };
        cases.push(case(row, name, with(&[(WEIGHTS, &bytes)]), says));
    }
    for (class, tensor) in [
        ("FalconForCausalLM", "transformer.h.0.self_attention.query_key_value.weight"),
        ("Qwen3NextForCausalLM", "model.layers.0.linear_attn.in_proj_qkvz.weight"),
        ("Gemma3nForCausalLM", "model.embed_tokens.weight"),
    ] {
        let mut other = configuration();
        for (key, value) in [
            ("architectures", json!([class])),
            ("linear_num_key_heads", json!(2)),
            ("linear_num_value_heads", json!(2)),
            ("linear_key_head_dim", json!(2)),
            ("linear_value_head_dim", json!(2)),
        ] {
            other[key] = value;
        }
        let name = format!("a number where {class} has rows");
        let files =
            with(&[("config.json", other.to_string().as_bytes()), (WEIGHTS, &weights(&[(tensor, &[])]))]);
        cases.push(case("safetensors-types", &name, files, &[tensor]));
    }
    cases
}

fn configurations() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |row: &'static str, name: &str, key: &str, value: Value, says: &[&str]| {
        let mut changed = configuration();
        changed[key] = value;
        cases.push(case(row, name, with(&[("config.json", changed.to_string().as_bytes())]), says));
    };
    add("configuration", "no architecture", "architectures", json!([]), &["architectures"]);
    add("configuration", "no layer", "num_hidden_layers", json!(0), &["num_hidden_layers"]);
    add("configuration", "10^9 layers", "num_hidden_layers", json!(1_000_000_000), &["num_hidden_layers"]);
    add("configuration", "heads that do not divide", "num_attention_heads", json!(3), &["config.json"]);
    add("configuration", "no head", "num_attention_heads", json!(0), &["num_attention_heads"]);
    add("configuration", "a width of 10^300", "hidden_size", json!(1e300), &["hidden_size"]);
    for (method, name) in [("aqlm", "AQLM"), ("hqq", "HQQ"), ("torchao", "torchao")] {
        let says = format!("{name}-quantized weights are not supported");
        add("foreign-quantization", method, "quantization_config", json!({"quant_method": method}), &[&says]);
    }
    cases.extend(generated());
    let mut raw = |name: &str, text: String| {
        cases.push(case("configuration", name, with(&[("config.json", text.as_bytes())]), &["config.json"]));
    };
    raw(
        "numbers that are none, and no architecture",
        r#"{"a": NaN, "b": [-Infinity], "architectures": null}"#.to_owned(),
    );
    raw("450,000 zeros", format!(r#"{{"a": [{}0]}}"#, "0,".repeat(450_000)));
    raw("300,000 empty objects", format!(r#"{{"a": [{}{{}}]}}"#, "{},".repeat(300_000)));
    raw("NaN 200,000 times", format!(r#"{{"a": [{}NaN]}}"#, "NaN,".repeat(200_000)));
    raw("900,000 brackets", "[".repeat(900_000));
    let nested = vec![format!("{}{}", "[".repeat(90), "]".repeat(90)); 5000].join(",");
    let part = format!(r#"{{"text_config": {{"x": [{nested}]}}}}"#);
    raw("450,000 lists in each other", part);
    let few = vec![format!("{}{}", "[".repeat(90), "]".repeat(90)); 300].join(",");
    let mut allowed = configuration();
    allowed["architectures"] = json!([]);
    allowed["text_config"] = serde_json::from_str(&format!(r#"{{"x": [{few}]}}"#)).expect("it is JSON");
    allowed["long"] = "x".repeat(900_000).into();
    raw("as many lists as may be", allowed.to_string());
    let decoder = tokenizer().to_string().replacen('{', &format!(r#"{{"decoder": [{nested}],"#), 1);
    for (file, text) in [
        ("tokenizer.json", decoder),
        ("tokenizer_config.json", format!(r#"{{"x": [{nested}]}}"#)),
        ("special_tokens_map.json", format!(r#"{{"x": [{nested}]}}"#)),
    ] {
        let name = format!("450,000 lists in {file}");
        cases.push(case("configuration", &name, with(&[(file, text.as_bytes())]), &[file]));
    }
    cases
}

/// Numbers by which tensors or metadata are made, and texts that are taken apart.
fn generated() -> Vec<Case> {
    let huge = json!(4_000_000_000_u32);
    let mut slowed = configuration();
    slowed["head_dim"] = huge.clone();
    slowed["rope_scaling"] = json!({"rope_type": "llama3"});
    let mut full = configuration();
    full["architectures"] = json!(["Gemma4ForCausalLM"]);
    full["global_head_dim"] = huge.clone();
    let configured = |config: &Value, others: &[(&str, &[u8])]| {
        let config = config.to_string();
        with(&[&[("config.json", config.as_bytes())], others].concat())
    };
    let seen = [&TENSORS[..], &[("model.visual.blocks.0.norm1.weight", &[8])]].concat();
    let seeing = |vision: Value| {
        let mut config = configuration();
        config["architectures"] = json!(["Qwen3VLForConditionalGeneration"]);
        config["rms_norm_eps"] = json!(1e-6);
        config["vision_config"] = vision;
        let preprocessor = json!({"image_mean": [0.5], "image_std": [0.5]}).to_string();
        let others = [("preprocessor_config.json", preprocessor.as_bytes()), (WEIGHTS, &weights(&seen))];
        configured(&config, &others)
    };
    let vision = |depth: Value, deepstack: Value| {
        json!({"n_layers": 1, "depth": depth, "deepstack_visual_indexes": deepstack, "hidden_size": 8,
            "intermediate_size": 8, "num_heads": 1, "patch_size": 2})
    };
    // What a model card and an id say is used before the vocabulary is found to be wrong.
    let mut wrong = tokenizer();
    wrong["model"]["vocab"]["b"] = json!(0);
    let wrong = wrong.to_string();
    let tokenizer = ("tokenizer.json", wrong.as_bytes());
    let card = format!("---\nbase_model: [{}]\n---\n", "a/b,".repeat(200_000));
    let mut named = configuration();
    let parts: Vec<String> = (0..120_000).map(|size| format!("{size}b")).collect();
    named["_name_or_path"] = parts.join("-").into();
    let deepstack = "deepstack_visual_indexes";
    [
        ("a head of 4 * 10^9", configured(&slowed, &[]), "head_dim"),
        ("a head of full attention of 4 * 10^9", configured(&full, &[]), "global_head_dim"),
        ("4 * 10^9 layers of an encoder that has one", seeing(vision(huge, json!([1]))), deepstack),
        (
            "100,000 layers that reach into the text model",
            seeing(vision(json!(1), json!(vec![1_000_000; 100_000]))),
            deepstack,
        ),
        ("a model card of 200,000 base models", with(&[tokenizer, ("README.md", card.as_bytes())]), "id 0"),
        ("an id of 120,000 sizes", configured(&named, &[tokenizer]), "id 0"),
    ]
    .into_iter()
    .map(|(name, files, word)| case("configuration", name, files, &[word]))
    .collect()
}

fn tokenizers() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |name: &str, change: &dyn Fn(&mut Value), says: &[&str]| {
        let mut changed = tokenizer();
        change(&mut changed);
        let file = changed.to_string();
        cases.push(case("tokenizer-json", name, with(&[("tokenizer.json", file.as_bytes())]), says));
    };
    add(
        "merges missing",
        &|json| _ = json["model"].as_object_mut().expect("a model").remove("merges"),
        &["merges"],
    );
    add("merges of three", &|json| json["model"]["merges"] = json!([["a", "b", "c"]]), &["tokenizer.json"]);
    add("one number twice", &|json| json["model"]["vocab"]["b"] = json!(0), &["id 0"]);
    add(
        "a number beyond the vocabulary",
        &|json| json["model"]["vocab"]["b"] = json!(4_000_000_000_u32),
        &["4000000000"],
    );
    add("a negative number", &|json| json["model"]["vocab"]["b"] = json!(-1), &["tokenizer.json"]);
    add(
        "40,000 tokens too many",
        &|json| {
            let vocab: Map<String, Value> = (4..40_000).map(|id| (format!("t{id}"), id.into())).collect();
            json["model"]["vocab"].as_object_mut().expect("tokens").extend(vocab);
        },
        &["vocab_size"],
    );
    add(
        "300,000 empty objects as merges",
        &|json| json["model"]["merges"] = vec![json!({}); 300_000].into(),
        &["tokenizer.json"],
    );
    add(
        "a normalizer of 150,000 normalizers",
        &|json| {
            json["normalizer"] = json!({"type": "Sequence", "normalizers": vec![json!([]); 150_000]});
            json["model"]["vocab"]["b"] = json!(0);
        },
        &["tokenizer.json"],
    );

    let mut config = configuration();
    config["vocab_size"] = json!(1_000_000_000);
    let config = config.to_string();
    cases.push(case(
        "tokenizer-json",
        "a vocabulary of 10^9",
        with(&[("config.json", config.as_bytes())]),
        &["1000000000"],
    ));

    for (name, bytes) in [
        ("a length that lies", b"\x0a\x7f\x0a\x01a".to_vec()),
        ("a length of 2^64-1", [b"\x0a".as_slice(), &[0xff; 9], b"\x01"].concat()),
        ("a length without end", [b"\x0a".as_slice(), &[0x80; 11]].concat()),
        ("cut off", b"\x0a\x05\x0a\x01a".to_vec()),
        ("400,000 empty pieces and one cut off", [b"\x0a\x00".repeat(400_000), vec![0x0a]].concat()),
    ] {
        let files = with(&[("tokenizer.model", &bytes)]);
        cases.push(case("tokenizer-model", name, files, &["tokenizer.model"]));
    }
    cases
}

fn indexes() -> Vec<Case> {
    let index = |map: Value| json!({"weight_map": map}).to_string();
    let all = |shard: &str| -> Value {
        TENSORS.iter().map(|(name, _)| ((*name).to_owned(), shard.into())).collect::<Map<_, _>>().into()
    };
    let mut lacking = all(WEIGHTS);
    lacking[format!("{LAYER}more")] = WEIGHTS.into();
    [
        ("a shard that was not sent", index(all("other.safetensors")), "other.safetensors"),
        ("a tensor that its shard lacks", index(lacking), "model.layers.0.more"),
        ("no tensor", index(json!({})), "empty"),
        ("no index", "[]".to_owned(), "model.safetensors.index.json"),
    ]
    .into_iter()
    .map(|(name, text, word)| {
        case("shard-index", name, with(&[("model.safetensors.index.json", text.as_bytes())]), &[word])
    })
    .collect()
}
