//! Loss of power at every possible point.
//!
//! A disk records what is done to it. For every prefix of the record the state is rebuilt that a file system
//! could have kept which forgets whatever was not synced, and a store has to be whole on it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use ollamake::model::{Digest, Reference};
use ollamake::store::{Disk, FoundUpload, Length, LocalDisk, Store, StoreError, UploadId, UploadState};
use serde_json::{Value, json};

use super::contract::{leftovers, make_model, name, scratch_directory, write_blob};
use super::faults::UnsyncedDisk;
use crate::in_process::{InProcess, small_gguf};
use crate::support::damage::DAMAGES;
use crate::support::noise::noise;

/// Something that was done to the disk. Files are known by their inodes.
#[derive(Debug, Clone)]
pub(super) enum Event {
    Created(PathBuf, u64),
    Written(u64, u64, Vec<u8>),
    Synced(u64),
    DirectorySynced(PathBuf),
    Renamed(PathBuf, PathBuf),
    Removed(PathBuf),
    DirectoryCreated(PathBuf),
    DirectoryRemoved(PathBuf),
    /// A symbolic link, and what it says.
    Linked(PathBuf, PathBuf),
    /// Not done to the disk: the caller was told that this model is made, with this prompt, or removed.
    Promised(&'static str, Option<&'static str>),
    /// Not done to the disk either: the caller was told that so many bytes of its upload are there.
    Acknowledged(u64),
}

#[derive(Clone, Default)]
pub(super) struct RecordingDisk {
    pub(super) events: Arc<Mutex<Vec<Event>>>,
    /// Every file that was ever opened stays open, so that no inode is used twice.
    files: Arc<Mutex<Vec<File>>>,
}

impl RecordingDisk {
    pub(super) fn record(&self, event: Event) {
        self.events.lock().unwrap().push(event);
    }

    /// Does something and records it in one step, as the file system would order it.
    fn perform<T>(
        &self,
        action: impl FnOnce() -> io::Result<T>,
        event: impl FnOnce(&T) -> Event,
    ) -> io::Result<T> {
        let mut events = self.events.lock().unwrap();
        let done = action()?;
        events.push(event(&done));
        Ok(done)
    }
}

fn inode(file: &File) -> u64 {
    file.metadata().unwrap().ino()
}

impl Disk for RecordingDisk {
    fn create(&self, path: &Path) -> io::Result<File> {
        let file =
            self.perform(|| LocalDisk.create(path), |file| Event::Created(path.to_owned(), inode(file)))?;
        // A lock belongs to all copies of an open file, so this is another one.
        self.files.lock().unwrap().push(LocalDisk.open(path)?);
        Ok(file)
    }

    fn update(&self, path: &Path) -> io::Result<File> {
        if LocalDisk.metadata(path).is_err() {
            self.create(path)?;
        }
        LocalDisk.update(path)
    }

    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.perform(
            || LocalDisk.write_at(file, bytes, offset),
            |count| Event::Written(inode(file), offset, bytes[..*count].to_vec()),
        )
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.record(Event::Synced(inode(file)));
        Ok(())
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.perform(|| UnsyncedDisk.sync_directory(path), |()| Event::DirectorySynced(path.to_owned()))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.perform(|| LocalDisk.rename(from, to), |()| Event::Renamed(from.to_owned(), to.to_owned()))
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.perform(|| LocalDisk.rename_new(from, to), |()| Event::Renamed(from.to_owned(), to.to_owned()))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.perform(|| LocalDisk.remove(path), |()| Event::Removed(path.to_owned()))
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.perform(|| LocalDisk.create_directory(path), |()| Event::DirectoryCreated(path.to_owned()))
    }

    fn make_link(&self, target: &Path, path: &Path) -> io::Result<()> {
        self.perform(
            || LocalDisk.make_link(target, path),
            |()| Event::Linked(path.to_owned(), target.to_owned()),
        )
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        self.perform(|| LocalDisk.remove_directory(path), |()| Event::DirectoryRemoved(path.to_owned()))
    }
}

