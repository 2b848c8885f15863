//! Models whose file has to be made: shards, quantized weights.

use ollamake::gguf::{Gguf, Metadata};
use ollamake::model::MediaType;
use ollamake::tensor::ElementType;
use serde_json::json;

use crate::in_process::{InProcess, gguf, small_gguf};

const SHAPE: &[u64] = &[256, 64];

fn metadata(file_type: u32) -> Metadata {
    let mut metadata = Metadata::new();
    metadata.set("general.architecture", "llama");
    metadata.set("general.file_type", file_type);
    metadata.set("llama.block_count", 2_u32);
    metadata
}

/// One of two files with a tensor each.
fn shard(number: u16, count: u16, tensors: i32, name: &str) -> Vec<u8> {
    let mut metadata = if number == 0 { metadata(1) } else { Metadata::new() };
    metadata.set("split.no", number);
    metadata.set("split.count", count);
    metadata.set("split.tensors.count", tensors);
    gguf(&metadata, &[(name, SHAPE, ElementType::F16)])
}

const FIRST: &str = "blk.0.ffn_up.weight";
const SECOND: &str = "blk.1.ffn_up.weight";

#[tokio::test]
async fn shards_become_one_file() {
    let server = InProcess::new();
    let first = server.upload(&shard(0, 2, 2, FIRST)).await.to_string();
    let second = server.upload(&shard(1, 2, 2, SECOND)).await.to_string();
    let files = json!({"m-00002-of-00002.gguf": second, "m-00001-of-00002.gguf": first});
    let lines = server.create(json!({"model": "m", "files": files})).await;
    assert_eq!(lines[..2], ["parsing GGUF", "parsing GGUF"]);
    let model = server.store.manifest(&"m".parse().unwrap()).unwrap();
    assert_eq!(model.manifest.layers.len(), 1);
    let blob = server.store.blob(model.manifest.layers[0].digest).unwrap();
    let bytes = blob.bytes().unwrap();
    let merged = Gguf::parse(bytes).unwrap();
    let names: Vec<_> = merged.tensors().iter().map(|tensor| tensor.name).collect();
    assert_eq!(names, [FIRST, SECOND]);
    assert_eq!(merged.metadata(), metadata(1));
    for (name, part) in [(FIRST, shard(0, 2, 2, FIRST)), (SECOND, shard(1, 2, 2, SECOND))] {
        let of = |file: &Gguf<'_>, bytes: &[u8]| {
            let range = file.tensor(name).unwrap().data.clone();
            bytes[range.start as usize..range.end as usize].to_vec()
        };
        assert_eq!(of(&merged, bytes), of(&Gguf::parse(&part).unwrap(), &part), "{name}");
    }
    let shown = server.post("/api/show", json!({"model": "m"})).await.json();
    assert_eq!(shown["model_info"]["general.parameter_count"], 2 * 256 * 64);
}

#[tokio::test]
async fn the_first_shard_says_what_the_file_is() {
    let server = InProcess::new();
    let mut projector = metadata(1);
    projector.set("general.type", "projector");
    for (key, value) in [("split.no", 0_u16), ("split.count", 2)] {
        projector.set(key, value);
    }
    let first = gguf(&projector, &[(FIRST, SHAPE, ElementType::F16)]);
    let first = server.upload(&first).await.to_string();
    let second = server.upload(&shard(1, 2, 2, SECOND)).await.to_string();
    let model = server.upload(&small_gguf(&[])).await.to_string();
    server.create(json!({"model": "m", "files": {"a.gguf": second, "b.gguf": first, "m.gguf": model}})).await;
    let made = server.store.manifest(&"m".parse().unwrap()).unwrap();
    let kinds: Vec<_> = made.manifest.layers.iter().map(|layer| layer.media_type.clone()).collect();
    assert_eq!(kinds, [MediaType::Model, MediaType::Projector]);
}

#[tokio::test]
async fn shards_that_are_no_whole_model_are_refused() {
    let server = InProcess::new();
    let cases = [
        ("one is missing", vec![shard(0, 2, 2, FIRST)]),
        ("two with the same number", vec![shard(0, 2, 2, FIRST), shard(0, 2, 2, SECOND)]),
        ("counts that disagree", vec![shard(0, 2, 2, FIRST), shard(1, 3, 2, SECOND)]),
        ("65,535 shards", vec![shard(0, 65_535, 2, FIRST), shard(1, 65_535, 2, SECOND)]),
        ("the same tensor twice", vec![shard(0, 2, 2, FIRST), shard(1, 2, 2, FIRST)]),
        ("too few tensors", vec![shard(0, 2, 3, FIRST), shard(1, 2, 3, SECOND)]),
    ];
    for (case, shards) in cases {
        let mut files = json!({});
        for (index, shard) in shards.iter().enumerate() {
            files[format!("m-{:05}-of-00002.gguf", index + 1)] =
                server.upload(shard).await.to_string().into();
        }
        let answer = server.post("/api/create", json!({"model": "m", "files": files})).await;
        assert_eq!(answer.status, 400, "{case}: {}", answer.body);
        assert!(answer.error().starts_with("split GGUF: "), "{case}: {}", answer.body);
        assert!(answer.json()["file"].is_string());
    }
    assert!(server.store.list().unwrap().is_empty());
}

