//! The crate `ollama-rs`, as its users call it, against a server behind a socket.
//!
//! It reads every chunk of a streamed answer as one JSON value, so this also shows that each status line
//! travels in a chunk of its own.

use std::collections::HashMap;

use futures_util::StreamExt;
use ollama_rs::Ollama;
use ollama_rs::models::create::{CreateModelRequest, QuantizationType};
use serde_json::json;

use crate::in_process::small_gguf;
use crate::socket::Listening;
use ollamake::model::Digest;

#[tokio::test(flavor = "multi_thread")]
async fn life_of_a_model() {
    let server = Listening::new().await;
    let file = small_gguf(&[]);
    let digest = Digest::of(&file).to_string();
    let mut writer = server.store.create_blob();
    std::io::Write::write_all(&mut writer, &file).unwrap();
    writer.commit(None).unwrap();
    let client = Ollama::try_new(format!("http://{}", server.address)).unwrap();

    let files = HashMap::from([("tiny.gguf".to_owned(), digest)]);
    let request = CreateModelRequest::new("rust".to_owned()).files(files).system("Be brief.".to_owned());
    assert_eq!(client.create_model(request).await.unwrap().message, "success");

    let request = CreateModelRequest::new("rust-q8".to_owned())
        .from_model("rust".to_owned())
        .quantize(QuantizationType::Q80);
    let statuses: Vec<_> = client
        .create_model_stream(request)
        .await
        .unwrap()
        .map(|line| line.expect("every chunk is one line").message)
        .collect()
        .await;
    assert_eq!(statuses.last().map(String::as_str), Some("success"));

    let shown = client.show_model_info("rust-q8".to_owned()).await.unwrap();
    assert_eq!(shown.model_info["general.file_type"], json!(7));
    assert!(shown.modelfile.contains("SYSTEM Be brief."));

    client.copy_model("rust".to_owned(), "rust-copy".to_owned()).await.unwrap();
    let mut names: Vec<_> =
        client.list_local_models().await.unwrap().into_iter().map(|model| model.name).collect();
    names.sort();
    assert_eq!(names, ["rust-copy:latest", "rust-q8:latest", "rust:latest"]);
    for name in names {
        client.delete_model(name).await.unwrap();
    }
    assert!(client.list_local_models().await.unwrap().is_empty());
    assert!(client.show_model_info("rust".to_owned()).await.is_err());
}