/// What lies under a name.
#[derive(Debug, Clone, PartialEq)]
enum Entry {
    File(u64),
    Directory,
    Link(PathBuf),
}

/// What a file system forgets when it loses power.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Memory {
    /// Whatever was not synced: names and contents.
    OnlySynced,
    /// Contents that were not synced. Names are kept at once.
    AllNames,
    /// Names that were not synced. Contents are kept at once.
    AllContents,
}

impl Memory {
    pub(super) const ALL: [Self; 3] = [Self::OnlySynced, Self::AllNames, Self::AllContents];
}

#[derive(Default)]
pub(super) struct FileSystem {
    contents: HashMap<u64, Vec<u8>>,
    durable_contents: HashMap<u64, Vec<u8>>,
    names: BTreeMap<PathBuf, Entry>,
    durable_names: BTreeMap<PathBuf, Entry>,
    promises: BTreeMap<&'static str, Option<&'static str>>,
    acknowledged: Option<u64>,
}

impl FileSystem {
    pub(super) fn apply(&mut self, event: &Event) {
        match event.clone() {
            Event::Created(path, inode) => {
                self.names.insert(path, Entry::File(inode));
                self.contents.insert(inode, Vec::new());
            }
            Event::Written(inode, offset, bytes) => {
                let contents = self.contents.get_mut(&inode).unwrap();
                let end = offset as usize + bytes.len();
                contents.resize(contents.len().max(end), 0);
                contents[offset as usize..end].copy_from_slice(&bytes);
            }
            Event::Synced(inode) => {
                self.durable_contents.insert(inode, self.contents[&inode].clone());
            }
            Event::DirectorySynced(directory) => {
                self.durable_names.retain(|path, _| path.parent() != Some(&directory));
                let entries = self.names.iter().filter(|(path, _)| path.parent() == Some(&directory));
                self.durable_names.extend(entries.map(|(path, entry)| (path.clone(), entry.clone())));
            }
            Event::Renamed(from, to) => {
                let entry = self.names.remove(&from).unwrap();
                self.names.insert(to, entry);
            }
            Event::Removed(path) | Event::DirectoryRemoved(path) => {
                self.names.remove(&path).unwrap();
            }
            Event::DirectoryCreated(path) => {
                self.names.insert(path, Entry::Directory);
            }
            Event::Linked(path, target) => {
                self.names.insert(path, Entry::Link(target));
            }
            Event::Promised(model, prompt) => {
                self.promises.insert(model, prompt);
            }
            Event::Acknowledged(offset) => self.acknowledged = Some(offset),
        }
    }

    /// Builds what is left after a loss of power under `root`; paths of the record are below `recorded`.
    pub(super) fn rebuild(&self, memory: Memory, recorded: &Path, root: &Path) {
        let names = if memory == Memory::AllNames { &self.names } else { &self.durable_names };
        let contents = if memory == Memory::AllContents { &self.contents } else { &self.durable_contents };
        // Parents come before their children.
        for (path, entry) in names {
            let path = root.join(path.strip_prefix(recorded).unwrap());
            if !path.parent().unwrap().exists() {
                continue;
            }
            match entry {
                Entry::Directory => fs::create_dir(path).unwrap(),
                Entry::Link(target) => std::os::unix::fs::symlink(target, path).unwrap(),
                Entry::File(inode) => {
                    fs::write(path, contents.get(inode).map_or(&[][..], Vec::as_slice)).unwrap();
                }
            }
        }
    }
}

