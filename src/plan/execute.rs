//! The executor: any plan, from its sources into an ordered sink.
//!
//! Tensors are cut into chunks of elements. Threads evaluate chunks ahead of the writer, within a memory
//! budget; the calling thread writes them in file order, so a sink that hashes does so while the next chunks
//! are computed. Chunks that need no change are lent by the source and go to the sink without a copy.
//!
//! A single file is a [`Batch`] of one.

use std::io::Write;

use super::Plan;
use super::batch::{Batch, Output};
use super::error::PlanError;
use super::observer::Observer;
use super::program::Program;
use super::resources::Resources;
use super::source::Source;
use crate::gguf::Header;

impl Plan {
    /// Makes the file: reads `sources`, in the order of [`Plan::sources`], and writes every byte of the
    /// result to `sink`, in order. Returns how many that were, which is [`Plan::size`].
    ///
    /// # Errors
    /// Whatever [`PlanError`] names. The sink has then received part of the file.
    pub fn execute(
        &self,
        sources: &[&dyn Source],
        sink: &mut dyn Write,
        resources: Resources,
        observer: &dyn Observer,
    ) -> Result<u64, PlanError> {
        let places = (0..sources.len()).collect();
        let output = Output { plan: self, places, present: 0, sink, observer };
        let batch = Batch { sources, outputs: vec![output] };
        batch.execute(resources).pop().unwrap_or(Err(PlanError::Cancelled))
    }

    /// Checks everything that can be known without reading a source; answers with the length of the file to
    /// come.
    ///
    /// # Errors
    /// Whatever [`PlanError`] names for headers, shapes, byte ranges and conversions.
    pub fn check(&self) -> Result<u64, PlanError> {
        let length = self.size()?;
        self.compile()?;
        Ok(length)
    }

    /// The length of the file to come in bytes.
    ///
    /// # Errors
    /// There is no such file: see [`PlanError::Header`].
    pub fn size(&self) -> Result<u64, PlanError> {
        Ok(self.header()?.file_length())
    }

    pub(super) fn compile(&self) -> Result<Vec<Program<'_>>, PlanError> {
        self.tensors.iter().map(|tensor| Program::compile(tensor, &self.sources)).collect()
    }

    pub(super) fn check_sources(&self, sources: &[&dyn Source]) -> Result<(), PlanError> {
        if sources.len() != self.sources.len() {
            return Err(PlanError::SourceCount { got: sources.len(), expected: self.sources.len() });
        }
        for (source, description) in sources.iter().zip(&self.sources) {
            let (got, expected) = (source.length(), description.length);
            if got != expected {
                return Err(PlanError::SourceLength { label: description.label.clone(), got, expected });
            }
        }
        Ok(())
    }

    /// The header of the file to come.
    ///
    /// # Errors
    /// There is no such file: see [`PlanError::Header`].
    pub fn header(&self) -> Result<Header, PlanError> {
        let tensors: Vec<_> = self.tensors.iter().map(|tensor| tensor.description()).collect();
        Ok(Header::new(&self.metadata, &tensors)?)
    }
}
