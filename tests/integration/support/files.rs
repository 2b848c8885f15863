//! What lies in directories.

use std::fs;
use std::path::{Path, PathBuf};

/// All files under a directory, in order.
pub(crate) fn files(root: &Path) -> Vec<PathBuf> {
    assert!(root.is_dir(), "{}", root.display());
    let mut directories = vec![root.to_owned()];
    let mut files = Vec::new();
    while let Some(directory) = directories.pop() {
        // A server may be removing it.
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { directories.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

/// The names of all files under a directory, in order.
fn file_names(root: &Path) -> Vec<String> {
    names_of(files(root))
}

fn names_of(paths: Vec<PathBuf>) -> Vec<String> {
    let name = |path: PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    let mut names: Vec<_> = paths.into_iter().map(name).collect();
    names.sort();
    names
}

/// The names of the files that are under way in a store.
pub(crate) fn unfinished(store: &Path) -> Vec<String> {
    let own = store.join("ollamake");
    ["temporary", "partial", "uploads", "outputs"]
        .iter()
        .flat_map(|directory| file_names(&own.join(directory)))
        .collect()
}

/// The names of the files of a store, but for what is only remembered of them.
pub(crate) fn names_in_store(store: &Path) -> Vec<String> {
    let is_remembered = |path: &PathBuf| {
        let directories = ["ollamake/verified", "ollamake/jobs", "ollamake/provenance"];
        directories.iter().any(|directory| path.starts_with(store.join(directory)))
    };
    names_of(files(store).into_iter().filter(|path| !is_remembered(path)).collect())
}

/// A file or directory of the fixtures.
pub(crate) fn fixture(path: &str) -> PathBuf {
    // The kernels are tested in a package of their own within this one too.
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut roots = packages.map(|package| package.join("tests/fixtures"));
    roots.find(|root| root.is_dir()).expect("the fixtures").join(path)
}
