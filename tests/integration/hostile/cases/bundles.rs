//! Bundles that mean harm, or were broken on the way. They are loaded by the command line, not by a server.

use ollamake::model::{Digest, OCI_MANIFEST};
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use super::{Case, Input};

const WEIGHTS: &[u8] = b"weights of a model in a bundle";
const CONFIG: &[u8] = b"{}";

/// The files of a bundle, each with its path.
type Files = Vec<(String, Vec<u8>)>;

pub(super) fn cases() -> Vec<Case> {
    let refused = |row, name: &str, bundle: Vec<u8>, says: &str| {
        Case::new(row, name, Input::Bundle(bundle), 400, &[says])
    };
    let entries =
        entries().into_iter().map(|(name, bundle, says)| refused("bundle-entries", name, bundle, says));
    let contents =
        contents().into_iter().map(|(name, bundle, says)| refused("bundle-contents", name, bundle, says));
    entries.chain(contents).collect()
}

/// A bundle of one model with nothing wrong.
pub(crate) fn honest() -> Vec<u8> {
    tar_of(&files())
}

fn files() -> Files {
    let layer = |kind: &str, bytes: &[u8]| json!({"mediaType": kind, "digest": Digest::of(bytes), "size": bytes.len()});
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": layer("application/vnd.docker.container.image.v1+json", CONFIG),
        "layers": [layer("application/vnd.ollama.image.model", WEIGHTS)],
    });
    of_manifest(&manifest)
}

/// A layout of one manifest.
fn of_manifest(manifest: &Value) -> Files {
    let manifest = manifest.to_string().into_bytes();
    let index = json!({"schemaVersion": 2, "manifests": [{
        "mediaType": OCI_MANIFEST, "digest": Digest::of(&manifest), "size": manifest.len(),
        "annotations": {"org.opencontainers.image.ref.name": "m"},
    }]});
    let blob = |bytes: &[u8]| (format!("blobs/sha256/{}", Digest::of(bytes).hex()), bytes.to_vec());
    vec![
        ("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
        ("index.json".to_owned(), index.to_string().into_bytes()),
        blob(&manifest),
        blob(CONFIG),
        blob(WEIGHTS),
    ]
}

fn tar_of(files: &Files) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = header(EntryType::Regular, bytes.len() as u64);
        builder.append_data(&mut header, path, bytes.as_slice()).expect("a buffer");
    }
    builder.into_inner().expect("a buffer")
}

fn header(kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header
}

/// An entry with a path as no library would write it, and contents that need not be as long as it says.
fn entry(kind: EntryType, path: &str, size: u64, contents: &[u8]) -> Vec<u8> {
    let mut header = header(kind, size);
    let gnu = header.as_gnu_mut().expect("one of GNU's");
    gnu.name[..path.len()].copy_from_slice(path.as_bytes());
    if kind == EntryType::GNUSparse {
        gnu.set_real_size(size);
    }
    header.set_cksum();
    let padding = contents.len().next_multiple_of(512) - contents.len();
    [header.as_bytes(), contents, &vec![0; padding]].concat()
}

/// A record of an extended header (POSIX, `pax`): its length, a key and a value.
fn record(key: &str, value: &str) -> String {
    let rest = format!(" {key}={value}\n");
    let length = (1..).find(|length| length.to_string().len() + rest.len() == *length).expect("a length");
    format!("{length}{rest}")
}

/// Entries that stand before those of an honest bundle.
fn entries() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let before = |bytes: Vec<u8>| [bytes, honest()].concat();
    let of_kind = |kind, path| before(entry(kind, path, 0, b""));
    let extended = |text: &str| entry(EntryType::XHeader, "pax", text.len() as u64, text.as_bytes());
    let blob = format!("blobs/sha256/{}", Digest::of(b"x").hex());
    let long_name = entry(EntryType::GNULongName, "././@LongLink", 300_000, &[b'x'; 300_000]);
    let outside =
        |path: &str| [extended(&record("path", path)), entry(EntryType::Regular, "x", 0, b"")].concat();
    let of_size =
        |size: &str| [extended(&record("size", size)), entry(EntryType::Regular, &blob, 1, b"x")].concat();
    let endless_name = entry(EntryType::GNULongName, "././@LongLink", 1 << 60, &[b'x'; 900_000]);
    let endless_records = entry(EntryType::XHeader, "pax", 1 << 60, &[b'9'; 900_000]);
    let many = extended(&record("a", "b").repeat(100_000));
    vec![
        ("a symbolic link", of_kind(EntryType::Symlink, "blobs/sha256/link"), "is a link"),
        ("a hard link", of_kind(EntryType::Link, "index.json"), "is a link"),
        ("a device", of_kind(EntryType::Char, "blobs/device"), "neither a file nor a directory"),
        ("a disk", of_kind(EntryType::Block, "blobs/sha256/disk"), "neither a file nor a directory"),
        ("a pipe", of_kind(EntryType::Fifo, "oci-layout"), "neither a file nor a directory"),
        ("a file with holes", of_kind(EntryType::GNUSparse, "blobs/sha256/hole"), "has holes"),
        (
            "an exabyte of holes",
            before(entry(EntryType::GNUSparse, "blobs/sha256/hole", 1 << 60, b"")),
            "cannot be read",
        ),
        ("a path outside", of_kind(EntryType::Regular, "../outside"), "leads out of the bundle"),
        ("a path of the system", of_kind(EntryType::Regular, "/etc/passwd"), "leads out of the bundle"),
        ("a path there and back", of_kind(EntryType::Regular, "blobs/../../x"), "leads out of the bundle"),
        ("a path outside, extended", before(outside("../../x")), "leads out of the bundle"),
        ("a path of the system, extended", before(outside("/etc/passwd")), "leads out of the bundle"),
        (
            "600,000 bytes of a path outside",
            {
                let path = [&b"../"[..], &[b'x'; 600_000]].concat();
                let name = entry(EntryType::GNULongName, "././@LongLink", path.len() as u64, &path);
                before([name, entry(EntryType::Regular, "x", 0, b"")].concat())
            },
            "leads out of the bundle",
        ),
        ("two long names at once", before([long_name.clone(), long_name].concat()), "cannot be read"),
        ("a name of an exabyte", endless_name, "cannot be read"),
        ("an extended header of an exabyte", endless_records, "cannot be read"),
        (
            "100,000 extended records",
            before([many, entry(EntryType::Link, "x", 0, b"")].concat()),
            "is a link",
        ),
        ("a petabyte", entry(EntryType::Regular, &blob, 1 << 50, &[0; 4096]), "cannot be read"),
        ("an exabyte, extended", of_size(&(1_u64 << 60).to_string()), "cannot be read"),
        ("less than there is, extended", before(of_size("0")), "is damaged"),
    ]
}

