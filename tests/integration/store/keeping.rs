//! Nothing that is named somewhere is ever removed, and in doubt nothing at all.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use ollamake::model::Digest;
use ollamake::store::{PruneOptions, PruneReport, Store, StoreError};
use serde_json::json;

use super::contract::{make_model, name};
use super::todays::{
    ALL_MEANS, Built, LIST, MANIFEST, MODEL, Made, Means, anchor, legacy, line, list_of, v2,
};
use crate::support::process::serve_until_pruned;

const EVERYTHING: PruneOptions = PruneOptions { grace: Duration::ZERO, dry_run: false };

fn prune(built: &Built) -> PruneReport {
    Store::open(built.root()).unwrap().prune(EVERYTHING).unwrap()
}

/// Pruning removes what nothing names and nothing else.
#[track_caller]
fn assert_kept(built: &Built, kept: &[Digest]) {
    let orphan = built.blob(b"nobody names this");
    let report = prune(built);
    assert_eq!((report.unread, report.blobs), (vec![], vec![(orphan, 17)]));
    for digest in kept {
        assert!(built.has(*digest), "{digest} has gone");
    }
}

/// Nothing is removed, and it is said because of what.
#[track_caller]
fn assert_stopped(built: &Built, place: &str) {
    let orphan = built.blob(b"nobody names this");
    let store = Store::open(built.root()).unwrap();
    let report = store.prune(EVERYTHING).unwrap();
    let places: Vec<_> = report.unread.iter().map(|unread| unread.place.as_str()).collect();
    assert_eq!((places, report.blobs), (vec![place], vec![]));
    assert_eq!(store.remove_unused(&[orphan]).unwrap(), []);
    let checked = store.check(true, |_| {}).unwrap();
    assert!(!checked.unread.is_empty() || !checked.damaged_manifests.is_empty(), "{checked:?}");
    assert!(built.has(orphan));
}

/// A list of two children by reference, as blobs; the list, and what it reaches.
fn referring_list(built: &Built) -> (Vec<u8>, Vec<Made>, Vec<Digest>) {
    let children = vec![built.make("one"), built.make("two")];
    let documents: Vec<_> = children.iter().map(|child| built.blob(&child.bytes())).collect();
    let list = list_of(&[(documents[0], "llamacpp"), (documents[1], "mlx")]);
    let reached = children.iter().flat_map(|child| child.blobs.clone()).chain(documents).collect();
    (serde_json::to_vec(&list).unwrap(), children, reached)
}

#[test]
fn what_a_list_reaches_is_kept() {
    for means in ALL_MEANS {
        for place in [v2("m"), legacy("m"), "manifests-v2/h%3A1/n/m/t".into(), "manifests-v3/x".into()] {
            let built = Built::new();
            let (list, _, reached) = referring_list(&built);
            built.place(&place, &list, means);
            assert_kept(&built, &reached);
            assert_kept(&built, &reached);
        }
    }
}

#[test]
fn what_a_list_in_a_list_reaches_is_kept() {
    let built = Built::new();
    let (list, _, reached) = referring_list(&built);
    let inner = built.blob(&list);
    built.place(&v2("m"), &line(&list_of(&[(inner, "")])), Means::Link);
    assert_kept(&built, &[&reached[..], &[inner]].concat());
}

#[test]
fn inline_children_and_their_blobs_are_kept() {
    let built = Built::new();
    let mut child = built.make("child");
    child.manifest["runner"] = "ggml".into();
    child.manifest["layers"][0]["name"] = "<a&b>".into();
    let text = child.manifest.to_string().replace('<', "\\u003c").replace('>', "\\u003e");
    let document = built.blob(text.replace('&', "\\u0026").as_bytes());
    let list = json!({"schemaVersion": 2, "mediaType": LIST, "manifests": [child.manifest]});
    built.place(&v2("m"), &serde_json::to_vec_pretty(&list).unwrap(), Means::Copy);
    assert_kept(&built, &[&child.blobs[..], &[document]].concat());
}

#[test]
fn what_an_anchor_names_is_followed() {
    for with_list in [true, false] {
        let built = Built::new();
        let (list, children, reached) = referring_list(&built);
        let entry = built.blob(&list);
        if with_list {
            built.place(&v2("m"), &list, Means::Link);
        }
        let anchor = anchor(&children[0], &[(LIST, entry), (MANIFEST, Digest::of(&children[0].bytes()))]);
        built.place(&legacy("m"), &line(&anchor), Means::Copy);
        assert_kept(&built, &[&reached[..], &[entry]].concat());
    }
}

