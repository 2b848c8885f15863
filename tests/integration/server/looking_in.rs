//! What is shown beyond Ollama's interface: what models hold, how they differ, what the store takes.

use axum::body::Body;
use axum::http::StatusCode;
use ollamake::config::ApiKey;
use ollamake::gguf::Metadata;
use ollamake::model::Digest;
use ollamake::tensor::ElementType;
use serde_json::{Value, json};

use crate::in_process::{InProcess, gguf, small_gguf};

/// A server with a model `m` of one tensor, and the bytes of its file.
async fn with_model() -> (InProcess, Vec<u8>) {
    let (server, file) = (InProcess::new(), small_gguf(&[]));
    let digest = server.upload(&file).await;
    server.create(json!({"model": "m", "files": {"m.gguf": digest.to_string()}})).await;
    (server, file)
}

async fn shown(server: &InProcess, path: &str) -> Value {
    let answer = server.get(path).await;
    assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
    answer.json()
}

#[tokio::test]
async fn metadata_have_types_and_arrays_are_shown_in_parts() {
    let server = InProcess::new();
    let mut metadata = Metadata::new();
    metadata.set("general.architecture", "llama");
    metadata.set("llama.block_count", 1_u32);
    metadata.set("llama.numbers", (0..100_i32).collect::<Vec<_>>());
    let digest = server.upload(&gguf(&metadata, &[("t", &[32, 4], ElementType::F16)])).await;
    server.create(json!({"model": "team/m:x", "files": {"m.gguf": digest.to_string()}})).await;

    let all = shown(&server, "/ollamake/v1/models/team/m:x/metadata").await;
    assert_eq!(all["model"], "team/m:x");
    let pair = |key: &str| {
        all["metadata"].as_array().unwrap().iter().find(|pair| pair["key"] == key).unwrap().clone()
    };
    let stated = json!({"key": "general.architecture", "type": "str", "value": "llama"});
    assert_eq!(pair("general.architecture"), stated);
    let numbers = pair("llama.numbers");
    assert_eq!((&numbers["type"], &numbers["length"]), (&json!("[i32]"), &json!(100)));
    assert_eq!(numbers["value"].as_array().unwrap().len(), 16);

    let part =
        shown(&server, "/ollamake/v1/models/team/m:x/metadata?key=llama.numbers&from=98&count=5").await;
    assert_eq!(part["metadata"][0]["value"], json!([98, 99]));
    for (query, status, says) in [
        ("?key=none", StatusCode::NOT_FOUND, "the model has no key \"none\""),
        ("?count=100001", StatusCode::BAD_REQUEST, "count must be at most 100000"),
        ("?count=-1", StatusCode::BAD_REQUEST, "count"),
        ("?other=1", StatusCode::BAD_REQUEST, "unknown field `other`"),
    ] {
        let answer = server.get(&format!("/ollamake/v1/models/team/m:x/metadata{query}")).await;
        assert_eq!(answer.status, status, "{query}: {}", answer.body);
        assert!(answer.error().contains(says), "{query}: {}", answer.body);
    }
}

#[tokio::test]
async fn the_layers_of_a_manifest_are_told() {
    let (server, file) = with_model().await;
    let manifest = shown(&server, "/ollamake/v1/models/m/manifest").await;
    let layers = manifest["layers"].as_array().unwrap();
    assert_eq!(layers[0]["mediaType"], "application/vnd.ollama.image.model");
    assert_eq!(layers[0]["size"], file.len());
    assert_eq!(layers.last().unwrap()["mediaType"], "application/vnd.docker.container.image.v1+json");
    let digest = manifest["digest"].as_str().unwrap();
    let listed = shown(&server, "/ollamake/v1/store").await;
    assert_eq!(listed["models"][0]["digest"], digest);
}

#[tokio::test]
async fn tensors_lie_where_they_are_said_to() {
    let (server, file) = with_model().await;
    let answer = shown(&server, "/ollamake/v1/models/m/tensors").await;
    let tensor = &answer["tensors"][0];
    assert_eq!(tensor["name"], "token_embd.weight");
    assert_eq!((&tensor["shape"], &tensor["type"]), (&json!([32, 4]), &json!("F16")));
    assert_eq!(tensor["bytes"], 256);
    assert_eq!(answer["files"][0]["size"], file.len());
    let offset = tensor["offset"].as_u64().unwrap();
    assert!(offset.is_multiple_of(32) && offset + 256 <= file.len() as u64);
}

