//! Uploads that take several attempts.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use ollamake::model::Digest;
use ollamake::store::{
    Checksum, Disk, FoundUpload, Length, LocalDisk, PruneOptions, Store, StoreError, Upload, UploadId,
    UploadState, UploadWriter,
};
use sha1::{Digest as _, Sha1};

use super::contract::scratch_directory;
use crate::support::noise::noise;

const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
const EVERYTHING: PruneOptions = PruneOptions { grace: Duration::ZERO, dry_run: false };

/// A disk whose clock can be set forward, and which can be full or fail to keep what was written.
#[derive(Default)]
struct MoodyDisk {
    /// Seconds by which it is later.
    later: Arc<AtomicU64>,
    /// No file may be longer.
    longest: Arc<AtomicU64>,
    loses: Arc<AtomicBool>,
}

impl Disk for MoodyDisk {
    fn now(&self) -> SystemTime {
        LocalDisk.now() + Duration::from_secs(self.later.load(Ordering::Relaxed))
    }

    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let longest = self.longest.load(Ordering::Relaxed);
        let left = longest.saturating_sub(offset) as usize;
        match bytes.len().min(left) {
            _ if longest == 0 => file.write_at(bytes, offset),
            0 => Err(io::ErrorKind::StorageFull.into()),
            count => file.write_at(&bytes[..count], offset),
        }
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        let is_long = file.metadata()?.len() > 10_000;
        if is_long && self.loses.load(Ordering::Relaxed) { Err(io::ErrorKind::Other.into()) } else { Ok(()) }
    }
}

fn begin(store: &Store, length: u64) -> UploadId {
    store.begin_upload(Length::Exactly(length), "name bQ==", WEEK, 100).unwrap()
}

fn open(store: &Store, id: UploadId) -> Upload {
    match store.upload(id).unwrap() {
        FoundUpload::Part(upload) => *upload,
        FoundUpload::Whole(state) => panic!("{state:?} is whole"),
    }
}

/// One attempt that brings these bytes.
fn attempt(store: &Store, id: UploadId, bytes: &[u8]) -> Result<UploadState, StoreError> {
    let mut writer = open(store, id).writer(None);
    for piece in bytes.chunks(70_000) {
        writer.append(&Bytes::copy_from_slice(piece))?;
    }
    writer.finish()
}

fn own_files(root: &Path) -> usize {
    fs::read_dir(root.join("ollamake/uploads")).unwrap().count()
}

#[test]
fn an_upload_grows_over_attempts_and_restarts() {
    let directory = scratch_directory();
    let bytes = noise(1, 1_000_000);
    let mut store = Store::open(directory.path()).unwrap();
    let id = begin(&store, 1_000_000);
    for (restarts, range) in [(false, 0..300_000), (true, 300_000..300_001), (false, 300_001..999_999)] {
        if restarts {
            store = Store::open(directory.path()).unwrap();
        }
        let end = range.end as u64;
        let state = attempt(&store, id, &bytes[range]).unwrap();
        assert_eq!((state.offset, state.length, state.digest), (end, Length::Exactly(1_000_000), None));
        assert_eq!(store.upload_state(id).unwrap(), state);
        assert_eq!(Store::open(directory.path()).unwrap().upload_state(id).unwrap(), state);
    }
    assert_eq!(store.account().unwrap().uploads.bytes, 999_999);
    let state = attempt(&store, id, &bytes[999_999..]).unwrap();
    let digest = Digest::of(&bytes);
    assert_eq!((state.digest, state.metadata.as_str()), (Some(digest), "name bQ=="));
    assert!(store.blob(digest).unwrap().bytes().unwrap() == bytes);
    for store in [&store, &Store::open(directory.path()).unwrap()] {
        assert_eq!(store.upload_state(id).unwrap(), state);
        assert!(matches!(store.upload(id).unwrap(), FoundUpload::Whole(whole) if whole == state));
    }
    // Only the record is left, and without it the blob stays.
    assert_eq!(own_files(directory.path()), 1);
    store.remove_upload(id).unwrap();
    assert!(matches!(store.upload_state(id), Err(StoreError::UploadNotFound { .. })));
    assert!(store.contains(digest).unwrap());
    assert_eq!(own_files(directory.path()), 0);
}