/// Creates, replaces, copies and removes models; every answer is a promise.
fn work(disk: &RecordingDisk, store: &Store) {
    let weights = noise(1, 150_000);
    write_blob(store, &weights, None).unwrap();
    let make = |model: &'static str, prompt: &'static str| {
        make_model(store, &name(model), prompt).unwrap();
        disk.record(Event::Promised(model, Some(prompt)));
    };
    make("first", "prompt one");
    make("first", "prompt two");
    make("other/namespace:tag", "prompt one");
    store.copy(&name("first"), &name("copy")).unwrap();
    disk.record(Event::Promised("copy", Some("prompt two")));
    store.remove(&name("first")).unwrap();
    disk.record(Event::Promised("first", None));
    store.remove(&name("other/namespace:tag")).unwrap();
    disk.record(Event::Promised("other/namespace:tag", None));
    let make = |model: &'static str, prompt: &'static str| {
        make_model(store, &name(model), prompt).unwrap();
        disk.record(Event::Promised(model, Some(prompt)));
    };
    make("first", "prompt one");
}

/// Makes models from a file and from each other, by requests to a server.
fn serve(disk: &RecordingDisk, store: &Store) {
    let server = InProcess::over(store.clone(), scratch_directory(), |_| ());
    let make = async |model: &'static str, prompt: &'static str, mut request: Value| {
        request["model"] = model.into();
        request["system"] = prompt.into();
        server.create(request).await;
        disk.record(Event::Promised(model, Some(prompt)));
    };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let weights = server.upload(&small_gguf(&[])).await.to_string();
        let quantized = json!({"files": {"m.gguf": weights}, "quantize": "q4_0"});
        make("first", "prompt one", quantized).await;
        make("other/namespace:tag", "prompt two", json!({"from": "first"})).await;
        make("first", "prompt two", json!({"from": "first", "template": "{{ .Prompt }}"})).await;
        store.settle();
        let removed = server.call("DELETE", "/api/delete", r#"{"model": "other/namespace:tag"}"#).await;
        assert_eq!(removed.status, 200);
        disk.record(Event::Promised("other/namespace:tag", None));
    });
}

/// Replaces, copies and removes models that newer versions of Ollama know.
fn work_in_both_trees(disk: &RecordingDisk, store: &Store) {
    let make = |model: &'static str, prompt: &'static str| {
        make_model(store, &name(model), prompt).unwrap();
        disk.record(Event::Promised(model, Some(prompt)));
    };
    make("plain", "prompt one");
    let bytes = store.manifest(&name("plain")).unwrap().bytes.clone();
    let digest = store.put_bytes(&bytes).unwrap().blob.digest();
    store.copy_of(&Reference::Digest(digest), &name("first")).unwrap();
    disk.record(Event::Promised("first", Some("prompt one")));
    make("first", "prompt two");
    make("first", "prompt three");
    store.copy(&name("first"), &name("copy")).unwrap();
    disk.record(Event::Promised("copy", Some("prompt three")));
    store.remove(&name("first")).unwrap();
    disk.record(Event::Promised("first", None));
    store.copy(&name("plain"), &name("copy")).unwrap();
    disk.record(Event::Promised("copy", Some("prompt one")));
    store.remove(&name("copy")).unwrap();
    disk.record(Event::Promised("copy", None));
}

/// What a program finds that reads only `manifests`.
fn without_new_tree(root: &Path) -> Store {
    let _ = fs::remove_dir_all(root.join("manifests-v2"));
    Store::open_on(UnsyncedDisk, root).unwrap()
}

