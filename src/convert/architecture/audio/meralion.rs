//! MERaLiON 2: Whisper's encoder before Gemma 2.

use std::borrow::Cow;

use super::whisper::{self, FINAL_NORM, FRONT, LAYERS, POSITIONS};
use crate::convert::architecture::common::text_name;
use crate::convert::architecture::{Family, gemma};
use crate::convert::configuration::{Class, Part};
use crate::convert::projector::Projector;
use crate::convert::rule::Rule;

pub(super) const FAMILY: Family = Family {
    names: &["MERaLiON2ForConditionalGeneration"],
    classes: &[Class::of_parts("meralion2", &[Part::of("text_config", "gemma2")])],
    rename: |_, name| name.strip_prefix("text_decoder.").and_then(text_name),
    projector: Some(&PROJECTOR),
    ..gemma::SECOND
};

const PROJECTOR: Projector = Projector {
    audio: |whole| whole.part("speech_config"),
    hyperparameters: |subject, out| {
        whisper::hyperparameters("meralion", subject, out)?;
        let steps = subject.whole.optional_integer(&["speech_mlp_scale_factor"])?.unwrap_or(15);
        whisper::stack_factor(steps, out)
    },
    rename: |_, name| {
        if let Some(own) = name.strip_prefix("speech_encoder.") {
            return Some(Cow::Owned(format!("audio_tower.{own}")));
        }
        let heard = name.starts_with("ln_speech.") || name.starts_with("speech_audio_adapter.");
        heard.then_some(Cow::Borrowed(name))
    },
    tensors: &[FRONT, POSITIONS, FINAL_NORM, LAYERS, ADAPTER],
    ..whisper::PROJECTOR
};

/// Steps in time are stacked, made narrower, gated and brought to the width of the text model.
const ADAPTER: &[Rule] = &[
    Rule::keep("ln_speech.*", "mm.a.norm_pre.*").required(),
    Rule::keep("speech_audio_adapter.mlp_adapter.0.*", "mm.a.mlp.0.*").required(),
    Rule::keep("speech_audio_adapter.gate_proj.*", "mm.a.mlp.1.*").required(),
    Rule::keep("speech_audio_adapter.pool_proj.*", "mm.a.mlp.2.*").required(),
    Rule::keep("speech_audio_adapter.out_proj.*", "mm.a.mlp.3.*").required(),
];
