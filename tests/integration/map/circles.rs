//! Files that import each other in a circle.

use std::collections::{BTreeMap, BTreeSet};

use super::sources::Sources;

/// The files of each circle, joined; those that reach each other are one.
pub(super) fn circles(sources: &Sources) -> Vec<String> {
    let all = sources.imports();
    let mut imports: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for import in &all {
        imports.entry(&import.from).or_default().insert(&import.to);
    }
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        imports.keys().map(|file| (*file, reachable(file, &imports))).collect();
    let reaches = |from: &str, to: &str| reach.get(from).is_some_and(|reached| reached.contains(to));
    let mut found: Vec<String> = Vec::new();
    for file in reach.keys().filter(|file| reaches(file, file)) {
        let members: Vec<&str> =
            reach.keys().copied().filter(|other| reaches(file, other) && reaches(other, file)).collect();
        let circle = members.join(", ");
        if !found.contains(&circle) {
            found.push(circle);
        }
    }
    found
}

fn reachable<'i>(file: &str, imports: &BTreeMap<&'i str, BTreeSet<&'i str>>) -> BTreeSet<&'i str> {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&str> = imports.get(file).into_iter().flatten().copied().collect();
    while let Some(next) = open.pop() {
        if seen.insert(next) {
            open.extend(imports.get(next).into_iter().flatten().copied());
        }
    }
    seen
}
