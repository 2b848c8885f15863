//! What the records of jobs name: what a job needs that is not over.
//!
//! As long as a job runs, it holds leases on what it needs, and these go with its process. So its record
//! names the same for later: every digest that stands in it, be it a blob or a recipe, and what a recipe has
//! made. A record of a job that this process runs names nothing here, since the leases do; otherwise a job
//! that fails could not remove what it has made itself.

use std::collections::HashSet;
use std::io;
use std::time::Duration;

use super::digests::digests_in;
use super::job_marks::{Known, Mark};
use super::prune::is_old;
use super::reach::Unread;
use super::stamp::Stamp;
use super::{Shared, lease};
use crate::locked::locked;
use crate::model::Digest;

/// A job that was interrupted so long ago does not go on any more, and a record of one that has ended goes.
pub const RECORDS_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

impl Shared {
    /// Calls `visit` with every digest that the record of a job names which is not over, and may go on;
    /// answers with the records of which nobody knows what they name.
    pub(super) fn recorded(&self, visit: &mut impl FnMut(Digest)) -> io::Result<Vec<Unread>> {
        let numbers = self.list_job_records()?;
        locked(&self.job_marks.known).retain(|number, _| numbers.contains(number));
        let mut unread = Vec::new();
        for number in numbers {
            if self.job_marks.runs(number) {
                continue;
            }
            match self.known_record(number) {
                Ok(Some(digests)) => {
                    for digest in digests {
                        visit(digest);
                        self.read_made(digest).into_iter().for_each(&mut *visit);
                    }
                }
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    let place = format!("ollamake/jobs/{number:016x}");
                    let problem = match error.raw_os_error() {
                        None => error.to_string(),
                        Some(_) => error.kind().to_string(),
                    };
                    unread.push(Unread { place, model: None, problem });
                }
            }
        }
        Ok(unread)
    }

    /// Every digest that jobs need which are not over; nothing if nobody knows what that is.
    pub(super) fn needed_by_jobs(&self) -> io::Result<Option<HashSet<Digest>>> {
        let mut needed = HashSet::new();
        let unread = self.recorded(&mut |digest| {
            needed.insert(digest);
        })?;
        Ok(unread.is_empty().then_some(needed))
    }

    /// The digests that a record names, unless the job is over or was interrupted long ago.
    fn known_record(&self, number: u64) -> io::Result<Option<HashSet<Digest>>> {
        let over = |known: &Known| known.mark == Some(Mark::Over);
        if locked(&self.job_marks.known).get(&number).is_some_and(over) {
            // It stays so.
            return Ok(None);
        }
        let file = self.disk.open(&self.job_record_path(number))?;
        let metadata = file.metadata()?;
        let stamp = Stamp::from(&metadata);
        let before = locked(&self.job_marks.known).get(&number).filter(|known| known.stamp == stamp).cloned();
        let known = match before {
            Some(known) => known,
            None => {
                let (lines, _) = self.lines_of(&file)?;
                let mark = lines.last().map(|line| line.mark);
                let digests = lines.iter().flat_map(|line| digests_in(line.text.as_bytes())).collect();
                Known { stamp, mark, digests }
            }
        };
        if stamp.is_settled() || over(&known) {
            locked(&self.job_marks.known).insert(number, known.clone());
        }
        let is_past = match known.mark {
            None | Some(Mark::Over) => true,
            Some(Mark::Interrupted) => is_old(&metadata, RECORDS_KEPT),
            // It may be that of a process which has run for as long.
            Some(Mark::UnderWay) => is_old(&metadata, RECORDS_KEPT) && lease::claim(&*self.disk, &file),
        };
        Ok((!is_past).then_some(known.digests))
    }
}
