//! Blobs under way that outlive their process.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use ollamake::model::Digest;
use ollamake::store::{BlobWriter, PruneOptions, Start, Store};

use super::contract::scratch_directory;
use super::faults::UnsyncedDisk;
use super::power::{Event, FileSystem, Memory, RecordingDisk};
use crate::support::damage::DAMAGES;
use crate::support::noise::noise;

const EVERYTHING: PruneOptions = PruneOptions { grace: Duration::ZERO, dry_run: false };
/// A few of the writer's units.
const INTERVAL: u64 = 256 << 10;

fn recipe() -> Digest {
    Digest::of(b"a recipe")
}

fn begin(store: &Store) -> (BlobWriter, Start) {
    store.create_output(recipe(), INTERVAL, || true).unwrap().unwrap()
}

/// Writes what is missing up to `end`, in pieces as an executor does.
fn write(writer: &mut BlobWriter, bytes: &[u8], end: usize) {
    let start = usize::try_from(writer.length()).unwrap();
    bytes[start..end].chunks(30_000).for_each(|piece| writer.write_all(piece).unwrap());
}

/// The process ends here and now: nothing is tidied up.
fn kill(store: &Store, writer: BlobWriter) -> Store {
    // What the writer has its own thread sync would end with a process; here it has to be waited for.
    std::thread::sleep(Duration::from_millis(150));
    let root = format!("{store:?}");
    let root = root.strip_prefix("Store(").unwrap().strip_suffix(')').unwrap().to_owned();
    std::mem::forget(writer);
    Store::open(Path::new(&root)).unwrap()
}

fn outputs(root: &Path) -> usize {
    fs::read_dir(root.join("ollamake/outputs")).unwrap().count()
}

#[test]
fn a_blob_goes_on_wherever_it_was_interrupted_and_has_the_same_bytes() {
    let bytes = noise(7, 1_200_000);
    for end in [0, 50_000, 131_072, 300_000, 700_000, 1_199_999, 1_200_000] {
        let directory = scratch_directory();
        let (mut store, mut after) = (Store::open(directory.path()).unwrap(), 0);
        for end in [end, 1_200_000.min(end + 400_000)] {
            let (mut writer, start) = begin(&store);
            let present = writer.length();
            assert_eq!(start, if present == 0 { Start::AtBeginning } else { Start::After(present) });
            assert_eq!(present, store.present_of(recipe()));
            // No more is lost than the interval, and a unit that was not full.
            assert!(present <= after && after <= present + INTERVAL + (64 << 10), "{present} of {after}");
            write(&mut writer, &bytes, end);
            after = end as u64;
            store = kill(&store, writer);
        }
        let (mut writer, _) = begin(&store);
        write(&mut writer, &bytes, bytes.len());
        let committed = writer.commit(None).unwrap();
        assert_eq!(committed.blob.bytes().unwrap(), bytes);
        assert_eq!(store.made(recipe(), || true).unwrap().unwrap().digest(), Digest::of(&bytes));
        assert_eq!(outputs(directory.path()), 0);
    }
}

#[test]
fn a_short_blob_is_never_an_output() {
    let directory = scratch_directory();
    let store = Store::open(directory.path()).unwrap();
    let bytes = noise(7, 50_000);
    let (mut writer, _) = begin(&store);
    write(&mut writer, &bytes, bytes.len());
    assert_eq!(outputs(directory.path()), 0);
    writer.commit(None).unwrap();
    assert_eq!(outputs(directory.path()), 0);
}

