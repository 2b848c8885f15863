//! Where the full data of the tests lies, if it is there at all.

use std::path::PathBuf;

/// The path of `name` in the directory that `OLLAMAKE_SHARED` names, by default `shared` beside the project. `None`,
/// with a line in the test's output, where there is none: the fixtures of the repository then have to do.
pub(crate) fn path(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("OLLAMAKE_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let path = root.join(name);
    if path.exists() {
        return Some(path);
    }
    println!("{name}: not in OLLAMAKE_SHARED, only the fixtures are used");
    None
}
