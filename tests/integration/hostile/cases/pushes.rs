//! Pushes to the registry that the server is: paths that lead elsewhere, manifests that cannot be, chunks
//! that are not what they say.

use ollamake::model::{Digest, Manifest, ManifestList, OCI_INDEX, OCI_MANIFEST};
use serde_json::{Value, json};

use super::client::raw;
use super::stores::Planted;
use super::{Case, Input, input};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = paths();
    cases.extend(manifests());
    cases.extend(blobs());
    cases.extend(layers());
    cases.extend(deletions());
    cases
}

fn paths() -> Vec<Case> {
    let digest = Digest::of(b"x");
    let long = "x".repeat(5000);
    let mut cases = Vec::new();
    let mut add = |method: &str, path: String, status, says: &str| {
        let input = input(method, &path, &[], b"");
        cases.push(Case::new("push-paths", format!("{method} {path:.50}"), input, status, &[says]));
    };
    for repository in ["%2e%2e/%2e%2e", "..%2F..%2Fx", ".hidden", "a%00b", "a%20b", "a+b", "%C3%A4", &long] {
        add("POST", format!("/v2/{repository}/blobs/uploads/"), 400, "name_invalid");
        add("PUT", format!("/v2/{repository}/manifests/latest"), 400, "name_invalid");
        add("GET", format!("/v2/{repository}/manifests/latest"), 400, "name_invalid");
        add("DELETE", format!("/v2/{repository}/blobs/{digest}"), 400, "name_invalid");
    }
    for tag in [".hidden", "a%00b", "a%20b", "-x", &long] {
        add("PUT", format!("/v2/alpine/manifests/{tag}"), 404, "is not a tag");
        add("DELETE", format!("/v2/alpine/manifests/{tag}"), 404, "is not a tag");
    }
    for digest in ["sha256:..", "sha512:00", "md5:00", "sha256:%2e%2e%2f", &format!("sha256:{long}")] {
        add("PUT", format!("/v2/alpine/manifests/{digest}"), 400, "digest_invalid");
        add("GET", format!("/v2/alpine/blobs/{digest}"), 400, "digest_invalid");
        add("GET", format!("/v2/alpine/referrers/{digest}"), 400, "digest_invalid");
        add("POST", format!("/v2/alpine/blobs/uploads/?digest={digest}"), 400, "digest_invalid");
        add("POST", format!("/v2/alpine/blobs/uploads/?mount={digest}&from=x"), 400, "digest_invalid");
    }
    let zeros = "0".repeat(32);
    for id in ["x", "%2e%2e", "..%2F..%2Fblobs", "%00", &zeros, &long] {
        for method in ["GET", "PATCH", "DELETE"] {
            add(method, format!("/v2/alpine/blobs/uploads/{id}"), 404, "");
        }
    }
    cases
}

