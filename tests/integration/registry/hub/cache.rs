//! The cache of Python's `huggingface_hub` on this machine.

use std::fs;
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::stub_hub::COMMIT;
use super::{ONE_LINE, layers, made_of_local_files, repository, run};

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_in_the_cache_is_not_fetched() {
    let repository = repository();
    let expected = made_of_local_files(&repository.files).await;
    let (models, home) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let place = home.path().join("hub/models--owner--some.repo");
    let snapshot = place.join("snapshots").join(COMMIT);
    fs::create_dir_all(place.join("refs")).unwrap();
    fs::create_dir_all(place.join("blobs")).unwrap();
    fs::create_dir_all(&snapshot).unwrap();
    fs::write(place.join("refs/main"), COMMIT).unwrap();
    for (number, (name, contents)) in repository.files.iter().enumerate() {
        if name.contains('/') {
            continue;
        }
        // As the cache has them: the names are links.
        fs::write(place.join("blobs").join(number.to_string()), contents).unwrap();
        symlink(format!("../../blobs/{number}"), snapshot.join(name)).unwrap();
    }
    let nowhere = "http://127.0.0.1:1";
    let environment = [("HF_HOME", home.path().to_str().unwrap())];
    let (done, said) = run(models.path(), nowhere, &ONE_LINE, &environment).await;
    assert!(done, "{said}");
    assert_eq!(layers(models.path(), "mine"), expected);

    // What is not whole is left alone.
    fs::remove_file(snapshot.join("model.safetensors")).unwrap();
    let (done, said) = run(models.path(), nowhere, &ONE_LINE, &environment).await;
    assert!(!done && said.contains("127.0.0.1:1"), "{said}");
}
