//! What is told of a job to those who do not follow it.

use std::time::SystemTime;

use super::id::JobId;
use super::state::{Kind, Standing};
use crate::create::Product;
use crate::model::Name;

/// What is told of a job.
#[derive(Debug, Clone)]
pub struct Summary {
    /// What it is called.
    pub id: JobId,
    /// What was asked for.
    pub kind: Kind,
    /// The model that it makes or moves.
    pub model: Name,
    /// Whether it goes on without anybody who follows it.
    pub is_detached: bool,
    /// When it was asked for.
    pub asked: SystemTime,
    /// How it stands.
    pub standing: Standing,
    /// Bytes read from blobs or received, since it began or went on.
    pub bytes_in: u64,
    /// Bytes of weights written or sent.
    pub bytes_out: u64,
    /// The number of warnings that it gave.
    pub warnings: u64,
    /// The number that its next event gets: a reader cannot begin beyond.
    pub events: u64,
    /// Why it did not succeed.
    pub error: Option<String>,
    /// The models that it has made or moved.
    pub products: Vec<Product>,
}
