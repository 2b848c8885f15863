//! What the header of a GGUF file says about the model in it, as far as manifests, listings and
//! capabilities are concerned.
//!
//! Keys and rules: Ollama, `fs/ggml/ggml.go` and `server/create.go` (`isProjectorGGUF`).

use crate::family;
use crate::gguf::{Gguf, ValueRef};
use crate::model::MediaType;
use crate::plan::Plan;
use crate::quantize::{FILE_TYPE_KEY, FileType, NVFP4_FILE};

/// The facts of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// `general.architecture`.
    pub architecture: String,
    /// What the file is a part of a model for.
    pub kind: MediaType,
    /// The number of its elements.
    pub parameter_count: u64,
    /// Its quantization for people, `unknown` if the file does not say.
    pub file_type: &'static str,
    /// The longest context.
    pub context_length: u64,
    /// The width of embeddings.
    pub embedding_length: u64,
    /// Whether it pools, so makes embeddings and no text.
    pub pools: bool,
    /// Whether it sees.
    pub sees: bool,
    /// Whether it hears.
    pub hears: bool,
    /// What its own chat template supports, if it has one.
    pub chat_template: Option<ChatTemplateSupport>,
    /// Whether it is one of several that a model was split into.
    pub is_shard: bool,
}

/// What a Jinja chat template supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChatTemplateSupport {
    /// It shows tools.
    pub tools: bool,
    /// It shows tools, their calls and their results.
    pub tool_round_trip: bool,
    /// It separates thinking.
    pub thinking: bool,
}

/// The key of the chat template.
pub const CHAT_TEMPLATE_KEY: &str = "tokenizer.chat_template";

impl Description {
    /// Reads the facts.
    pub fn of(gguf: &Gguf<'_>) -> Self {
        let keys = Keys::of(gguf);
        let parameter_count =
            gguf.tensors().iter().fold(0_u64, |sum, tensor| sum.saturating_add(tensor.shape.elements()));
        let file_type = gguf.get(FILE_TYPE_KEY).and_then(ValueRef::as_u64);
        Self {
            architecture: keys.architecture.to_owned(),
            kind: keys.kind(),
            parameter_count,
            file_type: file_type.and_then(file_type_name).unwrap_or(UNKNOWN_FILE_TYPE),
            context_length: keys.number("context_length"),
            embedding_length: keys.number("embedding_length"),
            pools: keys.get("pooling_type").is_some(),
            sees: keys.get("vision.block_count").is_some(),
            hears: keys.hears(),
            chat_template: gguf
                .get(CHAT_TEMPLATE_KEY)
                .and_then(ValueRef::as_str)
                .filter(|template| !template.is_empty())
                .map(ChatTemplateSupport::of),
            is_shard: Plan::is_shard(gguf),
        }
    }
}

/// A file's keys, those of its architecture by their short names.
struct Keys<'a> {
    gguf: &'a Gguf<'a>,
    architecture: &'a str,
}

impl<'a> Keys<'a> {
    fn of(gguf: &'a Gguf<'a>) -> Self {
        let architecture = gguf.get("general.architecture").and_then(ValueRef::as_str).unwrap_or("unknown");
        Self { gguf, architecture }
    }

    fn get(&self, key: &str) -> Option<&ValueRef<'a>> {
        self.gguf.get(&format!("{}.{key}", self.architecture))
    }

    fn number(&self, key: &str) -> u64 {
        self.get(key).and_then(ValueRef::as_u64).unwrap_or(0)
    }

    fn is_true(&self, key: &str) -> bool {
        self.get(key) == Some(&ValueRef::Bool(true))
    }

    fn kind(&self) -> MediaType {
        let general_type = self.gguf.get("general.type").and_then(ValueRef::as_str);
        let sees_only = self.number("block_count") == 0 && self.number("vision.block_count") > 0;
        let is_clip = self.architecture == family::PROJECTOR
            && self.number("block_count") == 0
            && (self.is_true("has_vision_encoder") || self.is_true("has_audio_encoder"));
        match general_type {
            Some("adapter") => MediaType::Adapter,
            Some("projector" | "mmproj") => MediaType::Projector,
            _ if sees_only || is_clip => MediaType::Projector,
            _ => MediaType::Model,
        }
    }

    fn hears(&self) -> bool {
        if self.kind() != MediaType::Projector {
            return self.get("audio.block_count").is_some();
        }
        let projector_type = self.get("vision.projector_type").and_then(ValueRef::as_str);
        let is_unused = projector_type.is_some_and(|kind| family::AUDIO_UNUSED_IN.contains(&kind));
        let has_encoder = |(key, value): &(&str, ValueRef<'_>)| {
            key.ends_with(".has_audio_encoder") && *value == ValueRef::Bool(true)
        };
        !is_unused && self.gguf.entries().iter().any(has_encoder)
    }
}

impl ChatTemplateSupport {
    /// Some words of a Jinja template show what it supports: Ollama, `server/images.go`.
    fn of(template: &str) -> Self {
        let has = |word: &str| template.contains(word);
        let tools = has("tools") || has("tool_call");
        let calls = has("tool_calls") || has("assistant_tool_call");
        let results = ["tool_response", "tool_results", "ipython"].into_iter().any(has)
            || ["role'] == ", "role\"] == ", "message.role == "].into_iter().any(|left| {
                ["'tool'", "\"tool\""].into_iter().any(|right| template.contains(&format!("{left}{right}")))
            });
        let strips_thinking = (has("content.split('</think>')") || has("content.split(\"</think>\")"))
            && !has("reasoning_content")
            && !has("<SPECIAL_12>");
        Self {
            tools,
            tool_round_trip: tools && calls && results,
            thinking: (has("<think>") && has("</think>")) || strips_thinking,
        }
    }
}

/// What a file type that the file does not state is called.
pub const UNKNOWN_FILE_TYPE: &str = "unknown";

/// The name of a number of `general.file_type`.
fn file_type_name(number: u64) -> Option<&'static str> {
    let number = u32::try_from(number).ok()?;
    FileType::from_id(number).map(FileType::name).or((number == NVFP4_FILE).then_some("NVFP4"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_types_have_the_numbers_of_llama_cpp() {
        let cases = [
            (0, "F32"),
            (1, "F16"),
            (7, "Q8_0"),
            (15, "Q4_K_M"),
            (18, "Q6_K"),
            (32, "BF16"),
            (38, "MXFP4_MOE"),
            (39, "NVFP4"),
            (41, "Q2_0"),
        ];
        for (number, name) in cases {
            assert_eq!(file_type_name(number), Some(name));
        }
        assert_eq!(file_type_name(5), None);
        assert_eq!(file_type_name(u64::MAX), None);
    }

    #[test]
    fn words_of_a_chat_template_show_what_it_supports() {
        let plain = ChatTemplateSupport::of("{{ messages }}");
        assert!(!plain.tools && !plain.thinking);
        let tools = ChatTemplateSupport::of("{% if tools %}{{ m.tool_calls }}{% if m['role'] == 'tool' %}");
        assert!(tools.tools && tools.tool_round_trip);
        assert!(ChatTemplateSupport::of("{{ content.split('</think>')[-1] }}").thinking);
    }
}
