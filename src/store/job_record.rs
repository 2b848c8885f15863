//! Records of jobs: what outlives the process that runs them.
//!
//! A record is a file in `ollamake/jobs/`, a few lines to which others are only ever added. Each line begins
//! with a word that says how the job stands from there on; the rest is the business of whoever runs jobs.
//! Whoever runs one holds a lease on its record, so every process can tell a job that runs from one whose
//! process is no more.
//!
//! A line is not synced unless that is asked for. A record that was never synced may be empty after a loss of
//! power, or hold zeros: nobody was promised anything then, and it counts as none.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::disk::{ignore_absence, read_up_to, write_all_at};
use super::job_marks::Mark;
use super::{Shared, Store, StoreError, lease};

/// A request is shorter, and so is what a job says. A file that is longer is not ours.
const LONGEST: usize = 256 << 20;

/// A line of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordLine {
    /// How the job stands from here on.
    pub mark: Mark,
    /// What else is said.
    pub text: String,
}

/// The record of a job that this process runs, leased.
pub struct JobRecord {
    store: Arc<Shared>,
    number: u64,
    file: Arc<File>,
    /// Where the next line goes.
    end: u64,
}

impl Store {
    /// Begins the record of a job under way.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn create_job_record(&self, number: u64, text: &str) -> Result<JobRecord, StoreError> {
        let line = line(Mark::UnderWay, text);
        let mut temporary = self.0.write_unsynced(line.as_bytes())?;
        let path = self.0.job_record_path(number);
        if let Err(error) = temporary.place(&path) {
            if error.kind() != io::ErrorKind::NotFound {
                return Err(error.into());
            }
            // A store of earlier days, or one whose directories were removed.
            self.0.make_directories()?;
            temporary.place(&path)?;
        }
        let file = temporary.file().clone();
        self.0.job_marks.run(number);
        Ok(JobRecord { store: self.0.clone(), number, file, end: line.len() as u64 })
    }

    /// The numbers of all jobs that have records.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn job_records(&self) -> Result<Vec<u64>, StoreError> {
        Ok(self.0.list_job_records()?)
    }

    /// What the record of a job says; no lines if nothing of it was durable, nothing at all if there is none.
    ///
    /// # Errors
    /// What the operating system says, or that it is damaged.
    pub fn read_job_record(&self, number: u64) -> Result<Option<Vec<RecordLine>>, StoreError> {
        let file = match self.0.disk.open(&self.0.job_record_path(number)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            answer => answer?,
        };
        Ok(Some(self.0.lines_of(&file)?.0))
    }

    /// Takes over the record of a job that no process runs any more, with what it says.
    ///
    /// # Errors
    /// As those of [`read_job_record`](Self::read_job_record).
    pub fn claim_job_record(&self, number: u64) -> Result<Option<(JobRecord, Vec<RecordLine>)>, StoreError> {
        let path = self.0.job_record_path(number);
        if !self.0.disk.is_listed(&path) {
            return Ok(None);
        }
        let file = self.0.disk.update(&path)?;
        if !lease::lock_alone(&*self.0.disk, &file)? || !lease::is_linked(&file)? {
            return Ok(None);
        }
        let (lines, end) = self.0.lines_of(&file)?;
        let record = JobRecord { store: self.0.clone(), number, file: Arc::new(file), end };
        Ok(Some((record, lines)))
    }

    /// Removes the record of a job. Whoever runs it would not notice.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn remove_job_record(&self, number: u64) -> Result<(), StoreError> {
        ignore_absence(self.0.disk.remove(&self.0.job_record_path(number)))?;
        Ok(())
    }
}

impl JobRecord {
    /// Adds a line, which outlives this process.
    ///
    /// # Errors
    /// What the operating system says. The line may be lost then.
    pub fn append(&mut self, mark: Mark, text: &str) -> Result<(), StoreError> {
        let line = line(mark, text);
        // What was cut off in the middle would come after it otherwise.
        if self.file.metadata()?.len() > self.end {
            self.file.set_len(self.end)?;
        }
        write_all_at(&*self.store.disk, &self.file, line.as_bytes(), self.end)?;
        self.end += line.len() as u64;
        if mark == Mark::UnderWay {
            self.store.job_marks.run(self.number);
        }
        Ok(())
    }

    /// Has all lines outlive a loss of power.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.store.disk.sync(&self.file)?;
        Ok(self.store.disk.sync_directory(self.store.layout.jobs())?)
    }

    /// From now on the job counts as one that this process may not bring to its end: what it needs is kept
    /// for later.
    pub fn give_up(&self) {
        self.store.job_marks.leave(self.number);
    }
}

impl Drop for JobRecord {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl std::fmt::Debug for JobRecord {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "JobRecord({:016x})", self.number)
    }
}

impl Shared {
    pub(super) fn job_record_path(&self, number: u64) -> PathBuf {
        self.layout.jobs().join(format!("{number:016x}"))
    }

    pub(super) fn list_job_records(&self) -> io::Result<Vec<u64>> {
        let names = self.list_or_nothing(self.layout.jobs())?;
        let is_number = |name: &String| name.len() == 16;
        let number = |name: String| u64::from_str_radix(&name, 16).ok();
        Ok(names.into_iter().filter(is_number).filter_map(number).collect())
    }

    /// The lines of a record, and where the last of them ends.
    pub(super) fn lines_of(&self, file: &File) -> io::Result<(Vec<RecordLine>, u64)> {
        let text = read_up_to(&*self.disk, file, LONGEST)?;
        let wrong = || io::Error::new(io::ErrorKind::InvalidData, "it is not the record of a job");
        parse(&text).ok_or_else(wrong)
    }
}

fn line(mark: Mark, text: &str) -> String {
    format!("{} {text}\n", mark.word())
}

/// The lines, and where the last of them ends. A line that was not finished is as good as none.
fn parse(text: &[u8]) -> Option<(Vec<RecordLine>, u64)> {
    if text.iter().all(|byte| *byte == 0) {
        return Some((Vec::new(), 0));
    }
    let end = text.iter().rposition(|byte| *byte == b'\n')? + 1;
    let lines = std::str::from_utf8(&text[..end]).ok()?.lines();
    let line = |line: &str| {
        let (word, text) = line.split_once(' ')?;
        let mark = Mark::ALL.into_iter().find(|mark| mark.word() == word)?;
        Some(RecordLine { mark, text: text.to_owned() })
    };
    Some((lines.map(line).collect::<Option<_>>()?, end as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_was_cut_off_is_none_and_what_was_never_written_promises_nothing() {
        let whole = format!("{}{}", line(Mark::UnderWay, "one"), line(Mark::Over, "two"));
        let (lines, end) = parse(whole.as_bytes()).unwrap();
        assert_eq!(lines.iter().map(|line| line.mark).collect::<Vec<_>>(), [Mark::UnderWay, Mark::Over]);
        assert_eq!((lines[1].text.as_str(), end), ("two", whole.len() as u64));
        for cut in 14..whole.len() {
            assert_eq!(parse(&whole.as_bytes()[..cut]).unwrap().0.len(), 1, "{cut}");
        }
        assert_eq!(parse(b""), Some((Vec::new(), 0)));
        assert_eq!(parse(&[0; 4096]), Some((Vec::new(), 0)));
        for foreign in [&b"under-way one"[..], b"odd one\n", b"over\n", b"over \xff\n"] {
            assert_eq!(parse(foreign), None, "{foreign:?}");
        }
    }
}
