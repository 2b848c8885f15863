//! Many threads, few names.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use ollamake::model::{Digest, Layer, Manifest, MediaType, ModelConfig};
use ollamake::store::{PruneOptions, Store, StoreError};
use rand::Rng;

use super::contract::{leftovers, make_model, name};
use super::faults::UnsyncedDisk;
use crate::support::noise::noise;

#[test]
fn many_uploads_of_one_blob_all_succeed() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    for (round, length) in [1_000, 1_000_000, 1_000, 1_000_000].into_iter().enumerate() {
        let bytes = noise(round as u64, length);
        let created = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    let mut writer = store.create_blob();
                    writer.write_all(&bytes).unwrap();
                    let committed = writer.commit(Some(Digest::of(&bytes))).unwrap();
                    assert_eq!(committed.blob.length(), length as u64);
                    assert!(committed.blob.bytes().unwrap() == bytes);
                    created.fetch_add(usize::from(!committed.existed), Ordering::SeqCst);
                });
            }
        });
        assert_eq!(created.into_inner(), 1);
    }
    assert_eq!(leftovers(directory.path()), 0);
}

/// Makes a model and makes sure, while holding its blobs, that it stays whole.
fn create(store: &Store, model: usize, prompt: usize) -> Result<(), StoreError> {
    let config = store.put_bytes(&ModelConfig::default().to_bytes())?.blob;
    let system = store.put_bytes(format!("prompt {prompt}").as_bytes())?.blob;
    let mut writer = store.create_blob();
    writer.write_all(&noise(prompt as u64, 100_000))?;
    let weights = writer.commit(None)?.blob;
    let layers = vec![
        Layer::new(MediaType::Model, weights.digest(), weights.length()),
        Layer::new(MediaType::System, system.digest(), system.length()),
    ];
    let manifest = Manifest::new(Layer::new(MediaType::Config, config.digest(), config.length()), layers);
    let placed = store.put_manifest(&name(&format!("m{model}")), &manifest.to_bytes())?;
    for blob in [&config, &system, &weights] {
        assert!(store.contains(blob.digest())?, "a leased blob is gone");
    }
    if let Some(replaced) = placed.replaced {
        let digests: Vec<_> = replaced.manifest.blobs().map(|layer| layer.digest).collect();
        store.remove_unused(&digests)?;
    }
    Ok(())
}

#[test]
fn nothing_is_lost_in_a_storm() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Store::open_on(UnsyncedDisk, directory.path()).unwrap();
    let stores = [open(), open()];
    make_model(&stores[0], &name("constant"), "constant").unwrap();
    let over = AtomicBool::new(false);
    let operations = AtomicUsize::new(0);
    thread::scope(|scope| {
        for worker in 0..8 {
            let (stores, over, operations) = (&stores, &over, &operations);
            scope.spawn(move || {
                let store = &stores[worker % 2];
                let mut random = rand::rng();
                while !over.load(Ordering::Relaxed) {
                    let (model, prompt) = (random.random_range(0..4), random.random_range(0..4));
                    let target = name(&format!("m{}", random.random_range(0..4)));
                    let outcome = match random.random_range(0..10) {
                        0..4 => create(store, model, prompt),
                        4..6 => store.remove(&target),
                        6 => store.copy(&name(&format!("m{model}")), &target).map(|_| ()),
                        7 => {
                            let everything = PruneOptions { grace: Duration::ZERO, dry_run: false };
                            store.prune(everything).map(|report| assert!(report.damaged.is_empty()))
                        }
                        8 => store.list().map(|models| {
                            assert!(models.iter().any(|model| model.name == name("constant")));
                        }),
                        _ => store.manifest(&target).map(|_| ()),
                    };
                    match outcome {
                        Ok(()) | Err(StoreError::ModelNotFound { .. }) => {}
                        // The source of a copy was removed, with its blobs, before they could be leased.
                        Err(StoreError::BlobNotFound { .. }) => {}
                        Err(error) => panic!("{error}: {error:?}"),
                    }
                    operations.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        thread::sleep(Duration::from_secs(3));
        over.store(true, Ordering::Relaxed);
    });
    println!("{} operations", operations.into_inner());
    for store in stores {
        let report = store.check(true, |_| {}).unwrap();
        assert!(report.is_clean(), "{report:?}");
        store.verify(Digest::of(b"constant")).unwrap();
    }
    assert_eq!(leftovers(directory.path()), 0);
}
