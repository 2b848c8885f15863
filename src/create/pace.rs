//! How fast this machine is, as far as somebody has asked: measured when it is needed first, and remembered
//! while the process lives.
//!
//! Encoding and hashing are measured on a few numbers, within a millisecond or so. Writing is not tried out,
//! since who only asks writes nothing: what jobs have written tells of it, so it is unknown before the first.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use crate::locked::locked;
use crate::tensor::{ElementType, dequantize, needs_importance, quantize};

/// Numbers that are encoded to measure how fast that is: whole blocks of all types.
const NUMBERS: usize = 1024;
/// Bytes that are hashed to measure how fast that is.
const BYTES: usize = 64 << 10;
/// A measurement ends after so long, however slow the machine is, but not before it is done once.
const ENOUGH: Duration = Duration::from_micros(500);
/// Shorter files tell of opening and syncing more than of writing, in bytes.
const TELLING: u64 = 16 << 20;

/// What is known of the machine.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Seconds of one core for a number, by the types that it is read and written in.
    encoding: Mutex<HashMap<(ElementType, ElementType), f64>>,
    /// Seconds of one core for a byte.
    hashing: OnceLock<f64>,
    /// Bytes that jobs have written, and how long the disk took for them.
    written: Mutex<(u64, Duration)>,
}

impl Pace {
    /// Seconds that one core takes to read a number of one type and to write it in another.
    pub(super) fn encoding(&self, from: ElementType, to: ElementType) -> f64 {
        if from == to {
            // They are moved, and hashing what is moved takes longer.
            return 0.0;
        }
        if let Some(known) = locked(&self.encoding).get(&(from, to)) {
            return *known;
        }
        let measured = measure_encoding(from, to);
        locked(&self.encoding).insert((from, to), measured);
        measured
    }

    /// Seconds that one core takes to hash a byte.
    pub(super) fn hashing(&self) -> f64 {
        *self.hashing.get_or_init(|| {
            let bytes = vec![0x5A_u8; BYTES];
            let hash = || {
                black_box(Sha256::digest(black_box(&bytes)));
            };
            seconds_of(hash) / BYTES as f64
        })
    }

    /// Seconds that the disk takes for a byte, as far as jobs have told.
    pub(super) fn writing(&self) -> Option<f64> {
        let (bytes, time) = *locked(&self.written);
        (bytes > 0).then(|| time.as_secs_f64() / bytes as f64)
    }

    /// Learns how long the disk took for what a job has written.
    pub(super) fn has_written(&self, bytes: u64, time: Duration) {
        if bytes >= TELLING {
            let mut written = locked(&self.written);
            // What was long ago counts less and less.
            *written = (written.0 / 2 + bytes, written.1 / 2 + time);
        }
    }
}

fn measure_encoding(from: ElementType, to: ElementType) -> f64 {
    // Neither all alike nor random: kernels that search take about as long as with weights.
    let numbers: Vec<f32> = (0..NUMBERS).map(|index| ((index * 37 % 101) as f32 - 50.0) / 64.0).collect();
    let bytes_of = |kind: ElementType| NUMBERS / kind.block_len() * kind.block_bytes();
    // Blocks of zeros are valid blocks of every type.
    let (stored, mut decoded) = (vec![0_u8; bytes_of(from)], vec![0.0; NUMBERS]);
    let mut encoded = vec![0_u8; bytes_of(to)];
    let importance = vec![1.0; ROW];
    let importance = needs_importance(to).then_some(importance.as_slice());
    let seconds = seconds_of(|| {
        // A type that cannot be read or made is told where the plan is made, not here.
        let _ = black_box(dequantize(from, black_box(&stored), &mut decoded));
        let _ = black_box(quantize(to, black_box(&numbers), ROW, importance, &mut encoded));
    });
    seconds / NUMBERS as f64
}

/// The numbers of a row.
const ROW: usize = 256;

/// Seconds that something takes, once what it sets up the first time is there.
fn seconds_of(mut work: impl FnMut()) -> f64 {
    work();
    let (start, mut times) = (Instant::now(), 0_u32);
    loop {
        work();
        times += 1;
        let elapsed = start.elapsed();
        if elapsed >= ENOUGH {
            return elapsed.as_secs_f64() / f64::from(times);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_measured_once_and_those_of_disks_are_learnt() {
        let pace = Pace::default();
        let (slow, copied) = (
            pace.encoding(ElementType::F32, ElementType::Q4K),
            pace.encoding(ElementType::F16, ElementType::F16),
        );
        assert!(slow > 0.0 && copied == 0.0);
        assert_eq!(pace.encoding(ElementType::F32, ElementType::Q4K), slow, "it is remembered");
        assert!(pace.encoding(ElementType::F16, ElementType::Iq2Xs) > 0.0);
        assert!(pace.hashing() > 0.0);
        assert_eq!(pace.writing(), None);
        pace.has_written(TELLING - 1, Duration::from_secs(1));
        assert_eq!(pace.writing(), None, "short files tell nothing");
        pace.has_written(1 << 30, Duration::from_secs(1));
        let fast = pace.writing().unwrap();
        pace.has_written(1 << 30, Duration::from_secs(4));
        assert!(pace.writing().unwrap() > 2.0 * fast);
    }
}
