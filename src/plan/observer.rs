//! Who watches an execution.

use super::squared_error::SquaredError;

/// Who watches how a file is made, many times a second.
pub trait Observer: Sync {
    /// So many bytes of the file are there. Told by the thread that executes.
    fn written(&self, bytes: u64) {
        let _ = bytes;
    }

    /// Whether the error of what is quantized is to be measured on the way.
    fn measures(&self) -> bool {
        false
    }

    /// A part of the tensor of this number has this error; told in the order of the file.
    fn measured(&self, tensor: usize, error: SquaredError) {
        let _ = (tensor, error);
    }

    /// Whether to stop. All threads ask. The file ends with
    /// [`PlanError::Cancelled`](super::PlanError::Cancelled) within a few thousand elements' time, where a
    /// tensor is not transposed.
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// Nobody watches.
impl Observer for () {}