fn plain(file_type: u32, element_type: ElementType) -> Vec<u8> {
    gguf(&metadata(file_type), &[(FIRST, SHAPE, element_type), (SECOND, SHAPE, element_type)])
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_are_quantized_from_files_and_from_models() {
    let server = InProcess::new();
    let digest = server.upload(&plain(1, ElementType::F16)).await.to_string();
    server.create(json!({"model": "f16", "files": {"m.gguf": digest}, "system": "kept"})).await;
    let lines =
        server.create(json!({"model": "one", "files": {"m.gguf": digest}, "quantize": "q5_K_M"})).await;
    assert!(lines.contains(&"quantizing F16 model to Q5_K_M".to_owned()), "{lines:?}");
    assert!(lines.contains(&"verifying conversion".to_owned()), "{lines:?}");
    server.create(json!({"model": "two", "from": "f16", "quantize": "Q5_K"})).await;
    let [one, two] = ["one", "two"].map(|name| server.store.manifest(&name.parse().unwrap()).unwrap());
    assert_eq!(one.manifest.layers[0].digest, two.manifest.layers[0].digest);
    let shown = server.post("/api/show", json!({"model": "two"})).await.json();
    assert_eq!(shown["details"]["quantization_level"], "Q5_K_M");
    assert_eq!(shown["system"], "kept");
    assert_eq!(shown["model_info"]["general.file_type"], 17);
}

#[tokio::test(flavor = "multi_thread")]
async fn shards_are_quantized_in_one_go() {
    let server = InProcess::new();
    let first = server.upload(&shard(0, 2, 2, FIRST)).await.to_string();
    let second = server.upload(&shard(1, 2, 2, SECOND)).await.to_string();
    let whole = server.upload(&plain(1, ElementType::F16)).await.to_string();
    let files = json!({"m-00001-of-00002.gguf": first, "m-00002-of-00002.gguf": second});
    server.create(json!({"model": "shards", "files": files, "quantize": "q4_0"})).await;
    server.create(json!({"model": "whole", "files": {"m.gguf": whole}, "quantize": "q4_0"})).await;
    let layer =
        |name: &str| server.store.manifest(&name.parse().unwrap()).unwrap().manifest.layers[0].clone();
    assert_eq!(layer("shards").size, layer("whole").size);
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_that_are_no_numbers_are_named_and_leave_nothing() {
    let server = InProcess::new();
    let mut contents = plain(0, ElementType::F32);
    let start = Gguf::parse(&contents).unwrap().tensor(SECOND).unwrap().data.start as usize;
    contents[start + 4 * 300..start + 4 * 301].copy_from_slice(&f32::NAN.to_le_bytes());
    let digest = server.upload(&contents).await;
    let request =
        json!({"model": "m", "files": {"m.gguf": digest.to_string()}, "quantize": "q8_0", "stream": false});
    let answer = server.post("/api/create", request).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert!(answer.error().contains(SECOND), "{}", answer.body);
    assert_eq!(answer.json()["file"], "m.gguf");
    assert!(answer.json()["hint"].is_string(), "{}", answer.body);
    assert_eq!(server.files(), [digest.file_name()]);
}

#[tokio::test]
async fn unknown_types_are_told_with_the_known_ones() {
    let server = InProcess::new();
    let digest = server.upload(&small_gguf(&[])).await.to_string();
    let answer = server
        .post("/api/create", json!({"model": "m", "files": {"m.gguf": digest}, "quantize": "q9"}))
        .await;
    assert_eq!(answer.status, 400);
    for name in ["q9", "Q2_K", "Q4_K_M", "Q8_0", "BF16"] {
        assert!(answer.error().contains(name), "{}", answer.body);
    }
}

#[tokio::test]
async fn nothing_is_computed_twice() {
    let server = InProcess::new();
    let source = gguf(&metadata(1), &[(FIRST, SHAPE, ElementType::F16)]);
    let digest = server.upload(&source).await.to_string();
    let make = async |model: &str, file: &str, file_type: &str| {
        // Not with `create`: what comes of a false memory is not what comes of the sources.
        let request = json!({"model": model, "files": {file: digest}, "quantize": file_type});
        let answer = server.post("/api/create", request).await;
        assert_eq!(answer.statuses().last().unwrap(), "success", "{}", answer.body);
        server.store.manifest(&model.parse().unwrap()).unwrap().manifest.layers[0].digest
    };
    let first = make("one", "m.gguf", "q4_K_M").await;
    let other = make("two", "m.gguf", "q8_0").await;
    assert_ne!(first, other);

    // A false memory shows that the result is taken from it, whatever the file is called.
    let memories = server.directory.path().join("ollamake/made");
    let entries = || std::fs::read_dir(&memories).unwrap().map(|entry| entry.unwrap().path());
    let memory = entries().find(|path| std::fs::read_to_string(path).unwrap() == first.to_string()).unwrap();
    std::fs::write(&memory, other.to_string()).unwrap();
    assert_eq!(make("three", "other-name.gguf", "q4_K_M").await, other);

    // It is a hint: without the blob that it names, or lost altogether, the work is done again.
    std::fs::write(&memory, format!("sha256:{:064}", 0)).unwrap();
    assert_eq!(make("four", "m.gguf", "q4_K_M").await, first);
    std::fs::remove_dir_all(&memories).unwrap();
    assert_eq!(make("five", "m.gguf", "q4_K_M").await, first);
}
