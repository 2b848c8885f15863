//! Conversion of checkpoints and adapters against what llama.cpp's converter writes, and of broken ones.

mod bad_adapters;
mod bad_input;
mod cases;
mod checkpoint;
mod comparison;
mod damage;
mod families;
mod merged;
mod mutations;
mod packed;
mod sentences;
mod tensors;
mod tiny;
mod whole;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ollamake::safetensors::NamedSource;

use crate::support::files::fixture;
use crate::support::shared;

/// The directories of all cases by name: those that come with the project, and the full set where there is
/// one.
fn cases() -> BTreeMap<String, PathBuf> {
    let directories = std::iter::once(fixture("conversion")).chain(shared::path("conversion"));
    directories.flat_map(|directory| cases_in(&directory)).collect()
}

/// The directories within one by name.
fn cases_in(directory: &Path) -> BTreeMap<String, PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
    let cases = entries.filter(|entry| entry.file_type().unwrap().is_dir());
    cases.map(|entry| (entry.file_name().into_string().unwrap(), entry.path())).collect()
}

/// Files by their names within a checkpoint.
#[derive(Clone, Default)]
struct Files(Vec<(String, Vec<u8>)>);

impl Files {
    fn sources(&self) -> Vec<NamedSource<'_>> {
        self.0.iter().map(|(name, bytes)| NamedSource { name, bytes }).collect()
    }

    fn bytes(&self, name: &str) -> &Vec<u8> {
        &self.0.iter().find(|(known, _)| known == name).unwrap_or_else(|| panic!("{name} is missing")).1
    }
}
