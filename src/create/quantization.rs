//! The quantization that a client wishes for.

use super::input::Input;
use super::{CreateError, FileName, Files};
use crate::model::Digest;
use crate::quantize::{ImportanceMatrix, Recipe, Scheme, Size, Target};
use crate::store::Store;

/// The quantization wished for.
#[derive(Debug, Clone)]
pub struct Quantization {
    pub(super) scheme: Scheme,
    /// As the client calls it, in upper case; progress lines show it.
    pub(super) wish: String,
    pub(super) matrix: Option<Matrix>,
    /// Whether the errors of tensors are to be told.
    pub(super) quality: bool,
    /// The size that the weights have to fit into.
    pub(super) target_size: Option<Size>,
}

/// An importance matrix of the store.
#[derive(Debug, Clone)]
pub(super) struct Matrix {
    pub(super) values: ImportanceMatrix,
    pub(super) input: Input,
}

impl Quantization {
    /// What a client calls a quantization; nothing is wished for by an empty text.
    ///
    /// # Errors
    /// [`CreateError::UnknownQuantization`].
    pub fn parse(wish: &str) -> Result<Option<Self>, CreateError> {
        if wish.is_empty() {
            return Ok(None);
        }
        match wish.parse::<Target>() {
            Ok(target) => {
                let (scheme, wish) = (Scheme::new(target), wish.to_uppercase());
                Ok(Some(Self { scheme, wish, matrix: None, quality: false, target_size: None }))
            }
            Err(_) => Err(CreateError::UnknownQuantization {
                got: wish.to_owned(),
                supported: Target::names().collect(),
            }),
        }
    }

    /// The same with what a recipe says. Its importance matrix is one of the files, or a blob of the store.
    pub(super) fn following(
        self,
        recipe: &Recipe,
        files: Option<&Files>,
        store: &Store,
    ) -> Result<Self, CreateError> {
        let scheme = recipe.scheme(self.scheme.target)?;
        let (quality, target_size) = (recipe.quality, recipe.target_size);
        let selection = recipe.selection()?;
        if recipe.imatrix.is_empty() {
            return Ok(Self { scheme, quality, target_size, ..self });
        }
        let input = matrix(&recipe.imatrix, files, store)?;
        let failed = |source| CreateError::Importance { file: input.file.clone(), source: Box::new(source) };
        let read = ImportanceMatrix::read(input.source(), input.blob.bytes()?, &selection).map_err(failed)?;
        let matrix = read.map(|values| Matrix { values, input: input.clone() });
        Ok(Self { scheme, matrix, quality, target_size, ..self })
    }

    /// Whether weights of the type wished for are what is wished for.
    pub(super) fn is_plain(&self) -> bool {
        self.scheme == Scheme::new(self.scheme.target) && self.matrix.is_none() && self.target_size.is_none()
    }
}

/// The importance matrix that a recipe names.
fn matrix(name: &str, files: Option<&Files>, store: &Store) -> Result<Input, CreateError> {
    let named = files.into_iter().flat_map(Files::iter).find(|(file, _)| file.as_str() == name);
    if let Some((file, digest)) = named {
        return Input::open(store, file, digest);
    }
    match (name.parse::<Digest>(), "imatrix".parse::<FileName>()) {
        (Ok(digest), Ok(file)) => {
            let input = Input::open(store, &file, digest)?;
            Ok(Input { file: name.to_owned(), ..input })
        }
        _ => Err(CreateError::NoSuchMatrix { name: name.chars().take(200).collect() }),
    }
}
