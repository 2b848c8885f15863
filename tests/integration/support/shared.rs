//! Where the full data of the tests lies, if it is there at all.

use std::path::PathBuf;

/// The path of `name` in the directory that `OLLAMAKE_SHARED` names. `None`, with a line in the test's
/// output, where there is none: the fixtures of the repository then have to do.
pub(crate) fn path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("OLLAMAKE_SHARED").map(|root| PathBuf::from(root).join(name));
    let path = path.filter(|path| path.exists());
    if path.is_none() {
        println!("{name}: not in OLLAMAKE_SHARED, only the fixtures are used");
    }
    path
}
