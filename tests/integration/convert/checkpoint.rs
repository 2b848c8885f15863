//! A checkpoint on disk, and the bytes that a plan makes of one.

use std::fs;
use std::path::Path;

use ollamake::plan::{Plan, PlanError, Resources, Source};

use super::Files;

/// What a case holds beside its checkpoint.
const EXPECTATIONS: [&str; 2] = ["expected.json", "logits.json"];

/// Reads all files of a directory and those in its folders.
pub(super) fn read(directory: &Path) -> Files {
    let mut files = Files::default();
    collect(directory, "", &mut files);
    files.0.sort();
    files
}

fn collect(directory: &Path, prefix: &str, files: &mut Files) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), &format!("{name}/"), files);
        } else if !EXPECTATIONS.contains(&name.as_str()) {
            files.0.push((name, fs::read(entry.path()).unwrap()));
        }
    }
}

/// The file that a plan makes from these files.
pub(super) fn execute(plan: &Plan, files: &Files) -> Result<Vec<u8>, PlanError> {
    let sources: Vec<&dyn Source> =
        plan.sources.iter().map(|source| files.bytes(&source.label) as &dyn Source).collect();
    let mut result = Vec::new();
    let written = plan.execute(&sources, &mut result, Resources::default(), &())?;
    assert_eq!(written, result.len() as u64);
    Ok(result)
}
