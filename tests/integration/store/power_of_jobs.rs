//! Loss of power while jobs run: what a client was told of a detached job is true afterwards.

use std::path::Path;

use ollamake::store::Store;
use serde_json::json;

use super::contract::scratch_directory;
use super::faults::UnsyncedDisk;
use super::power::{Event, FileSystem, Memory, RecordingDisk};
use crate::in_process::{InProcess, small_gguf};

/// The jobs that a server knows which is started on this store, each with its state.
async fn jobs(root: &Path) -> Vec<(String, String)> {
    let store = Store::open_on(UnsyncedDisk, root).unwrap();
    let server = InProcess::over(store, scratch_directory(), |_| ());
    let listed = server.get("/ollamake/v1/jobs").await.json();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let jobs = listed["jobs"].as_array().unwrap();
    jobs.iter().map(|job| (text(&job["id"]), text(&job["state"]))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_detached_job_is_not_forgotten_and_its_end_is_not_either() {
    let directory = scratch_directory();
    let disk = RecordingDisk::default();
    let store = Store::open_on(disk.clone(), &directory.path().join("store")).unwrap();
    let server = InProcess::over(store, scratch_directory(), |_| ());
    let weights = server.upload(&small_gguf(&[])).await.to_string();
    let request = json!({"model": "m", "files": {"m.gguf": weights}, "quantize": "q8_0", "detach": true});
    let answer = server.post("/api/create", request).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    disk.record(Event::Promised("begun", None));
    let id = answer.json()["job"].as_str().unwrap().to_owned();
    let told = server.get(&format!("/ollamake/v1/jobs/{id}/events")).await;
    assert_eq!(told.statuses().last().map(String::as_str), Some("success"), "{}", told.body);
    disk.record(Event::Promised("ended", None));

    let events = disk.events.lock().unwrap().clone();
    for memory in Memory::ALL {
        let (mut system, mut promised) = (FileSystem::default(), Vec::new());
        for (count, event) in events.iter().enumerate() {
            system.apply(event);
            if let Event::Promised(what, _) = event {
                promised.push(*what);
            }
            let remains = scratch_directory();
            system.rebuild(memory, directory.path(), remains.path());
            let found = jobs(&remains.path().join("store")).await;
            let context = format!("{memory:?} after {count}: {event:?}: {found:?}");
            assert!(found.len() <= 1, "{context}");
            let state = found.first().map(|(found, state)| {
                assert_eq!(*found, id, "{context}");
                state.as_str()
            });
            match promised.as_slice() {
                [] => assert!(matches!(state, None | Some("interrupted")), "{context}"),
                ["begun"] => assert!(matches!(state, Some("interrupted" | "succeeded")), "{context}"),
                _ => assert_eq!(state, Some("succeeded"), "{context}"),
            }
        }
    }
}
