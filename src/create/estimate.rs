//! How long a job will take, from how fast this machine is.

use serde::Serialize;
use utoipa::ToSchema;

use super::Workshop;
use super::planned_file::PlannedFile;
use crate::plan::Plan;

/// How long the computing of a job takes, if nothing else runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, ToSchema)]
pub struct Estimate {
    /// Seconds until it is done: encoding and hashing divided by the cores, or what cannot be divided,
    /// hashing and writing what is made, if that takes longer.
    pub seconds: f64,
    /// Seconds that one core would take to read and encode all weights.
    pub encoding: f64,
    /// Seconds that one core takes to hash what is made, and what is read if it is not known to be whole.
    pub hashing: f64,
    /// Seconds that the disk takes; unknown until a job has written something.
    pub writing: Option<f64>,
    /// Cores that it computes on.
    pub cores: usize,
}

impl Estimate {
    /// What making a file takes.
    pub(super) fn of(file: &PlannedFile, plan: &Plan, size: u64, workshop: &Workshop) -> Self {
        let (pace, store) = (&workshop.pace, &workshop.store);
        let encoding = plan.tensors.iter().map(|tensor| {
            let elements = tensor.shape.elements() as f64;
            elements * pace.encoding(tensor.derivation.stored_type(), tensor.element_type)
        });
        let unread = file.inputs().iter().filter(|input| store.has_to_read(&input.blob));
        let unread = unread.map(|input| input.blob.length()).fold(0, u64::saturating_add);
        let made = size as f64 * pace.hashing();
        Self {
            seconds: 0.0,
            encoding: encoding.sum(),
            hashing: made + unread as f64 * pace.hashing(),
            writing: pace.writing().map(|seconds| size as f64 * seconds),
            cores: workshop.resources.threads.get(),
        }
        .summed_up(made)
    }

    /// The same with the seconds that it comes to, of which so many are hashing that waits for itself.
    fn summed_up(self, in_a_row: f64) -> Self {
        let divided = (self.encoding + self.hashing) / self.cores.max(1) as f64;
        let seconds = divided.max(in_a_row).max(self.writing.unwrap_or(0.0));
        Self { seconds, ..self }
    }

    /// This, and then another.
    pub(super) fn and_then(self, other: Self) -> Self {
        let writing = match (self.writing, other.writing) {
            (None, None) => None,
            (one, another) => Some(one.unwrap_or(0.0) + another.unwrap_or(0.0)),
        };
        Self {
            seconds: self.seconds + other.seconds,
            encoding: self.encoding + other.encoding,
            hashing: self.hashing + other.hashing,
            writing,
            cores: self.cores.max(other.cores),
        }
    }
}
