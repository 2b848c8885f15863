//! Whole jobs on disks that fail: a clear error, and nothing half-made.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use hyper::Request;
use ollamake::gguf::Metadata;
use ollamake::model::Digest;
use ollamake::store::{Disk, LocalDisk, Store};
use ollamake::tensor::ElementType;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::contract::{leftovers, make_model, name, scratch_directory};
use super::faults::{Fault, FaultyDisk, ReadOnlyDisk, UnsyncedDisk};
use crate::in_process::{Answer, InProcess, gguf, small_gguf};

fn server_on(disk: impl Disk, root: &Path) -> InProcess {
    let store = Store::open_on(disk, root).unwrap();
    InProcess::over(store, scratch_directory(), |_| ())
}

fn creation(weights: Digest) -> Value {
    json!({
        "model": "made", "files": {"m.gguf": weights.to_string()}, "quantize": "q8_0", "system": "prompt",
        "template": "{{ .Prompt }}", "parameters": {"seed": 1}, "license": "free",
    })
}

/// Uploads the weights and makes a model of them; the answer that failed, if one did.
async fn upload_and_create(server: &InProcess) -> Option<Answer> {
    let weights = small_gguf(&[]);
    let digest = Digest::of(&weights);
    let upload = server.call("POST", &format!("/api/blobs/{digest}"), weights).await;
    if !upload.status.is_success() {
        return Some(upload);
    }
    let answer = server.post("/api/create", creation(digest)).await;
    (!answer.error().is_empty()).then_some(answer)
}

