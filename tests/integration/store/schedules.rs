//! Programs that share a store, in thousands of orders of their steps.
//!
//! Each program is a task with a store of its own on the same directory, so what they share is what processes
//! share: files and the locks on them. Everything that the store asks of the disk is a step after which
//! another task may go on; which one is chosen by shuttle, at random or so that rare orders come up.

use std::ffi::OsString;
use std::fs::{File, Metadata, TryLockError};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ollamake::model::{Digest, Reference};
use ollamake::store::{Disk, LocalDisk, PruneOptions, Stamp, Store, StoreError};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::{Config, Runner, thread};

use super::contract::{leftovers, make_model, name, scratch_directory};
use super::faults::UnsyncedDisk;

const EVERYTHING: PruneOptions = PruneOptions { grace: Duration::ZERO, dry_run: false };
/// How many orders are tried of each case and kind, unless `OLLAMAKE_ORDERS` says otherwise.
const ORDERS: usize = 300;
const STACK: usize = 1 << 20;

/// A disk each of whose operations is a step.
struct SteppingDisk {
    steps: AtomicUsize,
    locks: Locks,
}

/// Whether the disk keeps locks.
#[derive(Clone, Copy, PartialEq)]
enum Locks {
    Kept,
    /// Everybody gets every lock.
    Ignored,
}

impl SteppingDisk {
    fn step(&self) {
        self.steps.fetch_add(1, Ordering::SeqCst);
    }
}

impl Disk for SteppingDisk {
    fn open(&self, path: &Path) -> io::Result<File> {
        self.step();
        LocalDisk.open(path)
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        self.step();
        LocalDisk.create(path)
    }

    fn read_at(&self, file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.step();
        LocalDisk.read_at(file, buffer, offset)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.step();
        UnsyncedDisk.sync(file)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.step();
        UnsyncedDisk.sync_directory(path)
    }

    fn lock_shared(&self, file: &File) -> io::Result<()> {
        loop {
            self.step();
            match file.try_lock_shared() {
                Err(TryLockError::WouldBlock) => thread::yield_now(),
                Err(TryLockError::Error(error)) => return Err(error),
                Ok(()) => return Ok(()),
            }
        }
    }

