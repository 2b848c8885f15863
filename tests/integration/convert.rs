//! Conversion of checkpoints and adapters against what llama.cpp's converter writes, and of broken ones.

mod bad_input;
mod cases;
mod checkpoint;

use std::path::PathBuf;

use ollamake::safetensors::NamedSource;

/// The directory of cases: the full set where there is one, or else the few that come with the project.
fn case_directory() -> PathBuf {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let shared =
        std::env::var_os("OLLAMAKE_SHARED").map_or_else(|| manifest.join("../shared"), PathBuf::from);
    let full = shared.join("conversion");
    if full.is_dir() {
        full
    } else {
        println!("the full set of conversion cases is absent; using the fixtures");
        manifest.join("tests/fixtures/conversion")
    }
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
