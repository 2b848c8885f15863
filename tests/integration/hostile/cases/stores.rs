//! Files in the store's directory that nobody should have put there.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::{fs, io};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::client::request;
use super::raw_gguf::Raw;
use super::{Case, Input};

/// What lies at a place of the store.
pub(crate) enum Planted {
    File(Vec<u8>),
    /// A file of so many zeros, which take no room on the disk.
    Hollow(u64),
    Pipe,
    /// A link that says this.
    Link(&'static str),
}

impl Planted {
    /// Puts it there.
    pub(crate) fn plant(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path.parent().unwrap_or(path))?;
        match self {
            Self::File(bytes) => fs::write(path, bytes),
            Self::Hollow(length) => fs::File::create(path)?.set_len(*length),
            Self::Pipe => Ok(rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RWXU)?),
            Self::Link(target) => symlink(target, path),
        }
    }

    pub(crate) fn length(&self) -> usize {
        match self {
            Self::File(bytes) => bytes.len(),
            Self::Hollow(_) | Self::Pipe | Self::Link(_) => 0,
        }
    }
}

const NEWER: &str = "manifests-v2/ollama.com/library/m/latest";
const OLDER: &str = "manifests/registry.ollama.ai/library/m/latest";
const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const GIBIBYTE: u64 = 1 << 30;
/// What some links lead to, and no content has.
const BLOB: &str =
    "../../../../blobs/sha256-abababababababababababababababababababababababababababababababab";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = entries();
    cases.extend(lists());
    cases.extend(layers());
    cases.extend(damage());
    cases
}

/// Plants files and asks for the model `m`.
fn case(row: &'static str, name: &str, planted: Vec<(String, Planted)>, status: u16, says: &str) -> Case {
    let request = request("/api/show", br#"{"model": "m"}"#);
    Case::new(row, name, Input::Store { planted, request }, status, &[says])
}

fn entries() -> Vec<Case> {
    let one = |name: &str, place: &str, planted: Planted, says: &str| {
        case("store-entries", name, vec![(place.to_owned(), planted)], 500, says)
    };
    let blob = BLOB.trim_start_matches("../").to_owned();
    let to_blob = |name: &str, planted: Planted, says: &str| {
        let planted = vec![(blob.clone(), planted), (NEWER.to_owned(), Planted::Link(BLOB))];
        case("store-entries", name, planted, 500, says)
    };
    let elsewhere = |name: &str, place: &str, planted: Planted| {
        case("store-entries", name, vec![(place.to_owned(), planted)], 404, "not found")
    };
    let deep = format!("manifests-v2/{}x", "d/".repeat(100));
    vec![
        one("a pipe", NEWER, Planted::Pipe, "a pipe"),
        one("an older pipe", OLDER, Planted::Pipe, "a pipe"),
        one("a device", NEWER, Planted::Link("/dev/zero"), "does not lead to a blob"),
        one("a file of the system", NEWER, Planted::Link("/etc/passwd"), "does not lead to a blob"),
        one("an older file of the system", OLDER, Planted::Link("/etc/passwd"), "does not lead to a blob"),
        one("all blobs", NEWER, Planted::Link("../../../../blobs"), "does not lead to a blob"),
        one("a link to itself", NEWER, Planted::Link("latest"), "damaged"),
        one("a gibibyte", OLDER, Planted::Hollow(GIBIBYTE), "at most 4194304 bytes"),
        one("a torn manifest", NEWER, Planted::File(b"{\"schemaVersion\":2".to_vec()), "EOF"),
        to_blob("a link to a gibibyte", Planted::Hollow(GIBIBYTE), "at most 4194304 bytes"),
        to_blob("a link to other content", Planted::File(b"{}".to_vec()), "whose content is"),
        to_blob("a link to a pipe", Planted::Pipe, "damaged"),
        elsewhere("a directory that holds itself", "manifests-v2/loop", Planted::Link(".")),
        elsewhere("the whole disk", "manifests/disk", Planted::Link("/")),
        elsewhere("a hundred directories", &deep, Planted::File(b"x".to_vec())),
    ]
}

fn lists() -> Vec<Case> {
    let list =
        |elements: &[Value]| json!({"schemaVersion": 2, "manifests": elements}).to_string().into_bytes();
    let reference = |digest: &str| json!({"mediaType": MANIFEST, "digest": digest, "runner": "ggml"});
    let entry = |name: &str, bytes: Vec<u8>, says: &str| {
        case("store-lists", name, vec![(NEWER.to_owned(), Planted::File(bytes))], 500, says)
    };
    let absent = |number: usize| format!("sha256:{}", hex::encode(Sha256::digest(number.to_string())));
    let zeros = format!("sha256:{}", "ab".repeat(32));
    let itself = list(&[reference(&zeros)]);
    let circle = vec![
        (BLOB.trim_start_matches("../").to_owned(), Planted::File(itself.clone())),
        (NEWER.to_owned(), Planted::File(itself)),
    ];
    // Each list holds the one before.
    let mut nested = vec![(NEWER.to_owned(), Planted::File(Vec::new()))];
    let mut bytes = list(&[]);
    for _ in 0..100 {
        let hex = hex::encode(Sha256::digest(&bytes));
        nested.push((format!("blobs/sha256-{hex}"), Planted::File(bytes)));
        bytes = list(&[reference(&format!("sha256:{hex}"))]);
    }
    nested[0].1 = Planted::File(bytes);
    let empty = format!("{{\"manifests\":[{}{{}}]}}", "{},".repeat(300_000)).into_bytes();
    let references: Vec<_> = (0..6000).map(|number| reference(&absent(number))).collect();
    let layer = json!({"mediaType": "x", "digest": zeros, "size": u64::MAX});
    let inline =
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": layer, "layers": [layer, layer]});
    let brackets = format!("{{\"manifests\":{}", "[".repeat(500_000)).into_bytes();
    vec![
        case("store-lists", "a list that names itself", circle, 500, "its content has another digest"),
        case("store-lists", "a hundred lists in each other", nested, 500, "damaged"),
        entry("300,000 elements of nothing", empty, "none of the manifests"),
        entry("6,000 manifests that are not there", list(&references), "none of the manifests"),
        entry("1,500 manifests of endless blobs", list(&vec![inline; 1500]), "is not in the store"),
        entry("500,000 brackets", brackets, "damaged"),
        entry("a list of numbers", b"{\"manifests\":[1,2]}".to_vec(), "damaged"),
    ]
}

fn layers() -> Vec<Case> {
    let config = b"{}".to_vec();
    let digest = format!("sha256:{}", hex::encode(Sha256::digest(&config)));
    let other = format!("sha256:{}", "ab".repeat(32));
    let case = |name: &str, media_type: &str, planted: Planted, says: &str| {
        let length = match &planted {
            Planted::Hollow(length) => *length,
            other => other.length() as u64,
        };
        let layer = json!({"mediaType": media_type, "digest": other, "size": length});
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json", "digest": digest, "size": 2,
            },
            "layers": [layer],
        });
        let planted = vec![
            (digest.replace("sha256:", "blobs/sha256-"), Planted::File(config.clone())),
            (other.replace("sha256:", "blobs/sha256-"), planted),
            (NEWER.to_owned(), Planted::File(manifest.to_string().into_bytes())),
        ];
        case("store-layers", name, planted, 500, says)
    };
    let template = "application/vnd.ollama.image.template";
    let parameters = "application/vnd.ollama.image.params";
    vec![
        case("a template of a gibibyte", template, Planted::Hollow(GIBIBYTE), "is damaged"),
        case("parameters of a gibibyte", parameters, Planted::Hollow(GIBIBYTE), "is damaged"),
        case("a template that is a pipe", template, Planted::Pipe, ""),
        case("parameters that are not an object", parameters, Planted::File(b"[1]".to_vec()), "is damaged"),
    ]
}

