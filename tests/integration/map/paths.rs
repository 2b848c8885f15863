//! The files and directories that the pages of the project name.

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

use super::ROOT;
use crate::support::files::files;

/// What is made by running something, and so is not there.
const MADE: [&str; 1] = ["fuzz/corpus/gguf"];

fn pages() -> Vec<PathBuf> {
    let root = Path::new(ROOT);
    let top = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let is_page = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "md");
    top.chain(files(&root.join("docs"))).filter(is_page).collect()
}

/// The paths that a page names: in its text from the root on, in links from the page on.
fn named(page: &Path, text: &str) -> Vec<PathBuf> {
    let root = Path::new(ROOT);
    let plain =
        Regex::new(r"(?:^|[^\w/.-])((?:src|tests|docs|benches|fuzz|examples|\.ci)/[\w./-]*\w)").unwrap();
    let link = Regex::new(r"\]\(([^)#:]+)\)").unwrap();
    let directory = page.parent().unwrap_or(root);
    let plain = plain.captures_iter(text).map(|found| found[1].to_owned());
    let plain = plain.filter(|path| !MADE.contains(&path.as_str())).map(|path| root.join(path));
    plain.chain(link.captures_iter(text).map(|found| directory.join(&found[1]))).collect()
}

#[test]
fn what_the_pages_name_is_there() {
    let mut count = 0;
    for page in pages() {
        for path in named(&page, &fs::read_to_string(&page).unwrap()) {
            assert!(path.exists(), "{} names {}, which is not there", page.display(), path.display());
            count += 1;
        }
    }
    assert!(count > 100, "only {count} paths were found");
}

#[test]
fn a_path_that_is_not_there_is_found() {
    let page = Path::new(ROOT).join("docs/planted.md");
    let found = named(&page, "See `src/none.rs`, [a page](none.md) and tests/integration/main.rs.");
    let there: Vec<_> = found.iter().map(|path| path.exists()).collect();
    assert_eq!(there, [false, true, false], "{found:?}");
}