#[test]
fn weights_that_a_list_shares_outlive_their_other_model() {
    let users: [fn(&Store); 3] = [
        |store| store.remove(&name("old")).unwrap(),
        |store| {
            let replaced = store.copy(&name("other"), &name("old")).unwrap().replaced.unwrap();
            store.retire(replaced.manifest.blobs().map(|layer| layer.digest));
        },
        |store| {
            make_model(store, &name("old"), "new").unwrap();
            store.prune(EVERYTHING).unwrap();
        },
    ];
    for use_store in users {
        let built = Built::new();
        let (list, children, reached) = referring_list(&built);
        built.place(&v2("m"), &list, Means::Link);
        built.place(&legacy("old"), &children[1].bytes(), Means::Copy);
        let store = Store::open(built.root()).unwrap();
        make_model(&store, &name("other"), "other").unwrap();
        use_store(&store);
        store.settle();
        assert!(reached.iter().all(|digest| built.has(*digest)));
    }
}

#[test]
fn a_store_with_lists_survives_what_is_done_to_it() {
    let built = Built::new();
    let (list, children, reached) = referring_list(&built);
    let entry = built.place(&v2("list"), &list, Means::Link);
    let anchor = anchor(&children[0], &[(LIST, entry), (MANIFEST, Digest::of(&children[0].bytes()))]);
    built.place(&legacy("list"), &line(&anchor), Means::Copy);
    built.place(&v2("neighbour"), &list, Means::Copy);
    built.place(&legacy("plain"), &children[1].bytes(), Means::Copy);
    type Step = (&'static str, fn(&Built));
    let steps: [Step; 5] = [
        ("prune", |built| assert_eq!(prune(built).blobs.len(), 1)),
        ("serve", |built| drop(serve_until_pruned(built.root()))),
        ("delete of a neighbour", |built| Store::open(built.root()).unwrap().remove(&name("plain")).unwrap()),
        ("create over the same name", |built| {
            let store = Store::open(built.root()).unwrap();
            make_model(&store, &name("list"), "a prompt").unwrap();
            store.settle();
        }),
        ("prune again", |built| drop(prune(built))),
    ];
    for (step, act) in steps {
        let orphan = built.blob(step.as_bytes());
        act(&built);
        assert!(reached.iter().all(|digest| built.has(*digest)), "{step}");
        assert_eq!(built.has(orphan), step.starts_with("delete") || step.starts_with("create"), "{step}");
        let _ = fs::remove_file(built.blob_path(orphan));
        let check = Store::open(built.root()).unwrap().check(true, |_| {}).unwrap();
        assert!(check.is_clean(), "{step}: {check:?}");
    }
    // The last that names them takes them with it.
    Store::open(built.root()).unwrap().remove(&name("neighbour")).unwrap();
    assert!(!reached.iter().any(|digest| built.has(*digest)));
}

#[test]
fn digests_are_followed_in_every_spelling() {
    let respell: [fn(&str) -> String; 5] = [
        |text| text.replace("sha256:", "sha256-"),
        |text| text.replace("sha256:", "SHA256:"),
        |text| text.replace("sha256:", "sha256\\u003a"),
        |text| text.replace("sha256:", "\\u0073ha256:"),
        |text| {
            let parts: Vec<_> = text.split("sha256:").collect();
            let upper = parts[1..].iter().map(|part| part[..64].to_uppercase() + &part[64..]);
            std::iter::once(parts[0].to_owned()).chain(upper).collect::<Vec<_>>().join("sha256:")
        },
    ];
    for respell in respell {
        let built = Built::new();
        let child = built.make("child");
        let child_bytes = respell(&String::from_utf8(child.bytes()).unwrap());
        let document = built.blob(child_bytes.as_bytes());
        let list = respell(&list_of(&[(document, "")]).to_string());
        built.place(&v2("m"), list.as_bytes(), Means::Link);
        let plain = built.make("plain");
        let plain_bytes = respell(&String::from_utf8(plain.bytes()).unwrap());
        built.place(&legacy("plain"), plain_bytes.as_bytes(), Means::Copy);
        assert_kept(&built, &[&child.blobs[..], &plain.blobs, &[document]].concat());
    }
}

#[test]
fn names_that_are_none_keep_their_blobs() {
    for place in [
        "manifests/registry.ollama.ai/library/m/-bad tag",
        "manifests/h%3A1/n/m/t",
        "manifests/m",
        "manifests/registry.ollama.ai/library/m/deeper/and/deeper",
        "manifests-v2/ollama.com/library/m/.manifest-123",
        "manifests-old/registry.ollama.ai/library/m/latest",
        "Manifests/registry.ollama.ai/library/m/latest",
    ] {
        let built = Built::new();
        let made = built.make("m");
        built.place(place, &made.bytes(), Means::Copy);
        assert_kept(&built, &made.blobs);
    }
}

#[test]
fn a_shadowed_legacy_manifest_keeps_its_blobs() {
    let built = Built::new();
    let (old, new) = (built.make("old"), built.make("new"));
    built.place(&legacy("m"), &old.bytes(), Means::Copy);
    built.place("manifests/ollama.com/library/m/latest", &built.make("alias").bytes(), Means::Copy);
    built.place(&v2("m"), &new.bytes(), Means::Link);
    assert_kept(&built, &[old.blobs, new.blobs, built.make("alias").blobs].concat());
}

#[test]
fn some_things_name_nothing_and_stop_nothing() {
    let built = Built::new();
    symlink(format!("../../../../blobs/{}", Digest::of(b"gone").file_name()), built.prepare(&v2("dangling")))
        .unwrap();
    symlink("nowhere", built.prepare(&legacy("dangling"))).unwrap();
    fs::write(built.prepare("manifests/.DS_Store"), b"\0\x01 system").unwrap();
    for litter in ["Thumbs.db", "desktop.ini", "DESKTOP.INI"] {
        fs::write(
            built.prepare(&format!("manifests/registry.ollama.ai/library/m/{litter}")),
            b"\0\x01 of another system",
        )
        .unwrap();
    }
    fs::write(built.prepare("manifests-v2/ollama.com/library/m/.manifest-1"), b"").unwrap();
    let child = built.make("child");
    let document = built.blob(&child.bytes());
    let list = list_of(&[(Digest::of(b"absent"), "mlx"), (document, "ggml")]);
    built.place(&v2("m"), &line(&list), Means::Link);
    assert_kept(&built, &child.blobs);
}

#[test]
fn what_cannot_be_understood_stops_everything() {
    let entry = v2("m");
    let cases: [fn(&Built, &Path); 12] = [
        |_, path| fs::write(path, b"{").unwrap(),
        |_, path| fs::write(path, b"{}").unwrap(),
        |_, path| fs::write(path, b"").unwrap(),
        |_, path| rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RWXU).unwrap(),
        |_, path| symlink("/dev/zero", path).unwrap(),
        |_, path| symlink("latest", path).unwrap(),
        |built, path| symlink(built.root().join("blobs"), path).unwrap(),
        |built, path| {
            let outside = built.root().join("outside");
            fs::write(&outside, built.make("m").bytes()).unwrap();
            symlink(outside, path).unwrap();
        },
        |built, path| {
            let made = built.make("m").bytes();
            let outside = built.root().join(Digest::of(&made).file_name());
            fs::write(&outside, made).unwrap();
            symlink(outside, path).unwrap();
        },
        |built, path| {
            let blob = built.blob_path(Digest::of(b"other"));
            fs::write(&blob, built.make("m").bytes()).unwrap();
            symlink(blob, path).unwrap();
        },
        |built, path| {
            let mut made = built.make("m");
            made.manifest["filler"] = "x".repeat(5 << 20).into();
            fs::write(path, made.bytes()).unwrap();
        },
        |built, path| {
            // A list too long to be read, through a link.
            let list = json!({"manifests": [], "filler": "x".repeat(5 << 20)});
            symlink(built.blob_path(built.blob(&line(&list))), path).unwrap();
        },
    ];
    for (number, case) in cases.iter().enumerate() {
        println!("case {number}");
        let built = Built::new();
        case(&built, &built.prepare(&entry));
        assert_stopped(&built, &entry);
        fs::remove_file(built.root().join(&entry)).unwrap();
        assert_eq!(prune(&built).unread, []);
    }
}

