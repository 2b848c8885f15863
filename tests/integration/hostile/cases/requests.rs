//! Requests from people and pages that should not send them, and bodies that are too much.

use serde_json::json;

use super::client::request;
use super::{Case, Input};

const DIGEST: &str = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = access();
    cases.extend(names());
    cases.extend(bodies());
    cases.extend(outputs());
    cases
}

fn access() -> Vec<Case> {
    let changing = [
        ("POST", "/api/create", r#"{"model": "m", "from": "base"}"#),
        ("POST", "/api/copy", r#"{"source": "base", "destination": "m"}"#),
        ("DELETE", "/api/delete", r#"{"model": "base"}"#),
        ("POST", "/api/pull", r#"{"model": "base"}"#),
        ("POST", &format!("/api/blobs/{DIGEST}"), "hello"),
    ];
    let mut cases = Vec::new();
    let mut add = |row, name: String, method: &str, path: &str, headers: &str, body: &str| {
        let length = body.len();
        let text = format!(
            "{method} {path} HTTP/1.1\r\n{headers}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        cases.push(Case::new(row, name, Input::Request(text.into()), 403, &[]));
    };
    for (method, path, body) in changing {
        add(
            "dns-rebinding",
            format!("{method} {path:.12}"),
            method,
            path,
            "Host: evil.example:11434\r\n",
            body,
        );
        let foreign = "Host: localhost\r\nOrigin: http://evil.example\r\nContent-Type: text/plain\r\n";
        add("drive-by", format!("{method} {path:.12}"), method, path, foreign, body);
    }
    add("dns-rebinding", "GET /api/tags".into(), "GET", "/api/tags", "Host: 127.0.0.1.evil.example\r\n", "");
    cases
}

fn names() -> Vec<Case> {
    let hex = &DIGEST["sha256:".len()..];
    let mut cases = Vec::new();
    for digest in [
        "sha256:..%2F..%2Fx".to_owned(),
        format!("sha256:{}", &hex[1..]),
        format!("sha256:{}", hex.to_uppercase()),
        format!("sha256-{hex}0"),
    ] {
        let bytes = request(&format!("/api/blobs/{digest}"), b"hello");
        cases.push(Case::new(
            "digest-as-path",
            format!("{digest:.20}"),
            Input::Request(bytes),
            400,
            &["invalid digest"],
        ));
    }
    let create = |row, name: String, files: serde_json::Value, says: &[&str]| {
        let input = Input::Create { files: Vec::new(), fields: json!({"files": files}) };
        Case::new(row, name, input, 400, says)
    };
    for file in ["../x", "/abs", "a//b", "a/./b", "a\0b"] {
        cases.push(create(
            "file-name-as-path",
            format!("{file:?}"),
            json!({file: DIGEST}),
            &["file path must"],
        ));
    }
    let long = "x".repeat(10_000);
    cases.push(create(
        "file-name-as-path",
        "10,000 bytes".into(),
        json!({long: DIGEST}),
        &["file path must"],
    ));
    cases.push(create(
        "file-name-as-path",
        "two letter cases".into(),
        json!({"A": DIGEST, "a": DIGEST}),
        &["letter case"],
    ));
    let missing = format!("sha256:{}", "0".repeat(64));
    cases.push(create("missing-file", "never uploaded".into(), json!({"m.gguf": missing}), &[&missing]));
    cases.push(create("mixed-formats", "no file".into(), json!({}), &["unknown type"]));
    let both = ["m.gguf", "m.safetensors"].map(|name| (name.to_owned(), b"anything".to_vec())).to_vec();
    let input = Input::Create { files: both, fields: json!({}) };
    cases.push(Case::new("mixed-formats", "two formats", input, 400, &["m.gguf", "m.safetensors"]));
    let other = request(&format!("/api/blobs/{DIGEST}"), &vec![7; 900_000]);
    cases.push(Case::new(
        "wrong-digest",
        "900,000 other bytes",
        Input::Request(other),
        400,
        &["digest mismatch"],
    ));
    cases
}

/// Lists of several models to be.
fn outputs() -> Vec<Case> {
    let case = |name: &str, outputs: serde_json::Value, says: &'static str| {
        let body = json!({"from": "base", "outputs": outputs}).to_string();
        Case::new("outputs", name, Input::Request(request("/api/create", body.as_bytes())), 400, &[says])
    };
    vec![
        case("one name twice", json!([{"model": "a"}, {"model": "A:latest"}]), "twice"),
        case("the source itself", json!([{"model": "a"}, {"model": "base"}]), "made from"),
        case("10,000 models", json!(vec![json!({"model": "a"}); 10_000]), "1 to 32 models, got 10000"),
        case("no model", json!([]), "1 to 32 models, got 0"),
        case("a name as a path", json!([{"model": "../../a"}]), "outputs[0]: invalid model name"),
        case("a number", json!([7]), "outputs[0]: expected an object"),
        case("an unknown field", json!([{"model": "a", "files": {}}]), "is not known"),
    ]
}

fn bodies() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |name: &str, body: String, status, says: &str| {
        let input = Input::Request(request("/api/create", body.as_bytes()));
        cases.push(Case::new("nested-json", name, input, status, &[says]));
    };
    add("10,000 brackets", "[".repeat(10_000), 400, "depth");
    add("900,000 brackets", "[".repeat(900_000), 400, "depth");
    add("10,000 objects", r#"{"a":"#.repeat(10_000), 400, "depth");
    for field in ["ignored", "parameters", "info", "license", "messages", "files"] {
        let zeros = "0,".repeat(450_000);
        add(
            &format!("450,000 zeros in {field}"),
            format!(r#"{{"model": "a b", "{field}": [{zeros}0]}}"#),
            400,
            "",
        );
        let objects = "{},".repeat(300_000);
        add(
            &format!("300,000 objects in {field}"),
            format!(r#"{{"model": "a b", "{field}": [{objects}{{}}]}}"#),
            400,
            "",
        );
    }
    let nested = |start: &str, end: &str, times| {
        vec![format!("{}0{}", start.repeat(90), end.repeat(90)); times].join(",")
    };
    for (name, values) in [
        ("90,000 lists in each other, twice", nested("[", "]", 1000)),
        ("90,000 objects in each other, twice", nested(r#"{"":"#, "}", 1000)),
    ] {
        let body = format!(
            r#"{{"model": "a", "from": "x", "parameters": {{"a": [{values}]}}, "info": {{"a": [{values}]}}}}"#
        );
        add(name, body, 400, "too many values");
    }
    let values = nested(r#"{"":"#, "}", 340);
    let body = format!(
        r#"{{"model": "a b", "from": "x", "parameters": {{"a": [{values}]}}, "info": {{"a": [{values}]}}}}"#
    );
    add("as many objects as may be", body, 400, "invalid model name");
    let members: String = (0..80_000).map(|index| format!(r#""{index}":{{}},"#)).collect();
    add(
        "80,000 members in parameters",
        format!(r#"{{"model": "a b", "parameters": {{{members}"x":0}}}}"#),
        400,
        "",
    );
    add(
        "one key 60,000 times",
        format!(r#"{{{}"model": "a b"}}"#, r#""model": "a","#.repeat(60_000)),
        400,
        "invalid model name",
    );
    let head = "POST /api/create HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                Content-Length: 100000000\r\n\r\n{";
    let input = Input::Request(head.into());
    cases.push(Case::new("huge-json", "100 MB announced", input, 413, &["larger"]));
    cases
}
