//! What happens to files behind a program's back: by a power loss, a bad disk, a copy that was broken off.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use super::noise::noise;

/// What happens to a file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Damage {
    /// Its beginning is zeros, as after a loss of power.
    Zeroed,
    /// Its end is missing.
    Cut,
    /// One bit is another.
    Flipped,
    /// It has the contents of another.
    Swapped,
    /// It has no contents any more.
    Emptied,
}
use Damage::{Cut, Emptied, Flipped, Swapped, Zeroed};

pub(crate) const DAMAGES: [Damage; 5] = [Zeroed, Cut, Flipped, Swapped, Emptied];

impl Damage {
    /// Does it in place, so that nothing but the contents changes, to a file that has some.
    pub(crate) fn afflict(self, path: &Path) {
        let before = fs::read(path).unwrap();
        let (mut contents, length) = (before.clone(), before.len());
        match self {
            Zeroed => contents[..length.div_ceil(2).min(100_000)].fill(0),
            Cut => contents.truncate(length / 3),
            Flipped => contents[length * 2 / 3] ^= 0x10,
            Swapped => contents = noise(99, length),
            Emptied => contents.clear(),
        }
        assert!(contents != before, "{self:?} changes nothing");
        let file = fs::OpenOptions::new().write(true).open(path).unwrap();
        (&file).write_all(&contents).unwrap();
        file.set_len(contents.len() as u64).unwrap();
    }
}
