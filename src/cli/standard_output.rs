//! Standard output: what a command was asked for, and nothing else.
//!
//! A reader who has gone ends the command without a word, as it would end other programs; that a device is
//! full is told.

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write, stdout};

/// Standard output took no more.
#[derive(Debug, thiserror::Error)]
#[error("standard output cannot be written: {0}")]
pub struct OutputError(#[from] io::Error);

impl OutputError {
    /// Whether nobody reads any more.
    pub fn is_unread(&self) -> bool {
        self.0.kind() == io::ErrorKind::BrokenPipe
    }
}

/// Writes a text as it is.
pub(super) fn print(text: impl Display) -> Result<(), OutputError> {
    let mut out = stdout().lock();
    write!(out, "{text}")?;
    Ok(out.flush()?)
}

/// Where the bytes of a file go, unless a person would see them.
pub(super) fn stream() -> Option<BufWriter<StdoutLock<'static>>> {
    (!stdout().is_terminal()).then(|| BufWriter::with_capacity(1 << 16, stdout().lock()))
}

/// Writes a text and ends the line.
pub(super) fn print_line(text: impl Display) -> Result<(), OutputError> {
    print(format_args!("{text}\n"))
}