fn manifests() -> Vec<Case> {
    let digest = Digest::of(b"x").to_string();
    let described = json!({"mediaType": "x", "digest": digest, "size": 1});
    let many = |count| vec![described.clone(); count];
    let manifest = |layers| json!({"schemaVersion": 2, "config": described, "layers": layers}).to_string();
    let index = |elements| json!({"schemaVersion": 2, "manifests": elements}).to_string();
    let deep = format!(r#"{{"schemaVersion":2,"config":{}0{}}}"#, "[".repeat(400_000), "]".repeat(400_000));
    let members: String = (0..60_000).map(|number| format!(r#""{number}":"","#)).collect();
    let annotated = format!(r#"{{"schemaVersion":2,"annotations":{{{members}"x":""}}}}"#);
    let rows: [(&str, &str, String, u16, &str); 15] = [
        ("nothing", OCI_MANIFEST, String::new(), 400, "manifest_invalid"),
        ("a number", OCI_MANIFEST, "1e999".into(), 400, "manifest_invalid"),
        ("800,000 brackets", OCI_MANIFEST, deep, 400, "manifest_invalid"),
        ("60,000 annotations", OCI_MANIFEST, annotated, 400, "missing field `config`"),
        (
            "annotations that are no texts",
            OCI_MANIFEST,
            r#"{"schemaVersion":2,"annotations":{"a":[]}}"#.into(),
            400,
            "manifest_invalid",
        ),
        ("6000 absent layers", OCI_MANIFEST, manifest(many(6000)), 404, "manifest_blob_unknown"),
        ("6000 absent manifests", OCI_INDEX, index(many(6000)), 404, "none is here"),
        (
            "an absent layer of Ollama's",
            Manifest::MEDIA_TYPE,
            manifest(many(1)),
            404,
            "manifest_blob_unknown",
        ),
        (
            "another algorithm",
            OCI_MANIFEST,
            manifest(many(1)).replace("sha256:", "sha384:"),
            400,
            "digest_invalid",
        ),
        (
            "a path for a digest",
            OCI_MANIFEST,
            manifest(many(1)).replace(&digest, "sha256:../../x"),
            400,
            "digest_invalid",
        ),
        (
            "a length beyond 64 bits",
            OCI_MANIFEST,
            manifest(many(1)).replace("\"size\":1", "\"size\":18446744073709551616"),
            400,
            "manifest_invalid",
        ),
        ("a manifest as an index", OCI_INDEX, manifest(many(1)), 400, "does not fit"),
        ("a list as a manifest", OCI_MANIFEST, index(many(1)), 400, "does not fit"),
        (
            "Docker's first version",
            "application/vnd.docker.distribution.manifest.v1+prettyjws",
            manifest(many(1)),
            400,
            "known are",
        ),
        (
            "halves of characters",
            OCI_MANIFEST,
            r#"{"schemaVersion":2,"mediaType":"\ud83d"}"#.into(),
            400,
            "manifest_invalid",
        ),
    ];
    let case = |(name, kind, text, status, says): (&str, &str, String, u16, &str)| {
        let kind = format!("Content-Type: {kind}");
        let input = input("PUT", "/v2/library/m/manifests/latest", &[&kind], text.as_bytes());
        Case::new("pushed-manifests", name, input, status, &[says])
    };
    let mut cases: Vec<_> = rows.into_iter().map(case).collect();
    let announced = input("PUT", "/v2/library/m/manifests/latest", &["Content-Length: 100000000"], b"{");
    cases.push(Case::new("pushed-manifests", "100 MB announced", announced, 413, &["manifest_invalid"]));
    let other = format!("/v2/library/m/manifests/{digest}");
    let lying = input("PUT", &other, &[], manifest(many(1)).as_bytes());
    cases.push(Case::new("pushed-manifests", "another digest", lying, 400, &["digest_invalid"]));
    cases
}

fn blobs() -> Vec<Case> {
    let digest = Digest::of(b"x");
    let post = format!("/v2/alpine/blobs/uploads/?digest={digest}");
    let lying = input("POST", &post, &[], &[7; 900_000]);
    let long = input("POST", &post, &["Content-Length: 9223372036854775807"], b"x");
    let mut cases = vec![
        Case::new("pushed-blobs", "900,000 other bytes", lying, 400, &["digest_invalid"]),
        Case::new("pushed-blobs", "8 EiB announced", long, 413, &["must not be larger"]),
    ];
    let nobody = format!("/v2/alpine/blobs/uploads/{}", "0".repeat(32));
    for range in ["0-18446744073709551615", "5-4", "-1-4", "bytes 0-4/5", "0-4-5", "", "+0-4"] {
        let header = format!("Content-Range: {range}");
        let input = input("PATCH", &nobody, &[&header], b"hello");
        cases.push(Case::new("pushed-blobs", format!("the range {range}"), input, 400, &["content-range"]));
    }
    let query = "digest=".repeat(8000);
    let input = input("PUT", &format!("{nobody}?{query}"), &[], b"");
    cases.push(Case::new("pushed-blobs", "8000 digests", input, 400, &["digest_invalid"]));
    cases
}

const CONFIG: &[u8] = b"{}";
const WEIGHTS: &[u8] = b"0123456789";

fn described(kind: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": kind, "digest": Digest::of(bytes), "size": bytes.len()})
}

fn model(config: &[u8], layers: &[Value]) -> Value {
    let config = described("application/vnd.docker.container.image.v1+json", config);
    json!({"schemaVersion": 2, "mediaType": Manifest::MEDIA_TYPE, "config": config, "layers": layers})
}

/// Models whose blobs are here and are not what the manifest says of them.
fn layers() -> Vec<Case> {
    let weights = || described("application/vnd.ollama.image.model", WEIGHTS);
    let layer = |kind: &str, bytes: &[u8]| described(&format!("application/vnd.ollama.image.{kind}"), bytes);
    let brackets = vec![b'['; 300_000];
    let longer = |by: u64| {
        let mut weights = weights();
        weights["size"] = (WEIGHTS.len() as u64 + by).into();
        weights
    };
    let list = json!({"schemaVersion": 2, "mediaType": ManifestList::MEDIA_TYPE, "manifests": [
        {"mediaType": Manifest::MEDIA_TYPE, "digest": Digest::of(WEIGHTS), "runner": "ggml"},
    ]});
    let mut index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [weights()]});
    index["manifests"][0]["size"] = 1.into();
    let rows: Vec<(&str, Value, Vec<&[u8]>, &str)> = vec![
        ("a text as a configuration", model(WEIGHTS, &[weights()]), vec![WEIGHTS], "its configuration"),
        (
            "300,000 brackets as a configuration",
            model(&brackets, &[weights()]),
            vec![WEIGHTS, &brackets],
            "its configuration",
        ),
        (
            "a list as parameters",
            model(CONFIG, &[weights(), layer("params", b"[]")]),
            vec![CONFIG, WEIGHTS, b"[]"],
            "its parameters",
        ),
        (
            "300,000 brackets as messages",
            model(CONFIG, &[weights(), layer("messages", &brackets)]),
            vec![CONFIG, WEIGHTS, &brackets],
            "its messages",
        ),
        ("a layer that is longer", model(CONFIG, &[longer(1)]), vec![CONFIG, WEIGHTS], "has 10 bytes"),
        (
            "a layer of two lengths",
            model(CONFIG, &[weights(), longer(1 << 60)]),
            vec![CONFIG, WEIGHTS],
            "has 10 bytes",
        ),
        ("weights as a manifest of a list", list, vec![WEIGHTS], "manifest_invalid"),
        ("an index that says another length", index, vec![WEIGHTS], "has 10 bytes"),
    ];
    let case = |(name, document, blobs, says): (&str, Value, Vec<&[u8]>, &str)| {
        let kind = format!("Content-Type: {}", document["mediaType"].as_str().expect("a type"));
        let request = raw("PUT", "/v2/library/m/manifests/latest", &[&kind], document.to_string().as_bytes());
        let blobs = blobs.into_iter().map(<[u8]>::to_vec).collect();
        Case::new("pushed-layers", name, Input::Push { blobs, request }, 400, &[says])
    };
    rows.into_iter().map(case).collect()
}

/// Who may push may delete, but nothing that is needed.
fn deletions() -> Vec<Case> {
    const NEWER: &str = "manifests-v2/ollama.com/library/m/latest";
    const OLDER: &str = "manifests/registry.ollama.ai/library/m/latest";
    let weights = described("application/vnd.ollama.image.model", WEIGHTS);
    let needing = model(CONFIG, &[weights]).to_string().into_bytes();
    let image = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": described("application/vnd.oci.empty.v1+json", CONFIG),
        "layers": [described("application/octet-stream", WEIGHTS)]});
    let none = model(CONFIG, &[]).to_string().into_bytes();
    let file = |place: &str, bytes: &[u8]| (place.to_owned(), Planted::File(bytes.to_vec()));
    let blob = |bytes: &[u8]| file(&format!("blobs/{}", Digest::of(bytes).file_name()), bytes);
    // Whose content has another digest, or it could not name itself.
    let lying = format!("sha256:{}", "ab".repeat(32));
    let itself = json!({"schemaVersion": 2, "manifests": [
        {"mediaType": Manifest::MEDIA_TYPE, "digest": lying, "runner": "ggml"}]});
    let itself = itself.to_string().into_bytes();
    let circle = || {
        vec![
            file(&format!("blobs/{}", lying.replace(':', "-")), &itself),
            file(NEWER, &itself),
            blob(WEIGHTS),
        ]
    };
    let own = Digest::of(WEIGHTS).to_string();
    let case = |name: &str, planted: Vec<(String, Planted)>, digest: &str| {
        let request = raw("DELETE", &format!("/v2/library/m/blobs/{digest}"), &[], b"");
        let name = format!("a blob {name}");
        Case::new("deleted-blobs", name, Input::Store { planted, request }, 403, &["denied"])
    };
    vec![
        case("which a model needs", vec![file(OLDER, &needing), blob(CONFIG), blob(WEIGHTS)], &own),
        case(
            "which a hidden model needs",
            vec![file(NEWER, &none), file(OLDER, &needing), blob(CONFIG), blob(WEIGHTS)],
            &own,
        ),
        case(
            "which an image needs",
            vec![
                file("ollamake/guests/alpine/latest", image.to_string().as_bytes()),
                blob(CONFIG),
                blob(WEIGHTS),
            ],
            &own,
        ),
        case("beside a torn manifest", vec![file(OLDER, b"{\"schemaVersion\":2"), blob(WEIGHTS)], &own),
        case("beside a torn image", vec![file("ollamake/guests/alpine/latest", b"{"), blob(WEIGHTS)], &own),
        case("beside a list that names itself", circle(), &own),
        case("which is a list that names itself", circle(), &lying),
    ]
}
