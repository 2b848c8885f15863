//! What is known of a partial file that outlives its process.
//!
//! The first lines say what it is to become, for good; those of an upload say what its client said, and when
//! it expires. Then come ranges of bytes that are there. A range is called durable only after the bytes have
//! been synced, so whatever a loss of power leaves, the journal promises no byte that is not there. A range
//! that was only written is promised to this run of the operating system, which outlives a program that is
//! killed. A journal that is left without its file, or beside a file of another length, is not believed.

use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::disk::{Disk, read_up_to, write_all_at};
use super::length::Length;
use super::ranges::Ranges;
use super::stamp::Stamp;
use crate::locked::locked;
use crate::model::Digest;

/// A journal holds a few lines for each time that something is noted; one that is longer than this is not
/// ours.
const LONGEST: usize = 16 << 20;
/// What the first line begins with: how long the file becomes,
const LENGTH: &str = "length ";
/// or how long at most.
const AT_MOST: &str = "at most ";
/// What a line begins with that names the run of the operating system that the following ones are of.
const RUN: &str = "run ";
/// What a line begins with whose range is only written. Those without are durable.
const WRITTEN: &str = "written ";

/// What a line begins with that says when an upload expires, in seconds since 1970.
const EXPIRES: &str = "expires ";
/// What a line begins with that says what the client of an upload told about it.
const METADATA: &str = "metadata ";
/// What a line begins with that says what the file became, or is about to become.
const BECOMES: &str = "becomes ";

/// What a partial file is to become.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Purpose {
    /// How long it becomes.
    pub(super) length: Length,
    /// What else is known of an upload.
    pub(super) terms: Option<Terms>,
}

/// What holds for an upload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Terms {
    /// Seconds since 1970.
    pub(super) expires: u64,
    /// What the client told about it, in one line.
    pub(super) metadata: String,
}

impl Purpose {
    fn lines(&self) -> String {
        let Self { length, terms } = self;
        let terms = terms
            .as_ref()
            .map(|Terms { expires, metadata }| format!("{EXPIRES}{expires}\n{METADATA}{metadata}\n"));
        let kind = if length.exact().is_some() { LENGTH } else { AT_MOST };
        format!("{kind}{}\n{}", length.bound(), terms.unwrap_or_default())
    }
}

/// The file that says which ranges are there. Who works on a partial file holds its lock.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    path: PathBuf,
    /// Where the next line goes.
    end: Mutex<u64>,
    /// Whether the run of the operating system is known, so that what is only written can be noted.
    knows_run: bool,
}

/// What a journal says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Noted {
    pub(super) purpose: Purpose,
    /// The bytes that it promises.
    pub(super) received: Ranges,
    /// What the file became, or was about to become.
    pub(super) digest: Option<Digest>,
    /// The end of its last whole line.
    end: u64,
    /// Whether its last lines are of the run of the operating system that was asked for.
    is_of_this_run: bool,
}

impl Noted {
    /// What a journal says in this run of the operating system; nothing if it is not one.
    pub(super) fn read(disk: &dyn Disk, file: &File) -> io::Result<Option<Self>> {
        Ok(parse(&read_up_to(disk, file, LONGEST)?, disk.run_of_system().as_deref()))
    }

    /// Whether a file of so many bytes can have what is promised.
    pub(super) fn fits(&self, there: u64) -> bool {
        (self.received.reach()..=self.purpose.length.bound()).contains(&there)
    }
}