fn blobs(root: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(root.join("blobs")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// What must hold after a job that failed, or did not: the store is whole, the job can be done now.
async fn assert_whole(root: &Path, context: &str) {
    let server = server_on(UnsyncedDisk, root);
    assert_eq!(leftovers(root), 0, "{context}");
    let report = server.store.check(true, |_| {}).unwrap();
    assert!(report.is_clean(), "{context}: {report:?}");
    server.store.manifest(&name("kept")).unwrap();
    if let Some(answer) = upload_and_create(&server).await {
        panic!("{context}: {}", answer.body);
    }
    assert_eq!(server.store.manifest(&name("made")).unwrap().manifest.layers.len(), 5);
}

fn fail_at_every_operation(fault: Fault) {
    let runtime = Runtime::new().unwrap();
    let mut points = 0;
    for at in 0.. {
        let directory = scratch_directory();
        let root = directory.path();
        make_model(&Store::open_on(UnsyncedDisk, root).unwrap(), &name("kept"), "old prompt").unwrap();
        let mut expected = blobs(root);
        expected.insert(Digest::of(&small_gguf(&[])).file_name());

        let operations = Arc::new(AtomicUsize::new(0));
        let server = server_on(FaultyDisk { fault, at, operations: operations.clone() }, root);
        let failed = runtime.block_on(upload_and_create(&server));
        if operations.load(Ordering::SeqCst) <= at {
            assert!(failed.is_none());
            break;
        }
        points += 1;
        let context = format!("{fault:?} at {at}");
        if let Some(answer) = failed {
            assert!(
                answer.error().contains("no space left in the model store"),
                "{context}: {}",
                answer.body
            );
        }
        drop(server);
        let store = Store::open_on(UnsyncedDisk, root).unwrap();
        if fault == Fault::StaysFull && store.manifest(&name("made")).is_err() {
            assert!(blobs(root).is_subset(&expected), "{context}: {:?}", blobs(root));
        }
        runtime.block_on(assert_whole(root, &context));
    }
    println!("{points} points");
    assert!(points > 20, "{points}");
}

#[test]
fn a_job_on_a_disk_that_is_full_once_leaves_nothing_half_made() {
    fail_at_every_operation(Fault::Full);
}

#[test]
fn a_job_on_a_disk_that_stays_full_leaves_nothing() {
    fail_at_every_operation(Fault::StaysFull);
}

/// A disk that cannot read one of its sectors, once.
struct WornDisk {
    at: usize,
    reads: Arc<AtomicUsize>,
}

impl WornDisk {
    const INPUT_OUTPUT_ERROR: i32 = 5;
}

impl Disk for WornDisk {
    fn read_at(&self, file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if self.reads.fetch_add(1, Ordering::SeqCst) == self.at {
            return Err(io::Error::from_raw_os_error(Self::INPUT_OUTPUT_ERROR));
        }
        LocalDisk.read_at(file, buffer, offset)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        UnsyncedDisk.sync(file)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        UnsyncedDisk.sync_directory(path)
    }
}

#[test]
fn a_job_that_cannot_read_says_so_and_leaves_nothing_half_made() {
    let runtime = Runtime::new().unwrap();
    let mut failures = 0;
    for at in 0.. {
        let directory = scratch_directory();
        let root = directory.path();
        make_model(&Store::open_on(UnsyncedDisk, root).unwrap(), &name("kept"), "old prompt").unwrap();
        let reads = Arc::new(AtomicUsize::new(0));
        let server = server_on(WornDisk { at, reads: reads.clone() }, root);
        let failed = runtime.block_on(async {
            match upload_and_create(&server).await {
                Some(failed) => Some(failed),
                None => {
                    let again = json!({"model": "again", "from": "made", "parameters": {"top_k": 3}});
                    let answer = server.post("/api/create", again).await;
                    (!answer.error().is_empty()).then_some(answer)
                }
            }
        });
        if reads.load(Ordering::SeqCst) <= at {
            assert!(failed.is_none());
            break;
        }
        if let Some(answer) = failed {
            failures += 1;
            let expected = "the model store failed: Input/output error";
            assert!(answer.error().contains(expected), "at {at}: {}", answer.body);
        }
        drop(server);
        runtime.block_on(assert_whole(root, &format!("read {at}")));
    }
    assert!(failures > 2, "{failures}");
}

#[test]
fn a_read_only_store_is_read_and_refuses_the_rest() {
    let directory = scratch_directory();
    let root = directory.path();
    make_model(&Store::open_on(UnsyncedDisk, root).unwrap(), &name("kept"), "prompt").unwrap();
    let before = blobs(root);
    let server = server_on(ReadOnlyDisk, root);
    Runtime::new().unwrap().block_on(async {
        assert_eq!(server.get("/api/tags").await.json()["models"][0]["name"], "kept:latest");
        let shown = server.post("/api/show", json!({"model": "kept"})).await;
        assert_eq!(shown.json()["system"], "prompt");
        let weights = small_gguf(&[]);
        let url = format!("/api/blobs/{}", Digest::of(&weights));
        let refused = [
            server.call("POST", &url, weights).await,
            server.post("/api/create", json!({"model": "new", "from": "kept", "system": "x"})).await,
            server.post("/api/copy", json!({"source": "kept", "destination": "new"})).await,
            server.call("DELETE", "/api/delete", r#"{"model": "kept"}"#).await,
        ];
        for answer in refused {
            let expected = "the model store is read-only or denies access; check its permissions";
            assert_eq!(answer.error(), expected, "{}", answer.body);
        }
    });
    assert_eq!(blobs(root), before);
    assert_eq!(server.store.list().unwrap().len(), 1);
}

/// A disk on which hardly anything has room.
struct SmallDisk;

impl Disk for SmallDisk {
    fn available_space(&self, _path: &Path) -> io::Result<u64> {
        Ok(2000)
    }
}

#[tokio::test]
async fn a_job_that_has_no_room_is_refused_before_it_begins() {
    let directory = scratch_directory();
    let root = directory.path();
    let weights = gguf_of(64);
    let digest = server_on(LocalDisk, root).upload(&weights).await;
    let server = server_on(SmallDisk, root);
    let refused = server.post("/api/create", creation(digest)).await;
    assert_eq!(refused.status, 507, "{}", refused.body);
    assert!(refused.error().contains("2000 available"), "{}", refused.body);
    assert_eq!(blobs(root), BTreeSet::from([digest.file_name()]));
    let upload = Request::post(format!("/api/blobs/{}", Digest::of(b"x"))).header("Host", "localhost");
    let upload = upload.header("Content-Length", 2001).body(Body::from(vec![0; 2001])).unwrap();
    let upload = server.send(upload).await;
    assert_eq!(upload.status, 507, "{}", upload.body);
    // What was made before needs no room.
    server_on(LocalDisk, root).create(creation(digest)).await;
    server
        .create(json!({"model": "again", "files": {"m.gguf": digest.to_string()}, "quantize": "q8_0"}))
        .await;
}

/// A model of one tensor with so many rows of 1,024 weights.
fn gguf_of(rows: u64) -> Vec<u8> {
    let mut metadata = Metadata::new();
    metadata.set("general.architecture", "llama");
    metadata.set("general.file_type", 1_u32);
    metadata.set("llama.block_count", 1_u32);
    gguf(&metadata, &[("token_embd.weight", &[1024, rows], ElementType::F16)])
}

/// Changes a byte of a blob where it lies.
fn damage(root: &Path, digest: Digest) {
    let path = root.join("blobs").join(digest.file_name());
    let file = File::options().read(true).write(true).open(path).unwrap();
    let last = file.metadata().unwrap().len() - 1;
    let mut byte = [0];
    file.read_exact_at(&mut byte, last).unwrap();
    file.write_all_at(&[byte[0] ^ 1], last).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_was_damaged_is_found_when_it_is_used() {
    for weights in [small_gguf(&[]), gguf_of(256)] {
        let server = InProcess::new();
        let root = server.directory.path().to_owned();
        let digest = server.upload(&weights).await;
        server.create(json!({"model": "plain", "files": {"m.gguf": digest.to_string()}})).await;
        damage(&root, digest);
        let before = blobs(&root);
        let reopened = InProcess::over(Store::open(&root).unwrap(), scratch_directory(), |_| ());
        for server in [&server, &reopened] {
            for mut request in [creation(digest), json!({"from": "plain", "quantize": "q8_0"})] {
                request["model"] = "made".into();
                let answer = server.post("/api/create", request).await;
                assert!(answer.error().contains(&format!("blob {digest} is damaged")), "{}", answer.body);
            }
        }
        assert_eq!(blobs(&root), before);
        assert_eq!(leftovers(&root), 0);
        // Once it is out of the way it can be uploaded again.
        server.store.quarantine(digest).unwrap();
        server.upload(&weights).await;
        server.create(creation(digest)).await;
    }
}
