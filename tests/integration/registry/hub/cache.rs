//! The cache of Python's `huggingface_hub` on this machine.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::Value;
use tempfile::TempDir;

use super::stub_hub::COMMIT;
use super::{ONE_LINE, layers, made_of_local_files, repository, run};
use crate::support::process::Process;

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

    // The record names the commit under which the cache has them.
    let server = Process::start(models.path(), &[]);
    let url = format!("http://{}/ollamake/v1/models/mine/provenance", server.address);
    let record: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    let sources = record["predicate"]["buildDefinition"]["resolvedDependencies"].as_array().unwrap();
    assert!(sources.len() > 2, "{record}");
    for source in sources {
        let name = source["name"].as_str().unwrap();
        assert_eq!(source["uri"], format!("{nowhere}/owner/some.repo/resolve/{COMMIT}/{name}"), "{source}");
    }
    drop(server);

    // What is not whole is left alone.
    fs::remove_file(snapshot.join("model.safetensors")).unwrap();
    let (done, said) = run(models.path(), nowhere, &ONE_LINE, &environment).await;
    assert!(!done && said.contains("127.0.0.1:1"), "{said}");
}