#[tokio::test]
async fn files_are_sent_whole_and_in_ranges() {
    let (server, file) = with_model().await;
    let path = "/ollamake/v1/models/m/file";
    let get = async |headers: &[(&str, &str)]| server.call_with("GET", path, headers, Body::empty()).await;
    let whole = get(&[]).await;
    let tag = whole.headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(whole.headers["content-length"], file.len().to_string());
    assert_eq!(whole.headers["content-disposition"], "attachment; filename=\"m-latest.gguf\"");
    let head = server.call("HEAD", path, Body::empty()).await;
    assert_eq!(head.headers["content-length"], file.len().to_string());
    assert!(head.body.is_empty());
    let part = get(&[("Range", "bytes=0-3")]).await;
    assert_eq!((part.status, part.body.as_str()), (StatusCode::PARTIAL_CONTENT, "GGUF"));
    assert_eq!(part.headers["content-range"], format!("bytes 0-3/{}", file.len()));
    assert_eq!(get(&[("If-None-Match", &tag)]).await.status, StatusCode::NOT_MODIFIED);
    let beyond = get(&[("Range", "bytes=99999999-")]).await;
    assert_eq!(beyond.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(beyond.headers["content-range"], format!("bytes */{}", file.len()));

    let digest = tag.trim_matches('"');
    let blob = server.get(&format!("/ollamake/v1/blobs/{digest}")).await;
    assert_eq!(blob.body, whole.body);
    for (path, status) in [
        ("/ollamake/v1/blobs/none", StatusCode::BAD_REQUEST),
        (&format!("/ollamake/v1/blobs/sha256:{}", "0".repeat(64)), StatusCode::NOT_FOUND),
        ("/ollamake/v1/models/none/file", StatusCode::NOT_FOUND),
        ("/ollamake/v1/models/m/other", StatusCode::NOT_FOUND),
        ("/ollamake/v1/models/m", StatusCode::NOT_FOUND),
        ("/ollamake/v1/models/m/file?shard=2", StatusCode::BAD_REQUEST),
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
    }
}

#[tokio::test]
async fn two_models_are_compared_key_by_key_and_tensor_by_tensor() {
    let (server, _) = with_model().await;
    let digest = server.upload(&small_gguf(&[("general.basename", "other")])).await;
    server.create(json!({"model": "n", "files": {"n.gguf": digest.to_string()}, "quantize": "q8_0"})).await;
    let answer = shown(&server, "/ollamake/v1/compare?a=m&b=n").await;
    assert_eq!((&answer["a"]["model"], &answer["b"]["model"]), (&json!("m:latest"), &json!("n:latest")));
    let differing: Vec<_> =
        answer["metadata"].as_array().unwrap().iter().map(|pair| pair["name"].clone()).collect();
    assert!(differing.contains(&json!("general.basename")), "{differing:?}");
    assert!(!differing.contains(&json!("general.architecture")), "{differing:?}");
    let tensor = &answer["tensors"][0];
    assert_eq!((&tensor["a"]["type"], &tensor["b"]["type"]), (&json!("F16"), &json!("Q8_0")));
    assert_eq!((&answer["a"]["tensor_bytes"], &answer["b"]["tensor_bytes"]), (&json!(256), &json!(136)));
    assert_eq!(shown(&server, "/ollamake/v1/compare?a=m&b=m").await["metadata"], json!([]));
    assert_eq!(server.get("/ollamake/v1/compare?a=m").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_deleting_a_model_frees_is_what_only_it_has() {
    let (server, file) = with_model().await;
    server.create(json!({"model": "n", "from": "m", "system": "Be brief."})).await;
    let usage = shown(&server, "/ollamake/v1/store").await;
    let model = |name: &str| {
        usage["models"].as_array().unwrap().iter().find(|model| model["model"] == name).unwrap().clone()
    };
    let (m, n) = (model("m:latest"), model("n:latest"));
    assert!(n["shared"].as_u64().unwrap() >= file.len() as u64);
    for model in [&m, &n] {
        let [size, shared, own] = ["size", "shared", "own"].map(|field| model[field].as_u64().unwrap());
        assert_eq!(size, shared + own);
    }
    let free = || server.store.account().map(|account| account.unnamed.bytes);
    assert_eq!(free().unwrap(), 0);
    let length = |server: &InProcess| -> u64 {
        let blobs = server.directory.path().join("blobs");
        std::fs::read_dir(blobs).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
    };
    let before = length(&server);
    server.call("DELETE", "/api/delete", json!({"model": "n"}).to_string()).await;
    server.store.settle();
    assert_eq!(before - length(&server), n["own"].as_u64().unwrap());
}

#[tokio::test]
async fn pruning_is_told_before_it_is_done() {
    let (server, _) = with_model().await;
    let digest = server.upload(b"nobody names it").await;
    let prune = async |body: Value| server.post("/ollamake/v1/store/prune", body).await;
    assert_eq!(prune(json!({"dry_run": true})).await.json()["blobs"], json!([]));
    let planned = prune(json!({"dry_run": true, "grace_seconds": 0})).await.json();
    assert_eq!(planned["blobs"], json!([{"digest": digest.to_string(), "size": 15}]));
    assert!(server.store.contains(digest).unwrap());
    assert_eq!(prune(json!({"grace_seconds": 0})).await.json()["freed"], 15);
    assert!(!server.store.contains(digest).unwrap());
    assert_eq!(prune(json!({"grace_seconds": -1})).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_types_are_those_that_can_be_asked_for() {
    let types = shown(&InProcess::new(), "/ollamake/v1/types").await;
    let found =
        types["types"].as_array().unwrap().iter().find(|kind| kind["name"] == "IQ2_XS").unwrap().clone();
    assert_eq!(found["needs_importance"], true);
    assert_eq!(found["bits_per_weight"], 2.3125);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_between_two_models_are_measured_if_asked_for() {
    let server = InProcess::new();
    let mut metadata = Metadata::new();
    metadata.set("general.architecture", "llama");
    metadata.set("llama.block_count", 1_u32);
    let tensors: [(&str, &[u64], ElementType); 3] = [
        ("token_embd.weight", &[256, 8], ElementType::F32),
        ("blk.0.ffn_up.weight", &[256, 4], ElementType::F32),
        ("output_norm.weight", &[256], ElementType::F32),
    ];
    let digest = server.upload(&gguf(&metadata, &tensors)).await;
    let files = json!({"m.gguf": digest.to_string()});
    server.create(json!({"model": "m", "files": files})).await;
    let recipe = json!({"quality": true});
    server.create(json!({"model": "n", "files": files, "quantize": "q4_0", "recipe": recipe})).await;
    let error = |answer: &Value, name: &str| {
        let tensors = answer["tensors"].as_array().unwrap().iter();
        tensors.clone().find(|tensor| tensor["name"] == name).unwrap()["error"].clone()
    };
    let compared = shown(&server, "/ollamake/v1/compare?a=m&b=n&quality=true").await;
    let measured = error(&compared, "blk.0.ffn_up.weight").as_f64().unwrap();
    assert!((0.01..0.2).contains(&measured), "{compared}");
    assert_eq!(error(&compared, "output_norm.weight"), 0.0);
    // What was measured while the model was made is the same.
    let known = shown(&server, "/ollamake/v1/models/n/tensors").await;
    let made = error(&known, "blk.0.ffn_up.weight").as_f64().unwrap();
    assert!((made - measured).abs() < 1e-9, "{made} {measured}");
    assert!(error(&known, "output_norm.weight").is_null());
    assert!(error(&shown(&server, "/ollamake/v1/models/m/tensors").await, "blk.0.ffn_up.weight").is_null());
    assert!(error(&shown(&server, "/ollamake/v1/compare?a=m&b=n").await, "blk.0.ffn_up.weight").is_null());
    let jobs = shown(&server, "/ollamake/v1/jobs").await;
    assert_eq!(jobs["jobs"].as_array().unwrap().last().unwrap()["kind"], "compare");
}

#[tokio::test]
async fn a_link_lets_one_download_in_without_the_key() {
    let server = InProcess::with(|config| config.api_key = Some(ApiKey::parse("sesame").unwrap()));
    let key = [("Authorization", "Bearer sesame")];
    let file = small_gguf(&[]);
    let digest = Digest::of(&file);
    server.call_with("POST", &format!("/api/blobs/{digest}"), &key, file.clone()).await;
    let request = json!({"model": "team/m", "files": {"m.gguf": digest.to_string()}}).to_string();
    server.call_with("POST", "/api/create", &key, request).await;
    let path = "/ollamake/v1/models/team/m/link";
    assert_eq!(server.call("POST", path, Body::empty()).await.status, StatusCode::UNAUTHORIZED);
    let link = server.call_with("POST", path, &key, Body::empty()).await;
    assert_eq!(link.status, StatusCode::OK, "{}", link.body);
    let link = link.json();
    assert_eq!((&link["file"], &link["size"]), (&json!("m-latest.gguf"), &json!(file.len())));
    let target = link["path"].as_str().unwrap();
    assert_eq!(server.call("HEAD", target, Body::empty()).await.status, StatusCode::METHOD_NOT_ALLOWED);
    let download = server.get(target).await;
    assert_eq!(download.status, StatusCode::OK);
    assert_eq!(download.headers["content-length"], file.len().to_string());
    assert_eq!(download.headers["content-disposition"], "attachment; filename=\"m-latest.gguf\"");
    assert_eq!(server.get(target).await.status, StatusCode::NOT_FOUND, "a link is good once");
    assert_eq!(server.get("/ollamake/v1/links/none").await.status, StatusCode::NOT_FOUND);
    for (path, status) in [
        ("/ollamake/v1/models/none/link", StatusCode::NOT_FOUND),
        ("/ollamake/v1/models/team/m/metadata", StatusCode::NOT_FOUND),
    ] {
        assert_eq!(server.call_with("POST", path, &key, Body::empty()).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn a_store_is_checked_and_what_is_damaged_taken_out() {
    let (server, file) = with_model().await;
    let fsck = async |body: Value| server.post("/ollamake/v1/store/fsck", body).await.json();
    let report = fsck(json!({})).await;
    assert_eq!((&report["whole"], &report["manifests"]), (&json!(true), &json!(1)));
    let digest = Digest::of(&file);
    let path = server.directory.path().join("blobs").join(digest.file_name());
    let mut damaged = file.clone();
    *damaged.last_mut().unwrap() ^= 1;
    std::fs::write(&path, damaged).unwrap();
    assert_eq!(fsck(json!({"contents": false})).await["whole"], true);
    let report = fsck(json!({})).await;
    let found = &report["damaged_blobs"][0];
    assert_eq!((&report["whole"], &found["repaired"]), (&json!(false), &json!(false)), "{report}");
    assert_eq!((&found["digest"], &found["models"]), (&json!(digest.to_string()), &json!(["m:latest"])));
    assert_eq!(fsck(json!({"repair": true})).await["damaged_blobs"][0]["repaired"], true);
    assert!(!path.exists());
    assert_eq!(fsck(json!({})).await["missing_blobs"][0]["model"], "m:latest");
}

/// What keeps all blobs is told with its model, by which it can be removed.
#[tokio::test]
async fn a_model_that_cannot_be_understood_is_told_by_its_name() {
    let (server, _) = with_model().await;
    let place = "manifests/registry.ollama.ai/library/m/latest";
    std::fs::write(server.directory.path().join(place), "no JSON").unwrap();
    let pruned = server.post("/ollamake/v1/store/prune", json!({})).await.json();
    assert_eq!(pruned["blobs"], json!([]));
    let unread = &pruned["unread"][0];
    assert_eq!((&unread["model"], &unread["place"]), (&json!("m:latest"), &json!(place)), "{pruned}");
    let checked = server.post("/ollamake/v1/store/fsck", json!({})).await.json();
    assert_eq!(checked["damaged_manifests"][0]["model"], "m:latest", "{checked}");
}

#[tokio::test]
async fn settings_and_architectures_are_told() {
    let server = InProcess::with(|config| config.api_key = Some(ApiKey::parse("sesame").unwrap()));
    let get = async |path: &str| {
        let key = [("Authorization", "Bearer sesame")];
        server.call_with("GET", path, &key, Body::empty()).await
    };
    let settings = get("/ollamake/v1/settings").await;
    assert!(!settings.body.contains("sesame"), "{}", settings.body);
    assert!(!settings.body.contains(&*server.directory.path().to_string_lossy()), "{}", settings.body);
    let settings = settings.json();
    assert_eq!(settings["needs_key"], true);
    let named = |name: &str| {
        let all = settings["settings"].as_array().unwrap();
        all.iter().find(|setting| setting["name"] == name).unwrap().clone()
    };
    assert_eq!(named("OLLAMAKE_MAX_JOBS")["value"], 2);
    assert!(named("OLLAMAKE_API_KEY")["value"].is_null());
    let classes = get("/ollamake/v1/architectures").await.json();
    let mistral = classes["architectures"].as_array().unwrap();
    let mistral = mistral.iter().find(|class| class["name"] == "MistralForCausalLM").unwrap();
    assert_eq!(mistral["architectures"], json!(["llama"]));
}
