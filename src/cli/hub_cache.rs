//! What Python's `huggingface_hub` has fetched of the Hub: `models--OWNER--NAME/snapshots/COMMIT`, with the
//! commits of branches and tags in `refs` beside (`huggingface_hub`, `constants.py` and `file_download.py`).

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::files::{Gathered, gather};
use crate::model::HubModel;
use crate::safetensors::{INDEX_FILE, has_all_weights};

const MAIN: &str = "main";

/// The directory in the cache that holds the checkpoint, if all of it is there. Of GGUF files nobody can tell
/// from here whether the one that is meant is among those that were fetched.
pub(super) fn checkpoint(cache: &Path, model: &HubModel) -> Option<PathBuf> {
    if model.quantization.is_some() {
        return None;
    }
    let repository = cache.join(format!("models--{}--{}", model.owner, model.repository));
    let revision = model.revision.as_deref().unwrap_or(MAIN);
    // A revision has no parts that lead out of the directory.
    let commit = fs::read_to_string(repository.join("refs").join(revision));
    let commit = commit.map_or_else(|_| revision.to_owned(), |commit| commit.trim().to_owned());
    if !commit.bytes().all(|byte| byte.is_ascii_hexdigit()) || commit.is_empty() {
        return None;
    }
    let snapshot = repository.join("snapshots").join(commit);
    is_whole(&snapshot).then_some(snapshot)
}

/// Whether a directory holds a checkpoint of which no file of weights is missing.
fn is_whole(snapshot: &Path) -> bool {
    let Ok(Gathered { files, .. }) = gather(snapshot) else { return false };
    let names: HashSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let index = names.contains(INDEX_FILE).then(|| fs::read(snapshot.join(INDEX_FILE))).transpose();
    (names.contains("config.json") || names.contains("params.json"))
        && index.is_ok_and(|index| has_all_weights(names.iter().copied(), index.as_deref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_counts_when_it_is_whole() {
        let cache = tempfile::tempdir().unwrap();
        let repository = cache.path().join("models--o--r");
        let snapshot = repository.join("snapshots/0a1b");
        let put = |name: &str, text: &str| {
            let path = repository.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let found = |text: &str| checkpoint(cache.path(), &HubModel::parse(text).unwrap().unwrap());
        assert_eq!(found("hf.co/o/r"), None);
        put("refs/main", "0a1b");
        put("refs/refs/pr/1", "../../elsewhere");
        put("snapshots/0a1b/config.json", "{}");
        assert_eq!(found("hf.co/o/r"), None);
        put("snapshots/0a1b/model-00001-of-00002.safetensors", "x");
        assert_eq!(found("hf.co/o/r"), None);
        put("snapshots/0a1b/model-00002-of-00002.safetensors", "x");
        assert_eq!(found("hf.co/o/r"), Some(snapshot.clone()));
        assert_eq!(found("hf.co/o/r@0a1b"), Some(snapshot.clone()));
        put("snapshots/0a1b/model.safetensors.index.json", r#"{"weight_map":{"a":"model-3.safetensors"}}"#);
        assert_eq!(found("hf.co/o/r"), None);
        put("snapshots/0a1b/model-3.safetensors", "x");
        assert_eq!(found("hf.co/o/r"), Some(snapshot));
        for other in ["hf.co/o/r:Q4_K_M", "hf.co/o/r@refs/pr/1", "hf.co/o/r@none", "hf.co/o/other"] {
            assert_eq!(found(other), None, "{other}");
        }
    }
}
