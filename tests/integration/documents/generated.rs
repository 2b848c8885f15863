//! Pages that are made of declarations.

use std::fs;
use std::path::Path;

/// Set it to have the tests write the pages anew.
const REWRITE: &str = "OLLAMAKE_REWRITE_DOCS";

/// Demands that a page is this text, or writes it.
pub(super) fn page_is(page: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    if std::env::var_os(REWRITE).is_some() {
        fs::write(path, text).unwrap();
        return;
    }
    let written = fs::read_to_string(path).unwrap_or_default();
    let differs = written.lines().zip(text.lines()).find(|(written, made)| written != made);
    assert!(
        written == text,
        "docs/{page} is not what is declared, beginning with {differs:?}; {REWRITE}=1 cargo test --test \
         integration documents:: writes it anew",
    );
}

/// The line under the title of a page that says how it comes about.
pub(super) fn made_by(test: &str) -> String {
    format!("<!-- made by {REWRITE}=1 cargo test --test integration documents::{test} -->\n")
}

/// A text as a cell of a table.
pub(super) fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
