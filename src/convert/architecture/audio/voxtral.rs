//! Mistral's Voxtral: Whisper's encoder before a Llama model.

use super::whisper::{self, FINAL_NORM, FRONT, LAYERS, POSITIONS, TWO_MATRICES};
use crate::convert::architecture::{Family, llama};
use crate::convert::configuration::{Absent, Class, Part};
use crate::convert::projector::Projector;

pub(super) const FAMILY: Family = Family {
    names: &["VoxtralForConditionalGeneration"],
    classes: &[
        Class::of_parts(
            "voxtral",
            &[
                Part { key: "text_config", class: "llama", absent: Absent::Beneath(TEXT) },
                Part::of("audio_config", "voxtral_encoder"),
            ],
        ),
        Class::new(
            "voxtral_encoder",
            &[],
            r#"{"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32,
            "num_attention_heads": 20, "num_mel_bins": 128}"#,
        ),
    ],
    projector: Some(&PROJECTOR),
    ..llama::FAMILY
};

const TEXT: &str = r#"{"vocab_size": 131072, "hidden_size": 3072, "intermediate_size": 8192,
    "num_hidden_layers": 30, "num_key_value_heads": 8, "max_position_embeddings": 131072,
    "rms_norm_eps": 1e-5, "rope_theta": 100000000.0, "head_dim": 128}"#;

/// How many steps in time become one: those that fill the encoder's feed-forward width.
const STEPS: u64 = 4;

const PROJECTOR: Projector = Projector {
    hyperparameters: |subject, out| {
        whisper::hyperparameters("voxtral", subject, out)?;
        whisper::stack_factor(STEPS, out)
    },
    tensors: &[FRONT, POSITIONS, FINAL_NORM, LAYERS, TWO_MATRICES],
    ..whisper::PROJECTOR
};