#[test]
fn a_child_that_cannot_be_understood_stops_everything() {
    let cases: [fn(&Built, &Path, &[u8]); 5] = [
        |_, path, bytes| fs::write(path, &bytes[1..]).unwrap(),
        |_, path, bytes| fs::write(path, bytes.to_ascii_uppercase()).unwrap(),
        |_, path, _| fs::create_dir(path).unwrap(),
        |_, path, _| rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RWXU).unwrap(),
        |_, path, _| symlink("/mnt/not/there", path).unwrap(),
    ];
    for case in cases {
        let built = Built::new();
        let child = built.make("child");
        let document = Digest::of(&child.bytes());
        built.place(&v2("m"), &line(&list_of(&[(document, "ggml")])), Means::Link);
        case(&built, &built.blob_path(document), &child.bytes());
        assert_stopped(&built, &format!("blobs/{}", document.file_name()));
        assert!(child.blobs.iter().all(|digest| built.has(*digest)));
    }
    // Whole, and nothing that can be a manifest.
    for bytes in [&b"[]"[..], b"{\"config\":1}", &[b' '; 5 << 20]] {
        let built = Built::new();
        let document = built.blob(bytes);
        built.place(&v2("m"), &line(&list_of(&[(document, "ggml")])), Means::Link);
        assert_stopped(&built, &format!("blobs/{}", document.file_name()));
    }
}

