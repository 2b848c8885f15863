//! What a dry run takes for a checkpoint of 1,002 tensors and 32,000 tokens.
//!
//! `cargo bench --bench dry_run`: the plan of Q4_K_M, all of it over HTTP in process. The first one reads the
//! vocabulary into memory and measures the machine; of those after it the median counts (at most 100 ms).

#[path = "support/median.rs"]
mod median;
#[path = "support/safetensors_header.rs"]
mod safetensors_header;
#[path = "convert/vocabulary.rs"]
mod vocabulary;

use std::io::Write;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use http_body_util::BodyExt;
use hyper::Request;
use median::median;
use ollamake::config::Config;
use ollamake::server::{Server, router};
use ollamake::store::Store;
use safetensors_header::bf16_header;
use serde_json::{Map, Value, json};
use tower::ServiceExt;
use vocabulary::sentence_piece;

const LAYERS: u64 = 111;
const HIDDEN: u64 = 256;
const VOCABULARY: u64 = 32_000;
const RUNS: usize = 15;

fn main() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::open(directory.path()).expect("a store");
    let tensors = tensors();
    let files: Map<String, Value> = [
        ("config.json", configuration().to_string().into_bytes()),
        ("tokenizer.model", sentence_piece(VOCABULARY as usize)),
        ("model.safetensors", weights(&tensors)),
    ]
    .into_iter()
    .map(|(name, bytes)| (name.to_owned(), json!(stored(&store, &bytes))))
    .collect();
    let request = json!({"model": "m", "files": files, "quantize": "q4_K_M", "dry_run": true}).to_string();
    let server = Server::new(Config::for_store(directory.path()), store);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let router = router(&server);
    let (first, count) = runtime.block_on(plan(&router, &request));
    let times = (0..RUNS).map(|_| runtime.block_on(plan(&router, &request)).0);
    let time = median(times.collect());
    println!("a dry run of {count} tensors and {VOCABULARY} tokens: {time:.1?} (at most 100 ms)");
    println!("the first one: {first:.1?}");
}

/// The time of a dry run, and the number of tensors in it.
async fn plan(router: &Router, request: &str) -> (Duration, usize) {
    let start = Instant::now();
    let asked = Request::builder().method("POST").uri("/api/create").header("Host", "localhost");
    let asked = asked.body(Body::from(request.to_owned())).expect("a request");
    let response = router.clone().oneshot(asked).await.expect("an answer");
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    let time = start.elapsed();
    let answer: Value = serde_json::from_slice(&body).expect("a plan");
    let tensors = answer["outputs"][0]["tensors"].as_array().unwrap_or_else(|| panic!("{answer}")).len();
    (time, tensors)
}

fn stored(store: &Store, bytes: &[u8]) -> String {
    let mut writer = store.create_blob();
    writer.write_all(bytes).expect("room");
    writer.commit(None).expect("room").blob.digest().to_string()
}

fn tensors() -> Vec<(String, Vec<u64>)> {
    let mut tensors = vec![
        ("lm_head.weight".to_owned(), vec![VOCABULARY, HIDDEN]),
        ("model.embed_tokens.weight".to_owned(), vec![VOCABULARY, HIDDEN]),
        ("model.norm.weight".to_owned(), vec![HIDDEN]),
    ];
    for layer in 0..LAYERS {
        let name = |part: &str| format!("model.layers.{layer}.{part}.weight");
        tensors
            .extend(["input_layernorm", "post_attention_layernorm"].map(|part| (name(part), vec![HIDDEN])));
        tensors.extend(
            ["mlp.down_proj", "mlp.gate_proj", "mlp.up_proj"].map(|part| (name(part), vec![HIDDEN, HIDDEN])),
        );
        tensors.extend(
            ["k_proj", "o_proj", "q_proj", "v_proj"]
                .map(|part| (name(&format!("self_attn.{part}")), vec![HIDDEN, HIDDEN])),
        );
    }
    tensors
}

/// A file of zeros, which plans do not look at.
fn weights(tensors: &[(String, Vec<u64>)]) -> Vec<u8> {
    let (mut file, end) = bf16_header(Map::new(), tensors);
    file.resize(file.len() + end as usize, 0);
    file
}

fn configuration() -> Value {
    json!({
        "architectures": ["LlamaForCausalLM"],
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "hidden_size": HIDDEN,
        "intermediate_size": HIDDEN,
        "max_position_embeddings": 2048,
        "model_type": "llama",
        "num_attention_heads": 4,
        "num_hidden_layers": LAYERS,
        "num_key_value_heads": 4,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "tie_word_embeddings": false,
        "torch_dtype": "bfloat16",
        "vocab_size": VOCABULARY,
    })
}
