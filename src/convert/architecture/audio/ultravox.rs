//! Ultravox: an encoder of sound for a text model that is published elsewhere.

use super::whisper::{self, FINAL_NORM, FRONT, LAYERS, POSITIONS, TWO_MATRICES};
use crate::convert::architecture::{Family, llama};
use crate::convert::projector::Projector;
use crate::convert::rule::Rule;

pub(super) const FAMILY: Family =
    Family { names: &["UltravoxModel"], classes: &[], projector: Some(&PROJECTOR), ..llama::FAMILY };

const PROJECTOR: Projector = Projector {
    hyperparameters: |subject, out| {
        whisper::hyperparameters("ultravox", subject, out)?;
        whisper::stack_factor(subject.whole.integer("stack_factor")?, out)
    },
    tensors: &[FRONT, POSITIONS, FINAL_NORM, LAYERS, TWO_MATRICES, NORMS],
    ..whisper::PROJECTOR
};

const NORMS: &[Rule] = &[
    Rule::keep("multi_modal_projector.ln_pre.*", "mm.a.norm_pre.*").required(),
    Rule::keep("multi_modal_projector.ln_mid.*", "mm.a.norm_mid.*"),
];
