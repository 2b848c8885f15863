//! Which bytes of a partial download are there.
//!
//! A range is called durable only after the bytes have been synced, so whatever a loss of power leaves, the
//! journal promises no byte that is not there. A range that was only written is promised to this run of the
//! operating system, which outlives a program that is killed. A journal that is left without its file, or
//! beside a file of another length, is not believed.

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::sync::Mutex;

use super::disk::{Disk, read_up_to, write_all_at};
use super::ranges::Ranges;
use crate::locked::locked;

/// A journal holds a few lines for each time that something is noted; one that is longer than this is not
/// ours.
const LONGEST: usize = 16 << 20;
/// What a line begins with that names the run of the operating system that the following ones are of.
const RUN: &str = "run ";
/// What a line begins with whose range is only written. Those without are durable.
const WRITTEN: &str = "written ";

/// The file that says which ranges are there. Who works on a partial download holds its lock.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    /// Where the next line goes.
    end: Mutex<u64>,
    /// Whether the run of the operating system is known, so that what is only written can be noted.
    knows_run: bool,
}

/// What a journal says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Noted {
    received: Ranges,
    /// The end of its last whole line.
    end: u64,
    /// Whether its last lines are of the run of the operating system that was asked for.
    is_of_this_run: bool,
}

impl Journal {
    /// What a journal promises of a file that has so many bytes of `length`, and where to go on with it. A
    /// journal that promises nothing is begun anew.
    pub(super) fn open(disk: &dyn Disk, file: File, there: u64, length: u64) -> io::Result<(Self, Ranges)> {
        let text = read_up_to(disk, &file, LONGEST)?;
        let run = disk.run_of_system();
        let fits = |noted: &Noted| (noted.received.reach()..=length).contains(&there);
        let mut noted = match parse(&text, length, run.as_deref()).filter(fits) {
            Some(known) => known,
            None => {
                let header = format!("length {length}\n");
                file.set_len(0)?;
                write_all_at(disk, &file, header.as_bytes(), 0)?;
                // Before there are bytes that the old one would promise.
                disk.sync(&file)?;
                Noted { end: header.len() as u64, ..Noted::default() }
            }
        };
        if let Some(run) = run.as_ref().filter(|_| !noted.is_of_this_run) {
            // Not known to be durable: if a loss of power takes it, what is noted under it is not believed
            // either.
            let line = format!("{RUN}{run}\n");
            write_all_at(disk, &file, line.as_bytes(), noted.end)?;
            noted.end += line.len() as u64;
        }
        let journal = Self { file, end: Mutex::new(noted.end), knows_run: run.is_some() };
        Ok((journal, noted.received))
    }

    /// Whether what is only written can be noted.
    pub(super) fn knows_run(&self) -> bool {
        self.knows_run
    }

    /// These ranges are written, but not synced.
    pub(super) fn note_written(&self, disk: &dyn Disk, ranges: &Ranges) -> io::Result<()> {
        self.append(disk, WRITTEN, ranges)
    }

    /// These ranges are synced.
    pub(super) fn note_durable(&self, disk: &dyn Disk, ranges: &Ranges) -> io::Result<()> {
        self.append(disk, "", ranges)
    }

    fn append(&self, disk: &dyn Disk, kind: &str, ranges: &Ranges) -> io::Result<()> {
        let mut lines = String::new();
        for range in ranges.iter() {
            let _ = writeln!(lines, "{kind}{} {}", range.start, range.end);
        }
        let mut end = locked(&self.end);
        write_all_at(disk, &self.file, lines.as_bytes(), *end)?;
        *end += lines.len() as u64;
        Ok(())
    }
}

/// What a journal promises in this run of the operating system; nothing if it is not the journal of a blob of
/// this length.
fn parse(text: &[u8], length: u64, run: Option<&str>) -> Option<Noted> {
    let end = text.iter().rposition(|byte| *byte == b'\n')? + 1;
    let mut lines = std::str::from_utf8(&text[..end]).ok()?.lines();
    if lines.next()?.strip_prefix("length ")? != length.to_string() {
        return None;
    }
    let mut noted = Noted { end: end as u64, ..Noted::default() };
    for line in lines {
        if let Some(name) = line.strip_prefix(RUN) {
            noted.is_of_this_run = run == Some(name);
            continue;
        }
        let (is_promised, range) = match line.strip_prefix(WRITTEN) {
            Some(range) => (noted.is_of_this_run, range),
            None => (true, line),
        };
        let (start, end) = range.split_once(' ')?;
        let range = start.parse().ok()?..end.parse().ok()?;
        if range.start > range.end || range.end > length {
            return None;
        }
        if is_promised {
            noted.received.insert(range);
        }
    }
    Some(noted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_journal_promises_no_more_than_its_whole_lines() {
        let mut received = Ranges::default();
        received.insert(0..50);
        let noted = Noted { received, end: 16, is_of_this_run: false };
        assert_eq!(parse(b"length 100\n0 50\n60 9", 100, None), Some(noted));
        for foreign in [
            &b""[..],
            b"length 100",
            b"length 99\n",
            b"0 50\n",
            b"length 100\n0 101\n",
            b"length 100\nwritten 0 101\n",
            b"length 100\n\0\0\n",
        ] {
            assert_eq!(parse(foreign, 100, None), None, "{foreign:?}");
        }
    }

    #[test]
    fn what_was_only_written_counts_in_the_same_run_of_the_system() {
        let text = b"length 100\n0 10\nrun one\nwritten 10 30\nrun two\nwritten 40 60\n";
        let total = |run| parse(text, 100, run).unwrap().received.total();
        assert_eq!(total(None), 10);
        assert_eq!(total(Some("one")), 30);
        assert_eq!(total(Some("two")), 30);
        assert_eq!(total(Some("three")), 10);
        assert!(parse(text, 100, Some("two")).unwrap().is_of_this_run);
        assert!(!parse(text, 100, Some("one")).unwrap().is_of_this_run);
    }
}
