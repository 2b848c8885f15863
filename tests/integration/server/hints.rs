//! What is told beside the errors that clients know, and what is told instead of something that would
//! mislead.

use ollamake::modelfile::{Command, Modelfile};
use serde_json::{Value, json};

use crate::in_process::{InProcess, small_gguf};

#[tokio::test]
async fn a_name_that_is_none_is_told_with_the_rule() {
    let server = InProcess::new();
    for (name, part) in [
        ("host.example/a/b/c/m", "cannot all be the host"),
        ("host.example/t/m@sha256:0123", "a digest cannot take the place of the tag"),
        ("[::1]:5000/t/m", "an address in brackets"),
        ("host.example/m", "looks like a host"),
    ] {
        for path in ["/api/pull", "/api/push"] {
            let answer = server.post(path, json!({"model": name})).await;
            let body: Value = serde_json::from_str(&answer.body).unwrap();
            assert_eq!(
                (answer.status.as_u16(), &body["error"]),
                (400, &json!("invalid model name")),
                "{path}"
            );
            assert!(body["hint"].as_str().unwrap().contains(part), "{path} {name}: {body}");
        }
    }
}

#[tokio::test]
async fn a_jinja_template_is_called_one() {
    let server = InProcess::new();
    let digest = server.upload(&small_gguf(&[])).await;
    for template in ["{{ messages[0]['content'] }}", "{% for m in messages %}{{ m }}{% endfor %}{{"] {
        let files = json!({"m.gguf": digest.to_string()});
        let request = json!({"model": "m", "files": files, "template": template});
        let answer = server.post("/api/create", request).await;
        assert_eq!(answer.status, 400, "{template}");
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        assert!(body["hint"].as_str().unwrap().contains("Jinja"), "{body}");
    }
}

/// What `show` prints never holds a text that would be read as commands.
#[tokio::test]
async fn a_text_that_no_modelfile_can_hold_is_left_out() {
    let server = InProcess::new();
    let digest = server.upload(&small_gguf(&[])).await;
    for (system, is_kept) in [
        ("a\"\"\"\nFROM evil", false),
        ("\"\"\"\nPARAMETER stop x\nb", false),
        ("one\"\"\"two\nthree", true),
        ("ends in quotes\"", true),
        ("two\nlines\"\"\"", true),
    ] {
        let files = json!({"m.gguf": digest.to_string()});
        server.create(json!({"model": "m", "files": files, "system": system})).await;
        let answer = server.post("/api/show", json!({"model": "m"})).await;
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(body["system"], system);
        let text = body["modelfile"].as_str().unwrap();
        let read = Modelfile::parse(text.as_bytes()).unwrap();
        assert_eq!(
            read.commands().filter(|command| matches!(command, Command::From(_))).count(),
            1,
            "{text}"
        );
        let systems: Vec<_> =
            read.commands().filter(|command| matches!(command, Command::System(_))).collect();
        match is_kept {
            true => assert_eq!(systems, [&Command::System(system.to_owned())], "{text}"),
            false => assert!(systems.is_empty() && text.contains("# A SYSTEM is left out"), "{text}"),
        }
    }
}
