//! Registries that mean harm.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Case, Input, RegistryAnswer};

pub(super) fn cases() -> Vec<Case> {
    let hex = "ab".repeat(32);
    let manifest = |digest: &str| {
        format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"x","digest":"{digest}","size":1}},"layers":[]}}"#
        )
    };
    let mut cases = Vec::new();
    let mut add = |row, name: &str, answers: Vec<RegistryAnswer>, says: &str| {
        cases.push(Case::new(row, name, Input::Pull(answers), 500, &[says]));
    };
    for (name, digest) in [
        ("no digest", String::new()),
        ("a path", "sha256:../../../../etc/passwd".to_owned()),
        ("63 digits", format!("sha256:{}", &hex[1..])),
    ] {
        add("registry-digests", name, vec![answer("/manifests/", "200 OK", manifest(&digest))], "manifest");
    }
    let blanks = vec![b' '; 64 << 10];
    add(
        "registry-bombs",
        "a manifest without end",
        vec![endless("/manifests/", "200 OK", blanks.clone())],
        "",
    );
    let gzip = [vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3], vec![0; 60_000]].concat();
    let packed = answer("/manifests/", "200 OK\r\ncontent-encoding: gzip", gzip);
    add("registry-bombs", "a packed manifest", vec![packed], "");
    let zeros = manifest(&format!("sha256:{hex}")).replace("[]", &format!("[{}0]", "0,".repeat(400_000)));
    add("registry-bombs", "a manifest of 400,000 zeros", vec![answer("/manifests/", "200 OK", zeros)], "");
    let objects =
        manifest(&format!("sha256:{hex}")).replace("\"x\"", &format!("[{}0]", "{},".repeat(250_000)));
    add(
        "registry-bombs",
        "a manifest of 250,000 objects",
        vec![answer("/manifests/", "200 OK", objects)],
        "",
    );
    let challenge = "401 Unauthorized\r\nwww-authenticate: Bearer realm=\"http://HOST/token\",service=\"s\"";
    let token = endless("/token", "200 OK", blanks);
    add("registry-bombs", "a token without end", vec![answer("/manifests/", challenge, "{}"), token], "");
    let circle = answer("/", "302 Found\r\nlocation: http://HOST/v2/team/m/manifests/latest", "");
    add("registry-detours", "a redirect in a circle", vec![circle], "");
    let file = answer("/", "302 Found\r\nlocation: file:///etc/passwd", "");
    add("registry-detours", "a redirect to a file", vec![file], "");
    let longer = answer("/blobs/", "200 OK", vec![b' '; 100_000]);
    let honest = answer("/manifests/", "200 OK", manifest(&format!("sha256:{hex}")));
    add("registry-blobs", "longer than stated", vec![longer, honest.clone()], "");
    add(
        "registry-blobs",
        "without end",
        vec![endless("/blobs/", "200 OK", vec![b' '; 64 << 10]), honest],
        "",
    );
    cases.extend(artifacts());
    cases
}

/// Artifacts of other programs that claim to be models.
fn artifacts() -> Vec<Case> {
    const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
    const DOCKERS_GGUF: &str = "application/vnd.docker.ai.gguf.v3";
    let layer = |kind: &str, bytes: &[u8], annotations: Value| {
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(bytes)));
        json!({"mediaType": kind, "digest": digest, "size": bytes.len(), "annotations": annotations})
    };
    let named = |name: &str| json!({"org.opencontainers.image.title": name});
    let mut cases = Vec::new();
    let mut add = |name: &str, manifest: Value, blobs: &[&[u8]], status: u16, says: &str| {
        let mut answers = vec![answer("/manifests/", "200 OK", manifest.to_string())];
        for blob in blobs {
            let path = format!("/blobs/sha256:{}", hex::encode(Sha256::digest(blob)));
            answers.push(answer(&path, "200 OK", blob.to_vec()));
        }
        cases.push(Case::new("registry-artifacts", name, Input::Pull(answers), status, &[says]));
    };
    let artifact = |layers: &[Value]| {
        let config = layer("application/vnd.oci.empty.v1+json", b"{}", Value::Null);
        json!({"schemaVersion": 2, "mediaType": OCI, "config": config, "layers": layers})
    };
    let image = [layer("application/vnd.oci.image.layer.v1.tar+gzip", b"x", Value::Null)];
    add("an image of a container", artifact(&image), &[b"{}", b"x"], 500, "none is a GGUF file");
    let archive = [layer("application/vnd.cncf.model.weight.v1.tar", b"x", named("a.tar"))];
    add("weights in an archive", artifact(&archive), &[b"{}", b"x"], 500, "none is a GGUF file");
    let text = [layer(DOCKERS_GGUF, b"text", Value::Null)];
    add("a text that is called GGUF", artifact(&text), &[b"{}", b"text"], 400, "GGUF");
    let twins = [layer("x", b"GGUF", named("m.gguf")), layer("x", b"GGUF1", named("M.GGUF"))];
    add("two files of one name", artifact(&twins), &[b"{}"], 500, "two of its files");
    let long = "x".repeat(5000) + ".gguf";
    let long = [layer("x", b"GGUF", named(&long))];
    add("a file name of 5,005 bytes", artifact(&long), &[b"{}", b"GGUF"], 400, "");
    let numbers = [layer("x", b"GGUF", json!({"org.opencontainers.image.title": 1}))];
    add("a number for a name", artifact(&numbers), &[b"{}", b"GGUF"], 500, "");
    let many: Vec<_> =
        (0..5_000_u32).map(|number| layer(DOCKERS_GGUF, &number.to_le_bytes(), Value::Null)).collect();
    add("5,000 files", artifact(&many), &[b"{}"], 500, "");
    let index = |elements: Vec<Value>| json!({"schemaVersion": 2, "manifests": elements});
    add("an index of nothing", index(Vec::new()), &[], 500, "");
    let platform = layer(OCI, b"{}", Value::Null);
    add("an index of 1,000 platforms", index(vec![platform; 1000]), &[], 500, "");
    cases
}

pub(super) fn answer(path_contains: &str, head: &str, body: impl Into<Vec<u8>>) -> RegistryAnswer {
    RegistryAnswer {
        path_contains: path_contains.to_owned(),
        head: head.to_owned(),
        body: body.into(),
        endless: false,
    }
}

pub(super) fn endless(path_contains: &str, head: &str, body: Vec<u8>) -> RegistryAnswer {
    RegistryAnswer { endless: true, ..answer(path_contains, head, body) }
}