#[test]
fn directories_that_cannot_be_looked_into_stop_everything() {
    for place in ["manifests-v2", "manifests-v2/ollama.com", "manifests-v2/ollama.com/library/m"] {
        let built = Built::new();
        let path = built.prepare(place);
        let _ = fs::remove_dir(&path);
        symlink("/mnt/not/there", path).unwrap();
        let orphan = built.blob(b"orphan");
        let store = Store::open(built.root()).unwrap();
        let error = store.prune(EVERYTHING).unwrap_err();
        assert!(matches!(&error, StoreError::LostManifests { place: lost } if lost == place), "{error}");
        assert!(store.remove_unused(&[orphan]).unwrap().is_empty());
    }
    let cases: [fn(&Path); 3] = [
        |path| symlink("/", path).unwrap(),
        |path| symlink(".", path).unwrap(),
        |path| {
            fs::create_dir(path).unwrap();
            fs::write(path.join(OsStr::from_bytes(b"\xff")), b"x").unwrap();
        },
    ];
    for case in cases {
        let built = Built::new();
        case(&built.prepare("manifests-v2/loop"));
        let orphan = built.blob(b"orphan");
        let report = prune(&built);
        assert!(!report.unread.is_empty() && report.blobs.is_empty(), "{report:?}");
        assert!(report.unread[0].place.starts_with("manifests-v2/loop"), "{report:?}");
        assert!(built.has(orphan));
    }
}

#[test]
fn directories_may_be_links_to_their_neighbours() {
    let built = Built::new();
    let made = built.make("m");
    built.place(&legacy("m"), &made.bytes(), Means::Copy);
    symlink("registry.ollama.ai", built.root().join("manifests/ollama.com")).unwrap();
    assert_kept(&built, &made.blobs);
}

#[test]
fn a_document_that_was_taken_out_goes_on_naming() {
    for torn in [false, true] {
        let built = Built::new();
        let child = built.make("child");
        let document = built.blob(&child.bytes());
        built.place(&v2("m"), &line(&list_of(&[(document, "ggml")])), Means::Link);
        let mut bytes = child.bytes();
        bytes[3] ^= 1;
        if torn {
            bytes.truncate(bytes.len() - 2);
        }
        fs::write(built.blob_path(document), bytes).unwrap();
        let store = Store::open(built.root()).unwrap();
        assert!(store.quarantine(document).unwrap());
        assert_kept(&built, &child.blobs);
    }
}

#[test]
fn unknown_layers_are_kept_and_looked_into() {
    let built = Built::new();
    let hidden = built.make("hidden");
    let mut made = built.make("m");
    for (media_type, bytes) in [
        ("application/x-unknown", hidden.bytes()),
        ("", hidden.bytes()),
        ("application/x-unknown", b"no JSON".to_vec()),
        ("application/vnd.ollama.image.tensor", vec![b'{'; 100]),
        (MODEL, vec![b'x'; 5 << 20]),
    ] {
        let layer = built.layer(media_type, &bytes);
        made.manifest["layers"].as_array_mut().unwrap().push(layer);
    }
    built.place(&legacy("m"), &made.bytes(), Means::Copy);
    assert_kept(&built, &[hidden.blobs, made.blobs].concat());
}