/// A change of an honest bundle's files.
type Change = fn(&mut Files);

fn change_index(files: &mut Files, change: fn(&mut Value)) {
    let bytes = &mut files[1].1;
    let mut index: Value = serde_json::from_slice(bytes).expect("the index");
    change(&mut index);
    *bytes = index.to_string().into_bytes();
}

fn contents() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    const REF_NAME: &str = "org.opencontainers.image.ref.name";
    const DOCUMENT: &str = "dev.ollamake.manifest";
    let changes: Vec<(&str, Change, &str)> = vec![
        ("no index", |files| drop(files.remove(1)), "no index.json"),
        ("no marker", |files| drop(files.remove(0)), "oci-layout"),
        (
            "another version",
            |files| files[0].1 = br#"{"imageLayoutVersion":"2.0.0"}"#.to_vec(),
            "\\\"2.0.0\\\"",
        ),
        ("a torn index", |files| files[1].1.truncate(20), "index.json"),
        ("an index of 500,000 brackets", |files| files[1].1 = vec![b'['; 500_000], "index.json"),
        (
            "an index of 300,000 objects",
            |files| files[1].1 = format!("{{\"manifests\":[{}{{}}]}}", "{},".repeat(300_000)).into_bytes(),
            "index.json",
        ),
        (
            "an empty index",
            |files| change_index(files, |index| index["manifests"] = json!([])),
            "names no model",
        ),
        (
            "a manifest without a name",
            |files| change_index(files, |index| index["manifests"][0]["annotations"] = json!({})),
            "has no name",
        ),
        (
            "a path for a name",
            |files| {
                change_index(files, |index| index["manifests"][0]["annotations"][REF_NAME] = "../../x".into())
            },
            "is not the name of a model",
        ),
        (
            "a path for a digest",
            |files| change_index(files, |index| index["manifests"][0]["digest"] = "sha256:../../x".into()),
            "index.json",
        ),
        (
            "another algorithm",
            |files| {
                change_index(files, |index| {
                    index["manifests"][0]["annotations"][DOCUMENT] = "sha512:00".into()
                })
            },
            "invalid digest format",
        ),
        (
            "weights for a manifest",
            |files| {
                change_index(files, |index| {
                    index["manifests"][0]["annotations"][DOCUMENT] = Digest::of(WEIGHTS).to_string().into();
                });
            },
            "",
        ),
        ("a missing blob", |files| drop(files.pop()), "which model 'm:latest' needs"),
        ("other contents", |files| files[4].1[3] ^= 1, "is damaged"),
        ("shorter contents", |files| files[4].1.truncate(5), "is damaged"),
        (
            "a blob that no digest names",
            |files| files.push(("blobs/sha256/abc".to_owned(), Vec::new())),
            "is not named by a digest",
        ),
        (
            "an image of a container",
            |files| {
                let layer = json!({"mediaType": "application/vnd.oci.image.layer.v1.tar",
                    "digest": Digest::of(WEIGHTS), "size": WEIGHTS.len()});
                let config = json!({"mediaType": "application/vnd.oci.image.config.v1+json",
                    "digest": Digest::of(CONFIG), "size": CONFIG.len()});
                *files = of_manifest(&json!({"schemaVersion": 2, "config": config, "layers": [layer]}));
            },
            "is not a model",
        ),
    ];
    let changed = |(name, change, says): (&'static str, Change, &'static str)| {
        let mut files = files();
        change(&mut files);
        (name, tar_of(&files), says)
    };
    let mut all: Vec<_> = changes.into_iter().map(changed).collect();
    let honest = honest();
    all.push(("nothing", Vec::new(), "no index.json"));
    all.push(("a text", b"no tar file at all, but a text\n".repeat(40), "tar file"));
    all.push(("half of it", honest[..honest.len() / 2].to_vec(), ""));
    all
}
