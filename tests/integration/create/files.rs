//! GGUF files as they are: models, projectors, adapters, several at once.

use ollamake::gguf::Metadata;
use ollamake::model::{Manifest, MediaType, ModelConfig};
use ollamake::tensor::ElementType;
use serde_json::json;

use crate::in_process::{InProcess, gguf, small_gguf};

fn manifest(server: &InProcess, name: &str) -> Manifest {
    server.store.manifest(&name.parse().unwrap()).unwrap().manifest.clone()
}

fn config(server: &InProcess, name: &str) -> ModelConfig {
    let model = server.store.manifest(&name.parse().unwrap()).unwrap();
    (*server.store.config(&model).unwrap()).clone()
}

fn file(pairs: &[(&str, ollamake::gguf::Value)]) -> Vec<u8> {
    let mut metadata = Metadata::new();
    for (key, value) in pairs {
        metadata.set(*key, value.clone());
    }
    gguf(&metadata, &[("t.weight", &[32, 2], ElementType::F32)])
}

#[tokio::test]
async fn the_uploaded_file_is_the_layer() {
    let server = InProcess::new();
    let digest = server.upload(&small_gguf(&[])).await;
    let lines = server.create(json!({"model": "m", "files": {"m.gguf": digest.to_string()}})).await;
    assert_eq!(
        lines,
        [
            "parsing GGUF".into(),
            format!("using existing layer {digest}"),
            "writing manifest".into(),
            "success".into()
        ]
    );
    let manifest = manifest(&server, "m");
    assert_eq!(manifest.layers.len(), 1);
    assert_eq!((manifest.layers[0].digest, &manifest.layers[0].media_type), (digest, &MediaType::Model));
    let config = config(&server, "m");
    let expected = concat!(
        r#"{"model_format":"gguf","model_family":"llama","model_families":["llama"],"model_type":"128","#,
        r#""file_type":"F16","architecture":"amd64","os":"linux"}"#,
        "\n"
    );
    assert_eq!(config.to_bytes(), expected.as_bytes());
    assert_eq!(server.files().len(), 3, "{:?}", server.files());
}

#[tokio::test]
async fn an_architecture_that_nobody_knows_is_imported() {
    let server = InProcess::new();
    let contents = file(&[("general.architecture", "from-the-future".into())]);
    let digest = server.upload(&contents).await.to_string();
    server.create(json!({"model": "m", "files": {"m": digest}})).await;
    let config = config(&server, "m");
    assert_eq!((config.model_family.as_str(), config.file_type.as_str()), ("from-the-future", "unknown"));
}

#[tokio::test]
async fn projectors_and_adapters_are_recognised() {
    let server = InProcess::new();
    let model = server.upload(&small_gguf(&[])).await.to_string();
    let projector = file(&[
        ("general.architecture", "clip".into()),
        ("clip.has_vision_encoder", true.into()),
        ("clip.has_audio_encoder", true.into()),
    ]);
    let projector = server.upload(&projector).await.to_string();
    let adapter = small_gguf(&[("general.type", "adapter")]);
    let adapter = server.upload(&adapter).await.to_string();
    server
        .create(json!({
            "model": "m",
            "files": {"model.gguf": model, "mmproj.gguf": projector},
            "adapters": {"lora.gguf": adapter},
        }))
        .await;
    let kinds: Vec<_> = manifest(&server, "m").layers.into_iter().map(|layer| layer.media_type).collect();
    assert_eq!(kinds, [MediaType::Projector, MediaType::Model, MediaType::Adapter]);
    assert_eq!(config(&server, "m").model_families, Some(vec!["llama".into()]));
    let shown = server.post("/api/show", json!({"model": "m"})).await.json();
    assert_eq!(shown["capabilities"], json!(["completion", "vision", "audio"]));
    assert_eq!(shown["projector_info"]["clip.has_vision_encoder"], true);
    let modelfile = shown["modelfile"].as_str().unwrap();
    for line in [format!("FROM {model}\n"), format!("ADAPTER {adapter}\n"), format!("FROM {projector}\n")] {
        assert!(modelfile.contains(&line), "{modelfile}");
    }
}

