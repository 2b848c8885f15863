//! Which files of a directory make up a model, and their digests.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::CliError;
use super::progress::Progress;
use crate::convert::select;
use crate::model::Digest;

/// A file that a model is made from.
#[derive(Debug, Clone)]
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
    let folders: Vec<_> = entries.iter().filter(|entry| entry.path.is_dir()).cloned().collect();
    for folder in folders {
        entries.extend(self::entries(&folder.path, &format!("{}/", folder.name))?);
    }
    entries.retain(|entry| entry.path.is_file());
    let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    let selected = select(&names).map_err(|source| CliError::NoModel { path: path.to_owned(), source })?;
    let selected: Vec<String> = selected.into_iter().map(str::to_owned).collect();
    entries.retain(|entry| selected.contains(&entry.name));
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

    #[test]
    fn what_is_no_model_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a.txt"), "x").unwrap();
        assert!(matches!(gather(directory.path()), Err(CliError::NoModel { .. })));
        fs::create_dir(directory.path().join("1_Pooling")).unwrap();
        for name in ["1_Pooling/config.json", "model.safetensors"] {
            fs::write(directory.path().join(name), "x").unwrap();
        }
        let names: Vec<_> = gather(directory.path()).unwrap().into_iter().map(|file| file.name).collect();
        assert_eq!(names, ["1_Pooling/config.json", "model.safetensors"]);
    }

    #[test]
    fn pointers_are_recognised() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model.gguf");
        fs::write(&path, "version https://git-lfs.github.com/spec/v1\noid sha256:0\n").unwrap();
        assert!(matches!(gather(&path), Err(CliError::LargeFilePointer(_))));
    }
}
