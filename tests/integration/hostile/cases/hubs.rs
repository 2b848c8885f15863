//! A Hub that means harm.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::registries::{answer, endless};
use super::{Case, Input, RegistryAnswer};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = listings();
    cases.extend(files());
    cases
}

/// A Hub of no registry, which answers so for a commit.
fn hub(answers: Vec<RegistryAnswer>) -> Input {
    let no_model = answer("/v2/", "400 Bad Request", r#"{"error":"Repository is not GGUF"}"#);
    let revision = answer("/revision/", "200 OK", json!({"sha": COMMIT}).to_string());
    Input::Hub([vec![no_model], answers, vec![revision]].concat())
}

fn entry(path: &str, size: usize) -> Value {
    json!({"type": "file", "path": path, "size": size, "oid": COMMIT})
}

fn large(path: &str, contents: &[u8]) -> Value {
    let oid = hex::encode(Sha256::digest(contents));
    json!({"type": "file", "path": path, "size": contents.len(), "oid": COMMIT,
           "lfs": {"oid": oid, "size": contents.len(), "pointerSize": 134}})
}

fn listings() -> Vec<Case> {
    let tree = |body: String| vec![answer("/tree/", "200 OK", body)];
    let list = |entries: &[Value]| tree(Value::from(entries.to_vec()).to_string());
    let blanks = vec![b' '; 64 << 10];
    let weights = entry("m.safetensors", 1);
    let linked = |link: &str| format!("200 OK\r\nlink: <{link}>; rel=\"next\"");
    let own = format!("http://HOST/api/models/owner/name/tree/{COMMIT}?cursor=x");
    let many: Vec<_> = (0..8000).map(|number| entry(&format!("{number}.safetensors"), 1)).collect();
    let zeros = format!("[{}0]", "0,".repeat(400_000));
    let nested = "[".repeat(500_000);
    let rows: Vec<(&str, Vec<RegistryAnswer>, u16, &str)> = vec![
        ("a page without end", vec![endless("/tree/", "200 OK", blanks.clone())], 500, "sends more than"),
        ("a revision without end", vec![endless("/revision/", "200 OK", blanks)], 500, "sends more than"),
        ("a web page", tree("<html>".to_owned()), 500, "cannot be used"),
        ("400,000 zeros", tree(zeros), 500, "cannot be used"),
        ("500,000 brackets", tree(nested), 500, "cannot be used"),
        ("8,000 files of weights", list(&many), 400, "taken at most"),
        (
            "a page that leads to itself",
            vec![answer("/tree/", &linked(&own), json!([weights]).to_string())],
            500,
            "listed twice",
        ),
        (
            "a page of another origin",
            vec![answer("/tree/", &linked("http://127.0.0.1:9/"), "[]")],
            500,
            "lead elsewhere",
        ),
        ("a page that is a file", vec![answer("/tree/", &linked("file:///etc/passwd"), "[]")], 500, ""),
        (
            "a commit that is a path",
            vec![answer("/revision/", "200 OK", r#"{"sha":"../../x"}"#)],
            500,
            "is not a commit",
        ),
        (
            "a path for an object",
            list(&[json!({"type": "file", "path": "m.safetensors", "oid": "../x"})]),
            500,
            "none of git's",
        ),
        (
            "a size below zero",
            list(&[json!({"type": "file", "path": "m", "oid": COMMIT, "size": -1})]),
            500,
            "",
        ),
        (
            "two sizes",
            list(&[json!({"type": "file", "path": "m", "oid": COMMIT, "size": 1,
            "lfs": {"oid": "ab".repeat(32), "size": 2}})]),
            500,
            "in another",
        ),
        (
            "names with backslashes",
            list(&[entry("..\\x.safetensors", 1), entry("x\\y.safetensors", 1)]),
            400,
            "file path",
        ),
        (
            "names that lead out",
            list(&[entry("../x.safetensors", 1), entry("/x.safetensors", 1)]),
            400,
            "no model here",
        ),
        (
            "names that differ in case",
            list(&[entry("M.safetensors", 1), weights.clone()]),
            400,
            "letter case",
        ),
        (
            "a redirect in a circle",
            vec![answer("/tree/", "302 Found\r\nlocation: http://HOST/tree/", "")],
            500,
            "redirects",
        ),
    ];
    let case = |(name, answers, status, says)| Case::new("hub-listings", name, hub(answers), status, &[says]);
    rows.into_iter().map(case).collect()
}

fn files() -> Vec<Case> {
    let list = |entries: &[Value]| answer("/tree/", "200 OK", Value::from(entries.to_vec()).to_string());
    let weights = b"the weights".repeat(100);
    let short = list(&[entry("m.safetensors", 10)]);
    let long = list(&[large("m.safetensors", &weights)]);
    let huge = list(&[entry("m.safetensors", 1 << 60)]);
    let file = "302 Found\r\nlocation: file:///etc/passwd";
    let blanks = vec![b' '; 64 << 10];
    let rows: Vec<(&str, Vec<RegistryAnswer>, u16, &str)> = vec![
        (
            "another short file",
            vec![answer("/resolve/", "200 OK", "0123456789"), short.clone()],
            500,
            "other content",
        ),
        (
            "a longer short file",
            vec![answer("/resolve/", "200 OK", "0123456789a"), short.clone()],
            500,
            "more than 10",
        ),
        (
            "a short file without end",
            vec![endless("/resolve/", "200 OK", blanks.clone()), short.clone()],
            500,
            "",
        ),
        ("an exabyte in git", vec![huge], 500, "not kept by Git LFS"),
        (
            "other weights",
            vec![answer("/resolve/", "200 OK", vec![0; weights.len()]), long.clone()],
            500,
            "other content",
        ),
        (
            "longer weights",
            vec![answer("/resolve/", "200 OK", vec![0; 10_000]), long.clone()],
            500,
            "another length",
        ),
        (
            "weights without end",
            vec![endless("/resolve/", "200 OK", blanks), long.clone()],
            500,
            "another length",
        ),
        (
            "weights in a file of ours",
            vec![answer("/resolve/", file, ""), long],
            500,
            "neither http nor https",
        ),
        ("a short file of ours", vec![answer("/resolve/", file, ""), short], 500, "neither http nor https"),
    ];
    let case = |(name, answers, status, says)| Case::new("hub-files", name, hub(answers), status, &[says]);
    rows.into_iter().map(case).collect()
}