#[tokio::test]
async fn a_recognised_template_follows_all_weights() {
    let server = InProcess::new();
    let chat = "{{ '<|im_start|>user<|im_sep|>' + m['content'] + '<|im_end|>' }}";
    let model = server.upload(&small_gguf(&[("tokenizer.chat_template", chat)])).await.to_string();
    let projector = server.upload(&small_gguf(&[("general.type", "projector")])).await.to_string();
    server.create(json!({"model": "m", "files": {"a.gguf": model, "b.gguf": projector}})).await;
    let kinds: Vec<_> = manifest(&server, "m").layers.into_iter().map(|layer| layer.media_type).collect();
    let template = [MediaType::Template, MediaType::Parameters];
    assert_eq!(kinds, [&[MediaType::Model, MediaType::Projector], &template[..]].concat());
}

#[tokio::test]
async fn a_model_that_pools_makes_embeddings() {
    let server = InProcess::new();
    let contents = file(&[
        ("general.architecture", "bert".into()),
        ("bert.pooling_type", 1_u32.into()),
        ("bert.context_length", 512_u32.into()),
        ("bert.embedding_length", 384_u32.into()),
    ]);
    let digest = server.upload(&contents).await.to_string();
    server.create(json!({"model": "m", "files": {"m.gguf": digest}})).await;
    let tags = server.get("/api/tags").await.json();
    assert_eq!(tags["models"][0]["capabilities"], json!(["embedding"]));
    assert_eq!(tags["models"][0]["details"]["context_length"], 512);
    assert_eq!(tags["models"][0]["details"]["embedding_length"], 384);
}

#[tokio::test]
async fn an_uploaded_file_can_be_named_by_its_digest_as_show_tells_it() {
    let server = InProcess::new();
    let digest = server.upload(&small_gguf(&[])).await.to_string();
    server.create(json!({"model": "m", "from": digest})).await;
    server.create(json!({"model": "n", "from": digest.replace(':', "-")})).await;
    let shown = server.post("/api/show", json!({"model": "m"})).await.json();
    assert!(shown["modelfile"].as_str().unwrap().contains(&format!("\nFROM {digest}\n")));
    assert_eq!(manifest(&server, "m"), manifest(&server, "n"));
}

#[tokio::test]
async fn families_whose_prompts_the_runtime_renders_get_their_renderer() {
    let server = InProcess::new();
    let digest = server.upload(&file(&[("general.architecture", "gemma4".into())])).await.to_string();
    server.create(json!({"model": "m", "files": {"m.gguf": digest}})).await;
    let config = config(&server, "m");
    assert_eq!((config.renderer.as_str(), config.parser.as_str()), ("gemma4", "gemma4"));
    let shown = server.post("/api/show", json!({"model": "m"})).await.json();
    assert_eq!(shown["parameters"], format!("{:30} \"<turn|>\"", "stop"));
    assert_eq!(shown["capabilities"], json!(["completion", "tools", "thinking"]));
}

#[tokio::test]
async fn a_chat_format_is_recognised_and_can_be_overruled() {
    let server = InProcess::new();
    let jinja = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>{% endfor %}";
    let digest = server.upload(&small_gguf(&[("tokenizer.chat_template", jinja)])).await.to_string();
    let request = json!({
        "model": "n", "files": {"m.gguf": digest}, "template": "{{ .Prompt }}!",
        "parameters": {"stop": ["x"]},
    });
    server.create(request).await;
    let shown = server.post("/api/show", json!({"model": "n"})).await.json();
    assert_eq!(shown["template"], "{{ .Prompt }}!");
    assert_eq!(shown["parameters"], format!("{:30} \"x\"", "stop"));
    // What was overruled does not stay.
    server.store.settle();
    assert_eq!(server.store.account().unwrap().unnamed.files, 0);
    let lines = server.create(json!({"model": "m", "files": {"m.gguf": digest}})).await;
    assert!(lines.contains(&"using autodetected template chatml".to_owned()), "{lines:?}");
}
