//! What can be looked into from the command line: plans, differences, files, jobs.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use ollamake::gguf::Metadata;
use ollamake::tensor::ElementType;
use serde_json::{Value, json};

use super::Desk;
use crate::in_process::{gguf, small_gguf};

/// A desk with a model `m` in F32 and the file that it is made from.
fn with_model() -> (Desk, Vec<u8>) {
    let desk = Desk::new();
    let mut metadata = Metadata::new();
    metadata.set("general.architecture", "llama");
    for (key, value) in [
        ("llama.block_count", 1_u32),
        ("llama.embedding_length", 256),
        ("llama.attention.head_count", 4),
        ("llama.context_length", 2048),
    ] {
        metadata.set(key, value);
    }
    let file = gguf(
        &metadata,
        &[
            ("token_embd.weight", &[256, 8], ElementType::F32),
            ("blk.0.ffn_up.weight", &[256, 64], ElementType::F32),
            ("output_norm.weight", &[256], ElementType::F32),
        ],
    );
    desk.put("model.gguf", &file);
    desk.create("FROM ./model.gguf\n");
    (desk, file)
}

#[test]
fn a_plan_is_a_page_or_the_answer() {
    let (desk, _) = with_model();
    let plan = ["create", "n", "-q", "q8_0", "--dry-run", "--context", "1024"];
    let page = desk.output(&plan);
    assert!(page.contains("n:latest    Q8_0"), "{page}");
    assert!(page.contains("mixture") && page.contains("to be made"), "{page}");
    assert!(page.contains("to run it with 1024 tokens: "), "{page}");
    assert!(!page.contains("blk.0.ffn_up.weight"), "{page}");
    assert!(desk.output(&[&plan[..], &["-v"]].concat()).contains("blk.0.ffn_up.weight"));
    let answer: Value = serde_json::from_str(&desk.output(&[&plan[..], &["--json"]].concat())).unwrap();
    assert_eq!(answer["outputs"][0]["memory"]["context"], 1024);
    assert!(!desk.output(&["list"]).contains("n:latest"), "nothing is made");
    let made: Value = serde_json::from_str(&desk.output(&["create", "n", "-q", "q8_0", "--json"])).unwrap();
    assert_eq!((&made["models"][0]["model"], &made["warnings"]), (&"n:latest".into(), &json!([])));
    let size = answer["outputs"][0]["size"].as_u64();
    assert_eq!(made["models"][0]["size"].as_u64(), size);
    let bits = answer["outputs"][0]["bits_per_weight"].as_f64().unwrap();
    assert!((made["models"][0]["bits_per_weight"].as_f64().unwrap() - bits).abs() < 1e-9, "{made}");
}

#[test]
fn weights_become_a_file_again() {
    let (desk, file) = with_model();
    desk.output(&["export", "m", "out.gguf"]);
    let path = desk.directory.path().join("out.gguf");
    assert_eq!(fs::read(&path).unwrap(), file);
    let blob = desk.models.path().join("blobs").join(desk.layers("m")[0].1.file_name());
    assert_ne!(fs::metadata(&path).unwrap().ino(), fs::metadata(&blob).unwrap().ino(), "it may be changed");
    assert!(desk.refused(&["export", "m", "out.gguf"]).contains("--force replaces it"));
    let told: Value =
        serde_json::from_str(&desk.output(&["export", "m", "out.gguf", "--force", "--json"])).unwrap();
    assert_eq!(told[0]["size"], file.len());
    let linked = desk.run(&["export", "m", "link.gguf", "--hard-link"]);
    assert!(linked.status.success());
    let said = String::from_utf8(linked.stderr).unwrap();
    assert!(said.contains("whoever changes it damages the store"), "{said}");
    let link = desk.directory.path().join("link.gguf");
    assert_eq!(fs::metadata(link).unwrap().ino(), fs::metadata(&blob).unwrap().ino());
    assert!(desk.refused(&["export", "none", "x.gguf"]).contains("none"));
    let left: Vec<_> =
        fs::read_dir(desk.directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("partial")), "{left:?}");
}

#[test]
fn a_damaged_model_does_not_leave_the_store() {
    let (desk, mut file) = with_model();
    let blob = desk.models.path().join("blobs").join(desk.layers("m")[0].1.file_name());
    *file.last_mut().unwrap() ^= 1;
    fs::write(blob, file).unwrap();
    let error = desk.refused(&["export", "m", "out.gguf"]);
    assert!(error.contains("its content is sha256:"), "{error}");
    assert!(!desk.directory.path().join("out.gguf").exists());
}

#[test]
fn two_models_are_compared() {
    let (desk, _) = with_model();
    desk.output(&["create", "n", "-q", "q8_0"]);
    let page = desk.output(&["compare", "m", "n", "--quality"]);
    assert!(page.contains("blk.0.ffn_up.weight") && page.contains(" %"), "{page}");
    assert!(!page.contains("output_norm.weight"), "{page}");
    assert!(desk.output(&["compare", "m", "m"]).contains("nothing differs"));
    let answer: Value = serde_json::from_str(&desk.output(&["compare", "m", "n", "--json"])).unwrap();
    assert_eq!(answer["a"]["model"], "m:latest");
    assert!(desk.refused(&["compare", "m", "none"]).contains("model 'none:latest' not found"));
}

#[test]
fn jobs_are_listed_and_asked_for() {
    let desk = Desk::new();
    desk.put("model.gguf", small_gguf(&[]));
    assert!(desk.output(&["jobs"]).starts_with("ID    KIND"));
    desk.create("FROM ./model.gguf\n");
    let answer: Value = serde_json::from_str(&desk.output(&["jobs", "--json"])).unwrap();
    assert!(answer["jobs"].is_array());
    for arguments in [["jobs", "--follow", "a/b"], ["jobs", "--stop", "ffff"]] {
        let error = desk.refused(&arguments);
        assert!(error.contains("Error: "), "{error}");
    }
    assert!(desk.refused(&["jobs", "--state", "lost"]).contains("state must be one of queued"));
}
