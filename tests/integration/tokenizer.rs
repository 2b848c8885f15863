//! Vocabularies against what llama.cpp's converter writes, and broken tokenizers.

mod broken;
mod cases;
mod pre_tokenizers;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use ollamake::safetensors::NamedSource;

/// The files of a checkpoint without its weights, by name.
#[derive(Clone, Default)]
struct Files(BTreeMap<String, Vec<u8>>);

impl Files {
    /// The files of a directory that are not weights.
    fn read(directory: &Path) -> Self {
        let mut files = Self::default();
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let is_other = name.ends_with(".safetensors") || name == "expected.json" || name == "logits.json";
            if path.is_file() && !is_other {
                files.0.insert(name.to_owned(), fs::read(&path).unwrap());
            }
        }
        files
    }

    fn with(mut self, name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.0.insert(name.to_owned(), bytes.into());
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.0.remove(name).expect("a file that is there");
        self
    }

    fn json(&self, name: &str) -> serde_json::Value {
        serde_json::from_slice(&self.0[name]).unwrap()
    }

    fn sources(&self) -> Vec<NamedSource<'_>> {
        self.0.iter().map(|(name, bytes)| NamedSource { name, bytes }).collect()
    }
}

/// A directory of tokenizers of released models, where there is one.
fn released_tokenizers() -> Option<PathBuf> {
    std::env::var_os("OLLAMAKE_TOKENIZERS").map(PathBuf::from).filter(|directory| directory.is_dir())
}