fn lose_power_everywhere(memory: Memory, work: fn(&RecordingDisk, &Store)) {
    let directory = scratch_directory();
    let root = directory.path().join("store");
    let disk = RecordingDisk::default();
    let store = Store::open_on(disk.clone(), &root).unwrap();
    work(&disk, &store);
    let events = disk.events.lock().unwrap().clone();

    let mut system = FileSystem::default();
    for (count, event) in events.iter().enumerate() {
        system.apply(event);
        let remains = scratch_directory();
        system.rebuild(memory, directory.path(), remains.path());
        let root = remains.path().join("store");
        let store = Store::open_on(UnsyncedDisk, &root).unwrap();
        assert_eq!(leftovers(&root), 0, "{memory:?} after {count}: {event:?}");
        for store in [store, without_new_tree(&root)] {
            let report = store.check(true, |_| {}).unwrap();
            assert!(report.is_clean(), "{memory:?} after {count}: {event:?}: {report:?}");
            if let Event::Promised(..) = event {
                let models = store.list().unwrap();
                for (model, prompt) in &system.promises {
                    let found = models.iter().find(|found| found.name == name(model));
                    let got = found.and_then(|found| found.manifest.layers.last()).map(|layer| layer.digest);
                    let expected = prompt.map(|prompt| Digest::of(prompt.as_bytes()));
                    assert_eq!(got, expected, "{memory:?}: {model}");
                }
            }
        }
    }
    println!("{} states", events.len());
    assert!(events.len() > 80, "{}", events.len());
}

/// The blobs that are left after a loss of power are damaged. Each is missing then and found by a check, and
/// whoever has its bytes mends it: all at once, or as a download.
fn damage_what_is_left(work: fn(&RecordingDisk, &Store)) {
    let directory = scratch_directory();
    let disk = RecordingDisk::default();
    let store = Store::open_on(disk.clone(), &directory.path().join("store")).unwrap();
    work(&disk, &store);
    let events = disk.events.lock().unwrap().clone();
    let (mut system, mut mended) = (FileSystem::default(), 0);
    for event in &events {
        system.apply(event);
        if !matches!(event, Event::Promised(..)) {
            continue;
        }
        let remains = scratch_directory();
        system.rebuild(Memory::OnlySynced, directory.path(), remains.path());
        let root = remains.path().join("store");
        let mut right = BTreeMap::new();
        for (number, entry) in fs::read_dir(root.join("blobs")).unwrap().enumerate() {
            let path = entry.unwrap().path();
            let contents = fs::read(&path).unwrap();
            DAMAGES[(number + mended) % DAMAGES.len()].afflict(&path);
            right.insert(Digest::of(&contents), contents);
        }
        let store = Store::open_on(UnsyncedDisk, &root).unwrap();
        let report = store.check(true, |_| {}).unwrap();
        let found: BTreeSet<_> = report.damaged_blobs.iter().map(|blob| blob.digest).collect();
        assert!(found.iter().eq(right.keys()), "after {event:?}: {report:?}");
        for (number, (digest, contents)) in right.iter().enumerate() {
            let length = contents.len() as u64;
            assert!(!store.renew_if_whole(*digest, None).unwrap(), "after {event:?}: {digest} is damaged");
            match number % 2 {
                0 => assert!(!store.put_bytes(contents).unwrap().existed),
                _ => {
                    let partial = store.partial(*digest, length).unwrap();
                    partial.write_at(0, contents).unwrap();
                    assert!(!partial.commit().unwrap().existed);
                }
            }
            assert!(store.renew_if_whole(*digest, Some(length)).unwrap());
        }
        mended += right.len();
        let report = store.check(true, |_| {}).unwrap();
        assert!(report.is_clean(), "after {event:?}: {report:?}");
    }
    assert!(mended > 10, "{mended}");
}

/// A machine that was started again: what the journals of its last run call written need not be there.
struct NextRun;

impl Disk for NextRun {
    fn sync(&self, file: &File) -> io::Result<()> {
        UnsyncedDisk.sync(file)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        UnsyncedDisk.sync_directory(path)
    }

    fn run_of_system(&self) -> Option<String> {
        Some("the-next".to_owned())
    }
}

/// The length of the uploads that are tried here.
const UPLOADED: usize = 300_000;