#[test]
fn what_one_process_has_hashed_does_not_speak_for_the_bytes_of_another() {
    let directory = scratch_directory();
    let (one, two) = (Store::open(directory.path()).unwrap(), Store::open(directory.path()).unwrap());
    let (first, second) = (noise(8, 400_000), noise(9, 400_000));
    let id = begin(&one, 400_000);
    attempt(&one, id, &first[..300_000]).unwrap();
    // What was there is lost, and somebody else begins anew with other bytes.
    let file = directory.path().join("ollamake/uploads").join(id.to_string());
    File::options().write(true).open(&file).unwrap().set_len(0).unwrap();
    assert_eq!(attempt(&two, id, &second[..300_000]).unwrap().offset, 300_000);
    assert_eq!(attempt(&one, id, &second[300_000..]).unwrap().digest, Some(Digest::of(&second)));
}

#[test]
fn bytes_that_the_store_has_already_are_one_blob() {
    let directory = scratch_directory();
    let store = Store::open(directory.path()).unwrap();
    for length in [0, 1, 200_000] {
        let bytes = noise(2, length);
        let digest = store.put_bytes(&bytes).unwrap().blob.digest();
        let id = begin(&store, length as u64);
        let state = attempt(&store, id, &bytes).unwrap();
        assert_eq!(state.digest, Some(digest));
        store.remove_upload(id).unwrap();
        assert_eq!(own_files(directory.path()), 0);
        assert!(store.blob(digest).unwrap().bytes().unwrap() == bytes);
    }
}

#[test]
fn two_cannot_work_on_one_upload() {
    let directory = scratch_directory();
    let (one, two) = (Store::open(directory.path()).unwrap(), Store::open(directory.path()).unwrap());
    let id = begin(&one, 10);
    let held = open(&one, id);
    for store in [&one, &two] {
        assert!(matches!(store.upload(id), Err(StoreError::UploadInUse { .. })));
        assert!(matches!(store.remove_upload(id), Err(StoreError::UploadInUse { .. })));
        assert!(store.is_upload_in_use(id).unwrap());
    }
    held.writer(None).break_off().unwrap();
    assert!(!one.is_upload_in_use(id).unwrap());
    assert_eq!(attempt(&two, id, b"0123456789").unwrap().digest, Some(Digest::of(b"0123456789")));
}

#[test]
fn what_does_not_match_its_checksum_is_not_kept() {
    let directory = scratch_directory();
    let store = Store::open(directory.path()).unwrap();
    let bytes = noise(3, 300_000);
    let id = begin(&store, 300_000);
    attempt(&store, id, &bytes[..100_000]).unwrap();
    let sums = |bytes: &[u8]| {
        let sha256: [u8; 32] = hex::decode(&Digest::of(bytes).to_string()[7..]).unwrap().try_into().unwrap();
        [Checksum::Sha1(Sha1::digest(bytes).into()), Checksum::Sha256(sha256)]
    };
    let send = |range: std::ops::Range<usize>, sum: &Checksum, breaks: bool| {
        let mut writer = open(&store, id).writer(Some(sum.clone()));
        writer.append(&Bytes::copy_from_slice(&bytes[range])).unwrap();
        if breaks { writer.break_off() } else { writer.finish() }
    };
    for sum in sums(b"other bytes") {
        let error = send(100_000..300_000, &sum, false).unwrap_err();
        assert!(matches!(error, StoreError::ChecksumMismatch));
        assert_eq!(store.upload_state(id).unwrap().offset, 100_000);
    }
    let [sha1, _] = sums(&bytes[100_000..200_000]);
    // Of half of what was to be checked nobody knows anything.
    assert_eq!(send(100_000..150_000, &sha1, true).unwrap().offset, 100_000);
    assert_eq!(send(100_000..200_000, &sha1, false).unwrap().offset, 200_000);
    let [_, sha256] = sums(&bytes[200_000..]);
    assert_eq!(send(200_000..300_000, &sha256, false).unwrap().digest, Some(Digest::of(&bytes)));
}

#[test]
fn more_bytes_than_were_promised_are_refused() {
    let directory = scratch_directory();
    let store = Store::open(directory.path()).unwrap();
    let id = begin(&store, 10);
    let mut writer = open(&store, id).writer(None);
    writer.append(&Bytes::from_static(b"0123")).unwrap();
    let error = writer.append(&Bytes::from_static(b"4567890")).unwrap_err();
    assert!(matches!(error, StoreError::UploadTooLong { length: 10 }), "{error}");
    assert_eq!(writer.break_off().unwrap().offset, 4);
}

