//! The models that a request wants, which differ in their quantization alone.

use super::{CreateError, Quantization};
use crate::model::{Name, Reference};
use crate::quantize::Recipe;

/// The most models that one request may want: each has buffers and a thread of its own.
const MOST_OUTPUTS: usize = 32;

/// A model that is wanted.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// What it will be called.
    pub model: Name,
    /// The quantization wished for.
    pub quantize: Option<Quantization>,
    /// Where the quantization differs from its type.
    pub recipe: Recipe,
}

impl Wanted {
    /// A model of the weights as they are.
    pub fn as_it_is(model: Name) -> Self {
        Self { model, quantize: None, recipe: Recipe::default() }
    }
}

/// The models that a request wants, at least one.
#[derive(Debug, Clone)]
pub struct Outputs {
    wanted: Vec<Wanted>,
    /// Whether they were given as a list, so that each has an outcome of its own.
    is_list: bool,
}

impl Outputs {
    /// The one model of a request that names no list.
    pub fn single(wanted: Wanted) -> Self {
        Self { wanted: vec![wanted], is_list: false }
    }

    /// One model in several ways, of which none is made: they are compared.
    ///
    /// # Errors
    /// None, or too many.
    pub fn candidates(wanted: Vec<Wanted>) -> Result<Self, CreateError> {
        counted(wanted.len())?;
        Ok(Self { wanted, is_list: false })
    }

    /// Several models that are made together.
    ///
    /// # Errors
    /// None, too many, or two of the same name.
    pub fn list(wanted: Vec<Wanted>) -> Result<Self, CreateError> {
        counted(wanted.len())?;
        for (index, output) in wanted.iter().enumerate() {
            if wanted[..index].iter().any(|earlier| earlier.model == output.model) {
                return Err(CreateError::SameOutput { model: Box::new(output.model.clone()) });
            }
        }
        Ok(Self { wanted, is_list: true })
    }

    /// The first of them.
    pub fn first(&self) -> &Wanted {
        &self.wanted[0]
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Wanted> {
        self.wanted.iter()
    }

    /// Whether they were given as a list.
    pub fn is_list(&self) -> bool {
        self.is_list
    }

    /// Refuses a list that would replace the model that all of it is made from.
    pub(super) fn check_source(&self, from: &str) -> Result<(), CreateError> {
        let Ok(Reference::Name(from) | Reference::Pinned(from, _)) = from.parse() else { return Ok(()) };
        match self.wanted.iter().find(|output| self.is_list && output.model == from) {
            Some(output) => Err(CreateError::OutputIsSource { model: Box::new(output.model.clone()) }),
            None => Ok(()),
        }
    }
}

fn counted(count: usize) -> Result<(), CreateError> {
    match count {
        1..=MOST_OUTPUTS => Ok(()),
        got => Err(CreateError::OutputCount { got, limit: MOST_OUTPUTS }),
    }
}
