//! The files that a client has uploaded and names in its request.

use std::collections::{BTreeMap, HashMap};

use super::{CreateError, FileName};
use crate::model::Digest;

/// Files by name, in the order of their names. Names differ in more than letter case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files(BTreeMap<FileName, Digest>);

impl Files {
    /// Checks names and digests.
    ///
    /// # Errors
    /// [`CreateError::FileName`], [`CreateError::FileNameCase`] or [`CreateError::Digest`].
    pub fn parse(files: BTreeMap<String, String>) -> Result<Self, CreateError> {
        let mut folded: HashMap<String, String> = HashMap::new();
        let mut parsed = BTreeMap::new();
        for (file, digest) in files {
            let name = file.parse().map_err(|source| CreateError::FileName { file: file.clone(), source })?;
            if let Some(other) = folded.insert(file.to_lowercase(), file.clone()) {
                return Err(CreateError::FileNameCase { file, other });
            }
            let digest = digest.parse().map_err(|source| CreateError::Digest { file, source })?;
            parsed.insert(name, digest);
        }
        Ok(Self(parsed))
    }

    /// One file.
    pub fn single(name: FileName, digest: Digest) -> Self {
        Self(BTreeMap::from([(name, digest)]))
    }

    /// The files in the order of their names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&FileName, Digest)> {
        self.0.iter().map(|(name, digest)| (name, *digest))
    }

    /// The files but for those with this content.
    pub(super) fn without(self, content: Digest) -> Self {
        Self(self.0.into_iter().filter(|(_, digest)| *digest != content).collect())
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no file.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
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
        assert!(matches!(parse(&[("../x", &digest)]), Err(CreateError::FileName { .. })));
        assert!(
            matches!(parse(&[("a", ""), ("b", &digest)]), Err(CreateError::Digest { file, .. }) if file == "a")
        );
        assert!(matches!(parse(&[("A", &digest), ("a", &digest)]), Err(CreateError::FileNameCase { .. })));
    }
}