#[test]
fn an_upload_waits_until_it_expires() {
    let directory = scratch_directory();
    let disk = MoodyDisk::default();
    let later = disk.later.clone();
    let store = Store::open_on(disk, directory.path()).unwrap();
    let bytes = noise(4, 200_000);
    let (begun, finished, worked_on) = (begin(&store, 200_000), begin(&store, 200_000), begin(&store, 5));
    attempt(&store, begun, &bytes[..150_000]).unwrap();
    attempt(&store, finished, &bytes).unwrap();
    for seconds in [0, WEEK.as_secs() - 60] {
        later.store(seconds, Ordering::Relaxed);
        // Neither age nor a lack of grace matters.
        let report = store.prune(PruneOptions { grace: Duration::from_secs(3600), dry_run: false }).unwrap();
        assert_eq!((report.uploads, report.blobs.len()), (0, 0));
        assert_eq!(store.prune(PruneOptions { dry_run: true, ..EVERYTHING }).unwrap().uploads, 0);
        assert_eq!(store.upload_state(begun).unwrap().offset, 150_000);
        assert_eq!(store.upload_state(finished).unwrap().digest, Some(Digest::of(&bytes)));
    }
    let held = open(&store, worked_on);
    later.store(WEEK.as_secs() + 1, Ordering::Relaxed);
    for id in [begun, finished] {
        assert!(matches!(store.upload_state(id), Err(StoreError::UploadExpired { .. })));
        assert!(matches!(store.upload(id), Err(StoreError::UploadExpired { .. })));
    }
    let report = store.prune(PruneOptions { dry_run: true, ..PruneOptions::default() }).unwrap();
    assert_eq!((report.uploads, report.freed), (3, 150_000));
    assert_eq!(store.prune(PruneOptions::default()).unwrap().uploads, 2);
    assert!(matches!(store.upload_state(begun), Err(StoreError::UploadNotFound { .. })));
    drop(held);
    store.remove_expired_uploads().unwrap();
    assert_eq!(own_files(directory.path()), 0);
    assert!(store.contains(Digest::of(&bytes)).unwrap());
}

#[test]
fn no_more_uploads_are_begun_than_may_be() {
    let directory = scratch_directory();
    let disk = MoodyDisk::default();
    let later = disk.later.clone();
    let store = Store::open_on(disk, directory.path()).unwrap();
    let begin = || store.begin_upload(Length::Exactly(1), "", WEEK, 3);
    for _ in 0..3 {
        begin().unwrap();
    }
    assert!(matches!(begin(), Err(StoreError::TooManyUploads { most: 3 })));
    // Those that have expired make room.
    later.store(WEEK.as_secs(), Ordering::Relaxed);
    begin().unwrap();
    assert_eq!(own_files(directory.path()), 2);
    let too_long = store.begin_upload(Length::Exactly(1 << 60), "", WEEK, 3).unwrap_err();
    assert!(matches!(too_long, StoreError::NotEnoughSpace { .. }), "{too_long}");
}

#[test]
fn an_upload_goes_on_when_a_full_disk_has_room_again() {
    let directory = scratch_directory();
    let disk = MoodyDisk::default();
    let longest = disk.longest.clone();
    let store = Store::open_on(disk, directory.path()).unwrap();
    let bytes = noise(5, 500_000);
    let id = begin(&store, 500_000);
    longest.store(230_000, Ordering::Relaxed);
    let mut writer = open(&store, id).writer(None);
    let mut pieces = bytes.chunks(100_000).map(Bytes::copy_from_slice);
    let error = pieces.find_map(|piece| writer.append(&piece).err()).unwrap();
    assert!(matches!(error, StoreError::NoSpace { .. }), "{error}");
    assert_eq!(writer.break_off().unwrap().offset, 200_000);
    longest.store(0, Ordering::Relaxed);
    assert_eq!(attempt(&store, id, &bytes[200_000..]).unwrap().digest, Some(Digest::of(&bytes)));
    assert!(store.check(true, |_| {}).unwrap().is_clean());
}

#[test]
fn an_upload_whose_bytes_the_disk_did_not_keep_ends() {
    let directory = scratch_directory();
    let disk = MoodyDisk::default();
    let loses = disk.loses.clone();
    let store = Store::open_on(disk, directory.path()).unwrap();
    let bytes = noise(6, 500_000);
    for end in [250_000, 500_000] {
        let id = begin(&store, 500_000);
        attempt(&store, id, &bytes[..100_000]).unwrap();
        loses.store(true, Ordering::Relaxed);
        attempt(&store, id, &bytes[100_000..end]).unwrap_err();
        loses.store(false, Ordering::Relaxed);
        assert!(matches!(store.upload_state(id), Err(StoreError::UploadNotFound { .. })), "{end}");
        assert_eq!(own_files(directory.path()), 0, "{end}");
        assert!(!store.contains(Digest::of(&bytes)).unwrap(), "{end}");
    }
}

