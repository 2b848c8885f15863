//! Why a job did not succeed.

use crate::create::CreateError;

/// Why a job did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// What it does is not possible, or it was stopped.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// The operating system has no thread for it.
    #[error("the server has no thread left for the job; try again later")]
    NoThread,
    /// It panicked. This is a defect.
    #[error("the job failed because of a defect in the server; see its log")]
    Defect,
}