impl Journal {
    /// What a journal promises of a file that has so many bytes, and where to go on with it. A journal that
    /// is of another purpose, or promises what the file cannot have, is begun anew.
    pub(super) fn open(
        disk: &dyn Disk,
        file: File,
        path: PathBuf,
        there: u64,
        purpose: &Purpose,
    ) -> io::Result<(Self, Ranges)> {
        let run = disk.run_of_system();
        let known = parse(&read_up_to(disk, &file, LONGEST)?, run.as_deref());
        let mut noted = match known.filter(|noted| noted.purpose == *purpose && noted.fits(there)) {
            Some(known) => known,
            None => Noted { end: begin(disk, &file, purpose)?, ..Noted::default() },
        };
        if let Some(run) = run.as_ref().filter(|_| !noted.is_of_this_run) {
            // Not known to be durable: if a loss of power takes it, what is noted under it is not believed
            // either.
            let line = format!("{RUN}{run}\n");
            write_all_at(disk, &file, line.as_bytes(), noted.end)?;
            noted.end += line.len() as u64;
        }
        let journal = Self { file, path, end: Mutex::new(noted.end), knows_run: run.is_some() };
        Ok((journal, noted.received))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
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

    /// The state of its file: another one if anybody writes to it.
    pub(super) fn stamp(&self) -> io::Result<Stamp> {
        Ok(Stamp::from(&self.file.metadata()?))
    }

    /// Has what was noted outlive a loss of power.
    pub(super) fn sync(&self, disk: &dyn Disk) -> io::Result<()> {
        disk.sync(&self.file)
    }

    /// The file is about to become this blob. Durable when this returns.
    pub(super) fn note_digest(&self, disk: &dyn Disk, digest: Digest) -> io::Result<()> {
        self.write(disk, &format!("{BECOMES}{digest}\n"))?;
        self.sync(disk)
    }

    fn append(&self, disk: &dyn Disk, kind: &str, ranges: &Ranges) -> io::Result<()> {
        let mut lines = String::new();
        for range in ranges.iter() {
            let _ = writeln!(lines, "{kind}{} {}", range.start, range.end);
        }
        self.write(disk, &lines)
    }

    fn write(&self, disk: &dyn Disk, lines: &str) -> io::Result<()> {
        let mut end = locked(&self.end);
        write_all_at(disk, &self.file, lines.as_bytes(), *end)?;
        *end += lines.len() as u64;
        Ok(())
    }
}

/// Begins a journal, durably; where it goes on.
pub(super) fn begin(disk: &dyn Disk, file: &File, purpose: &Purpose) -> io::Result<u64> {
    let header = purpose.lines();
    file.set_len(0)?;
    write_all_at(disk, file, header.as_bytes(), 0)?;
    // Before there are bytes that an old one would promise.
    disk.sync(file)?;
    Ok(header.len() as u64)
}

/// What a journal says in this run of the operating system; nothing if it is not one.
fn parse(text: &[u8], run: Option<&str>) -> Option<Noted> {
    let end = text.iter().rposition(|byte| *byte == b'\n')? + 1;
    let mut lines = std::str::from_utf8(&text[..end]).ok()?.lines().peekable();
    let first = lines.next()?;
    let length = match first.strip_prefix(AT_MOST) {
        Some(most) => Length::AtMost(most.parse().ok()?),
        None => Length::Exactly(first.strip_prefix(LENGTH)?.parse().ok()?),
    };
    let mut noted = Noted { end: end as u64, ..Noted::default() };
    let terms = match lines.next_if(|line| line.starts_with(EXPIRES)) {
        Some(line) => Some(Terms {
            expires: line.strip_prefix(EXPIRES)?.parse().ok()?,
            metadata: lines.next()?.strip_prefix(METADATA)?.to_owned(),
        }),
        None => None,
    };
    noted.purpose = Purpose { length, terms };
    for line in lines {
        if let Some(name) = line.strip_prefix(RUN) {
            noted.is_of_this_run = run == Some(name);
            continue;
        }
        if let Some(digest) = line.strip_prefix(BECOMES) {
            noted.digest = Some(digest.parse().ok()?);
            continue;
        }
        let (is_promised, range) = match line.strip_prefix(WRITTEN) {
            Some(range) => (noted.is_of_this_run, range),
            None => (true, line),
        };
        let (start, end) = range.split_once(' ')?;
        let range = start.parse().ok()?..end.parse().ok()?;
        if range.start > range.end || range.end > length.bound() {
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
        let purpose = Purpose { length: Length::Exactly(100), terms: None };
        let noted = Noted { purpose, received, end: 16, ..Noted::default() };
        assert_eq!(parse(b"length 100\n0 50\n60 9", None), Some(noted));
        for foreign in [
            &b""[..],
            b"length 100",
            b"length x\n",
            b"at most x\n",
            b"at most 100\n0 101\n",
            b"0 50\n",
            b"length 100\n0 101\n",
            b"length 100\nwritten 0 101\n",
            b"length 100\n\0\0\n",
            b"length 100\nexpires 5\n",
            b"length 100\nexpires soon\nmetadata \n",
            b"length 100\nbecomes sha256:0\n",
        ] {
            assert_eq!(parse(foreign, None), None, "{foreign:?}");
        }
    }

    #[test]
    fn a_journal_begins_with_what_it_is_for() {
        let terms = Terms { expires: 1_795_330_167, metadata: "name eA==,other".to_owned() };
        for terms in [None, Some(Terms::default()), Some(terms)] {
            for length in [Length::Exactly(7), Length::AtMost(7)] {
                let purpose = Purpose { length, terms: terms.clone() };
                assert_eq!(parse(purpose.lines().as_bytes(), None).unwrap().purpose, purpose);
            }
        }
    }

    #[test]
    fn what_was_only_written_counts_in_the_same_run_of_the_system() {
        let text = b"length 100\n0 10\nrun one\nwritten 10 30\nrun two\nwritten 40 60\n";
        let total = |run| parse(text, run).unwrap().received.total();
        assert_eq!(total(None), 10);
        assert_eq!(total(Some("one")), 30);
        assert_eq!(total(Some("two")), 30);
        assert_eq!(total(Some("three")), 10);
        assert!(parse(text, Some("two")).unwrap().is_of_this_run);
        assert!(!parse(text, Some("one")).unwrap().is_of_this_run);
    }
}