    fn try_lock(&self, file: &File) -> Result<(), TryLockError> {
        self.step();
        if self.locks == Locks::Kept { LocalDisk.try_lock(file) } else { Ok(()) }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step();
        LocalDisk.rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step();
        LocalDisk.rename_new(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step();
        LocalDisk.remove(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.step();
        LocalDisk.create_directory(path)
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        self.step();
        LocalDisk.remove_directory(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<OsString>> {
        self.step();
        LocalDisk.list(path)
    }

    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.step();
        LocalDisk.metadata(path)
    }

    fn stamp_at(&self, directory: &File, path: &str) -> io::Result<Stamp> {
        self.step();
        LocalDisk.stamp_at(directory, path)
    }
}

/// What a program does.
type Task = fn(&Store);

/// Tries many orders of the steps of the tasks, each time on a store that `prepare` has filled; `verify`
/// looks at what has come out.
fn explore(locks: Locks, prepare: Task, tasks: &'static [Task], verify: Task) {
    let orders = std::env::var("OLLAMAKE_ORDERS").map_or(ORDERS, |count| count.parse().unwrap());
    let run = move || {
        let directory = scratch_directory();
        let root = Arc::new(directory.path().to_owned());
        prepare(&Store::open_on(UnsyncedDisk, &root).unwrap());
        let running: Vec<_> = tasks
            .iter()
            .map(|task| {
                let root = Arc::clone(&root);
                thread::spawn(move || {
                    let disk = SteppingDisk { steps: AtomicUsize::new(0), locks };
                    task(&Store::open_on(disk, &root).unwrap());
                })
            })
            .collect();
        running.into_iter().for_each(|task| task.join().unwrap());
        assert_eq!(leftovers(&root), 0);
        let store = Store::open_on(UnsyncedDisk, &root).unwrap();
        let report = store.check(true, |_| {}).unwrap();
        assert!(report.is_clean(), "{report:?}");
        verify(&store);
    };
    let schedulers: [Box<dyn Scheduler + Send>; 2] =
        [Box::new(RandomScheduler::new(orders)), Box::new(PctScheduler::new(3, orders))];
    for scheduler in schedulers {
        let mut config = Config::new();
        config.stack_size = STACK;
        let tried = Runner::new(scheduler, config).run(run);
        assert_eq!(tried, orders);
    }
}

/// Whether it was done; other programs may have removed what it was to be done to.
fn was_done<T>(outcome: Result<T, StoreError>) -> bool {
    match outcome {
        Ok(_) => true,
        Err(StoreError::ModelNotFound { .. } | StoreError::BlobNotFound { .. }) => false,
        Err(error) => panic!("{error}: {error:?}"),
    }
}

fn prune(store: &Store) {
    assert!(store.prune(EVERYTHING).unwrap().damaged.is_empty());
}

/// Makes a model. It never fails, whatever others do meanwhile, since it holds what it needs.
fn make(store: &Store, model: &str, prompt: &str) {
    let config = store.put_bytes(b"{}").unwrap().blob;
    let system = store.put_bytes(prompt.as_bytes()).unwrap().blob;
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":{{"mediaType":"application/vnd.docker.container.image.v1+json","digest":"{}","size":2}},"layers":[{{"mediaType":"application/vnd.ollama.image.system","digest":"{}","size":{}}}]}}"#,
        config.digest(),
        system.digest(),
        prompt.len()
    );
    store.put_manifest(&name(model), manifest.as_bytes()).unwrap();
    for blob in [config, system] {
        assert!(store.contains(blob.digest()).unwrap(), "a leased blob is gone");
    }
}

fn assert_prompt(store: &Store, model: &str, prompt: &str) {
    let manifest = store.manifest(&name(model)).unwrap();
    assert_eq!(manifest.manifest.layers[0].digest, Digest::of(prompt.as_bytes()));
}

fn digests(prompt: &str) -> [Digest; 2] {
    [Digest::of(prompt.as_bytes()), Digest::of(b"{}")]
}

#[test]
fn a_model_being_made_is_not_pruned() {
    explore(
        Locks::Kept,
        |store| drop(store.put_bytes(b"shared").unwrap()),
        &[|store| make(store, "m", "shared"), prune, |store| make(store, "n", "shared")],
        |store| ["m", "n"].iter().for_each(|model| assert_prompt(store, model, "shared")),
    );
}

/// The orders that are tried are among those that matter.
#[test]
#[should_panic]
fn without_locks_a_model_being_made_loses_its_blobs() {
    explore(Locks::Ignored, |_| (), &[|store| make(store, "m", "prompt"), prune], |_| ());
}

#[test]
fn what_one_model_gives_up_another_keeps() {
    explore(
        Locks::Kept,
        |store| drop(make_model(store, &name("m"), "one").unwrap()),
        &[
            |store| {
                make(store, "m", "two");
                store.remove_unused(&digests("one")).unwrap();
            },
            |store| make(store, "n", "one"),
            |store| {
                was_done(store.remove(&name("m")));
            },
        ],
        |store| assert_prompt(store, "n", "one"),
    );
}

#[test]
fn a_copy_is_whole_or_is_none() {
    explore(
        Locks::Kept,
        |store| drop(make_model(store, &name("m"), "prompt").unwrap()),
        &[
            |store| {
                if was_done(store.copy(&name("m"), &name("n"))) {
                    assert_prompt(store, "n", "prompt");
                }
            },
            |store| assert!(was_done(store.remove(&name("m")))),
            prune,
        ],
        |store| assert!(store.manifest(&name("m")).is_err()),
    );
}

#[test]
fn a_model_in_both_trees_is_never_without_its_blobs() {
    fn shared(store: &Store) {
        make_model(store, &name("plain"), "one").unwrap();
        let bytes = store.manifest(&name("plain")).unwrap().bytes.clone();
        let digest = store.put_bytes(&bytes).unwrap().blob.digest();
        store.copy_of(&Reference::Digest(digest), &name("m")).unwrap();
    }
    explore(
        Locks::Kept,
        shared,
        &[|store| make(store, "m", "two"), |store| assert!(was_done(store.remove(&name("plain")))), prune],
        |store| assert_prompt(store, "m", "two"),
    );
}

/// Evicts the model, if it is the first one still.
fn evict(store: &Store) {
    let Ok(model) = store.manifest(&name("m")) else { return };
    if model.manifest.layers[0].digest == Digest::of(b"one") {
        store.evict(&model).unwrap();
    }
}

#[test]
fn a_model_that_takes_the_name_of_one_that_is_evicted_stays() {
    explore(
        Locks::Kept,
        |store| drop(make_model(store, &name("m"), "one").unwrap()),
        &[evict, |store| make(store, "m", "two"), evict],
        |store| assert_prompt(store, "m", "two"),
    );
}

#[test]
fn a_model_that_takes_the_name_in_both_trees_stays_too() {
    fn both(store: &Store) {
        make_model(store, &name("plain"), "one").unwrap();
        let bytes = store.manifest(&name("plain")).unwrap().bytes.clone();
        let digest = store.put_bytes(&bytes).unwrap().blob.digest();
        store.copy_of(&Reference::Digest(digest), &name("m")).unwrap();
        store.remove(&name("plain")).unwrap();
    }
    explore(Locks::Kept, both, &[evict, |store| make(store, "m", "two"), evict], |store| {
        assert_prompt(store, "m", "two")
    });
}

#[test]
fn a_blob_that_several_place_is_there_for_each() {
    fn place(store: &Store) {
        let blob = store.put_bytes(b"the same").unwrap().blob;
        assert_eq!(blob.bytes().unwrap(), b"the same");
        assert!(store.contains(blob.digest()).unwrap());
    }
    explore(Locks::Kept, |_| (), &[place, place, prune], |_| ());
}
