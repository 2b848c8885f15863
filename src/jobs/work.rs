//! What a job does, stage by stage.

use crate::create::{self, CreateError, Left, Monitor, Owed, Stage};
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

    /// The models that are there already and only have to be published. For their sake the job goes on
    /// without anybody who follows it, in a later process too.
    fn owed(&self) -> &[Owed] {
        &[]
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
        Ok(Self::advance(*self, monitor)?.map(|left| match left {
            Left::Job(job) => Box::new(job) as Box<dyn Work>,
            Left::Publishing(publishing) => Box::new(publishing),
        }))
    }
}

impl Work for Box<dyn Work> {
    fn stages(&self) -> Vec<Stage> {
        (**self).stages()
    }

    fn needs(&self) -> Vec<Digest> {
        (**self).needs()
    }

    fn owed(&self) -> &[Owed] {
        (**self).owed()
    }

    fn advance(self: Box<Self>, monitor: Monitor<'_>) -> Result<Option<Box<dyn Work>>, CreateError> {
        (*self).advance(monitor)
    }
}

impl Work for create::Publishing {
    fn stages(&self) -> Vec<Stage> {
        vec![Stage::Publish]
    }

    fn needs(&self) -> Vec<Digest> {
        self.owed().iter().flat_map(|owed| owed.made.iter().map(|made| made.blob)).collect()
    }

    fn owed(&self) -> &[Owed] {
        Self::owed(self)
    }

    fn advance(self: Box<Self>, monitor: Monitor<'_>) -> Result<Option<Box<dyn Work>>, CreateError> {
        self.run(monitor).map(|()| None)
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
