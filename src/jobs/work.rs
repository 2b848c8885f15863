//! What a job does, stage by stage.

use crate::create::{self, CreateError, Monitor, Stage};
use crate::model::Digest;

/// What a job still has to do.
pub trait Work: Send + 'static {
    /// The stages that are left, as far as is known; never none.
    fn stages(&self) -> Vec<Stage>;

    /// The blobs that have to be there for that, and the recipes of what is made of them, as far as they are
    /// known.
    fn needs(&self) -> Vec<Digest> {
        Vec::new()
    }

    /// Does the first of these stages; answers with what is left. It blocks.
    ///
    /// # Errors
    /// The job cannot be done. Nothing of it is left behind then, and neither is when this is dropped
    /// instead.
    fn advance(self: Box<Self>, monitor: Monitor<'_>) -> Result<Option<Box<dyn Work>>, CreateError>;
}

impl Work for create::Job {
    fn stages(&self) -> Vec<Stage> {
        Self::stages(self)
    }

    fn needs(&self) -> Vec<Digest> {
        Self::needs(self)
    }

    fn advance(self: Box<Self>, monitor: Monitor<'_>) -> Result<Option<Box<dyn Work>>, CreateError> {
        Ok(Self::advance(*self, monitor)?.map(|job| Box::new(job) as Box<dyn Work>))
    }
}

/// Work of a single stage.
#[derive(Debug)]
pub struct Once<W> {
    /// Which one.
    pub stage: Stage,
    /// What is done.
    pub work: W,
}

impl<W> Work for Once<W>
where
    W: FnOnce(Monitor<'_>) -> Result<(), CreateError> + Send + 'static,
{
    fn stages(&self) -> Vec<Stage> {
        vec![self.stage]
    }

    fn advance(self: Box<Self>, monitor: Monitor<'_>) -> Result<Option<Box<dyn Work>>, CreateError> {
        (self.work)(monitor).map(|()| None)
    }
}
