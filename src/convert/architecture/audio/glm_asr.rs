//! Z.ai's GLM-ASR: Whisper's encoder before a Llama model with GLM's vocabulary.

use std::borrow::Cow;

use super::whisper::{self, FRONT, LAYERS, POSITIONS};
use crate::convert::Model;
use crate::convert::architecture::{Family, llama};
use crate::convert::projector::Projector;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;
use crate::convert::weight::{Weight, WeightError};

pub(super) const FAMILY: Family = Family {
    names: &["GlmasrModel"],
    overrules_text: true,
    classes: &[],
    tokenizer: Flavour::GLM4,
    projector: Some(&PROJECTOR),
    ..llama::FAMILY
};

const PROJECTOR: Projector = Projector {
    audio: |whole| whole.part("whisper_config").or_else(|| whole.part("audio_config")),
    hyperparameters: |subject, out| {
        whisper::hyperparameters("glma", subject, out)?;
        whisper::stack_factor(subject.whole.integer("merge_factor")?, out)
    },
    rename: |_, name| {
        let own = name.strip_prefix("audio_encoder.")?;
        let tower = own.strip_prefix("whisper.").map(|name| Cow::Owned(format!("audio_tower.{name}")));
        Some(tower.unwrap_or(Cow::Borrowed(name)))
    },
    tensors: &[FRONT, POSITIONS, LAYERS, ADAPTER],
    ..whisper::PROJECTOR
};

const ADAPTER: &[Rule] = &[
    Rule::keep("audio_encoder.layer_norm.*", "mm.a.norm_pre.*").required(),
    Rule::keep("audio_encoder.adapting.0.*", "mm.a.mlp.1.*").required(),
    Rule::keep("audio_encoder.adapting.2.*", "mm.a.mlp.2.*").required(),
    Rule::split("audio_encoder.audio_bos_eos_token.weight", &["v.boi", "v.eoi"], two_rows),
];

/// Each row of two as a vector: what stands before sound and after it.
fn two_rows(_: &Model, weight: Weight) -> Result<Vec<Weight>, WeightError> {
    let derivation = weight.whole()?;
    Ok(vec![Weight::Whole(derivation.clone().select(0, 0)?), Weight::Whole(derivation.select(0, 1)?)])
}
