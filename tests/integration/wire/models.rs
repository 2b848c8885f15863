//! The GGUF files of the recorded conversations, made again: the same metadata and shapes as the recorded
//! answers tell, with other weights, hence under other digests.

use std::collections::HashMap;

use ollamake::gguf::Metadata;
use ollamake::model::Digest;
use ollamake::tensor::ElementType;

use crate::in_process::gguf;

/// A file, and the digest under which the recordings know it.
pub(super) struct File {
    pub(super) recorded: &'static str,
    pub(super) bytes: Vec<u8>,
}

const BLOCK: [(&str, &[u64]); 9] = [
    ("attn_norm", &[256]),
    ("ffn_norm", &[256]),
    ("attn_q", &[256, 256]),
    ("attn_k", &[256, 256]),
    ("attn_v", &[256, 256]),
    ("attn_output", &[256, 256]),
    ("ffn_gate", &[256, 512]),
    ("ffn_up", &[256, 512]),
    ("ffn_down", &[512, 256]),
];

const NOT_GGUF: &str = "hello this is not a gguf file at all";

/// The texts of recorded `<N bytes>` bodies by recorded digest.
pub(super) fn files() -> Vec<File> {
    let f16 = tiny(ElementType::F16, 1, None);
    let chatml = tiny(ElementType::F16, 1, Some(CHATML));
    let truncated = f16[..f16.len() / 2].to_vec();
    let file = |recorded, bytes| File { recorded, bytes };
    vec![
        file("d069cced9a31da3d2525eb96c84143b7bc339ba6d83b1fc46055fd1ed63a9327", f16),
        file(
            "2bbb99d1b1ccf8d2d3a44690e67928c2679c603c4aeb2e1a95efa923ddcbe6ff",
            tiny(ElementType::Q8_0, 7, None),
        ),
        file("91a7f577a2697b505a5308f79ee63b4bb0dc46fc811395a5ae5b5f54e11db8f0", NOT_GGUF.into()),
        file("9af49153fd2266f9b76f3c48c54bb108c2b55af84a46e15ced06ca6659fffa1a", truncated),
        file("41e825ff5114f49a83e495b5ef0e2fa91470cefad9f16759286978a21a134553", chatml),
        file(
            "b6df5d8c62a13c1358d11d4ae66bcdc57d6c347dd4df0e99b87a3683c4a5e241",
            tiny(ElementType::F32, 0, None),
        ),
        file("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", Vec::new()),
        // Bodies of which the recording tells the length only.
        file("1bc25c68744bc5c91336fcb9a77793f7f44271461715a734d3892169049415f7", vec![b'z'; 1000]),
        file("e84402174d22113282e65b706e3cc3c2e20e0a9c12fb3e224eee2b944f748022", vec![7; 400_000]),
    ]
}

/// Recorded digests and the digests of our files in their place. Ollama 0.33 rewrites what it imports; here
/// the uploaded file stays the layer, so the digests of its rewritten files mean our uploaded ones.
pub(super) fn digests(files: &[File]) -> HashMap<String, String> {
    let hex = |index: usize| Digest::of(&files[index].bytes).hex();
    let mut digests: HashMap<String, String> =
        files.iter().enumerate().map(|(index, file)| (file.recorded.to_owned(), hex(index))).collect();
    for (rewritten, index) in [
        ("ced1ee7c594843433225b628bdfb77428aeefefcdcb09edb2c44769c3283efdc", 0),
        ("ecc5b93fe66f882a874a8e5682a3340bbe85648f135c41f8d5a6104cc50ccf37", 4),
    ] {
        digests.insert(rewritten.to_owned(), hex(index));
    }
    digests
}

const CHATML: &str = "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n\
                      ' + message['content'] + '<|im_end|>' + '\n\
                      '}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n\
                      ' }}{% endif %}";

/// A Llama of two layers.
fn tiny(element_type: ElementType, file_type: u32, chat_template: Option<&str>) -> Vec<u8> {
    let mut metadata = Metadata::new();
    metadata.set("general.architecture", "llama");
    metadata.set("general.name", "tiny");
    metadata.set("general.file_type", file_type);
    for (key, value) in [
        ("vocab_size", 320_u32),
        ("context_length", 512),
        ("embedding_length", 256),
        ("block_count", 2),
        ("feed_forward_length", 512),
        ("rope.dimension_count", 64),
        ("attention.head_count", 4),
        ("attention.head_count_kv", 4),
    ] {
        metadata.set(format!("llama.{key}"), value);
    }
    metadata.set("llama.attention.layer_norm_rms_epsilon", 1e-5_f32);
    metadata.set("tokenizer.ggml.model", "llama");
    let special = ["<unk>", "<s>", "</s>"].map(str::to_owned);
    let bytes = (0..=255).map(|byte| format!("<0x{byte:02X}>"));
    let words = (0..61).map(|word| format!("t{word}"));
    let tokens: Vec<String> = special.into_iter().chain(bytes).chain(words).collect();
    let types: Vec<i32> = [2, 3, 3].into_iter().chain([6; 256]).chain([1; 61]).collect();
    metadata.set("tokenizer.ggml.tokens", tokens);
    metadata.set("tokenizer.ggml.scores", vec![0.0_f32; 320]);
    metadata.set("tokenizer.ggml.token_type", types);
    metadata.set("tokenizer.ggml.bos_token_id", 1_u32);
    metadata.set("tokenizer.ggml.eos_token_id", 2_u32);
    if let Some(template) = chat_template {
        metadata.set("tokenizer.chat_template", template);
    }
    let blocks =
        (0..2).flat_map(|block| BLOCK.map(|(name, shape)| (format!("blk.{block}.{name}.weight"), shape)));
    let names: Vec<(String, &[u64])> = [
        ("token_embd.weight".to_owned(), &[256, 320][..]),
        ("output.weight".to_owned(), &[256, 320]),
        ("output_norm.weight".to_owned(), &[256]),
    ]
    .into_iter()
    .chain(blocks)
    .collect();
    let tensors: Vec<_> = names
        .iter()
        .map(|(name, shape)| {
            let is_norm = shape.len() == 1;
            (name.as_str(), *shape, if is_norm { ElementType::F32 } else { element_type })
        })
        .collect();
    gguf(&metadata, &tensors)
}
