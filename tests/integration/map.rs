//! The rooms of the crate: the sources import as the map of ARCHITECTURE.md says, and no files in a circle.

mod circles;
mod paths;
mod rooms;
mod sources;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use circles::circles;
use rooms::ROOMS;
use sources::Sources;

use crate::support::files::files;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The sources of the crate, with files that are not there planted among them.
fn sources(planted: &[(&str, &str)]) -> Sources {
    let root = Path::new(ROOT).join("src");
    let is_rust = |path: &std::path::PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    let mut texts: BTreeMap<String, String> = files(&root)
        .into_iter()
        .filter(is_rust)
        .map(|path| {
            let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect();
    texts.extend(planted.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())));
    Sources::parse(texts)
}

/// Imports from a room into one that does not lie below it.
fn upward(sources: &Sources) -> Vec<String> {
    // A room within a room belongs to it.
    let place = |path: &str| {
        let room = path.split('/').next();
        ROOMS.iter().position(|(name, _)| Some(*name) == room)
    };
    let mut found = Vec::new();
    for import in sources.imports() {
        if place(&import.from) > place(&import.to) {
            found.push(format!("{} imports {} of {}", import.from, import.path, import.to));
        }
    }
    found
}

#[test]
fn imports_run_downwards_only() {
    let found = upward(&sources(&[]));
    assert!(found.is_empty(), "against the map of ARCHITECTURE.md:\n{}", found.join("\n"));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let found = circles(&sources(&[]));
    assert!(found.is_empty(), "circles:\n{}", found.join("\n"));
}

#[test]
fn every_room_has_a_line_in_the_map() {
    let rooms = sources(&[]).rooms();
    let lacking: Vec<_> = rooms.iter().filter(|room| !ROOMS.iter().any(|(name, _)| name == room)).collect();
    assert!(lacking.is_empty(), "add to tests/integration/map/rooms.rs: {lacking:?}");
    let gone: Vec<_> = ROOMS.iter().filter(|(name, _)| !rooms.contains(&(*name).to_owned())).collect();
    assert!(gone.is_empty(), "remove from tests/integration/map/rooms.rs: {gone:?}");
}

#[test]
fn the_map_is_drawn_from_the_table() {
    let drawn = rooms::drawn();
    let page = fs::read_to_string(Path::new(ROOT).join("ARCHITECTURE.md")).unwrap();
    assert!(page.contains(&drawn), "the map in ARCHITECTURE.md should be:\n{drawn}");
}

#[test]
fn planted_faults_are_found() {
    let upward_import = ("tensor/planted.rs", "use crate::store::{Blob, Store};\n");
    let found = upward(&sources(&[upward_import]));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("tensor/planted.rs imports crate::store::Blob of store/"), "{found:?}");
    // A path in the middle of the code is an import too, and a test's are not.
    let in_code = ("gguf/planted.rs", "fn planted() { crate::plan::forget_split(); }\n");
    let in_test = ("gguf/tested.rs", "#[cfg(test)]\nmod tests {\n    use crate::plan::Plan;\n}\n");
    assert_eq!(upward(&sources(&[in_code, in_test])).len(), 1);

    // Through a face, which re-exports the one, and directly.
    let circle = [
        ("planted/mod.rs", "mod one;\nmod other;\n\npub use one::One;\n"),
        ("planted/one.rs", "use super::other::Other;\n\npub struct One(Other);\n"),
        ("planted/other.rs", "use super::One;\n\npub struct Other(One);\n"),
    ];
    let found = circles(&sources(&circle));
    assert_eq!(found, ["planted/one.rs, planted/other.rs"]);
    // A face with code of its own imports what that code uses.
    let face = [
        ("planted/mod.rs", "mod one;\n\npub use one::One;\n\npub struct Face(One);\n"),
        ("planted/one.rs", "use super::Face;\n\npub struct One(Box<Face>);\n"),
    ];
    assert_eq!(circles(&sources(&face)), ["planted/mod.rs, planted/one.rs"]);
}
