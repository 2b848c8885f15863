//! Registries that mean harm.

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
    cases
}

fn answer(path_contains: &'static str, head: &str, body: impl Into<Vec<u8>>) -> RegistryAnswer {
    RegistryAnswer { path_contains, head: head.to_owned(), body: body.into(), endless: false }
}

fn endless(path_contains: &'static str, head: &str, body: Vec<u8>) -> RegistryAnswer {
    RegistryAnswer { endless: true, ..answer(path_contains, head, body) }
}