/// An attempt at an upload; the bytes go on where it is.
fn go_on(store: &Store, id: UploadId, bytes: &[u8]) -> UploadState {
    match store.upload(id).unwrap() {
        FoundUpload::Whole(state) => state,
        FoundUpload::Part(upload) => {
            let length = upload.state().length;
            let rest = Bytes::copy_from_slice(&bytes[upload.state().offset as usize..]);
            let mut writer = upload.writer(None);
            writer.append(&rest).unwrap();
            match length {
                Length::AtMost(_) if bytes.len() == UPLOADED => writer.finish_as(Digest::of(bytes)).unwrap(),
                _ => writer.finish().unwrap(),
            }
        }
    }
}

fn lose_power_during_an_upload(memory: Memory, length: Length) {
    let directory = scratch_directory();
    let disk = RecordingDisk::default();
    let store = Store::open_on(disk.clone(), &directory.path().join("store")).unwrap();
    let bytes = noise(9, UPLOADED);
    let id = store.begin_upload(length, "name bQ==", Duration::from_secs(3600), 10).unwrap();
    disk.record(Event::Acknowledged(0));
    for end in [100_000, 170_001, UPLOADED] {
        let state = go_on(&store, id, &bytes[..end]);
        disk.record(Event::Acknowledged(state.offset));
    }
    let events = disk.events.lock().unwrap().clone();
    let mut system = FileSystem::default();
    for (count, event) in events.iter().enumerate() {
        system.apply(event);
        let remains = scratch_directory();
        system.rebuild(memory, directory.path(), remains.path());
        let store = Store::open_on(NextRun, &remains.path().join("store")).unwrap();
        let place = format!("{memory:?} after {count}: {event:?}");
        match (store.upload_state(id), system.acknowledged) {
            (Ok(state), acknowledged) => {
                assert!(state.offset >= acknowledged.unwrap_or(0), "{place}: {state:?}");
                assert_eq!(state.length, length, "{place}");
                assert_eq!(state.metadata, "name bQ==", "{place}");
                assert_eq!(go_on(&store, id, &bytes).digest, Some(Digest::of(&bytes)), "{place}");
                assert!(store.blob(Digest::of(&bytes)).unwrap().bytes().unwrap() == bytes, "{place}");
            }
            (Err(StoreError::UploadNotFound { .. }), None) => {}
            // No record tells a client what it has said itself.
            (Err(StoreError::UploadNotFound { .. }), _) if length.exact().is_none() => {
                assert!(store.blob(Digest::of(&bytes)).unwrap().bytes().unwrap() == bytes, "{place}");
            }
            (other, _) => panic!("{place}: {other:?}"),
        }
        let report = store.check(true, |_| {}).unwrap();
        assert!(report.is_clean(), "{place}: {report:?}");
    }
    assert!(events.len() > 40, "{}", events.len());
}

#[test]
fn an_upload_has_what_was_acknowledged() {
    for memory in [Memory::OnlySynced, Memory::AllNames, Memory::AllContents] {
        for length in [Length::Exactly(UPLOADED as u64), Length::AtMost(1_000_000)] {
            lose_power_during_an_upload(memory, length);
        }
    }
}

#[test]
fn what_is_damaged_after_a_loss_of_power_heals() {
    damage_what_is_left(work);
    damage_what_is_left(serve);
    damage_what_is_left(work_in_both_trees);
}

#[test]
fn what_was_not_synced_may_be_lost() {
    lose_power_everywhere(Memory::OnlySynced, work);
    lose_power_everywhere(Memory::OnlySynced, serve);
    lose_power_everywhere(Memory::OnlySynced, work_in_both_trees);
}

#[test]
fn contents_that_were_not_synced_may_be_lost() {
    lose_power_everywhere(Memory::AllNames, work);
    lose_power_everywhere(Memory::AllNames, serve);
    lose_power_everywhere(Memory::AllNames, work_in_both_trees);
}

#[test]
fn names_that_were_not_synced_may_be_lost() {
    lose_power_everywhere(Memory::AllContents, work);
    lose_power_everywhere(Memory::AllContents, serve);
    lose_power_everywhere(Memory::AllContents, work_in_both_trees);
}
