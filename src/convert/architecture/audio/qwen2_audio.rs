//! Qwen2-Audio: Whisper's encoder before Qwen 2.

use super::whisper::{self, FINAL_NORM, FRONT, LAYERS, POSITIONS};
use crate::convert::architecture::{Family, qwen2};
use crate::convert::configuration::{Class, Part};
use crate::convert::projector::Projector;
use crate::convert::rule::Rule;

pub(super) const FAMILY: Family = Family {
    names: &["Qwen2AudioForConditionalGeneration"],
    classes: &[
        Class::of_parts(
            "qwen2_audio",
            &[Part::of("text_config", "qwen2"), Part::of("audio_config", "qwen2_audio_encoder")],
        ),
        Class::new(
            "qwen2_audio_encoder",
            &[],
            r#"{"num_mel_bins": 128, "d_model": 1280, "encoder_layers": 32, "encoder_attention_heads": 20,
            "encoder_ffn_dim": 5120}"#,
        ),
    ],
    projector: Some(&PROJECTOR),
    ..qwen2::FAMILY
};

const PROJECTOR: Projector = Projector {
    hyperparameters: |subject, out| whisper::hyperparameters("qwen2a", subject, out),
    tensors: &[
        FRONT,
        POSITIONS,
        FINAL_NORM,
        LAYERS,
        &[Rule::keep("multi_modal_projector.linear.*", "mm.a.fc.*").required()],
    ],
    ..whisper::PROJECTOR
};
