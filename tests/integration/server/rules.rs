//! Who is let in, and what names may be.

use serde_json::{Value, json};

use crate::in_process::{InProcess, small_gguf};
use ollamake::model::Digest;

const MUTATIONS: [(&str, &str, &str); 6] = [
    ("POST", "/api/create", r#"{"model": "x", "from": "m"}"#),
    ("POST", "/api/copy", r#"{"source": "m", "destination": "x"}"#),
    ("DELETE", "/api/delete", r#"{"model": "m"}"#),
    ("POST", "/api/pull", r#"{"model": "m"}"#),
    ("POST", "/api/push", r#"{"model": "m"}"#),
    ("POST", "/api/blobs/sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824", "hello"),
];

async fn server_with_a_model() -> InProcess {
    let server = InProcess::new();
    let digest = server.upload(&small_gguf(&[])).await;
    server.create(json!({"model": "m", "files": {"m.gguf": digest.to_string()}})).await;
    server
}

#[tokio::test]
async fn dns_rebinding_a_foreign_host_is_refused() {
    let server = server_with_a_model().await;
    let before = server.files();
    for (method, path, body) in MUTATIONS.into_iter().chain([("GET", "/api/tags", "")]) {
        // The page's own name points here, so its origin is the same.
        for headers in [
            &[("Host", "evil.example")][..],
            &[("Host", "evil.example:11434"), ("Origin", "http://evil.example:11434")],
            &[("Host", "127.0.0.1.evil.example")],
        ] {
            let answer = server.call_with(method, path, headers, body).await;
            assert_eq!(answer.status, 403, "{method} {path} {headers:?}");
            assert!(answer.body.contains("OLLAMAKE_HOSTS"), "{}", answer.body);
        }
    }
    assert_eq!(server.files(), before);
}

#[tokio::test]
async fn a_host_that_the_operator_names_is_let_in() {
    let server = InProcess::with(|config| config.hosts = vec!["models.example".into()]);
    let answer = server.call_with("GET", "/api/tags", &[("Host", "models.example:443")], "").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn drive_by_a_foreign_origin_is_refused_on_every_method_that_changes_state() {
    let server = server_with_a_model().await;
    let before = server.files();
    for (method, path, body) in MUTATIONS {
        for origin in ["http://evil.example", "null", "https://localhost.evil.example"] {
            let headers = [("Origin", origin), ("Content-Type", "text/plain")];
            let answer = server.call_with(method, path, &headers, body).await;
            assert_eq!((answer.status.as_u16(), answer.body.as_str()), (403, ""), "{method} {path} {origin}");
        }
    }
    assert_eq!(server.files(), before);
}

#[tokio::test]
async fn json_is_accepted_whatever_its_content_type() {
    let server = server_with_a_model().await;
    let headers = [("Content-Type", "application/x-www-form-urlencoded")];
    let answer = server.call_with("POST", "/api/show", &headers, r#"{"model": "m"}"#).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn digests_that_are_paths_short_or_in_upper_case_are_refused() {
    let server = InProcess::new();
    let hex = "0123456789abcdef".repeat(4);
    let bad = [
        "sha256:..%2F..%2Fx".to_owned(),
        format!("sha256:..%2F{}", &hex[3..]),
        format!("sha256:{}", &hex[1..]),
        format!("sha256:{}", hex.to_uppercase()),
        format!("sha256-{hex}0"),
        format!("sha256:{hex}%00"),
        "sha256:".to_owned(),
        "%2e%2e%2fblobs".to_owned(),
    ];
    for digest in bad {
        for method in ["HEAD", "POST"] {
            let answer = server.call(method, &format!("/api/blobs/{digest}"), "hello").await;
            assert_eq!(answer.status, 400, "{method} {digest}");
        }
        let plain = digest.replace("%2F", "/").replace("%00", "\0");
        let answer = server.post("/api/create", json!({"model": "m", "files": {"a.gguf": plain}})).await;
        assert_eq!(
            (answer.status.as_u16(), answer.error().as_str()),
            (400, "invalid digest format"),
            "{digest}"
        );
        assert_eq!(answer.json()["file"], "a.gguf");
    }
    assert_eq!(server.files(), [".lock"; 0]);
}

#[tokio::test]
async fn the_spelling_of_a_digest_with_a_hyphen_is_an_alias() {
    let server = InProcess::new();
    let name = Digest::of(b"hello").file_name();
    assert_eq!(server.call("POST", &format!("/api/blobs/{name}"), "hello").await.status, 201);
    assert_eq!(server.call("HEAD", &format!("/api/blobs/{name}"), "").await.status, 200);
}

#[tokio::test]
async fn file_names_never_become_paths() {
    let server = InProcess::new();
    let digest = server.upload(&small_gguf(&[])).await.to_string();
    let before = server.files();
    let long = "x".repeat(10_000);
    for name in ["../x", "/abs", "a//b", "a/./b", "a\0b", "..", "", "a\\..\\b", &long] {
        for field in ["files", "adapters"] {
            let request = json!({"model": "m", "from": "m", field: {name: digest}});
            let answer = server.post("/api/create", request).await;
            assert_eq!(answer.status, 400, "{name:?}: {}", answer.body);
            assert!(answer.error().starts_with("file path must"), "{name:?}: {}", answer.body);
            assert_eq!(answer.json()["file"], name);
        }
    }
    let request = json!({"model": "m", "files": {"A.gguf": digest, "a.gguf": digest}});
    let answer = server.post("/api/create", request).await;
    assert_eq!(answer.status, 400);
    assert!(answer.error().contains("letter case"), "{}", answer.body);
    assert_eq!(server.files(), before);
}

#[tokio::test]
async fn a_file_that_does_not_exist_is_named_by_its_digest_and_no_path() {
    let server = InProcess::new();
    let missing = Digest::of(b"never uploaded").to_string();
    for request in [
        json!({"model": "m", "files": {"a.gguf": missing}}),
        json!({"model": "m", "files": {"model.safetensors": missing}}),
        json!({"model": "m", "files": {"model": missing}}),
    ] {
        let answer = server.post("/api/create", request).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert!(answer.error().contains(&missing), "{}", answer.body);
        assert!(!answer.body.contains("sha256-"), "{}", answer.body);
        let directory = server.directory.path().to_string_lossy().into_owned();
        assert!(!answer.body.contains(&directory), "{}", answer.body);
    }
}

#[tokio::test]
async fn files_of_two_formats_and_of_none_have_defined_answers() {
    let server = InProcess::new();
    let digest = server.upload(&small_gguf(&[])).await.to_string();
    let both = json!({"a.gguf": digest, "b.safetensors": digest});
    let answer = server.post("/api/create", json!({"model": "m", "files": both})).await;
    assert_eq!(answer.status, 400);
    assert!(answer.error().contains("a.gguf") && answer.error().contains("b.safetensors"), "{}", answer.body);
    let answer = server.post("/api/create", json!({"model": "m", "files": {}})).await;
    assert_eq!((answer.status.as_u16(), answer.error().as_str()), (400, "unknown type"));
    assert!(answer.json()["hint"].is_string());
}

#[tokio::test]
async fn paths_with_empty_or_dotted_parts_are_sent_to_the_plain_one() {
    let server = InProcess::new();
    for (path, target) in [
        ("//api/tags", "/api/tags"),
        ("/api/./tags?x=1", "/api/tags?x=1"),
        ("/api/x/../tags", "/api/tags"),
        ("/../../etc/passwd", "/etc/passwd"),
        ("//evil.example/x", "/evil.example/x"),
    ] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, 307, "{path}");
        assert_eq!(answer.headers["location"], target);
    }
    let answer = server.call("POST", "/api/show/", "{}").await;
    assert_eq!((answer.status.as_u16(), answer.headers["location"].to_str().unwrap()), (307, "/api/show"));
}

#[tokio::test]
async fn models_are_found_in_any_letter_case() {
    let server = server_with_a_model().await;
    for name in ["M", "m:LATEST", "Library/M", "registry.ollama.ai/library/m:latest"] {
        let answer = server.post("/api/show", json!({"model": name})).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.body);
    }
    let copied = server.post("/api/copy", json!({"source": "M", "destination": "M"})).await;
    assert_eq!(copied.status, 200);
    let tags: Value = server.get("/api/tags").await.json();
    assert_eq!(tags["models"].as_array().unwrap().len(), 1);
}

/// Browsers ask before a public page talks to a private network.
#[tokio::test]
async fn private_networks_are_opened_to_allowed_origins_only() {
    let server = InProcess::with(|config| config.origins = vec!["https://a.example".into()]);
    let asked = |origin| {
        [
            ("Origin", origin),
            ("Access-Control-Request-Method", "POST"),
            ("Access-Control-Request-Private-Network", "true"),
        ]
    };
    let allowed = "access-control-allow-private-network";
    let answer = server.call_with("OPTIONS", "/api/tags", &asked("https://a.example"), "").await;
    assert_eq!(
        (answer.status.as_u16(), answer.headers.get(allowed).unwrap().as_bytes()),
        (204, &b"true"[..])
    );
    let answer = server.call_with("OPTIONS", "/api/tags", &asked("https://b.example"), "").await;
    assert_eq!((answer.status.as_u16(), answer.headers.get(allowed)), (403, None));
    let answer = server.call_with("OPTIONS", "/api/tags", &asked("https://a.example")[..2], "").await;
    assert_eq!(answer.headers.get(allowed), None);
}
