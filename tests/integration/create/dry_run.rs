//! Dry runs: what they say is what is made afterwards, and they make nothing.

use std::path::Path;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use crate::in_process::{InProcess, small_gguf};
use crate::support::files::{files, fixture};

/// Uploads what lies in a directory, and names it as clients do.
pub(super) async fn uploaded(server: &InProcess, directory: &Path) -> Value {
    let mut named = Map::new();
    for path in files(directory) {
        let name = path.strip_prefix(directory).unwrap().to_str().unwrap().to_owned();
        if name != "expected.json" {
            let digest = server.upload(&std::fs::read(&path).unwrap()).await;
            named.insert(name, json!(digest.to_string()));
        }
    }
    Value::Object(named)
}

async fn outline(server: &InProcess, mut request: Value) -> Value {
    request["dry_run"] = json!(true);
    let answer = server.post("/api/create", request).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer.json()
}

/// Compares the outline of a request with what the same request makes.
async fn compare(server: &InProcess, request: &Value) {
    let before = server.files();
    let outline = outline(server, request.clone()).await;
    assert_eq!(server.files(), before, "{request}: a dry run writes nothing");
    let model = &outline["outputs"][0];
    server.create(request.clone()).await;
    let name = request["model"].as_str().unwrap();
    let tags = server.get("/api/tags").await.json();
    let listed = tags["models"].as_array().unwrap().iter().find(|listed| listed["name"] == model["model"]);
    assert_eq!(listed.unwrap()["size"], model["size"], "{request}");
    assert_eq!(listed.unwrap()["details"]["quantization_level"], model["type"], "{request}");
    let manifest = std::fs::read(
        server.directory.path().join(format!("manifests/registry.ollama.ai/library/{name}/latest")),
    );
    let manifest: Value = serde_json::from_slice(&manifest.unwrap()).unwrap();
    let made = manifest["layers"].as_array().unwrap().iter().chain([&manifest["config"]]);
    let planned = model["layers"].as_array().unwrap();
    assert_eq!(planned.len(), made.clone().count());
    for (planned, made) in planned.iter().zip(made) {
        assert_eq!(
            (&planned["mediaType"], &planned["size"]),
            (&made["mediaType"], &made["size"]),
            "{request}"
        );
        assert!(planned["digest"].is_null() || planned["digest"] == made["digest"], "{request}: {planned}");
    }
    let tensors = server.get(&format!("/ollamake/v1/models/{name}/tensors")).await.json();
    let told =
        |tensor: &Value, kind: &str| json!([tensor["name"], tensor["shape"], tensor[kind], tensor["bytes"]]);
    let made: Vec<_> =
        tensors["tensors"].as_array().unwrap().iter().map(|tensor| told(tensor, "type")).collect();
    let planned = model["tensors"].as_array().unwrap().iter();
    let planned: Vec<_> = planned.take(made.len()).map(|tensor| told(tensor, "to")).collect();
    assert!(planned.is_empty() || planned == made, "{request}");
}

#[tokio::test]
async fn what_is_outlined_is_what_is_made() {
    let server = InProcess::new();
    for case in ["mistral", "bert-plain", "pixtral", "starcoder2", "qwen3-fp8"] {
        let files = uploaded(&server, &fixture(&format!("conversion/{case}"))).await;
        compare(&server, &json!({"model": case, "files": files, "system": "Be brief."})).await;
        for (index, kind) in ["q4_K_M", "q8_0", "iq4_xs", "f16"].into_iter().enumerate() {
            let model = format!("{case}-{index}");
            compare(&server, &json!({"model": model, "files": files, "quantize": kind})).await;
        }
    }
    compare(&server, &json!({"model": "other", "from": "mistral", "license": ["a", "b"]})).await;
    compare(&server, &json!({"model": "another", "from": "mistral", "quantize": "q5_K_S"})).await;
}

#[tokio::test]
async fn several_types_are_compared_in_one_outline() {
    let server = InProcess::new();
    let digest = server.upload(&small_gguf(&[])).await;
    let request = json!({"model": "m", "files": {"m.gguf": digest.to_string()}, "quantize": ["f16", "q8_0"]});
    let table = outline(&server, request.clone()).await;
    let outputs = table["outputs"].as_array().unwrap();
    let types: Vec<_> = outputs.iter().map(|output| &output["type"]).collect();
    assert_eq!(types, ["F16", "Q8_0"]);
    assert!(outputs[0]["size"].as_u64() > outputs[1]["size"].as_u64());
    assert_eq!(outputs[1]["tensors"][0]["rule"], "mixture");
    assert_eq!(table["sources"][0]["digest"], digest.to_string());
    let refused = server.post("/api/create", request).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.error().contains("a list is taken with \"dry_run\": true alone"), "{}", refused.body);
    let unknown = json!({"model": "m", "from": "m", "quantize": ["q9"], "dry_run": true});
    assert_eq!(server.post("/api/create", unknown).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_has_to_be_pulled_is_said_to_be_unknown() {
    let server = InProcess::new();
    let outline = outline(&server, json!({"model": "m", "from": "127.0.0.1:1/team/far"})).await;
    assert_eq!(outline["pulls"], "127.0.0.1:1/team/far:latest");
    assert!(outline["outputs"][0]["size"].is_null(), "{outline}");
    assert!(server.files().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_size_to_fit_is_measured_first_and_kept() {
    let server = InProcess::new();
    let files = uploaded(&server, &fixture("conversion/mistral")).await;
    let plain = outline(&server, json!({"model": "m", "files": files, "quantize": "q8_0"})).await;
    let weights = plain["outputs"][0]["layers"][0]["size"].as_u64().unwrap();
    let recipe = json!({"target_size": (weights - 100).to_string()});
    let request = json!({
        "model": "m", "files": files, "quantize": "q8_0", "recipe": recipe, "dry_run": true,
    });
    let answer = server.post("/api/create", request).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let last: Value = serde_json::from_str(answer.body.lines().last().unwrap()).unwrap();
    assert!(last["outputs"][0]["layers"][0]["size"].as_u64().unwrap() <= weights - 100, "{}", answer.body);
    assert!(answer.statuses().iter().any(|status| status == "measuring tensors"), "{}", answer.body);
    let jobs = server.get("/ollamake/v1/jobs").await.json();
    assert_eq!((&jobs["jobs"][0]["kind"], &jobs["jobs"][0]["state"]), (&json!("plan"), &json!("succeeded")));
}
