//! What a job has used: time in each phase, bytes in and out.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::locked::locked;
use crate::model::{Digest, Name};

/// The phases of a job. They follow each other, so their times add up to the job's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Reading headers and configuration, checking, planning.
    Prepare,
    /// Waiting for other jobs.
    Wait,
    /// Moving a model from or to a registry.
    Transfer,
    /// Computing weights of a checkpoint or an adapter.
    Convert,
    /// Computing quantized weights, converted ones too.
    Quantize,
    /// Handing what was computed to the disk and the hash, as far as computing does not hide it.
    Write,
    /// Finishing the hash, and waiting for the disk to have everything.
    Sync,
    /// Metadata layers and the manifest.
    Finish,
}

impl Phase {
    /// All of them, in the order in which they come.
    pub const ALL: [Self; 8] = [
        Self::Prepare,
        Self::Wait,
        Self::Transfer,
        Self::Convert,
        Self::Quantize,
        Self::Write,
        Self::Sync,
        Self::Finish,
    ];

    /// Its name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Wait => "wait",
            Self::Transfer => "transfer",
            Self::Convert => "convert",
            Self::Quantize => "quantize",
            Self::Write => "write",
            Self::Sync => "sync",
            Self::Finish => "finish",
        }
    }
}

/// A model that a job has made or moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Product {
    /// What it is called.
    pub model: String,
    /// The digest of its manifest.
    #[schema(value_type = String)]
    pub digest: Digest,
}

/// The account of one job, which can be read at any time, also when the job has failed.
#[derive(Debug, Default)]
pub struct Usage {
    nanoseconds: [AtomicU64; Phase::ALL.len()],
    read: AtomicU64,
    written: AtomicU64,
    warnings: AtomicU64,
    products: Mutex<Vec<Product>>,
}

impl Usage {
    /// Does `work` and charges its time to `phase`.
    pub fn time<T>(&self, phase: Phase, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.charge(phase, start.elapsed());
        result
    }

    /// Charges time to a phase.
    pub fn charge(&self, phase: Phase, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds[phase as usize].fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// Counts bytes that were read from blobs or received from a registry.
    pub fn count_read(&self, bytes: u64) {
        self.read.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes of weights that were written to blobs or sent to a registry.
    pub fn count_written(&self, bytes: u64) {
        self.written.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts a warning that was logged.
    pub fn count_warning(&self) {
        self.warnings.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes a model that is there now.
    pub fn note_product(&self, model: &Name, digest: Digest) {
        let product = Product { model: model.short(), digest };
        let mut products = locked(&self.products);
        if !products.contains(&product) {
            products.push(product);
        }
    }

    /// Counts what another account counts, but not its models: whoever made them in passing was not asked for
    /// them.
    pub(super) fn include(&self, other: &Self) {
        for phase in Phase::ALL {
            self.charge(phase, other.spent(phase));
        }
        self.count_read(other.read());
        self.count_written(other.written());
        self.warnings.fetch_add(other.warnings(), Ordering::Relaxed);
    }

    /// The models that are there so far.
    pub fn products(&self) -> Vec<Product> {
        locked(&self.products).clone()
    }

    /// The time in a phase so far.
    pub fn spent(&self, phase: Phase) -> Duration {
        Duration::from_nanos(self.nanoseconds[phase as usize].load(Ordering::Relaxed))
    }

    /// The bytes read so far.
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// The bytes written so far.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// The warnings so far.
    pub fn warnings(&self) -> u64 {
        self.warnings.load(Ordering::Relaxed)
    }
}
