//! What a model is made from in one line, without a Modelfile.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use ollamake::model::Digest;

use super::Desk;
use crate::in_process::small_gguf;
use crate::support::large_gguf::large_gguf;
use crate::support::process::{Process, command, text};

#[test]
fn a_file_a_directory_and_a_model_are_sources() {
    let desk = Desk::new();
    let weights = small_gguf(&[]);
    desk.put("here/model.gguf", &weights);
    // What this directory holds does not matter then.
    desk.put("Modelfile", "FROM ./none.gguf\n");
    for source in ["here/model.gguf", "here", "./here", desk.directory.path().join("here").to_str().unwrap()]
    {
        desk.output(&["create", "m", source]);
        assert!(desk.weights("m") == weights, "{source}");
        desk.output(&["rm", "m"]);
    }
    desk.output(&["create", "m", "here"]);
    desk.output(&["create", "n", "m", "-q", "q8_0"]);
    assert!(desk.weights("n") != weights);
    desk.output(&["create", "again", "m"]);
    assert!(desk.weights("again") == weights);
}

#[test]
fn a_source_that_is_not_there_is_named() {
    let desk = Desk::new();
    for missing in ["./none", "none.gguf", "/none"] {
        let error = desk.refused(&["create", "m", missing]);
        assert!(error.starts_with(&format!("Error: {missing}: No such file")), "{error}");
    }
    let error = desk.refused(&["create", "m", "a", "-f", "b"]);
    assert!(error.contains("cannot be used with"), "{error}");
}

/// Whether a blob of the store is the file itself, or shares its room so that nobody could tell.
fn is_given(desk: &Desk, file: &str, said: &str) -> bool {
    let path = desk.directory.path().join(file);
    let digest = Digest::of(&fs::read(&path).unwrap());
    let blob = fs::metadata(desk.models.path().join("blobs").join(digest.file_name())).unwrap();
    let is_same = blob.ino() == fs::metadata(path).unwrap().ino();
    is_same || (said.contains("adding") && !said.contains("copied"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_given_to_the_store_without_a_server_and_beside_one() {
    let desk = Desk::new();
    let weights = large_gguf(256, 4096);
    desk.put("m.gguf", &weights);
    let path = desk.directory.path().join("m.gguf");
    fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
    let create = async |desk: &Desk, environment: &[(&str, &str)]| {
        let mut command = command(desk.models.path(), &["create", "m", "m.gguf"]);
        command.current_dir(desk.directory.path()).envs(environment.iter().copied());
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert!(output.status.success(), "{}", text(&output));
        text(&output)
    };
    let said = create(&desk, &[]).await;
    assert!(is_given(&desk, "m.gguf", &said) && !said.contains("uploading"), "{said}");

    // A server on the same store.
    let desk = Desk { models: tempfile::tempdir().unwrap(), ..desk };
    let server = Process::start(desk.models.path(), &[]);
    let said = create(&desk, &[("OLLAMA_HOST", &server.address)]).await;
    assert!(is_given(&desk, "m.gguf", &said) && !said.contains("uploading"), "{said}");
    assert!(desk.weights("m") == weights);

    // A server on another one; ours gets nothing.
    let other = tempfile::tempdir().unwrap();
    let server = Process::start(other.path(), &[]);
    let desk = Desk { models: tempfile::tempdir().unwrap(), ..desk };
    let said = create(&desk, &[("OLLAMA_HOST", &server.address)]).await;
    assert!(said.contains("uploading"), "{said}");
    assert!(fs::read_dir(desk.models.path()).unwrap().next().is_none());
}

#[test]
fn what_can_be_written_to_is_copied_and_that_is_said() {
    let desk = Desk::new();
    let weights = large_gguf(256, 4096);
    desk.put("m.gguf", &weights);
    let said = text(&desk.run(&["create", "m", "m.gguf"]));
    let digest = Digest::of(&weights);
    let blob = desk.models.path().join("blobs").join(digest.file_name());
    assert_ne!(
        fs::metadata(blob).unwrap().ino(),
        fs::metadata(desk.directory.path().join("m.gguf")).unwrap().ino()
    );
    let is_copied = said.contains("1 file copied, since what can be written to must not be a blob");
    assert!(is_copied || said.contains("adding"), "{said}");
    // Whoever writes to the file then changes no blob.
    fs::write(desk.directory.path().join("m.gguf"), "other").unwrap();
    assert!(desk.weights("m") == weights);
    assert!(desk.run(&["fsck"]).status.success());
}
