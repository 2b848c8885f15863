//! Requests that say what nobody reads any more, or two things at once.

use serde_json::{Value, json};

use crate::in_process::{InProcess, small_gguf};

/// The error of a request that creates nothing, with what stands beside it.
async fn refused(server: &InProcess, request: Value) -> Value {
    let answer = server.post("/api/create", request).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    let list = server.get("/api/tags").await.json();
    assert!(!list.to_string().contains("\"x:latest\""), "{list}");
    answer.json()
}

#[tokio::test]
async fn obsolete_fields_are_told_what_to_send_instead() {
    let server = InProcess::new();
    for (request, words) in [
        (json!({"name": "x", "modelfile": "FROM g0"}), ["modelfile is not read any more", "from or files"]),
        (
            json!({"model": "x", "Modelfile": "FROM g0", "stream": false}),
            ["modelfile is not read", "parameters"],
        ),
        (json!({"model": "x", "path": "/x/Modelfile"}), ["path is not read any more", "upload them"]),
    ] {
        let error = refused(&server, request).await["error"].to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
    // Beside a source they are passed over, as Ollama does.
    let digest = server.upload(&small_gguf(&[])).await.to_string();
    server
        .create(json!({"model": "m", "files": {"m.gguf": digest}, "modelfile": "FROM y", "path": "z"}))
        .await;
    let error = refused(&server, json!({"model": "x", "modelfile": null})).await;
    assert_eq!(error["error"], "neither 'from' or 'files' was specified");
}

#[tokio::test]
async fn a_path_in_from_is_told_to_be_uploaded() {
    let server = InProcess::new();
    for from in ["./m.gguf", "/x/m.gguf", "~/models/m.gguf", "C:\\models\\m.gguf"] {
        let error = refused(&server, json!({"model": "x", "from": from})).await;
        assert_eq!(error["error"], "invalid model name", "{from}");
        assert_eq!(error["hint"], "from names a model; to use m.gguf upload it and name it under files");
    }
    let error = refused(&server, json!({"model": "bad name", "from": "m"})).await;
    assert!(error["hint"].as_str().unwrap().starts_with("\"bad name\" is not a name: "), "{error}");
    let error = refused(&server, json!({"model": "x", "from": "bad name"})).await;
    assert!(error["hint"].as_str().unwrap().starts_with("\"bad name\" is not a name: "), "{error}");
}

#[tokio::test]
async fn two_sources_are_refused() {
    let server = InProcess::new();
    let model = server.upload(&small_gguf(&[])).await.to_string();
    let projector = server.upload(&small_gguf(&[("general.type", "mmproj")])).await.to_string();
    server.create(json!({"model": "base", "files": {"m.gguf": model}})).await;
    for (name, digest) in [("mmproj.gguf", &projector), ("m.gguf", &model)] {
        let error = refused(&server, json!({"model": "x", "from": "base", "files": {name: digest}})).await;
        let error = error["error"].as_str().unwrap();
        assert!(error.contains("from names model 'base'") && error.contains(name), "{error}");
    }
    server.create(json!({"model": "m", "from": "base", "files": {}})).await;
}

#[tokio::test]
async fn parameters_that_are_not_known_are_stored_and_told() {
    let server = InProcess::new();
    let model = server.upload(&small_gguf(&[])).await.to_string();
    let parameters = json!({"tempreature": 0.5, "max_tokens": 5, "nonsense": 1, "min_p": 1e-7});
    let request = json!({"model": "m", "files": {"m.gguf": model}, "parameters": parameters});
    let lines = server.create(request.clone()).await;
    for warning in [
        "warning: parameter \"max_tokens\" is not known, and stored all the same; the nearest that is: \
         num_predict",
        "warning: parameter \"tempreature\" is not known, and stored all the same; the nearest that is: \
         temperature",
        "warning: parameter \"nonsense\" is not known, and stored all the same",
    ] {
        assert_eq!(lines.iter().filter(|line| *line == warning).count(), 1, "{warning}: {lines:?}");
    }
    let mut dry = request;
    dry["dry_run"] = true.into();
    let plan = server.post("/api/create", dry).await.json();
    assert_eq!(plan["warnings"].as_array().unwrap().len(), 3, "{plan}");
    let shown = server.post("/api/show", json!({"model": "m"})).await.json();
    let stored = shown["parameters"].as_str().unwrap();
    assert!(stored.contains("max_tokens                     5"), "{stored}");
    // As Go prints it.
    assert!(stored.contains("min_p                          1e-07"), "{stored}");
    assert!(shown["modelfile"].as_str().unwrap().contains("PARAMETER \"max_tokens\" 5\n"), "{shown}");

    // Thousands of them are not thousands of lines.
    let many: serde_json::Map<_, _> = (0..5000).map(|number| (format!("p{number}"), json!(1))).collect();
    let lines = server.create(json!({"model": "m", "from": "m", "parameters": many})).await;
    assert_eq!(lines.iter().filter(|line| line.starts_with("warning: ")).count(), 17, "{lines:?}");
}
