//! Answers for programs: each command that tells facts tells them as JSON, too.

use std::fs;

use serde_json::{Value, json};

use super::{Desk, said};

impl Desk {
    /// What a command answers, whatever its exit code.
    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        let answer = serde_json::from_slice(&output.stdout);
        answer.unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", said(&output)))
    }

    fn blob_of(&self, name: &str, kind: &str) -> std::path::PathBuf {
        let shown = self.json(&["show", name, "--json"]);
        let modelfile = shown["modelfile"].as_str().unwrap();
        let line = modelfile.lines().find_map(|line| line.strip_prefix(kind)).unwrap();
        self.models.path().join("blobs").join(line.trim().replace(':', "-"))
    }
}

#[test]
fn facts_are_told_to_programs() {
    let desk = Desk::new();
    desk.output(&["create", "n", "-q", "q8_0"]);
    let list = desk.json(&["list", "--json"]);
    let names: Vec<_> = list["models"].as_array().unwrap().iter().map(|model| &model["name"]).collect();
    assert_eq!(names, ["n:latest", "m:latest"]);
    assert_eq!(desk.json(&["list", "N", "--json"])["models"].as_array().unwrap().len(), 1);
    assert_eq!(desk.json(&["show", "m", "--json"])["system"], "be brief");

    let checked = desk.json(&["fsck", "--json"]);
    assert_eq!((&checked["whole"], &checked["manifests"]), (&json!(true), &json!(2)));
    assert_eq!(desk.json(&["verify", "n", "--json"]), json!({"model": "n", "verdict": "same"}));
    let pruned = desk.json(&["prune", "--json", "--grace", "0"]);
    assert_eq!((&pruned["freed"], &pruned["blobs"]), (&json!(0), &json!([])));

    let saved = desk.json(&["save", "m", "n", "-o", "b.tar", "--json"]);
    assert_eq!(saved["models"], json!(["m:latest", "n:latest"]));
    let loaded = desk.json(&["load", "b.tar", "--json"]);
    let models: Vec<_> = loaded.as_array().unwrap().iter().map(|model| &model["model"]).collect();
    assert_eq!(models, ["m:latest", "n:latest"]);

    let plan = desk.json(&["quantize", "--dry-run", "m.gguf", "o.gguf", "q8_0", "--json"]);
    assert_eq!(plan["tensors"][1]["to"], "Q8_0", "{plan}");
    let made = desk.json(&["quantize", "m.gguf", "o.gguf", "q8_0", "--json"]);
    let size = fs::metadata(desk.directory.path().join("o.gguf")).unwrap().len();
    assert_eq!(made["files"], json!([{"file": "o.gguf", "size": size}]));
    assert_eq!((&made["tensors"], &made["files"]), (&plan["tensors"], &plan["files"]));

    for arguments in [&["jobs", "--json"][..], &["compare", "m", "n", "--json"], &["architectures", "--json"]]
    {
        assert!(!desk.json(arguments).is_null());
    }
}

/// Of models that are not whole the list says so, and `show` says what is missing and what to do.
#[test]
fn damage_is_told() {
    let desk = Desk::new();
    let weights = desk.blob_of("m", "FROM ");
    let bytes = fs::read(&weights).unwrap();
    fs::remove_file(&weights).unwrap();
    for arguments in [&["show", "m"][..], &["show", "m", "--json"]] {
        let output = desk.run(arguments);
        let digest = weights.file_name().unwrap().to_string_lossy().replace('-', ":");
        assert_eq!(output.status.code(), Some(1));
        let said = said(&output);
        assert!(said.contains(&digest) && said.contains("pull or create the model again"), "{said}");
    }
    let damaged = |list: &Value| list["models"][0]["damaged"].as_str().unwrap_or_default().to_owned();
    let told = damaged(&desk.json(&["list", "--json"]));
    assert!(told.contains("its weights"), "{told}");
    assert!(desk.output(&["list"]).contains("(damaged: its weights"));

    let found = desk.run(&["fsck", "--json"]);
    assert_eq!(found.status.code(), Some(1));
    let found: Value = serde_json::from_slice(&found.stdout).unwrap();
    assert_eq!(found["missing_blobs"].as_array().unwrap().len(), 1, "{found}");

    fs::write(&weights, bytes).unwrap();
    let manifest = desk.models.path().join("manifests/registry.ollama.ai/library/m/latest");
    let whole: Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
    let config = whole["config"]["digest"].as_str().unwrap().replace(':', "-");
    fs::remove_file(desk.models.path().join("blobs").join(config)).unwrap();
    assert!(damaged(&desk.json(&["list", "--json"])).contains("configuration"));
    fs::write(&manifest, "no JSON").unwrap();
    let list = desk.output(&["list"]);
    assert!(list.contains("m:latest") && list.contains("damaged"), "{list}");
    let output = desk.run(&["show", "m"]);
    assert!(said(&output).contains("m:latest"), "{}", said(&output));
}
