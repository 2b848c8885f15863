//! NVIDIA's Audio Flamingo 3: Whisper's encoder before Qwen 2.

use super::convolution;
use super::whisper::{self, FINAL_NORM, FRONT, LAYERS, POSITIONS, TWO_MATRICES};
use crate::convert::architecture::{Family, qwen2};
use crate::convert::projector::Projector;

pub(super) const FAMILY: Family = Family {
    names: &["AudioFlamingo3ForConditionalGeneration"],
    classes: &[],
    projector: Some(&PROJECTOR),
    ..qwen2::FAMILY
};

const PROJECTOR: Projector = Projector {
    hyperparameters: |subject, out| whisper::hyperparameters("musicflamingo", subject, out),
    tensors: &[FRONT, POSITIONS, FINAL_NORM, LAYERS, TWO_MATRICES],
    // Trained in BF16, whose range F16 does not have.
    forced: convolution::single,
    ..whisper::PROJECTOR
};