#[test]
fn what_is_damaged_meanwhile_is_made_anew() {
    let bytes = noise(7, 1_000_000);
    for damage in DAMAGES {
        let directory = scratch_directory();
        let store = Store::open(directory.path()).unwrap();
        let (mut writer, _) = begin(&store);
        write(&mut writer, &bytes, bytes.len());
        let store = kill(&store, writer);
        damage.afflict(&directory.path().join("ollamake/outputs").join(recipe().file_name()));
        let (mut writer, start) = begin(&store);
        // Damage behind what is durable is none.
        assert!(matches!(start, Start::Anew | Start::AtBeginning | Start::After(_)), "{start:?}");
        write(&mut writer, &bytes, bytes.len());
        assert_eq!(writer.commit(None).unwrap().blob.digest(), Digest::of(&bytes));
    }
    // A byte of what is durable.
    let directory = scratch_directory();
    let store = Store::open(directory.path()).unwrap();
    let (mut writer, _) = begin(&store);
    write(&mut writer, &bytes, bytes.len());
    let store = kill(&store, writer);
    let path = directory.path().join("ollamake/outputs").join(recipe().file_name());
    let mut contents = fs::read(&path).unwrap();
    contents[5] ^= 1;
    fs::write(&path, contents).unwrap();
    assert_eq!(begin(&store).1, Start::Anew);
}

#[test]
fn an_output_is_kept_for_a_job_that_needs_it_and_for_nobody_else() {
    let bytes = noise(7, 1_000_000);
    for is_needed in [false, true] {
        let directory = scratch_directory();
        let store = Store::open(directory.path()).unwrap();
        let record = store.create_job_record(1, &recipe().to_string()).unwrap();
        let (mut writer, _) = begin(&store);
        write(&mut writer, &bytes, 600_000);
        let elsewhere = Store::open(directory.path()).unwrap();
        elsewhere.prune(EVERYTHING).unwrap();
        assert_eq!(outputs(directory.path()), 2, "it is under way");
        if is_needed {
            record.give_up();
        }
        drop(writer);
        elsewhere.prune(EVERYTHING).unwrap();
        assert_eq!(outputs(directory.path()), if is_needed { 2 } else { 0 });
        if is_needed {
            // All but what does not fill a unit was made durable in the end.
            assert!(store.present_of(recipe()) > 600_000 - (64 << 10));
        }
        drop(record);
        elsewhere.prune(EVERYTHING).unwrap();
        assert_eq!(outputs(directory.path()), if is_needed { 2 } else { 0 });
        elsewhere.remove_job_record(1).unwrap();
        elsewhere.prune(EVERYTHING).unwrap();
        assert_eq!(outputs(directory.path()), 0);
    }
}

#[test]
fn whatever_a_loss_of_power_leaves_of_an_output_is_gone_on_with_rightly() {
    let bytes = noise(7, 900_000);
    let directory = scratch_directory();
    let disk = RecordingDisk::default();
    let store = Store::open_on(disk.clone(), &directory.path().join("store")).unwrap();
    drop(store.create_job_record(1, &recipe().to_string()).unwrap());
    let (mut writer, _) = begin(&store);
    write(&mut writer, &bytes, 500_000);
    // So far it is durable when this has ended.
    drop(writer);
    let present = store.present_of(recipe());
    disk.record(Event::Promised("present", None));
    let (mut writer, _) = begin(&store);
    write(&mut writer, &bytes, bytes.len());
    writer.commit(None).unwrap();

    let events = disk.events.lock().unwrap().clone();
    for memory in Memory::ALL {
        let (mut system, mut promised) = (FileSystem::default(), 0);
        for (count, event) in events.iter().enumerate() {
            system.apply(event);
            if matches!(event, Event::Promised(..)) {
                promised = present;
            }
            let remains = scratch_directory();
            system.rebuild(memory, directory.path(), remains.path());
            let root = remains.path().join("store");
            let store = Store::open_on(UnsyncedDisk, &root).unwrap();
            let context = format!("{memory:?} after {count}: {event:?}");
            if store.made(recipe(), || true).unwrap().is_some() {
                continue;
            }
            let (mut writer, start) = begin(&store);
            assert_ne!(start, Start::Anew, "{context}");
            assert!(writer.length() >= promised, "{context}: {} of {promised}", writer.length());
            write(&mut writer, &bytes, bytes.len());
            assert_eq!(writer.commit(None).unwrap().blob.digest(), Digest::of(&bytes), "{context}");
        }
    }
    println!("{} states", events.len());
}
