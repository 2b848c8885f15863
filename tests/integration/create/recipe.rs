//! Recipes and importance matrices in create requests.

use ollamake::gguf::{Gguf, Metadata};
use ollamake::tensor::ElementType;
use serde_json::json;

use crate::in_process::{InProcess, gguf};
use crate::support::older_matrix::older_matrix;

const TENSOR: &str = "blk.0.ffn_down.weight";

fn model() -> Vec<u8> {
    let mut metadata = Metadata::new();
    metadata.set("general.architecture", "llama");
    metadata.set("general.file_type", 1_u32);
    metadata.set("llama.block_count", 1_u32);
    let tensors = [
        (TENSOR, &[256, 64][..], ElementType::F16),
        ("output.weight", &[256, 8], ElementType::F16),
        ("output_norm.weight", &[256], ElementType::F32),
    ];
    gguf(&metadata, &tensors)
}

/// A matrix for the one tensor, in the older format.
fn matrix() -> Vec<u8> {
    older_matrix(TENSOR, &std::array::from_fn::<_, 256, _>(|column| column as f32))
}

/// The weights of the model "m".
fn weights(server: &InProcess) -> Vec<u8> {
    let model = server.store.manifest(&"m".parse().unwrap()).unwrap();
    assert_eq!(model.manifest.layers.len(), 1);
    server.store.blob(model.manifest.layers[0].digest).unwrap().bytes().unwrap().to_vec()
}

#[tokio::test]
async fn a_matrix_weighs_and_is_no_part_of_the_model() {
    let server = InProcess::new();
    let model = server.upload(&model()).await.to_string();
    let matrix = server.upload(&matrix()).await.to_string();
    server.create(json!({"model": "m", "files": {"m.gguf": model}, "quantize": "q4_0"})).await;
    let plain = weights(&server);
    let files = json!({"m.gguf": model, "i.dat": matrix});
    let request = json!({"model": "m", "files": files, "quantize": "q4_0", "recipe": {"imatrix": "i.dat"}});
    server.create(request).await;
    let weighed = weights(&server);
    let (plain, parsed) = (Gguf::parse(&plain).unwrap(), Gguf::parse(&weighed).unwrap());
    assert_eq!(parsed.get("quantize.imatrix.file").and_then(|value| value.as_str()), Some("i.dat"));
    assert_eq!(parsed.get("quantize.imatrix.entries_count").and_then(|value| value.as_u64()), Some(1));
    assert_eq!(plain.get("quantize.imatrix.file"), None);
    assert_eq!(parsed.tensors().len(), 3);
    // The same blob by its digest, and for a model that is there already.
    let request = json!({"model": "base", "files": {"m.gguf": model}});
    server.create(request).await;
    let request = json!({"model": "m", "from": "base", "quantize": "q4_0", "recipe": {"imatrix": matrix}});
    server.create(request).await;
    let again = weights(&server);
    let data = |bytes: &[u8]| {
        let parsed = Gguf::parse(bytes).unwrap();
        let range = parsed.tensor(TENSOR).unwrap().data.clone();
        bytes[range.start as usize..range.end as usize].to_vec()
    };
    assert_eq!(data(&again), data(&weighed));
}

#[tokio::test]
async fn a_recipe_changes_types_and_metadata_and_says_what_changes_nothing() {
    let server = InProcess::new();
    let model = server.upload(&model()).await.to_string();
    let recipe = json!({
        "tensor_types": [["FFN_DOWN", "q8_0"], ["ffn_dwn", "q4_0"]],
        "output_tensor_type": "bf16",
        "override_kv": ["my.key=str:hello"],
    });
    let request = json!({"model": "m", "files": {"m.gguf": model}, "quantize": "q4_k_m", "recipe": recipe});
    let lines = server.create(request).await;
    let warning =
        "warning: pattern \"ffn_dwn\" matches no tensor; the nearest name is \"blk.0.ffn_down.weight\"";
    assert!(lines.iter().any(|line| line == warning), "{lines:?}");
    let bytes = weights(&server);
    let parsed = Gguf::parse(&bytes).unwrap();
    let element_type = |name: &str| parsed.tensor(name).unwrap().element_type;
    assert_eq!(element_type(TENSOR), ElementType::Q8_0);
    assert_eq!(element_type("output.weight"), ElementType::Bf16);
    assert_eq!(parsed.get("my.key").and_then(|value| value.as_str()), Some("hello"));
    // Weights that are of the type already are made anew where a recipe says more.
    let request = json!({"model": "m2", "from": "m", "quantize": "q4_k_m",
        "recipe": {"override_kv": ["my.key=str:there"], "allow_requantize": true}});
    server.create(request).await;
    let model = server.store.manifest(&"m2".parse().unwrap()).unwrap();
    let blob = server.store.blob(model.manifest.layers[0].digest).unwrap();
    let parsed = Gguf::parse(blob.bytes().unwrap()).unwrap();
    assert_eq!(parsed.get("my.key").and_then(|value| value.as_str()), Some("there"));
    assert_eq!(parsed.tensor(TENSOR).unwrap().element_type, ElementType::Q6K);
}

#[tokio::test]
async fn what_a_pattern_cannot_change_is_told() {
    let server = InProcess::new();
    let model = server.upload(&model()).await.to_string();
    let create = async |quantize: &str, recipe: serde_json::Value| {
        let request =
            json!({"model": "m", "files": {"m.gguf": model}, "quantize": quantize, "recipe": recipe});
        let lines = server.create(request).await;
        lines.into_iter().filter(|line| line.starts_with("warning: ")).collect::<Vec<_>>()
    };
    let recipe = json!({"tensor_types": [["norm", "q8_0"], ["ffn", "q8_0"], ["down", "q4_0"]]});
    assert_eq!(
        create("q4_0", recipe).await,
        [
            "warning: pattern \"norm\" changes nothing: the tensors that it matches are not quantized",
            "warning: pattern \"down\" changes nothing: other patterns or options decide about the tensors \
             that it matches",
        ]
    );
    let told = create("f16", json!({"tensor_types": [["ffn", "q8_0"]]})).await;
    assert_eq!(told, ["warning: the types by pattern change nothing: F16 knows no exceptions"]);
}
