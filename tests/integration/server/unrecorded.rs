//! Answers of Ollama that its source tells and no recorded conversation holds.

use serde_json::json;

use crate::in_process::{InProcess, small_gguf};
use crate::socket::Listening;

/// `gin-contrib/cors`: what is the same for every origin does not vary with it.
#[tokio::test]
async fn who_lets_every_origin_in_says_so() {
    let server = InProcess::with(|config| config.origins.push("*".into()));
    for origin in ["http://evil.example", "http://localhost:3000", "null"] {
        for (method, status) in [("GET", 200), ("OPTIONS", 204)] {
            let answer = server.call_with(method, "/api/version", &[("Origin", origin)], "").await;
            assert_eq!(answer.status, status, "{method} {origin}");
            assert_eq!(answer.headers["access-control-allow-origin"], "*", "{method} {origin}");
            assert!(!answer.headers.contains_key("vary"), "{method} {origin}");
        }
    }
}

/// `server/routes.go` (`GetModelInfo`): the Modelfile has the request's options, the parameters have not.
#[tokio::test]
async fn show_writes_options_into_the_modelfile() {
    let server = InProcess::new();
    let digest = server.upload(&small_gguf(&[])).await.to_string();
    let parameters = json!({"temperature": 0.5, "top_k": 3});
    server.create(json!({"model": "m", "files": {"m.gguf": digest}, "parameters": parameters})).await;
    let options = json!({"temperature": 1, "stop": ["a", "b c "], "num_ctx": 4096});
    let shown = server.post("/api/show", json!({"model": "m", "options": options})).await.json();
    let modelfile = shown["modelfile"].as_str().unwrap();
    let lines: Vec<_> = modelfile.lines().filter(|line| line.starts_with("PARAMETER")).collect();
    assert_eq!(
        lines,
        [
            "PARAMETER num_ctx 4096",
            "PARAMETER stop a",
            "PARAMETER stop \"b c \"",
            "PARAMETER temperature 1",
            "PARAMETER top_k 3"
        ]
    );
    let parameters: Vec<_> = shown["parameters"].as_str().unwrap().split_whitespace().collect();
    assert_eq!(parameters, ["temperature", "0.5", "top_k", "3"]);
    let answer = server.post("/api/show", json!({"model": "m", "options": []})).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert!(
        answer.error().ends_with("ShowRequest.options of type map[string]interface {}"),
        "{}",
        answer.body
    );
}

/// `server/routes.go` (`waitForStream`): whatever a job fails of that says no status.
#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_its_registry_does_not_have_is_no_model_that_is_missing_here() {
    let registry = Listening::new().await;
    let name = format!("{}/team/m", registry.address);
    let server = InProcess::new();
    for (path, request) in [
        ("/api/pull", json!({"model": name, "stream": false})),
        ("/api/create", json!({"model": "m", "from": name, "stream": false})),
    ] {
        let answer = server.post(path, request).await;
        assert_eq!(answer.status, 500, "{path}: {}", answer.body);
        assert!(answer.error().contains("does not exist in registry"), "{path}: {}", answer.body);
    }
}
