//! Which files of a directory make up a model, and their digests.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::CliError;
use crate::convert::select;
use crate::create::{BEGINNING, Impostor};
use crate::gguf::ShardName;

/// A file that a model is made from.
#[derive(Debug, Clone)]
pub(super) struct LocalFile {
    /// Where it is.
    pub(super) path: PathBuf,
    /// What the server is told it is called: its path below the directory given, with slashes.
    pub(super) name: String,
}

/// The files of a model, and what was found beside them.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) files: Vec<LocalFile>,
    /// Files with weights that are not taken, since others are.
    pub(super) left_out: Vec<PathBuf>,
}

/// The files of a model: the file at `path` with what belongs to it, or what a directory holds of a
/// checkpoint or of GGUF files.
pub(super) fn gather(path: &Path) -> Result<Gathered, CliError> {
    match path.is_dir() {
        true => gather_directory(path, None),
        false => gather_around(path),
    }
}

/// What has to be said of files that are left out.
pub(super) fn not_taken(files: &[PathBuf]) -> Option<String> {
    let names: Vec<_> = files.iter().map(|path| path.display().to_string()).collect();
    let is_any = !names.is_empty();
    is_any.then(|| {
        format!("other weights are there, and left out: {}; name them to use them", names.join(", "))
    })
}

/// A file, and what belongs to it: the other files of a model that was split, and of a checkpoint the files
/// that describe it.
fn gather_around(path: &Path) -> Result<Gathered, CliError> {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    check(path)?;
    let is_described =
        CONFIGURATIONS.iter().any(|configuration| path.with_file_name(configuration).is_file());
    if is_weights(&name) && is_described {
        let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
        let gathered = gather_directory(directory.unwrap_or(Path::new(".")), Some(set_of(&name)))?;
        // Who names a file knows that there are others.
        return Ok(Gathered { left_out: Vec::new(), ..gathered });
    }
    let beside = |name: String| LocalFile { path: path.with_file_name(&name), name };
    let shards = ShardName::parse(&name).and_then(ShardName::all).map(|names| names.map(beside).collect());
    let files: Vec<_> = shards.unwrap_or_else(|| vec![LocalFile { path: path.to_owned(), name }]);
    files.iter().try_for_each(|file| check(&file.path))?;
    Ok(Gathered { files, left_out: Vec::new() })
}

/// What says which model the weights beside it are: of a checkpoint, of one in Mistral's layout, of an
/// adapter.
const CONFIGURATIONS: [&str; 3] = ["config.json", "params.json", "adapter_config.json"];

/// What the files of one set of weights have in common: `model` of `model-00002-of-00007.safetensors`, or the
/// whole name.
fn set_of(name: &str) -> &str {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let numbered = || {
        let (rest, count) = name.strip_suffix(".safetensors")?.rsplit_once("-of-")?;
        let (set, number) = rest.rsplit_once('-')?;
        (is_number(number) && is_number(count)).then_some(set)
    };
    numbered().unwrap_or(name)
}

/// What a directory holds of a model, of whose weights only one set may be wanted.
fn gather_directory(path: &Path, wanted: Option<&str>) -> Result<Gathered, CliError> {
    let mut entries = entries(path, "")?;
    let folders: Vec<_> = entries.iter().filter(|entry| entry.path.is_dir()).cloned().collect();
    for folder in folders {
        entries.extend(self::entries(&folder.path, &format!("{}/", folder.name))?);
    }
    entries.retain(|entry| entry.path.is_file());
    entries.sort_by(|one, two| one.name.cmp(&two.name));
    let is_of = |name: &str, set: &str| match name.strip_suffix(".safetensors.index.json") {
        // The index of another set asks for files that are not taken.
        Some(indexed) => set.starts_with(indexed),
        None => !is_weights(name) || set_of(name) == set,
    };
    let is_wanted = |name: &&str| wanted.is_none_or(|set| is_of(name, set));
    let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).filter(is_wanted).collect();
    let selected = select(&names).map_err(|source| CliError::NoModel { path: path.to_owned(), source })?;
    let selected: HashSet<String> = selected.into_iter().map(str::to_owned).collect();
    let is_selected = |entry: &LocalFile| selected.contains(&entry.name);
    let (files, others): (Vec<_>, Vec<_>) = entries.into_iter().partition(is_selected);
    files.iter().try_for_each(|entry| check(&entry.path))?;
    let left_out = others.into_iter().filter(|entry| holds_weights(&entry.name)).map(|entry| entry.path);
    Ok(Gathered { files, left_out: left_out.collect() })
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

