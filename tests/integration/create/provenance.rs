//! How models were made: the record, and making them again.

use std::fs;
use std::path::PathBuf;

use axum::http::StatusCode;
use ollamake::create::{Monitor, Usage, Verdict, Workshop};
use ollamake::gguf::Metadata;
use ollamake::plan::{REVISION, Resources};
use ollamake::registry;
use ollamake::store::PruneOptions;
use ollamake::tensor::ElementType;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::dry_run::uploaded;
use crate::in_process::{InProcess, gguf, small_gguf};
use crate::support::files::fixture;
use crate::support::older_matrix::older_matrix;

/// Makes a model again.
fn verified(server: &InProcess, model: &str) -> Verdict {
    let registries = registry::Config::default();
    let workshop = Workshop::new(server.store.clone(), registries, Resources::default(), false);
    let model = server.store.manifest(&model.parse().unwrap()).unwrap();
    let (stop, usage) = (CancellationToken::new(), Usage::default());
    let monitor = Monitor { report: &|_| (), stop: &stop, usage: &usage };
    tokio::task::block_in_place(|| workshop.verify(&model, monitor)).unwrap()
}

async fn statement(server: &InProcess, model: &str) -> Value {
    let answer = server.get(&format!("/ollamake/v1/models/{model}/provenance")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer.json()
}

/// Where the record of a model lies.
fn record(server: &InProcess, model: &str) -> PathBuf {
    let model = server.store.manifest(&model.parse().unwrap()).unwrap();
    server.directory.path().join("ollamake/provenance").join(model.digest.file_name())
}

/// Writes another record.
fn change(server: &InProcess, model: &str, change: impl FnOnce(&mut Value)) {
    let path = record(server, model);
    let mut statement: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut statement);
    fs::write(path, statement.to_string()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_was_made_is_made_again() {
    let server = InProcess::new();
    let files = uploaded(&server, &fixture("conversion/mistral")).await;
    let adapter = uploaded(&server, &fixture("conversion/lora-mistral")).await;
    let pictures = uploaded(&server, &fixture("conversion/pixtral")).await;
    let mut metadata = Metadata::new();
    metadata.set("general.architecture", "llama");
    metadata.set("llama.block_count", 1_u32);
    let name = "blk.0.ffn_down.weight";
    let plain = server.upload(&gguf(&metadata, &[(name, &[256, 64], ElementType::F16)])).await.to_string();
    let matrix = older_matrix(name, &std::array::from_fn::<_, 256, _>(|column| column as f32));
    let matrix = server.upload(&matrix).await.to_string();
    let weighed = json!({"m.gguf": plain, "i.dat": matrix});
    let said = json!({
        "model": "said", "files": files, "quantize": "q8_0", "system": "Be brief.",
        "template": "{{ .Prompt }}",
        "license": ["one", "two"], "parameters": {"seed": 7, "stop": ["a"]}, "requires": "0.5.0",
        "messages": [{"role": "user", "content": "hi"}], "info": {"capabilities": ["tools"]},
    });
    let recipe = json!({"tensor_types": [["attn_v", "q8_0"]], "output_tensor_type": "q5_1"});
    for request in [
        said,
        json!({"model": "base", "files": files}),
        json!({"model": "pictures", "files": pictures, "quantize": "q4_k_m"}),
        json!({"model": "recipe", "files": files, "quantize": "q4_k_m", "recipe": recipe}),
        json!({"model": "adapted", "from": "base", "adapters": adapter}),
        json!({"model": "merged", "from": "base", "adapters": adapter, "merge_adapters": true,
               "quantize": "q8_0"}),
        json!({"model": "weighed", "files": weighed, "quantize": "iq2_xs", "recipe": {"imatrix": "i.dat"}}),
        json!({"model": "by-digest", "files": {"m.gguf": plain}, "quantize": "q4_0",
               "recipe": {"imatrix": matrix}}),
        json!({"model": "as-it-is", "files": {"m.gguf": plain}}),
        json!({"model": "from-blob", "from": plain}),
        json!({"model": "remote", "from": "far/model", "remote_host": "http://user:hunter2@example.com"}),
    ] {
        server.create(request.clone()).await;
        let model = request["model"].as_str().unwrap();
        assert_eq!(verified(&server, model), Verdict::Same, "{request}");
        let statement = statement(&server, model).await;
        assert!(!statement.to_string().contains("hunter2"));
        assert_eq!(statement["predicateType"], "https://slsa.dev/provenance/v1");
        let definition = &statement["predicate"]["buildDefinition"];
        assert_eq!(definition["externalParameters"]["model"], format!("{model}:latest"));
        assert_eq!(definition["internalParameters"]["revision"], REVISION);
        let digest = server.store.manifest(&model.parse().unwrap()).unwrap().digest;
        assert_eq!(statement["subject"][0]["digest"]["sha256"], digest.hex());
        let sources: Vec<_> = definition["resolvedDependencies"].as_array().unwrap().iter().collect();
        for (_, digest) in request["files"].as_object().into_iter().flatten() {
            let hex = digest.as_str().unwrap().trim_start_matches("sha256:");
            assert!(sources.iter().any(|source| source["digest"]["sha256"] == hex), "{statement}");
        }
    }
    // Of several models each has a record of its own, and a copy has that of its source.
    let outputs = json!([{"model": "o1", "quantize": "q8_0"}, {"model": "o2", "quantize": "q4_0"}]);
    server.create(json!({"files": files, "outputs": outputs})).await;
    server.post("/api/copy", json!({"source": "o2", "destination": "o3"})).await;
    for model in ["o1", "o2", "o3"] {
        assert_eq!(verified(&server, model), Verdict::Same);
    }
    assert_eq!(statement(&server, "o1").await["subject"][0]["name"], "o1:latest");
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_that_are_gone_are_named() {
    let server = InProcess::new();
    let digest = server.upload(&small_gguf(&[])).await;
    server.create(json!({"model": "base", "files": {"m.gguf": digest.to_string()}})).await;
    let files = json!({"m.gguf": digest.to_string()});
    server.create(json!({"model": "m", "files": files, "quantize": "q8_0", "system": "of files"})).await;
    server.create(json!({"model": "n", "from": "base", "quantize": "q8_0"})).await;
    assert_eq!(verified(&server, "n"), Verdict::Same);
    server.create(json!({"model": "base", "from": "base", "system": "other"})).await;
    assert_eq!(verified(&server, "n"), Verdict::Gone(vec!["model base:latest as it was".to_owned()]));
    assert_eq!(verified(&server, "m"), Verdict::Same);
    server.call("DELETE", "/api/delete", json!({"model": "base"}).to_string()).await;
    server.store.settle();
    let grace = std::time::Duration::ZERO;
    server.store.prune(PruneOptions { grace, dry_run: false }).unwrap();
    assert_eq!(verified(&server, "m"), Verdict::Gone(vec![format!("m.gguf ({digest})")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_revision_and_another_plan_are_said_to_be_that() {
    let server = InProcess::new();
    let digest = server.upload(&small_gguf(&[])).await.to_string();
    let request = json!({"model": "m", "files": {"m.gguf": digest}, "quantize": "q8_0"});
    server.create(request).await;
    let definition = "/predicate/buildDefinition";
    let rules = format!("{definition}/internalParameters");
    change(&server, "m", |record| record.pointer_mut(&rules).unwrap()["revision"] = json!(0));
    let Verdict::OtherRevision(reason) = verified(&server, "m") else { panic!("it is another revision") };
    assert!(reason.contains("revision 0 of the code"), "{reason}");
    change(&server, "m", |record| {
        let rules = record.pointer_mut(&rules).unwrap();
        rules["revision"] = json!(REVISION);
        rules["recipes"][0] = json!(format!("sha256:{}", "0".repeat(64)));
    });
    assert!(matches!(verified(&server, "m"), Verdict::OtherRevision(_)));
    // Another request makes another model.
    server.create(json!({"model": "m", "files": {"m.gguf": digest}, "system": "x"})).await;
    let asked = format!("{definition}/externalParameters");
    change(&server, "m", |record| record.pointer_mut(&asked).unwrap()["system"] = json!("y"));
    assert!(matches!(verified(&server, "m"), Verdict::Differs { .. }));
}

/// Hostile input: `provenance-record`.
#[tokio::test(flavor = "multi_thread")]
async fn records_that_are_none_are_not_believed() {
    let server = InProcess::new();
    let digest = server.upload(&small_gguf(&[])).await.to_string();
    server.create(json!({"model": "m", "files": {"m.gguf": digest}, "system": "x"})).await;
    let path = record(&server, "m");
    let good = fs::read(&path).unwrap();
    let text = String::from_utf8(good.clone()).unwrap();
    let manifest = server.store.manifest(&"m".parse().unwrap()).unwrap().digest;
    let mut long = good.clone();
    long.resize(5 << 20, b' ');
    for bad in [
        Vec::new(),
        b"garbage".to_vec(),
        good[..good.len() / 2].to_vec(),
        long,
        vec![b'['; 1 << 20],
        text.replace(&manifest.hex(), &"0".repeat(64)).into_bytes(),
        text.replace("slsa.dev", "example.com").into_bytes(),
        text.replace("\"revision\":", "\"other\":").into_bytes(),
    ] {
        fs::write(&path, bad).unwrap();
        let answer = server.get("/ollamake/v1/models/m/provenance").await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{}", answer.body);
        assert_eq!(verified(&server, "m"), Verdict::Unknown);
    }
    // Names and digests that lie lead nowhere.
    for (from, to) in [("\"m.gguf\":\"sha256:", "\"../../x\":\"sha256:"), ("m:latest", "../m:latest")] {
        fs::write(&path, text.replace(from, to)).unwrap();
        let registries = registry::Config::default();
        let workshop = Workshop::new(server.store.clone(), registries, Resources::default(), false);
        let model = server.store.manifest(&"m".parse().unwrap()).unwrap();
        let (stop, usage) = (CancellationToken::new(), Usage::default());
        let monitor = Monitor { report: &|_| (), stop: &stop, usage: &usage };
        assert!(workshop.verify(&model, monitor).is_err(), "{to}");
    }
    fs::write(&path, good).unwrap();
    assert_eq!(verified(&server, "m"), Verdict::Same);
    let answer = server.get("/ollamake/v1/models/none/provenance").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_goes_with_the_last_model_that_it_is_of() {
    let server = InProcess::new();
    let digest = server.upload(&small_gguf(&[])).await.to_string();
    server.create(json!({"model": "m", "files": {"m.gguf": digest}})).await;
    server.post("/api/copy", json!({"source": "m", "destination": "n"})).await;
    let path = record(&server, "m");
    server.call("DELETE", "/api/delete", json!({"model": "m"}).to_string()).await;
    server.store.prune(PruneOptions::default()).unwrap();
    assert!(path.exists());
    server.call("DELETE", "/api/delete", json!({"model": "n"}).to_string()).await;
    server.store.prune(PruneOptions { dry_run: true, ..PruneOptions::default() }).unwrap();
    assert!(path.exists());
    server.store.prune(PruneOptions::default()).unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn what_a_client_knows_of_where_files_are_from_stands_in_the_record() {
    let server = InProcess::new();
    let digest = server.upload(&small_gguf(&[])).await.to_string();
    let create = async |addresses: Value| {
        let body =
            json!({"model": "m", "files": {"m.gguf": digest}, "addresses": addresses, "stream": false});
        server.post("/api/create", body).await
    };
    let address = "https://huggingface.co/o/r/resolve/0a1b/m.gguf";
    for (addresses, says) in [
        (json!({"other.gguf": address}), "none of the uploaded files"),
        (json!({"m.gguf": "file:///etc/passwd"}), "http:// or https://"),
        (json!({"m.gguf": "somewhere"}), "http:// or https://"),
        (json!({"m.gguf": "https://user:secret@host/m.gguf"}), "without a password"),
        (json!({"m.gguf": format!("https://host/{}", "x".repeat(5000))}), "at most 4096 bytes"),
        (json!([address]), "addresses"),
    ] {
        let answer = create(addresses).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.body);
        assert!(answer.body.contains(says) && !answer.body.contains("secret"), "{}", answer.body);
    }
    let answer = create(json!({"m.gguf": address})).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let record = statement(&server, "m").await;
    let sources = &record["predicate"]["buildDefinition"]["resolvedDependencies"];
    assert_eq!((&sources[0]["name"], &sources[0]["uri"]), (&json!("m.gguf"), &json!(address)), "{record}");
}
