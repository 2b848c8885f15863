//! An importance matrix in a file of this machine.

use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::mapped_file::map_file;
use super::quantize::QuantizeError;
use crate::plan::{Source, SourceDescription};
use crate::quantize::{ImportanceMatrix, Recipe};

/// An importance matrix in a file.
pub(super) struct LocalMatrix {
    path: PathBuf,
    map: Mmap,
    /// `None` if no entry is selected: that is as good as no matrix.
    parsed: Option<ImportanceMatrix>,
}

impl LocalMatrix {
    /// The matrix that a recipe names by its path, if it names one.
    pub(super) fn of(recipe: &Recipe) -> Result<Option<Self>, QuantizeError> {
        match recipe.imatrix.as_str() {
            "" => recipe.selection().map(|_| None).map_err(QuantizeError::from),
            path => Self::open(Path::new(path), recipe).map(Some),
        }
    }

    /// The matrix in a file, of which a recipe selects entries.
    pub(super) fn open(path: &Path, recipe: &Recipe) -> Result<Self, QuantizeError> {
        let selection = recipe.selection()?;
        let path = path.to_owned();
        let map = map_file(&path).map_err(|reason| QuantizeError::File { path: path.clone(), reason })?;
        let label = path.display().to_string();
        let source = SourceDescription { label, length: map.len() as u64 };
        let parsed = ImportanceMatrix::read(source, &map, &selection)
            .map_err(|reason| QuantizeError::Importance { path: path.clone(), reason })?;
        Ok(Self { path, map, parsed })
    }

    /// What it says, as far as that is used.
    pub(super) fn values(&self) -> Option<&ImportanceMatrix> {
        self.parsed.as_ref()
    }

    pub(super) fn source(&self) -> &dyn Source {
        &self.map
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}
