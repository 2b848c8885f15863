//! The files that a client names in its request: those that it has uploaded, and those beside the server.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::{CreateError, FileName};
use crate::model::Digest;

/// What stands in the place of a digest for a file beside the server.
const BESIDE: &str = "file:";

/// The path that an address means, if it is one of a file; nothing in it if it means none of this machine.
pub(super) fn path_of(address: &str) -> Option<Option<PathBuf>> {
    let path = || url::Url::parse(address).ok()?.to_file_path().ok();
    address.starts_with(BESIDE).then(path)
}

/// Files by name, in the order of their names. Names differ in more than letter case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    blobs: BTreeMap<FileName, Digest>,
    /// Where those are that are no blobs yet.
    beside: BTreeMap<FileName, PathBuf>,
}

impl Files {
    /// Checks names and digests. In the place of a digest, `file:///path` is a file beside the server.
    ///
    /// # Errors
    /// [`CreateError::FileName`], [`CreateError::FileNameCase`], [`CreateError::Digest`] or
    /// [`CreateError::NotBeside`].
    pub fn parse(files: BTreeMap<String, String>) -> Result<Self, CreateError> {
        let mut folded: HashMap<String, String> = HashMap::new();
        let mut parsed = Self::default();
        for (file, digest) in files {
            let name = file.parse().map_err(|source| CreateError::FileName { file: file.clone(), source })?;
            if let Some(other) = folded.insert(file.to_lowercase(), file.clone()) {
                return Err(CreateError::FileNameCase { file, other });
            }
            if let Some(path) = path_of(&digest) {
                parsed.beside.insert(name, path.ok_or(CreateError::NotBeside { file })?);
            } else {
                let digest = digest.parse().map_err(|source| CreateError::Digest { file, source })?;
                parsed.blobs.insert(name, digest);
            }
        }
        Ok(parsed)
    }

    /// Files beside the server.
    pub(super) fn at(files: impl IntoIterator<Item = (FileName, PathBuf)>) -> Self {
        Self { blobs: BTreeMap::new(), beside: files.into_iter().collect() }
    }

    /// One file.
    pub fn single(name: FileName, digest: Digest) -> Self {
        Self { blobs: BTreeMap::from([(name, digest)]), beside: BTreeMap::new() }
    }

    /// The files that are blobs, in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&FileName, Digest)> {
        self.blobs.iter().map(|(name, digest)| (name, *digest))
    }

    /// The files that are no blobs yet, and where they are.
    pub(super) fn beside(&self) -> impl Iterator<Item = (&FileName, &Path)> {
        self.beside.iter().map(|(name, path)| (name, path.as_path()))
    }

    /// Notes the blob that a file is.
    pub(super) fn insert(&mut self, name: FileName, digest: Digest) {
        self.beside.remove(&name);
        self.blobs.insert(name, digest);
    }

    /// Those of the files that are to stay.
    pub(super) fn retained(mut self, stays: impl Fn(&FileName) -> bool) -> Self {
        self.blobs.retain(|file, _| stays(file));
        self.beside.retain(|file, _| stays(file));
        self
    }

    /// These files and others.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.blobs.extend(other.blobs);
        self.beside.extend(other.beside);
        self
    }

    /// The files but for those with this content.
    pub(super) fn without(self, content: Digest) -> Self {
        let blobs = self.blobs.into_iter().filter(|(_, digest)| *digest != content).collect();
        Self { blobs, ..self }
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.blobs.len() + self.beside.len()
    }

    /// Whether there is no file.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_digests_are_checked() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let parse = |files: &[(&str, &str)]| {
            Files::parse(files.iter().map(|&(name, digest)| (name.to_owned(), digest.to_owned())).collect())
        };
        assert_eq!(parse(&[("a.gguf", &digest)]).unwrap().len(), 1);
        let beside = parse(&[("a", "file:///x/a%20b")]).unwrap();
        assert_eq!(beside.beside().next().unwrap().1, Path::new("/x/a b"));
        assert!(matches!(parse(&[("a", "file://host/a")]), Err(CreateError::NotBeside { .. })));
        assert!(matches!(parse(&[("../x", &digest)]), Err(CreateError::FileName { .. })));
        let without = parse(&[("a", ""), ("b", &digest)]);
        assert!(matches!(without, Err(CreateError::Digest { file, .. }) if file == "a"));
        assert!(matches!(parse(&[("A", &digest), ("a", &digest)]), Err(CreateError::FileNameCase { .. })));
    }
}
