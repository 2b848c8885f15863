//! The table of families.
//!
//! Sources: Ollama, `server/create.go` (renderers, parsers and stop words) and `server/images.go`
//! (capabilities); llama.cpp, `src/llama-quant.cpp` (rules of quantization).

/// The architecture of projectors, which are files beside their model.
pub const PROJECTOR: &str = "clip";

/// Kinds of projectors (`vision.projector_type`) whose encoder for audio the runtime does not use.
pub const AUDIO_UNUSED_IN: [&str; 1] = ["gemma3nv"];

/// What is special about the models of some architectures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// What `general.architecture` of their files, or `model_family` of their configuration, says.
    pub architectures: &'static [&'static str],
    /// How the runtime renders prompts and reads answers itself, unless a creator chose otherwise.
    pub conversation: Option<Conversation>,
    /// Whether they think, whatever their template shows.
    pub thinks: bool,
    /// What marks the Go template in whose place the runtime renders prompts itself; nothing where it never
    /// does.
    pub built_in_template: &'static [&'static str],
    /// Whether the runtime uses an encoder for audio that they have.
    pub hears: bool,
    /// How they are quantized.
    pub quantization: Rules,
}

/// What is special when models are quantized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The layers of those with about 70 billion weights, if these get more bits.
    pub layers_of_70b: Option<u32>,
    /// Whether only those count whose heads share keys.
    pub only_grouped_70b: bool,
    /// Whether the mixtures are those that were made for Falcon.
    pub has_mixtures_of_falcon: bool,
    /// Parts of names of matrices that keep their type, beside those that keep it in all models.
    pub kept: &'static [&'static str],
    /// Parts of names of matrices that get 8 bits in every mixture.
    pub in_8_bits: &'static [&'static str],
    /// Whether matrices of attention have a third dimension, as those of experts have.
    pub stacks_attention: bool,
}

/// What a runtime has to know to hold a conversation with a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conversation {
    /// The name of the prompt renderer.
    pub renderer: &'static str,
    /// The name of the output parser.
    pub parser: &'static str,
    /// The texts that end an answer; those of the chat format where there are none.
    pub stop: &'static [&'static str],
}

/// Nothing special.
const USUAL: Family = Family {
    architectures: &[],
    conversation: None,
    thinks: false,
    built_in_template: &[],
    hears: true,
    quantization: USUALLY,
};

/// No rules but those for all.
const USUALLY: Rules = Rules {
    layers_of_70b: None,
    only_grouped_70b: false,
    has_mixtures_of_falcon: false,
    kept: &[],
    in_8_bits: &[],
    stacks_attention: false,
};

const NEMOTRON: Option<Conversation> =
    Some(Conversation { renderer: "nemotron-3-nano", parser: "nemotron-3-nano", stop: &[] });

const FAMILIES: [Family; 11] = [
    Family {
        architectures: &["gemma4"],
        conversation: Some(Conversation { renderer: "gemma4", parser: "gemma4", stop: &["<turn|>"] }),
        ..USUAL
    },
    Family {
        architectures: &["gptoss", "gpt-oss"],
        thinks: true,
        built_in_template: &["<|start|>", "<|end|>"],
        ..USUAL
    },
    Family {
        architectures: &["laguna"],
        conversation: Some(Conversation { renderer: "laguna", parser: "laguna", stop: &[] }),
        ..USUAL
    },
    Family { architectures: &["nemotron_h", "nemotron_h_moe"], conversation: NEMOTRON, ..USUAL },
    Family { architectures: &["nemotron_h_omni"], conversation: NEMOTRON, hears: false, ..USUAL },
    Family {
        architectures: &["bailingmoe3"],
        quantization: Rules { stacks_attention: true, ..USUALLY },
        ..USUAL
    },
    Family {
        architectures: &["falcon"],
        quantization: Rules { has_mixtures_of_falcon: true, ..USUALLY },
        ..USUAL
    },
    Family {
        architectures: &["glm5-next"],
        quantization: Rules {
            kept: &[
                "hc_",
                "indexer.attn_q_b",
                "indexer.attn_k",
                "indexer.proj",
                "indexer_compressor_gate",
                "indexer_compressor_ape",
                "ssm_f_a.weight",
                "ssm_f_b.weight",
                "ssm_g_a.weight",
                "ssm_g_b.weight",
                "ssm_beta.weight",
                "attn_kv_a_mqa.weight",
                "attn_k_b.weight",
                "attn_v_b.weight",
            ],
            in_8_bits: &["attn_q_a", "attn_q_b", "nextn.eh_proj"],
            ..USUALLY
        },
        ..USUAL
    },
    Family { architectures: &["jais2"], quantization: Rules { layers_of_70b: Some(68), ..USUALLY }, ..USUAL },
    Family {
        architectures: &["llama", "llama-embed"],
        quantization: Rules { layers_of_70b: Some(80), only_grouped_70b: true, ..USUALLY },
        ..USUAL
    },
    Family {
        architectures: &["qwen2", "deci", "olmo"],
        quantization: Rules { layers_of_70b: Some(80), ..USUALLY },
        ..USUAL
    },
];

/// What is special about an architecture.
pub fn of(architecture: &str) -> &'static Family {
    FAMILIES.iter().find(|family| family.architectures.contains(&architecture)).unwrap_or(&USUAL)
}

impl Family {
    /// Whether the runtime renders prompts itself in place of this Go template.
    pub fn renders_in_place_of(&self, template: &str) -> bool {
        !self.built_in_template.is_empty()
            && self.built_in_template.iter().all(|mark| template.contains(mark))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::family::parser;

    #[test]
    fn an_architecture_has_one_row_and_parsers_that_are_known() {
        let mut seen = HashSet::new();
        for family in &FAMILIES {
            assert!(family.architectures.iter().all(|architecture| seen.insert(*architecture)));
            let conversation = family.conversation.iter();
            assert!(conversation.map(|built_in| built_in.parser).all(|name| parser(name).is_some()));
        }
        assert_eq!(of("phi3"), &USUAL);
        assert!(of("gpt-oss").renders_in_place_of("<|start|>{{ .Prompt }}<|end|>"));
        assert!(!of("phi3").renders_in_place_of(""));
    }
}