/// A model whose weights have lost their contents behind the server's back.
fn damage() -> Vec<Case> {
    let whole = Raw::header(3, 0, 1).entry("general.architecture", 8).string(b"llama").data().0;
    let config = br#"{"model_format":"gguf","model_family":"llama"}"#;
    let described = |kind: &str, bytes: &[u8]| {
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(bytes)));
        json!({"mediaType": kind, "digest": digest, "size": bytes.len()})
    };
    let place = |bytes: &[u8]| format!("blobs/sha256-{}", hex::encode(Sha256::digest(bytes)));
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": described("application/vnd.docker.container.image.v1+json", config),
        "layers": [described("application/vnd.ollama.image.model", &whole)],
    });
    let mut cases = Vec::new();
    let mut add = |name: &str, weights: Planted, path: &str, body: Value, status: u16, says: &str| {
        let planted = vec![
            (place(config), Planted::File(config.to_vec())),
            (place(&whole), weights),
            (OLDER.to_owned(), Planted::File(manifest.to_string().into_bytes())),
        ];
        let request = request(path, body.to_string().as_bytes());
        let input = Input::Store { planted, request };
        cases.push(Case::new("store-damage", name, input, status, &[says]));
    };
    let from = json!({"model": "n", "from": "m", "stream": false});
    let requantized = json!({"model": "n", "from": "m", "quantize": "q8_0", "stream": false});
    let zeros = || Planted::File(vec![0; whole.len()]);
    let cut = || Planted::File(whole[..10].to_vec());
    let shown = json!({"model": "m"});
    add("a cut blob, shown", cut(), "/api/show", shown.clone(), 500, "damaged");
    add("an endless blob, shown", Planted::Hollow(GIBIBYTE), "/api/show", shown, 500, "damaged");
    add("a cut blob, made from", cut(), "/api/create", from.clone(), 500, "damaged");
    add("zeros, made from", zeros(), "/api/create", from.clone(), 500, "damaged");
    add("zeros, quantized", zeros(), "/api/create", requantized, 500, "damaged");
    add("a pipe, made from", Planted::Pipe, "/api/create", from, 500, "damaged");
    let file = json!({"model": "n", "files": {"m.gguf": described("", &whole)["digest"]}, "stream": false});
    add("a cut blob, named as a file", cut(), "/api/create", file, 500, "damaged");
    cases
}
