//! A bundle into a store of its own.

use std::sync::{Mutex, OnceLock};

use ollamake::bundle;
use ollamake::store::{PruneOptions, Store};

/// A bundle is loaded, and its models are whole, or it is refused, and nothing of it stays.
pub(super) fn bundle(bytes: &[u8]) {
    static STORE: OnceLock<(Mutex<()>, Store)> = OnceLock::new();
    let (turn, store) = STORE.get_or_init(|| {
        // It stays behind at the end, since nothing drops what is static.
        let root = tempfile::Builder::new().prefix("bundle").tempdir().expect("a directory").keep();
        (Mutex::default(), Store::open(&root).expect("a store"))
    });
    let _turn = turn.lock().expect("no target panicked before");
    match bundle::load(store, bytes, |_| ()) {
        Ok(models) => {
            assert!(!models.is_empty());
            for model in &models {
                let stored = store.manifest(&model.name).expect("what was loaded is there");
                assert_eq!(stored.digest, model.digest);
                for layer in stored.manifest.blobs() {
                    store.verify(layer.digest).expect("every blob of a model is there and whole");
                }
            }
            for model in models {
                store.remove(&model.name).expect("the model can be removed");
            }
        }
        Err(error) => {
            let length = error.to_string().len();
            assert!(length <= 2000 + 2 * bytes.len(), "{length} bytes of message for {}", bytes.len());
        }
    }
    store.settle();
    assert!(store.list().expect("a listing").is_empty(), "a model that was not loaded is there");
    let report = store.prune(PruneOptions { grace: std::time::Duration::ZERO, dry_run: false });
    let report = report.expect("a store that can be pruned");
    assert!(report.unread.is_empty() && report.blobs.is_empty(), "{report:?}");
}
