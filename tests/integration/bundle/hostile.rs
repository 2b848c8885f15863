//! Bundles that mean harm, or were broken on the way.

use super::*;

/// A change of a bundle's files, and what the refusal says.
type Case = (&'static str, fn(&mut Vec<(String, Vec<u8>)>), &'static str);

fn change_index(files: &mut [(String, Vec<u8>)], change: fn(&mut Value)) {
    let (_, bytes) = files.iter_mut().find(|(path, _)| path == "index.json").unwrap();
    let mut index: Value = serde_json::from_slice(bytes).unwrap();
    change(&mut index);
    *bytes = index.to_string().into_bytes();
}

const CASES: &[Case] = &[
    ("no index", |files| files.retain(|(path, _)| path != "index.json"), "no index.json"),
    ("no marker", |files| files.retain(|(path, _)| path != "oci-layout"), "oci-layout"),
    ("another version", |files| files[0].1 = br#"{"imageLayoutVersion":"2.0.0"}"#.to_vec(), "\"2.0.0\""),
    ("a garbled index", |files| files[1].1.truncate(20), "index.json"),
    ("an index of 5 MiB", |files| files[1].1 = vec![b' '; 5 << 20], "at most 4194304 bytes"),
    ("an empty index", |files| change_index(files, |index| index["manifests"] = json!([])), "names no model"),
    (
        "no name",
        |files| change_index(files, |index| index["manifests"][0]["annotations"] = json!({})),
        "has no name",
    ),
    (
        "a path for a name",
        |files| {
            change_index(files, |index| {
                index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"] = "../../x".into();
            });
        },
        "is no name of a model",
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
                index["manifests"][0]["annotations"]["dev.ollamake.manifest"] = "sha512:00".into();
            });
        },
        "invalid digest format",
    ),
    (
        "a missing blob",
        |files| files.retain(|(_, bytes)| bytes != SHARED),
        "which model \"one:latest\" needs",
    ),
    (
        "other contents",
        |files| files.iter_mut().filter(|(_, bytes)| bytes == SHARED).for_each(|(_, bytes)| bytes[3] ^= 1),
        "is damaged",
    ),
    (
        "a blob that is no digest",
        |files| files.push(("blobs/sha256/abc".to_owned(), Vec::new())),
        "is not named by a digest",
    ),
];

fn refused(case: &str, bundle: &[u8], says: &str) {
    let (directory, store) = target();
    let error = load(&store, bundle, |_| {}).unwrap_err().to_string();
    assert!(error.contains(says), "{case}: {error}");
    assert!(error.len() < 500, "{case}: {error}");
    assert!(store.list().unwrap().is_empty(), "{case}");
    for place in ["blobs", "ollamake/temporary"] {
        let left = std::fs::read_dir(directory.path().join(place)).unwrap().count();
        assert_eq!(left, 0, "{case}: something is left in {place}");
    }
}

#[test]
fn what_is_wrong_with_a_bundle_is_told_and_nothing_is_kept() {
    let (_source, store) = source();
    let bundle = saved(&store);
    for (case, change, says) in CASES {
        let mut files = entries(&bundle);
        change(&mut files);
        refused(case, &tar_of(&files), says);
    }
    refused("nothing", b"", "no index.json");
    refused("a text", &b"no tar file at all, but a text\n".repeat(40), "tar file");
    for length in [bundle.len() / 3, bundle.len() / 2] {
        refused("cut off", &bundle[..length], "");
    }
}

#[test]
fn entries_that_are_no_files_are_refused() {
    let (_source, store) = source();
    let bundle = saved(&store);
    for (kind, path, says) in [
        (EntryType::Symlink, "blobs/sha256/link", "is a link"),
        (EntryType::Link, "index.json", "is a link"),
        (EntryType::Char, "blobs/device", "neither a file nor a directory"),
        (EntryType::Fifo, "oci-layout", "neither a file nor a directory"),
        (EntryType::GNUSparse, "blobs/sha256/hole", "has holes"),
        (EntryType::Regular, "../outside", "leads out of the bundle"),
        (EntryType::Regular, "/etc/passwd", "leads out of the bundle"),
        (EntryType::Regular, "blobs/../../x", "leads out of the bundle"),
    ] {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        // The library would not write such a path.
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.as_gnu_mut().unwrap().set_real_size(0);
        header.set_size(0);
        header.set_cksum();
        refused(path, &[&header.as_bytes()[..], &bundle].concat(), says);
    }
}

#[test]
fn a_length_beyond_the_end_is_told_without_memory_for_it() {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    let path = format!("blobs/sha256/{}", Digest::of(b"x").hex());
    header.set_path(path).unwrap();
    header.set_size(1 << 50);
    header.set_cksum();
    refused("a petabyte", &[&header.as_bytes()[..], &[0; 4096]].concat(), "cannot be read");
}

#[test]
fn an_image_of_a_container_is_no_model() {
    let image = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": Digest::of(b"{}"), "size": 2},
        "layers": [{
            "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": Digest::of(b"x"), "size": 1,
        }],
    })
    .to_string()
    .into_bytes();
    let index = json!({"schemaVersion": 2, "manifests": [{
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": Digest::of(&image), "size": image.len(),
        "annotations": {"org.opencontainers.image.ref.name": "alpine"},
    }]});
    let blob = |bytes: &[u8]| (format!("blobs/sha256/{}", Digest::of(bytes).hex()), bytes.to_vec());
    let files = [
        ("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
        ("index.json".to_owned(), index.to_string().into_bytes()),
        blob(&image),
        blob(b"{}"),
        blob(b"x"),
    ];
    refused("an image", &tar_of(&files), "alpine:latest\" is no model");
}
