//! A file that is made with others, as the threads that evaluate know it.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use super::Plan;
use super::error::PlanError;
use super::observer::Observer;
use super::program::Program;
use super::source::Source;
use super::stored::bytes_of;
use crate::gguf::Header;

/// A file of a batch.
pub(super) struct Member<'b> {
    pub(super) plan: &'b Plan,
    pub(super) places: Vec<usize>,
    /// The sources of its plan.
    pub(super) sources: Vec<&'b dyn Source>,
    pub(super) programs: Vec<Program<'b>>,
    pub(super) observer: &'b dyn Observer,
    pub(super) header: Header,
    present: u64,
    /// It has failed, and needs nothing any more.
    ended: AtomicBool,
}

impl<'b> Member<'b> {
    /// Checks that the plan can be carried out.
    pub(super) fn new(
        plan: &'b Plan,
        places: Vec<usize>,
        present: u64,
        observer: &'b dyn Observer,
        all: &'b [&'b dyn Source],
    ) -> Result<Self, PlanError> {
        let sources: Vec<_> = places.iter().filter_map(|&place| all.get(place).copied()).collect();
        plan.check_sources(&sources)?;
        let (header, programs) = (plan.header()?, plan.compile()?);
        let ended = AtomicBool::new(false);
        Ok(Self { plan, places, sources, programs, observer, header, present, ended })
    }

    /// Where elements of a tensor lie in the file.
    pub(super) fn file_range(&self, tensor: usize, elements: &Range<u64>) -> Range<u64> {
        let start = self.header.data()[tensor].start;
        let bytes = |elements| bytes_of(self.plan.tensors[tensor].element_type, elements);
        start + bytes(elements.start)..start + bytes(elements.end)
    }

    /// Notes that it has failed.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    /// Whether elements of a tensor are yet to be made.
    pub(super) fn wants(&self, tensor: usize, elements: &Range<u64>) -> bool {
        !self.has_ended() && self.file_range(tensor, elements).end > self.present
    }

    /// Whether nobody waits for it any more.
    pub(super) fn is_given_up(&self) -> bool {
        self.has_ended() || self.observer.is_cancelled()
    }

    /// Whether it has failed.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }
}