#[test]
fn a_record_is_not_believed_without_its_bytes_or_its_blob() {
    let directory = scratch_directory();
    let store = Store::open(directory.path()).unwrap();
    let bytes = noise(7, 300_000);
    let id = begin(&store, 300_000);
    attempt(&store, id, &bytes[..200_000]).unwrap();
    let file = directory.path().join("ollamake/uploads").join(id.to_string());
    File::options().write(true).open(&file).unwrap().set_len(100).unwrap();
    let store = Store::open(directory.path()).unwrap();
    assert_eq!(store.upload_state(id).unwrap().offset, 0);
    let state = attempt(&store, id, &bytes).unwrap();
    // The blob goes, and with it what the record says of it.
    store.prune(EVERYTHING).unwrap();
    assert_eq!(store.upload_state(id).unwrap(), UploadState { offset: 0, digest: None, ..state.clone() });
    assert_eq!(attempt(&store, id, &bytes).unwrap(), state);
}

#[test]
fn what_is_no_record_is_removed_when_it_is_old() {
    let directory = scratch_directory();
    let store = Store::open(directory.path()).unwrap();
    let uploads = directory.path().join("ollamake/uploads");
    let names = [format!("{:032x}.journal", 1), format!("{:032x}", 2), "notes".to_owned()];
    let ages = |age: u64| {
        for name in &names {
            let file = File::options().create(true).append(true).open(uploads.join(name)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        }
    };
    ages(0);
    assert_eq!(store.prune(EVERYTHING).unwrap().uploads, 0);
    assert!(matches!(
        store.upload(format!("{:032x}", 1).parse().unwrap()),
        Err(StoreError::UploadNotFound { .. })
    ));
    ages(7200);
    assert_eq!(store.prune(PruneOptions::default()).unwrap().uploads, 2);
    assert_eq!(own_files(directory.path()), 1);
}

/// An attempt at an upload of which nobody knows how long it becomes.
fn append(store: &Store, id: UploadId, bytes: &[u8]) -> UploadWriter {
    let mut writer = open(store, id).writer(None);
    for piece in bytes.chunks(70_000) {
        writer.append(&Bytes::copy_from_slice(piece)).unwrap();
    }
    writer
}

#[test]
fn an_upload_without_a_length_ends_when_its_client_says_so() {
    let directory = scratch_directory();
    let bytes = noise(11, 900_000);
    let mut store = Store::open(directory.path()).unwrap();
    let id = store.begin_upload(Length::AtMost(1_000_000), "", WEEK, 100).unwrap();
    for (restarts, range) in [(false, 0..300_000), (true, 300_000..600_001)] {
        if restarts {
            store = Store::open(directory.path()).unwrap();
        }
        let end = range.end as u64;
        let state = append(&store, id, &bytes[range]).finish().unwrap();
        assert_eq!((state.offset, state.length, state.digest), (end, Length::AtMost(1_000_000), None));
        assert_eq!(Store::open(directory.path()).unwrap().upload_state(id).unwrap(), state);
    }
    let digest = Digest::of(&bytes);
    let state = append(&store, id, &bytes[600_001..]).finish_as(digest).unwrap();
    assert_eq!((state.offset, state.digest), (900_000, Some(digest)));
    assert!(store.blob(digest).unwrap().bytes().unwrap() == bytes);
    // Who has said the digest need not be told it.
    assert!(matches!(store.upload_state(id), Err(StoreError::UploadNotFound { .. })));
    assert_eq!(own_files(directory.path()), 0);
}

#[test]
fn an_upload_that_is_not_what_its_client_says_leaves_nothing() {
    let directory = scratch_directory();
    let store = Store::open(directory.path()).unwrap();
    let bytes = noise(12, 200_000);
    let id = store.begin_upload(Length::AtMost(1_000_000), "", WEEK, 100).unwrap();
    let refused = append(&store, id, &bytes).finish_as(Digest::of(b"other"));
    assert!(matches!(refused, Err(StoreError::DigestMismatch { got, .. }) if got == Digest::of(&bytes)));
    assert_eq!(own_files(directory.path()), 0);
    assert!(!store.contains(Digest::of(&bytes)).unwrap());
    // One that is too short stays, to be gone on with.
    let id = begin(&store, 200_000);
    let refused = append(&store, id, &bytes[..100_000]).finish_as(Digest::of(&bytes));
    assert!(matches!(refused, Err(StoreError::LengthMismatch { expected: 200_000, got: 100_000, .. })));
    assert_eq!(store.upload_state(id).unwrap().offset, 100_000);
    let long = store.begin_upload(Length::AtMost(100), "", WEEK, 100).unwrap();
    let mut writer = open(&store, long).writer(None);
    let refused = writer.append(&Bytes::copy_from_slice(&bytes[..101]));
    assert!(matches!(refused, Err(StoreError::UploadTooLong { length: 100 })));
}
