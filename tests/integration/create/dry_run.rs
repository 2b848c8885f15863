//! Dry runs: what they say is what is made afterwards, and they make nothing.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::StatusCode;
use ollamake::gguf::Metadata;
use ollamake::store::{Disk, Store};
use ollamake::tensor::ElementType;
use serde_json::{Map, Value, json};

use crate::in_process::{InProcess, gguf, small_gguf};
use crate::store::faults::{Fault, FaultyDisk};
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

/// Compares the outline of a request with what the same request makes. What cannot be made is refused in the
/// same words.
async fn compare(server: &InProcess, request: &Value) {
    let before = server.files();
    let mut asked = request.clone();
    asked["dry_run"] = json!(true);
    let answer = server.post("/api/create", asked).await;
    if answer.status != StatusCode::OK {
        let refused = server.post("/api/create", request.clone()).await;
        assert_eq!((answer.status, answer.error()), (refused.status, refused.error()), "{request}");
        return;
    }
    let outline = answer.json();
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

/// The names of all types.
async fn types(server: &InProcess) -> Vec<String> {
    let types = server.get("/ollamake/v1/types").await.json();
    let names = types["types"].as_array().unwrap().iter();
    names.map(|kind| kind["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn every_fixture_is_outlined_as_it_is_made_in_some_type() {
    let server = InProcess::new();
    let types = types(&server).await;
    let directories = std::fs::read_dir(fixture("conversion")).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<_> = directories.filter(|path| path.join("config.json").is_file()).collect();
    cases.sort();
    assert!(cases.len() > 20, "{cases:?}");
    for (index, case) in cases.iter().enumerate() {
        let name = case.file_name().unwrap().to_str().unwrap();
        let files = uploaded(&server, case).await;
        compare(&server, &json!({"model": name, "files": files})).await;
        let kind = &types[index % types.len()];
        compare(&server, &json!({"model": format!("{name}-1"), "files": files, "quantize": kind})).await;
    }
}

#[tokio::test]
async fn every_type_is_outlined_as_it_is_made() {
    let server = InProcess::new();
    let mut metadata = Metadata::new();
    metadata.set("general.architecture", "llama");
    metadata.set("llama.block_count", 1_u32);
    let tensors: [(&str, &[u64], ElementType); 5] = [
        ("token_embd.weight", &[256, 8], ElementType::F32),
        ("blk.0.attn_q.weight", &[256, 256], ElementType::F16),
        ("blk.0.ffn_down.weight", &[96, 256], ElementType::F32),
        ("output_norm.weight", &[256], ElementType::F32),
        ("output.weight", &[256, 8], ElementType::Bf16),
    ];
    let digest = server.upload(&gguf(&metadata, &tensors)).await.to_string();
    let files = json!({"m.gguf": digest});
    for (index, kind) in types(&server).await.into_iter().enumerate() {
        let model = format!("m{index}");
        compare(&server, &json!({"model": model, "files": files, "quantize": kind})).await;
    }
}

#[tokio::test]
async fn a_disk_that_is_watched_sees_no_change() {
    let directory = tempfile::tempdir().unwrap();
    let first = InProcess::over(Store::open(directory.path()).unwrap(), directory, |_| ());
    let files = uploaded(&first, &fixture("conversion/mistral")).await;
    let InProcess { directory, .. } = first;
    let operations = Arc::new(AtomicUsize::new(0));
    let disk = FaultyDisk { fault: Fault::StaysFull, at: usize::MAX, operations: Arc::clone(&operations) };
    let server = InProcess::over(Store::open_on(disk, directory.path()).unwrap(), directory, |_| ());
    let before = operations.load(Ordering::SeqCst);
    let plan = outline(&server, json!({"model": "m", "files": files, "quantize": ["q4_K_M", "q8_0"]})).await;
    assert_eq!(plan["outputs"].as_array().unwrap().len(), 2);
    assert_eq!(operations.load(Ordering::SeqCst), before);
}

#[tokio::test]
async fn a_disk_that_is_full_hides_no_plan() {
    let InProcess { directory, store, .. } = InProcess::new();
    let mut writer = store.create_blob();
    writer.write_all(&small_gguf(&[])).unwrap();
    let digest = writer.commit(None).unwrap().blob.digest().to_string();
    let store = Store::open_on(SmallDisk, directory.path()).unwrap();
    let server = InProcess::over(store, directory, |_| ());
    let request = json!({"model": "m", "files": {"m.gguf": digest}, "quantize": "q8_0"});
    let plan = outline(&server, request.clone()).await;
    assert_eq!(plan["available"], SmallDisk::AVAILABLE);
    assert!(plan["needed"].as_u64() > plan["available"].as_u64(), "{plan}");
    assert!(plan["outputs"][0]["size"].is_u64());
    let refused = server.post("/api/create", request).await;
    assert_eq!(refused.status, StatusCode::INSUFFICIENT_STORAGE);
    assert_eq!(plan["warnings"], json!([refused.error()]));
}

/// A disk with hardly any room.
struct SmallDisk;

impl SmallDisk {
    const AVAILABLE: u64 = 100;
}

impl Disk for SmallDisk {
    fn available_space(&self, _: &Path) -> std::io::Result<u64> {
        Ok(Self::AVAILABLE)
    }
}

#[tokio::test]
async fn what_is_read_and_written_and_how_long_it_takes_is_told() {
    let server = InProcess::new();
    let files = uploaded(&server, &fixture("conversion/mistral")).await;
    let request = json!({"model": "m", "files": files, "quantize": "q4_0"});
    let plan = outline(&server, request.clone()).await;
    let model = &plan["outputs"][0];
    let layers = model["layers"].as_array().unwrap();
    let sizes: u64 = layers.iter().map(|layer| layer["size"].as_u64().unwrap()).sum();
    assert_eq!(plan["written"], sizes, "nothing is there yet");
    assert_eq!(plan["needed"], layers[0]["size"]);
    let source = &plan["sources"][0];
    assert_eq!(source["digest"], files[source["file"].as_str().unwrap()], "{plan}");
    let time = &plan["time"];
    assert!(time["seconds"].as_f64().unwrap() > 0.0 && time["encoding"].as_f64().unwrap() > 0.0, "{time}");
    assert!(time["writing"].is_null(), "nothing has been written yet");
    server.create(request.clone()).await;
    let again = outline(&server, request).await;
    assert_eq!((&again["written"], &again["needed"]), (&json!(0), &json!(0)), "{again}");
    assert_eq!(again["time"]["seconds"], 0.0);
}

#[tokio::test]
async fn memory_is_that_for_the_context_asked_for() {
    let server = InProcess::new();
    let files = uploaded(&server, &fixture("conversion/mistral")).await;
    let memory = async |extra: Value| {
        let mut request = json!({"model": "m", "files": files});
        request.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        outline(&server, request).await["outputs"][0]["memory"].clone()
    };
    let long = memory(json!({"context": 2048})).await;
    assert_eq!(long, memory(json!({"parameters": {"num_ctx": 2048}})).await);
    let short = memory(json!({"context": 1024})).await;
    assert_eq!(long["cache"][0]["type"], "F16");
    let bytes = |memory: &Value| memory["cache"][0]["bytes"].as_u64().unwrap();
    assert_eq!(bytes(&long), 2 * bytes(&short), "{long} {short}");
    let total = |memory: &Value| memory["total"].as_u64().unwrap();
    assert_eq!(total(&long), long["weights"].as_u64().unwrap() + bytes(&long));
    assert!(long["formula"].as_str().unwrap().contains("2048 tokens"), "{long}");
    let refused = server.post("/api/create", json!({"model": "m", "dry_run": true, "context": 0})).await;
    assert_eq!(refused.error(), "context must be a whole number of tokens, at least 1; got 0");
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
    assert!(outline["unknown"].as_array().unwrap().contains(&json!("outputs.size")), "{outline}");
    assert!(outline["time"].is_null() && outline["outputs"][0]["memory"].is_null(), "{outline}");
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

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_measured_if_asked_for_and_are_those_of_the_result() {
    let server = InProcess::new();
    let files = uploaded(&server, &fixture("conversion/mistral")).await;
    let recipe = json!({"quality": true});
    let request = json!({"model": "m", "files": files, "quantize": "q4_K_M", "recipe": recipe});
    let before = server.files();
    let mut dry = request.clone();
    dry["dry_run"] = json!(true);
    let answer = server.post("/api/create", dry).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(server.files(), before, "a dry run keeps nothing");
    let last: Value = serde_json::from_str(answer.body.lines().last().unwrap()).unwrap();
    let model = &last["outputs"][0];
    let told = server.create(request).await;
    let is_told = |what: &str, error: &Value| {
        let line = format!("quality of {what}{:.3} %", error.as_f64().unwrap() * 100.0);
        assert!(told.contains(&line), "{line} is not among {told:?}");
    };
    is_told("all together: ", &model["error"]);
    let tensors = model["tensors"].as_array().unwrap();
    let measured: Vec<_> = tensors.iter().filter(|tensor| !tensor["error"].is_null()).collect();
    assert!(measured.len() > 1, "{model}");
    for tensor in measured {
        let (name, to) = (tensor["name"].as_str().unwrap(), tensor["to"].as_str().unwrap());
        is_told(&format!("{name}: {to} "), &tensor["error"]);
    }
    let plain = outline(&server, json!({"model": "m", "files": files, "quantize": "q4_K_M"})).await;
    assert!(plain["outputs"][0]["error"].is_null(), "what is not asked for is not measured");
}
