//! Several models from one request.

use axum::http::StatusCode;
use ollamake::gguf::Metadata;
use ollamake::tensor::ElementType;
use serde_json::{Value, json};

use super::dry_run::uploaded;
use crate::in_process::{InProcess, gguf, small_gguf};
use crate::support::files::fixture;
use crate::support::older_matrix::older_matrix;

/// The digest of each model's manifest, by name.
async fn digests(server: &InProcess) -> Value {
    let tags = server.get("/api/tags").await.json();
    let models = tags["models"].as_array().unwrap().iter();
    models.map(|model| (model["name"].as_str().unwrap().to_owned(), model["digest"].clone())).collect()
}

/// What a request and its outputs say, as a request for each of them.
fn apart(request: &Value) -> Vec<Value> {
    let mut common = request.as_object().unwrap().clone();
    let Some(Value::Array(outputs)) = common.remove("outputs") else { panic!("{request}") };
    let joined = |output: Value| {
        let mut one = common.clone();
        one.extend(output.as_object().unwrap().clone());
        Value::Object(one)
    };
    outputs.into_iter().map(joined).collect()
}

/// The last line of an answer.
fn last(body: &str) -> Value {
    serde_json::from_str(body.lines().last().unwrap()).unwrap()
}

/// Makes the outputs of a request together in one store and one after the other in another.
async fn compare(together: &InProcess, one_by_one: &InProcess, request: Value) {
    for one in apart(&request) {
        one_by_one.create(one).await;
    }
    let answer = together.post("/api/create", request.clone()).await;
    let end = last(&answer.body);
    assert_eq!(end["status"], "success", "{request}: {}", answer.body);
    let (made, expected) = (digests(together).await, digests(one_by_one).await);
    assert_eq!(made, expected, "{request}");
    let outputs = end["outputs"].as_array().unwrap();
    let asked = request["outputs"].as_array().unwrap();
    assert_eq!(outputs.len(), asked.len());
    for (output, asked) in outputs.iter().zip(asked) {
        assert_eq!(output["model"], format!("{}:latest", asked["model"].as_str().unwrap()));
        let digest = output["digest"].as_str().unwrap().trim_start_matches("sha256:");
        assert_eq!(made[output["model"].as_str().unwrap()], digest, "{end}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn models_made_together_are_those_of_requests_of_their_own() {
    let (together, one_by_one) = (InProcess::new(), InProcess::new());
    for case in ["mistral", "pixtral", "bert-plain", "qwen3-fp8"] {
        let files = uploaded(&together, &fixture(&format!("conversion/{case}"))).await;
        uploaded(&one_by_one, &fixture(&format!("conversion/{case}"))).await;
        let outputs = json!([
            {"model": format!("{case}-plain")},
            {"model": format!("{case}-a"), "quantize": "q4_K_M"},
            {"model": format!("{case}-b"), "quantize": "q8_0"},
            {"model": format!("{case}-c"), "quantize": "f16"},
            {"model": format!("{case}-d"), "quantize": "iq4_xs",
             "recipe": {"tensor_types": [["ffn_down", "q5_1"]]}},
            {"model": format!("{case}-e"), "quantize": "q8_0"},
        ]);
        let request = json!({"files": files, "system": "Be brief.", "license": ["a"], "outputs": outputs});
        compare(&together, &one_by_one, request).await;
    }
    // From a model of the store, one of whose types is there already.
    let outputs = json!([{"model": "x", "quantize": "q8_0"}, {"model": "y", "quantize": "q5_k_m"},
                         {"model": "z", "quantize": "f16"}]);
    let request = json!({"from": "mistral-c", "parameters": {"seed": 7}, "outputs": outputs});
    compare(&together, &one_by_one, request).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn adapters_and_matrices_are_those_of_each_model() {
    let (together, one_by_one) = (InProcess::new(), InProcess::new());
    let outputs = json!([{"model": "one", "quantize": "q8_0"}, {"model": "two", "quantize": "q4_0"},
                         {"model": "three"}]);
    let base = uploaded(&together, &fixture("conversion/mistral")).await;
    let adapter = uploaded(&together, &fixture("conversion/lora-mistral")).await;
    uploaded(&one_by_one, &fixture("conversion/mistral")).await;
    uploaded(&one_by_one, &fixture("conversion/lora-mistral")).await;
    for server in [&together, &one_by_one] {
        server.create(json!({"model": "base", "files": base})).await;
    }
    for merge in [false, true] {
        let request =
            json!({"from": "base", "adapters": adapter, "merge_adapters": merge, "outputs": outputs});
        compare(&together, &one_by_one, request).await;
    }
    // A matrix among the files is no part of the models that do not name it either.
    let mut metadata = Metadata::new();
    metadata.set("general.architecture", "llama");
    metadata.set("llama.block_count", 1_u32);
    let name = "blk.0.ffn_down.weight";
    let model = gguf(&metadata, &[(name, &[256, 64], ElementType::F16)]);
    let matrix = older_matrix(name, &std::array::from_fn::<_, 256, _>(|column| column as f32));
    let mut digest = String::new();
    for server in [&together, &one_by_one] {
        server.upload(&model).await;
        digest = server.upload(&matrix).await.to_string();
    }
    let files = json!({"m.gguf": ollamake::model::Digest::of(&model).to_string(), "i.dat": digest});
    let weighed = json!({"imatrix": "i.dat"});
    let outputs = json!([{"model": "w", "quantize": "q4_0", "recipe": weighed},
                         {"model": "v", "quantize": "iq2_xs", "recipe": weighed}]);
    compare(&together, &one_by_one, json!({"files": files, "outputs": outputs})).await;
    let outputs = json!([{"model": "w2", "quantize": "q4_0", "recipe": weighed},
                         {"model": "u", "quantize": "q4_0"}]);
    let answer = together.post("/api/create", json!({"files": files, "outputs": outputs})).await;
    assert_eq!(last(&answer.body)["status"], "success", "{}", answer.body);
    let without = json!({"model": "u", "files": {"m.gguf": files["m.gguf"]}, "quantize": "q4_0"});
    one_by_one.create(without).await;
    let (made, expected) = (digests(&together).await, digests(&one_by_one).await);
    assert_eq!((&made["w2:latest"], &made["u:latest"]), (&expected["w:latest"], &expected["u:latest"]));
}

/// A model whose values F16 cannot hold.
fn wide_gguf() -> Vec<u8> {
    let mut metadata = Metadata::new();
    metadata.set("general.architecture", "llama");
    metadata.set("general.file_type", 0_u32);
    metadata.set("llama.block_count", 1_u32);
    let mut file = gguf(&metadata, &[("blk.0.ffn_up.weight", &[256, 8], ElementType::F32)]);
    let end = file.len();
    file[end - 4..].copy_from_slice(&1e6_f32.to_le_bytes());
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_fails_does_not_fail_the_others() {
    let server = InProcess::new();
    let digest = server.upload(&wide_gguf()).await.to_string();
    let files = json!({"m.gguf": digest});
    let outputs = json!([
        {"model": "good", "quantize": "q8_0"},
        {"model": "overflows", "quantize": "f16"},
        {"model": "lacks-matrix", "quantize": "iq1_s"},
        {"model": "also-good", "quantize": "bf16"},
    ]);
    let request = json!({"files": files, "outputs": outputs});
    let answer = server.post("/api/create", request.clone()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let end = last(&answer.body);
    let error = end["error"].as_str().unwrap();
    assert!(error.starts_with("2 of 4 models could not be made"), "{error}");
    let told = end["outputs"].as_array().unwrap();
    let names: Vec<_> = told.iter().map(|output| output["model"].as_str().unwrap()).collect();
    assert_eq!(names, ["good:latest", "overflows:latest", "lacks-matrix:latest", "also-good:latest"]);
    assert!(told[1]["error"].as_str().unwrap().contains("does not fit F16"), "{end}");
    assert!(told[2]["error"].as_str().unwrap().contains("importance matrix"), "{end}");
    assert!(told[0]["digest"].is_string() && told[3]["digest"].is_string(), "{end}");
    let made = digests(&server).await;
    assert_eq!(made.as_object().unwrap().len(), 2, "{made}");
    let jobs = server.get("/ollamake/v1/jobs").await.json();
    assert_eq!(jobs["jobs"][0]["state"], "failed");
    // Nothing of the others stays.
    let expected = InProcess::new();
    expected.upload(&wide_gguf()).await;
    for one in [0, 3] {
        expected.create(apart(&request)[one].clone()).await;
    }
    assert_eq!(server.files(), expected.files());
    // Without a stream, the answer has the status of the failure.
    let mut once = request.clone();
    once["stream"] = json!(false);
    let answer = server.post("/api/create", once).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.body);
    assert_eq!(last(&answer.body), end);
    // What is wrong with all of them is wrong with the request.
    let outputs = json!([{"model": "a", "quantize": "iq1_s"}, {"model": "b", "quantize": "iq1_s"}]);
    let answer = server.post("/api/create", json!({"files": files, "outputs": outputs})).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.body);
    assert!(!answer.error().contains("could not be made"), "{}", answer.body);
    let outputs = json!([{"model": "a", "quantize": "iq1_s"}, {"model": "b", "quantize": "iq2_xxs"}]);
    let answer = server.post("/api/create", json!({"files": files, "outputs": outputs})).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.body);
    assert!(answer.error().contains("2 of 2 models could not be made"), "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_is_that_of_all_together_and_each_model_is_told() {
    let server = InProcess::new();
    let digest = server.upload(&small_gguf(&[])).await.to_string();
    let outputs = json!([{"model": "a", "quantize": "q8_0"}, {"model": "b", "quantize": "q4_0"},
                         {"model": "c", "quantize": "q4_0"}]);
    let request = json!({"files": {"m.gguf": digest}, "outputs": outputs});
    let answer = server.post("/api/create", request).await;
    let lines: Vec<Value> = answer.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let bars: Vec<&Value> = lines.iter().filter(|line| line["total"].is_u64()).collect();
    assert!(!bars.is_empty(), "{}", answer.body);
    assert!(bars.iter().all(|bar| bar["completed"].as_u64() <= bar["total"].as_u64()), "{}", answer.body);
    let first = bars[0]["status"].as_str().unwrap();
    assert!(
        first.contains("Q8_0") && first.contains("Q4_0") && first.starts_with("quantizing F16 model to"),
        "{first}"
    );
    let statuses = answer.statuses();
    for model in ["a", "b", "c"] {
        assert!(statuses.contains(&format!("model {model}:latest is ready")), "{statuses:?}");
    }
    assert_eq!(statuses.iter().filter(|status| *status == "parsing GGUF").count(), 1, "{statuses:?}");
    let made = digests(&server).await;
    assert_eq!(made["b:latest"], made["c:latest"]);
    // The source counts once.
    let jobs = server.get("/ollamake/v1/jobs").await.json();
    assert_eq!(jobs["jobs"][0]["bytes_in"], small_gguf(&[]).len());
}

#[tokio::test]
async fn lists_that_say_too_little_or_too_much_are_refused_and_nothing_is_kept() {
    let server = InProcess::new();
    let digest = server.upload(&small_gguf(&[])).await.to_string();
    server.create(json!({"model": "base", "files": {"m.gguf": digest}})).await;
    let before = server.files();
    let files = json!({"m.gguf": digest});
    let (one, many) = (json!([{"model": "a"}]), json!(vec![json!({"model": "a"}); 33]));
    let twice = json!([{"model": "a", "quantize": "q8_0"}, {"model": "A:latest", "quantize": "q4_0"}]);
    for (request, words) in [
        (json!({"files": files, "outputs": twice}), "outputs names model 'A:latest' twice"),
        (
            json!({"from": "base", "outputs": [{"model": "a"}, {"model": "base", "quantize": "q8_0"}]}),
            "which all are made from",
        ),
        (json!({"files": files, "outputs": one, "model": "m"}), "model cannot be used beside outputs"),
        (json!({"files": files, "outputs": one, "quantize": "q8_0"}), "quantize cannot be used beside"),
        (
            json!({"files": files, "outputs": one, "quantize": ["q8_0"], "dry_run": true}),
            "quantize cannot be used beside outputs",
        ),
        (
            json!({"files": files, "outputs": one, "recipe": {"pure": true}}),
            "recipe cannot be used beside outputs",
        ),
        (json!({"files": files, "outputs": []}), "outputs must name 1 to 32 models, got 0"),
        (json!({"files": files, "outputs": many}), "got 33"),
        (json!({"files": files, "outputs": "a"}), "outputs must be a list of objects"),
        (json!({"files": files, "outputs": ["a"]}), "outputs[0]: expected an object"),
        (json!({"files": files, "outputs": [{"model": 5}]}), "outputs[0]: model must be a string"),
        (json!({"files": files, "outputs": [{"model": "a", "recipe": 5}]}), "recipe must be an object"),
        (
            json!({"files": files, "outputs": [{"model": "a", "system": "x"}]}),
            "field \"system\" is not known",
        ),
        (json!({"files": files, "outputs": [{"model": "a"}, {"model": "../x"}]}), "outputs[1]: "),
        (json!({"files": files, "outputs": [{"model": "a", "quantize": "q9"}]}), "outputs[0]: unsupported"),
        (
            json!({"files": files, "outputs": [{"model": "a", "quantize": "q8_0", "recipe": {"pure": 5}}]}),
            "outputs[0]: ",
        ),
        (json!({"files": files, "model": "m", "quantize": ["q8_0", "q4_0"]}), "a list is taken with"),
    ] {
        let answer = server.post("/api/create", request.clone()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{request}: {}", answer.body);
        assert!(answer.error().contains(words), "{request}: {}", answer.body);
        assert_eq!(server.files(), before, "{request}");
    }
}

#[tokio::test]
async fn a_dry_run_tells_of_each_model() {
    let server = InProcess::new();
    let digest = server.upload(&wide_gguf()).await.to_string();
    let outputs = json!([{"model": "a", "quantize": "q8_0"}, {"model": "b", "quantize": "bf16"}]);
    let mut request = json!({"files": {"m.gguf": digest}, "outputs": outputs, "dry_run": true});
    let before = server.files();
    let outline = server.post("/api/create", request.clone()).await.json();
    assert_eq!(server.files(), before);
    request["dry_run"] = json!(false);
    assert_eq!(last(&server.post("/api/create", request.clone()).await.body)["status"], "success");
    let tags = server.get("/api/tags").await.json();
    for (output, name) in outline["outputs"].as_array().unwrap().iter().zip(["a:latest", "b:latest"]) {
        let listed = tags["models"].as_array().unwrap().iter().find(|listed| listed["name"] == name).unwrap();
        assert_eq!((&output["model"], &output["size"]), (&listed["name"], &listed["size"]));
    }
    request["dry_run"] = json!(true);
    request["outputs"][1]["quantize"] = json!("iq1_s");
    let answer = server.post("/api/create", request).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.body);
}
