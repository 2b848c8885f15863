//! Links in the documentation lead somewhere, and the index knows every page.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::files::files;

/// All pages: those of the root and of `docs`, and the READMEs of the tests.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let beside = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let below = ["docs", "tests"].map(|name| files(&root.join(name)));
    let all = beside.chain(below.into_iter().flatten());
    all.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

/// The lines of a page that are not in fences.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut in_fence = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        in_fence ^= is_fence;
        !in_fence && !is_fence
    })
}

/// The targets of the links in a line.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0))
}

/// What a heading can be linked to by, as GitHub and mdBook make it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter(|character| character.is_alphanumeric() || " -_".contains(*character));
    kept.map(|character| if character == ' ' { '-' } else { character }).collect()
}

fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#'))).collect()
}

/// The links of a page that lead nowhere.
fn broken(page: &Path, text: &str) -> Vec<String> {
    let lines = prose(text).flat_map(targets);
    let links = lines.filter(|target| !target.contains("://") && !target.starts_with("mailto:"));
    links
        .filter(|target| {
            let (path, fragment) = target.split_once('#').unwrap_or((target, ""));
            let linked = page.parent().unwrap().join(path);
            match (path, fragment) {
                ("", fragment) => !anchors(text).contains(fragment),
                (_, "") => !linked.exists(),
                (_, fragment) => {
                    !fs::read_to_string(linked).is_ok_and(|text| anchors(&text).contains(fragment))
                }
            }
        })
        .map(|target| format!("{}: {target}", page.display()))
        .collect()
}

#[test]
fn links_lead_somewhere() {
    let broken: Vec<_> =
        pages().iter().flat_map(|page| broken(page, &fs::read_to_string(page).unwrap())).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn planted_faults_are_found() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/planted.md");
    let text =
        "[a](nowhere.md) [b](README.md) [c](#here) [d](#there) [e](settings.md#who-may-ask)\n\n## Here\n";
    let found = broken(&page, text);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].ends_with("nowhere.md") && found[1].ends_with("#there"), "{found:?}");
}

#[test]
fn the_index_knows_every_page() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let index = fs::read_to_string(docs.join("README.md")).unwrap();
    let linked: BTreeSet<_> = prose(&index).flat_map(targets).map(|target| docs.join(target)).collect();
    let pages = pages();
    let unknown: Vec<_> = pages
        .iter()
        .filter(|page| page.starts_with(&docs) && **page != docs.join("README.md"))
        .filter(|page| !linked.contains(*page))
        .collect();
    assert!(unknown.is_empty(), "add to docs/README.md: {unknown:?}");
}
