//! What the records of jobs keep, and for how long.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use ollamake::model::Digest;
use ollamake::store::{Mark, PruneOptions, RECORDS_KEPT, Store};
use tempfile::TempDir;

use super::contract::{scratch_directory, write_blob};

const EVERYTHING: PruneOptions = PruneOptions { grace: Duration::ZERO, dry_run: false };

/// A store with a blob that no manifest names, as two processes have it open.
struct Shared {
    directory: TempDir,
    here: Store,
    elsewhere: Store,
    blob: Digest,
}

impl Shared {
    fn new() -> Self {
        let directory = scratch_directory();
        let here = Store::open(directory.path()).unwrap();
        let elsewhere = Store::open(directory.path()).unwrap();
        let blob = write_blob(&here, b"needed for a job", None).unwrap();
        Self { directory, here, elsewhere, blob }
    }

    fn request(&self) -> String {
        format!("{{\"files\":\"{}\"}}", self.blob)
    }

    fn has_blob(&self) -> bool {
        self.here.contains(self.blob).unwrap()
    }

    fn record(&self, number: u64) -> File {
        let path = self.directory.path().join(format!("ollamake/jobs/{number:016x}"));
        File::options().write(true).open(path).unwrap()
    }
}

#[test]
fn what_a_job_needs_is_kept_in_every_process_until_the_job_is_over() {
    let shared = Shared::new();
    let record = shared.here.create_job_record(1, &shared.request()).unwrap();
    shared.elsewhere.prune(EVERYTHING).unwrap();
    assert_eq!(shared.elsewhere.remove_unused(&[shared.blob]).unwrap(), []);
    // The process ends.
    drop(record);
    for store in [&shared.here, &shared.elsewhere, &Store::open(shared.directory.path()).unwrap()] {
        store.prune(EVERYTHING).unwrap();
        assert!(shared.has_blob());
    }
    let (mut record, lines) = shared.elsewhere.claim_job_record(1).unwrap().unwrap();
    assert_eq!((lines[0].mark, lines[0].text.as_str()), (Mark::UnderWay, shared.request().as_str()));
    assert!(shared.here.claim_job_record(1).unwrap().is_none(), "it is taken");
    record.append(Mark::Interrupted, "{}").unwrap();
    shared.here.prune(EVERYTHING).unwrap();
    assert!(shared.has_blob());
    record.append(Mark::Over, "{}").unwrap();
    drop(record);
    shared.here.prune(EVERYTHING).unwrap();
    assert!(!shared.has_blob());
}

#[test]
fn a_job_that_this_process_runs_removes_what_it_has_made() {
    let shared = Shared::new();
    let record = shared.here.create_job_record(1, &shared.request()).unwrap();
    assert_eq!(shared.here.remove_unused(&[shared.blob]).unwrap(), [shared.blob]);
    write_blob(&shared.here, b"needed for a job", None).unwrap();
    // It is to go on later.
    record.give_up();
    assert_eq!(shared.here.remove_unused(&[shared.blob]).unwrap(), []);
}

#[test]
fn what_a_job_has_made_is_kept_by_its_recipe_and_so_is_what_it_has_received() {
    let shared = Shared::new();
    let recipe = Digest::of(b"a recipe");
    shared.here.remember_made(recipe, shared.blob);
    let received = Digest::of(b"what is downloaded");
    shared.here.partial(received, 18).unwrap().write_at(0, b"what").unwrap();
    drop(shared.here.create_job_record(1, &format!("{recipe} {received}")).unwrap());
    let report = shared.elsewhere.prune(EVERYTHING).unwrap();
    assert_eq!((report.blobs, report.partial_downloads), (vec![], 0));
    shared.here.remove_job_record(1).unwrap();
    let report = shared.elsewhere.prune(EVERYTHING).unwrap();
    assert_eq!((report.blobs.len(), report.partial_downloads), (1, 1));
}

#[test]
fn an_interrupted_job_keeps_what_it_needs_for_a_week() {
    for (number, mark) in [(1, Mark::UnderWay), (2, Mark::Interrupted)] {
        let shared = Shared::new();
        let mut record = shared.here.create_job_record(number, &shared.request()).unwrap();
        record.append(mark, "{}").unwrap();
        let age = |age| shared.record(number).set_modified(SystemTime::now() - age).unwrap();
        age(RECORDS_KEPT - Duration::from_secs(60));
        shared.elsewhere.prune(EVERYTHING).unwrap();
        assert!(shared.has_blob());
        age(RECORDS_KEPT + Duration::from_secs(60));
        if mark == Mark::UnderWay {
            // As long as its process lives, it is not interrupted.
            shared.elsewhere.prune(EVERYTHING).unwrap();
            assert!(shared.has_blob());
        }
        drop(record);
        shared.elsewhere.prune(EVERYTHING).unwrap();
        assert!(!shared.has_blob());
    }
}

#[test]
fn a_record_that_cannot_be_read_keeps_everything_and_one_that_was_never_written_nothing() {
    let shared = Shared::new();
    let path = shared.directory.path().join("ollamake/jobs/00000000000000aa");
    let unreadable: [&[u8]; 3] = [b"under-way {", b"odd {}\n", b"\xff\xff\n"];
    for text in unreadable {
        fs::write(&path, text).unwrap();
        shared.here.partial(Digest::of(b"else"), 4).unwrap();
        let report = shared.here.prune(EVERYTHING).unwrap();
        assert_eq!(report.unread[0].place, "ollamake/jobs/00000000000000aa", "{text:?}");
        assert_eq!((report.blobs, report.partial_downloads), (vec![], 0));
    }
    for text in [&[][..], &[0; 4096]] {
        fs::write(&path, text).unwrap();
        write_blob(&shared.here, b"needed for a job", None).unwrap();
        let report = shared.here.prune(EVERYTHING).unwrap();
        assert_eq!((report.unread.len(), report.blobs.len()), (0, 1));
    }
}
