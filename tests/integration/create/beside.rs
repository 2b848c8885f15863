//! Files beside the server: those in the directories that the operator allows, and no others.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use ollamake::model::Digest;
use ollamake::store::ImportDirectories;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::in_process::{Answer, InProcess, small_gguf};
use crate::support::large_gguf::large_gguf;
use crate::support::older_matrix::older_matrix;

/// A server that takes files from a directory.
fn server(allowed: &Path) -> InProcess {
    InProcess::with(|config| config.imports = ImportDirectories::new(vec![allowed.to_owned()]))
}

fn address(path: &Path) -> String {
    format!("file://{}", path.display())
}

async fn create(server: &InProcess, files: Value) -> Answer {
    server.post("/api/create", json!({"model": "m", "files": files})).await
}

/// The two names of a file, if it has two.
fn inode(path: &Path) -> (u64, u64) {
    let metadata = fs::metadata(path).unwrap();
    (metadata.ino(), metadata.nlink())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_in_an_allowed_directory_becomes_a_model() {
    let place = TempDir::new().unwrap();
    let weights = small_gguf(&[]);
    fs::write(place.path().join("a b.gguf"), &weights).unwrap();
    let server = server(place.path());
    let from = address(&place.path().join("a%20b.gguf"));
    let lines = server.create(json!({"model": "m", "files": {"m.gguf": from}})).await;
    assert!(lines.contains(&"importing m.gguf".to_owned()), "{lines:?}");
    let digest = Digest::of(&weights);
    let model = server.store.manifest(&"m".parse().unwrap()).unwrap();
    assert_eq!(model.manifest.layers[0].digest, digest);
    // Beside uploaded ones, too, and in what is only asked for.
    let adapter = small_gguf(&[("general.type", "adapter")]);
    fs::write(place.path().join("lora.gguf"), &adapter).unwrap();
    let adapters = json!({"lora.gguf": address(&place.path().join("lora.gguf"))});
    server.create(json!({"model": "n", "files": {"m.gguf": digest}, "adapters": adapters})).await;
    let plan = json!({"model": "x", "files": {"m.gguf": from}, "quantize": "q8_0", "dry_run": true});
    let plan = server.post("/api/create", plan).await;
    let plan: Value = serde_json::from_str(plan.body.lines().last().unwrap()).unwrap();
    assert_eq!(plan["outputs"][0]["type"], "Q8_0", "{plan}");
    let refused = create(&server, json!({"m.gguf": address(&place.path().join("none"))})).await;
    assert_eq!(refused.status, 400);
}

/// Hostile input: `beside-outside`.
/// What a source turns out to be takes the place of `from`; the matrices that the request names stay.
#[tokio::test(flavor = "multi_thread")]
async fn an_uploaded_matrix_is_there_for_what_lies_in_a_directory() {
    let place = TempDir::new().unwrap();
    fs::write(place.path().join("m.gguf"), small_gguf(&[])).unwrap();
    let server = server(place.path());
    let uploaded = server.upload(&small_gguf(&[])).await.to_string();
    let matrix =
        older_matrix("blk.0.ffn_down.weight", &std::array::from_fn::<_, 256, _>(|column| column as f32));
    let files = json!({"i.dat": server.upload(&matrix).await.to_string()});
    let request = |name: &str, source: (&str, Value), files: Value| {
        let recipe = json!({"imatrix": "i.dat"});
        let mut request = json!({"model": name, "quantize": "q4_0", "recipe": recipe, "files": files});
        request[source.0] = source.1;
        request
    };
    let beside = request("a", ("from", address(place.path()).into()), files.clone());
    server.create(beside).await;
    let mut all = files;
    all["m.gguf"] = uploaded.into();
    server.create(request("b", ("system", "".into()), all)).await;
    let layer =
        |model: &str| server.store.manifest(&model.parse().unwrap()).unwrap().manifest.layers[0].digest;
    assert_eq!(layer("a"), layer("b"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_can_be_named_or_told_apart() {
    let place = TempDir::new().unwrap();
    let (allowed, outside) = (place.path().join("allowed"), place.path().join("outside"));
    fs::create_dir_all(allowed.join("directory")).unwrap();
    fs::create_dir_all(&outside).unwrap();
    for file in
        [outside.join("there.gguf"), place.path().join("allowed.gguf"), allowed.join("unreadable.gguf")]
    {
        fs::write(file, small_gguf(&[])).unwrap();
    }
    fs::set_permissions(allowed.join("unreadable.gguf"), Permissions::from_mode(0o0)).unwrap();
    for (target, name) in
        [(outside.join("there.gguf"), "link.gguf"), (outside.join("absent.gguf"), "dangling.gguf")]
    {
        symlink(target, allowed.join(name)).unwrap();
    }
    symlink("../outside", allowed.join("way-out")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, allowed.join("pipe.gguf"), rustix::fs::Mode::RWXU).unwrap();
    let server = server(&allowed);
    let mut addresses: Vec<String> = [
        "link.gguf",
        "dangling.gguf",
        "way-out/there.gguf",
        "way-out/absent.gguf",
        "absent.gguf",
        "directory",
        "pipe.gguf",
        "directory/../link.gguf",
        "../outside/there.gguf",
        "../outside/absent.gguf",
        "",
        "%2e%2e/outside/there.gguf",
        "directory/%2e%2e/%2e%2e/outside/there.gguf",
    ]
    .iter()
    .map(|name| format!("file://{}/{name}", allowed.display()))
    .collect();
    // Whoever is root reads it all the same.
    if File::open(allowed.join("unreadable.gguf")).is_err() {
        addresses.push(address(&allowed.join("unreadable.gguf")));
    }
    addresses.extend([
        address(&outside.join("there.gguf")),
        address(&outside.join("absent.gguf")),
        address(&place.path().join("allowed.gguf")),
        "file:///etc/passwd".to_owned(),
        "file:///proc/self/environ".to_owned(),
        "file:relative".to_owned(),
        "file://host.example/m.gguf".to_owned(),
    ]);
    let mut answers = Vec::new();
    for address in &addresses {
        let answer = create(&server, json!({"m.gguf": address})).await;
        assert_eq!(answer.status, 400, "{address}: {}", answer.body);
        answers.push(answer.body);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert!(!answers[0].contains(place.path().to_str().unwrap()), "{answers:?}");
    assert_eq!(server.files(), Vec::<String>::new());
    // Without a directory that is allowed it is the same.
    let none = InProcess::new();
    let answer = create(&none, json!({"m.gguf": address(&allowed.join("absent.gguf"))})).await;
    assert_eq!(answer.body, answers[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_can_write_to_needs_no_second_room() {
    let weights = large_gguf(256, 4096);
    // Beside the store, so that a link can be made.
    let place = TempDir::new().unwrap();
    let path = place.path().join("m.gguf");
    fs::write(&path, &weights).unwrap();
    let blob =
        |server: &InProcess| server.directory.path().join("blobs").join(Digest::of(&weights).file_name());
    for (mode, is_linked) in [(0o644, false), (0o444, true), (0o400, false), (0o464, false)] {
        let server = server(place.path());
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let lines = server.create(json!({"model": "m", "files": {"m.gguf": address(&path)}})).await;
        let how = lines.iter().find(|line| line.starts_with("imported m.gguf: ")).unwrap().clone();
        if how.ends_with("it shares its room on the disk") {
            // This file system can do better than links.
            assert_ne!(inode(&blob(&server)).0, inode(&path).0);
            continue;
        }
        assert_eq!(inode(&blob(&server)).0 == inode(&path).0, is_linked, "{mode:o}: {how}");
        assert_eq!(how.contains("a second name for the file"), is_linked, "{mode:o}: {how}");
        // A blob that was known keeps being known, and a second time nothing is to be done.
        let again = server.create(json!({"model": "n", "files": {"m.gguf": address(&path)}})).await;
        assert!(again.contains(&"imported m.gguf: it was in the store already".to_owned()), "{again:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_of_a_link_outlives_the_file() {
    let weights = large_gguf(256, 4096);
    let place = TempDir::new().unwrap();
    let path = place.path().join("m.gguf");
    fs::write(&path, &weights).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
    let server = server(place.path());
    server.create(json!({"model": "m", "files": {"m.gguf": address(&path)}})).await;
    fs::remove_file(&path).unwrap();
    server.create(json!({"model": "q", "from": "m", "quantize": "q8_0"})).await;
    // Deleting the model leaves a file of another name alone.
    fs::write(&path, &weights).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
    server.create(json!({"model": "again", "files": {"m.gguf": address(&path)}})).await;
    for model in ["m", "q", "again"] {
        let answer = server.call("DELETE", "/api/delete", json!({"model": model}).to_string()).await;
        assert!(answer.status.is_success(), "{}", answer.body);
    }
    server.store.settle();
    assert!(fs::read(&path).unwrap() == weights);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_file_system_is_copied_from() {
    let Ok(place) = tempfile::tempdir_in("/dev/shm") else { return };
    let weights = large_gguf(256, 4096);
    let path = place.path().join("m.gguf");
    fs::write(&path, &weights).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o444)).unwrap();
    let server = server(place.path());
    if fs::metadata(server.directory.path()).unwrap().dev() == fs::metadata(&path).unwrap().dev() {
        return;
    }
    let lines = server.create(json!({"model": "m", "files": {"m.gguf": address(&path)}})).await;
    assert!(lines.contains(&"imported m.gguf: copied".to_owned()), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_is_a_source() {
    let place = TempDir::new().unwrap();
    let checkpoint = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/tiny-checkpoint");
    let (inside, mut files) = (place.path().join("tiny"), serde_json::Map::new());
    fs::create_dir_all(inside.join("onnx")).unwrap();
    fs::write(inside.join("onnx/model.safetensors"), "not needed").unwrap();
    let server = server(place.path());
    for entry in fs::read_dir(checkpoint).unwrap().flatten() {
        let bytes = fs::read(entry.path()).unwrap();
        fs::write(inside.join(entry.file_name()), &bytes).unwrap();
        files.insert(entry.file_name().into_string().unwrap(), json!(server.upload(&bytes).await));
    }
    server.create(json!({"model": "uploaded", "files": files, "quantize": "q4_K_M"})).await;
    server.create(json!({"model": "named", "from": address(&inside), "quantize": "q4_K_M"})).await;
    let layers = |name: &str| server.store.manifest(&name.parse().unwrap()).unwrap().manifest.layers.clone();
    assert_eq!(layers("named"), layers("uploaded"));
    let file = address(&inside.join("model.safetensors"));
    let alone = server.post("/api/create", json!({"model": "m", "from": file})).await;
    assert!(alone.error().contains("config.json"), "{}", alone.body);
    for missing in [address(&place.path().join("none")), "file:///etc".to_owned()] {
        let answer = server.post("/api/create", json!({"model": "m", "from": missing})).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert!(answer.error().contains("is not to be had"), "{}", answer.body);
    }
    let empty =
        server.post("/api/create", json!({"model": "m", "from": address(&inside.join("onnx"))})).await;
    assert!(empty.error().contains("config.json"), "{}", empty.body);
    let empty = server.post("/api/create", json!({"model": "m", "from": address(place.path())})).await;
    assert!(empty.error().contains("no model here"), "{}", empty.body);

    let listed = async |directory: &Path| {
        server.get(&format!("/ollamake/v1/imports/entries?directory={}", directory.display())).await
    };
    let entries = listed(place.path()).await.json();
    assert_eq!(entries["entries"], json!([{"name": "tiny"}]));
    let entries = listed(&inside).await.json();
    assert!(entries["entries"].as_array().unwrap().contains(&json!({"name": "config.json", "size": 464})));
    assert_eq!(listed(Path::new("/etc")).await.status, 404);
    assert_eq!(server.get("/ollamake/v1/imports/entries").await.status, 400);
}

#[tokio::test]
async fn who_may_ask_is_told_where_files_may_lie() {
    let place = TempDir::new().unwrap();
    let answer = server(place.path()).get("/ollamake/v1/imports").await.json();
    assert_eq!(answer["directories"], json!([place.path()]));
    let (one, other) = (InProcess::new(), InProcess::new());
    let store = async |server: &InProcess| server.get("/ollamake/v1/imports").await.json()["store"].clone();
    assert!(store(&one).await.is_string() && store(&one).await != store(&other).await);
    assert_eq!(store(&one).await, json!(one.store.identity().unwrap()));
}