/// Whether a file holds weights of the model itself, by its name: those of modules lie in folders.
fn is_weights(name: &str) -> bool {
    name.ends_with(".safetensors") && !name.contains('/')
}

/// Whether it may hold weights of any kind of a model.
fn holds_weights(name: &str) -> bool {
    let is_pickle = [".pth", ".pt", ".bin"].iter().any(|extension| name.ends_with(extension));
    is_weights(name) || !name.contains('/') && (name.ends_with(".gguf") || is_pickle)
}

/// Refuses what cannot be the file that its name says.
fn check(path: &Path) -> Result<(), CliError> {
    let mut beginning = Vec::new();
    File::open(path)
        .and_then(|file| file.take(BEGINNING as u64).read_to_end(&mut beginning))
        .map_err(CliError::file(path))?;
    match Impostor::of(&beginning, &path.to_string_lossy()) {
        None => Ok(()),
        Some(Impostor::LargeFilePointer) => Err(CliError::LargeFilePointer(path.to_owned())),
        Some(Impostor::WebPage) => Err(CliError::WebPage(path.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_in_two_layouts_are_taken_once() {
        let files = ["consolidated.safetensors", "model.safetensors"];
        let directory = tempfile::tempdir().unwrap();
        let index = "model.safetensors.index.json";
        for file in [&files[..], &["config.json", "m.gguf", "pytorch_model.bin", "vocab.txt", index]].concat()
        {
            fs::write(directory.path().join(file), "x").unwrap();
        }
        let left_out = gather(directory.path()).unwrap().left_out;
        let left_out: Vec<_> = left_out.iter().filter_map(|path| path.file_name()?.to_str()).collect();
        assert_eq!(left_out, ["consolidated.safetensors", "m.gguf", "pytorch_model.bin"]);
        let named = gather(&directory.path().join(files[0])).unwrap();
        let named: Vec<_> = named.files.into_iter().map(|file| file.name).collect();
        assert_eq!(named, ["config.json", "consolidated.safetensors", "vocab.txt"]);
    }

    #[test]
    fn what_is_no_model_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a.txt"), "x").unwrap();
        assert!(matches!(gather(directory.path()), Err(CliError::NoModel { .. })));
        fs::create_dir(directory.path().join("1_Pooling")).unwrap();
        for name in ["1_Pooling/config.json", "model.safetensors"] {
            fs::write(directory.path().join(name), "x").unwrap();
        }
        let names: Vec<_> =
            gather(directory.path()).unwrap().files.into_iter().map(|file| file.name).collect();
        assert_eq!(names, ["1_Pooling/config.json", "model.safetensors"]);
    }

    #[test]
    fn pointers_are_recognised() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model.gguf");
        fs::write(&path, "version https://git-lfs.github.com/spec/v1\noid sha256:0\n").unwrap();
        assert!(matches!(gather(&path), Err(CliError::LargeFilePointer(_))));
        fs::write(&path, "<!DOCTYPE html><html></html>").unwrap();
        assert!(matches!(gather(&path), Err(CliError::WebPage(_))));
    }

    #[test]
    fn what_belongs_to_a_file_is_taken_with_it() {
        let directory = tempfile::tempdir().unwrap();
        let files = [
            "config.json",
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "other.safetensors",
            "m-00001-of-00002.gguf",
            "m-00002-of-00002.gguf",
            "tokenizer.json",
        ];
        for file in files {
            fs::write(directory.path().join(file), "x").unwrap();
        }
        let around = |name: &str| -> Vec<String> {
            gather(&directory.path().join(name)).unwrap().files.into_iter().map(|file| file.name).collect()
        };
        assert_eq!(around(files[1]), [files[0], files[1], files[2], files[6]]);
        assert_eq!(around(files[3]), [files[0], files[3], files[6]]);
        assert_eq!(around(files[5]), [files[4], files[5]]);
        assert_eq!(around(files[6]), [files[6]]);
        fs::remove_file(directory.path().join("config.json")).unwrap();
        assert_eq!(around(files[3]), [files[3]]);
        fs::remove_file(directory.path().join(files[4])).unwrap();
        let error = gather(&directory.path().join(files[5])).unwrap_err().to_string();
        assert!(error.contains("m-00001-of-00002.gguf: No such file"), "{error}");
    }
}
