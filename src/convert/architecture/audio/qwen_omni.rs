//! Qwen2.5-Omni: what thinks is Qwen2.5-VL, which hears too; what talks is left out.

use std::borrow::Cow;

use super::whisper::{self, FRONT, LAYERS};
use super::{convolution, sinusoid};
use crate::convert::Configuration;
use crate::convert::architecture::Family;
use crate::convert::architecture::common::text_name;
use crate::convert::architecture::qwen2vl::{self, windowed};
use crate::convert::configuration::{Class, Derived, Part};
use crate::convert::projector::Projector;
use crate::convert::rule::Rule;

pub(super) const FAMILY: Family = Family {
    names: &["Qwen2_5OmniModel"],
    classes: &[
        Class::of_parts("qwen2_5_omni", &[Part::of("thinker_config", "qwen2_5_omni_thinker")]),
        Class::of_parts(
            "qwen2_5_omni_thinker",
            &[
                Part::of("text_config", "qwen2_5_omni_text"),
                Part::of("vision_config", "qwen2_5_omni_vision_encoder"),
                Part::of("audio_config", "qwen2_5_omni_audio_encoder"),
            ],
        ),
        Class::new(
            "qwen2_5_omni_text",
            &[Derived::KeyValueHeads],
            r#"{"vocab_size": 152064, "max_position_embeddings": 32768, "hidden_size": 3584,
            "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
            "num_key_value_heads": 4, "rms_norm_eps": 1e-6, "rope_theta": 1000000.0,
            "rope_scaling": {"mrope_section": [16, 24, 24], "rope_type": "default"}}"#,
        ),
        Class::new(
            "qwen2_5_omni_vision_encoder",
            &[],
            r#"{"depth": 32, "hidden_size": 3584, "intermediate_size": 3420, "num_heads": 16,
            "patch_size": 14, "spatial_merge_size": 2, "fullatt_block_indexes": [7, 15, 23, 31]}"#,
        ),
        Class::new(
            "qwen2_5_omni_audio_encoder",
            &[],
            r#"{"num_mel_bins": 128, "d_model": 1280, "encoder_layers": 32, "encoder_attention_heads": 20,
            "encoder_ffn_dim": 5120}"#,
        ),
    ],
    rename: |_, name| text_name(name.strip_prefix("thinker.").unwrap_or(name)),
    projector: Some(&PROJECTOR),
    ..qwen2vl::FAMILY
};

const PROJECTOR: Projector = Projector {
    vision: |whole| thinker_part(whole, "vision_config"),
    audio: |whole| thinker_part(whole, "audio_config"),
    adjust: qwen2vl::PROJECTOR.adjust,
    adjust_audio: |audio, _| whisper::name_usually(audio),
    hyperparameters: |subject, out| {
        whisper::sound(subject.audio, out)?;
        windowed("qwen2.5o", subject.vision, out)?;
        qwen2vl::epsilon(subject, out)
    },
    generated: |subject| sinusoid::positions(subject.audio),
    rename: |_, name| {
        let name = name.strip_prefix("thinker.").unwrap_or(name);
        let sensed = name.starts_with("visual.") || name.starts_with("audio_tower.");
        // Its use was given up.
        let unused = name.contains("audio_bos_eos_token");
        (sensed && !unused).then_some(Cow::Borrowed(name))
    },
    tensors: &[qwen2vl::TENSORS, SEPARATE_ATTENTION, FRONT, LAYERS, AUDIO],
    forced: convolution::half,
    ..Projector::STANDARD
};

/// A part of what is said of the model that thinks.
pub(super) fn thinker_part(whole: &Configuration, key: &str) -> Option<Configuration> {
    whole.part("thinker_config")?.part(key)
}

const SEPARATE_ATTENTION: &[Rule] = &[
    Rule::keep("visual.blocks.{}.attn.q.*", "v.blk.{}.attn_q.*"),
    Rule::keep("visual.blocks.{}.attn.k.*", "v.blk.{}.attn_k.*"),
    Rule::keep("visual.blocks.{}.attn.v.*", "v.blk.{}.attn_v.*"),
];

const AUDIO: &[Rule] = &[
    Rule::keep("audio_tower.ln_post.*", "a.post_ln.*").required(),
    Rule::keep("audio_tower.proj.*", "mm.a.fc.*").required(),
];
