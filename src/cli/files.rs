//! Which files of a directory make up a model, and their digests.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::CliError;
use super::progress::Progress;
use crate::convert::{is_description, is_module};
use crate::model::Digest;

/// A file that a model is made from.
#[derive(Debug)]
pub(super) struct LocalFile {
    /// Where it is.
    pub(super) path: PathBuf,
    /// What the server is told it is called: its path below the directory given, with slashes.
    pub(super) name: String,
}

/// The files of a model: `path` itself, or what a directory holds of a checkpoint or of GGUF files.
pub(super) fn gather(path: &Path) -> Result<Vec<LocalFile>, CliError> {
    if !path.is_dir() {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        check(path)?;
        return Ok(vec![LocalFile { path: path.to_owned(), name }]);
    }
    let mut entries = entries(path, "")?;
    for directory in
        entries.iter().filter(|entry| entry.path.is_dir()).map(|entry| entry.name.clone()).collect::<Vec<_>>()
    {
        // The pooling's configuration, further chat templates and dense modules lie one level down.
        let below = self::entries(&path.join(&directory), &format!("{directory}/"))?;
        entries
            .extend(below.into_iter().filter(|entry| is_description(&entry.name) || is_module(&entry.name)));
    }
    entries.retain(|entry| entry.path.is_file());
    let checkpoint = entries.iter().any(|entry| entry.name.ends_with(".safetensors"));
    if checkpoint {
        // Some repositories carry the weights a second time in the vendor's own layout.
        let standard =
            entries.iter().any(|entry| is_weights(&entry.name) && !entry.name.starts_with("consolidated"));
        entries.retain(|entry| {
            is_weights(&entry.name) && !(standard && entry.name.starts_with("consolidated"))
                || is_module(&entry.name)
                || is_description(&entry.name)
        });
    } else {
        if let Some(pickle) = entries.iter().find(|entry| is_pickle(&entry.name))
            && !entries.iter().any(|entry| entry.name.ends_with(".gguf"))
        {
            return Err(CliError::Pickle(pickle.path.clone()));
        }
        entries.retain(|entry| entry.name.ends_with(".gguf"));
    }
    if entries.is_empty() {
        return Err(CliError::NoModel(path.to_owned()));
    }
    entries.sort_by(|one, two| one.name.cmp(&two.name));
    entries.iter().try_for_each(|entry| check(&entry.path))?;
    Ok(entries)
}

fn entries(directory: &Path, prefix: &str) -> Result<Vec<LocalFile>, CliError> {
    let listing = fs::read_dir(directory).map_err(CliError::file(directory))?;
    let mut entries = Vec::new();
    for entry in listing {
        let entry = entry.map_err(CliError::file(directory))?;
        let file_name = entry.file_name().to_string_lossy().into_owned();
        if !file_name.starts_with('.') {
            entries.push(LocalFile { path: entry.path(), name: format!("{prefix}{file_name}") });
        }
    }
    Ok(entries)
}

/// Whether a file holds weights of the model itself, by its name.
fn is_weights(name: &str) -> bool {
    name.ends_with(".safetensors") && !is_module(name)
}

fn is_pickle(name: &str) -> bool {
    name.ends_with(".pth")
        || name.ends_with(".pt")
        || name.starts_with("pytorch_model") && name.ends_with(".bin")
}

/// Refuses what cannot be the file that its name says.
fn check(path: &Path) -> Result<(), CliError> {
    const POINTER: &[u8] = b"version https://git-lfs";
    let mut head = Vec::new();
    File::open(path)
        .and_then(|file| file.take(POINTER.len() as u64).read_to_end(&mut head))
        .map_err(CliError::file(path))?;
    if head == POINTER { Err(CliError::LargeFilePointer(path.to_owned())) } else { Ok(()) }
}

/// The digest of a file's content.
pub(super) fn digest(path: &Path, progress: &Progress) -> Result<Digest, CliError> {
    let mut file = File::open(path).map_err(CliError::file(path))?;
    let length = file.metadata().map_err(CliError::file(path))?.len();
    let bar = progress.bar(format!("hashing {}", path.display()), length);
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                hasher.update(&buffer[..count]);
                bar.inc(count as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(CliError::file(path)(error)),
        }
    }
    bar.finish();
    Ok(Digest::from_bytes(hasher.finalize().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(files: &[&str]) -> Result<Vec<String>, CliError> {
        let directory = tempfile::tempdir().unwrap();
        for file in files {
            let path = directory.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        Ok(gather(directory.path())?.into_iter().map(|file| file.name).collect())
    }

    #[test]
    fn a_checkpoint_is_its_weights_and_descriptions() {
        let files = [
            "1_Pooling/config.json",
            "2_Dense/model.safetensors",
            "README.md",
            "additional_chat_templates/tool_use.jinja",
            "chat_template.jinja",
            "config.json",
            "merges.txt",
            "model.safetensors",
            "sentencepiece.bpe.model",
            "tokenizer.model",
            "vocab.txt",
        ];
        let others = [".cache/x.json", "a.png", "m.gguf", "onnx/model.safetensors", "onnx/vocab.txt"];
        assert_eq!(names(&[&files[..], &others].concat()).unwrap(), files);
    }

    #[test]
    fn weights_in_two_layouts_are_taken_once() {
        let files = ["consolidated.safetensors", "model.safetensors"];
        assert_eq!(names(&files).unwrap(), ["model.safetensors"]);
        assert_eq!(names(&files[..1]).unwrap(), ["consolidated.safetensors"]);
    }

    #[test]
    fn what_is_no_model_is_refused() {
        assert!(matches!(names(&["a.txt"]), Err(CliError::NoModel(_))));
        assert!(matches!(names(&["pytorch_model.bin"]), Err(CliError::Pickle(_))));
    }

    #[test]
    fn pointers_are_recognised() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model.gguf");
        fs::write(&path, "version https://git-lfs.github.com/spec/v1\noid sha256:0\n").unwrap();
        assert!(matches!(gather(&path), Err(CliError::LargeFilePointer(_))));
    }
}
