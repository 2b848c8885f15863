//! Models that hear: an encoder of sound, or one of sound and one of images, before a text model.

mod audio_flamingo;
mod batch_norm;
pub(super) mod convolution;
pub(super) mod gemma4;
mod glm_asr;
mod granite_speech;
mod lfm2_audio;
mod meralion;
pub(super) mod parakeet;
mod qwen2_audio;
mod qwen3_omni;
mod qwen_omni;
mod sinusoid;
mod ultravox;
mod voxtral;
mod whisper;

use super::Family;

/// The families of these models.
pub(super) const FAMILIES: &[&Family] = &[
    &ultravox::FAMILY,
    &qwen2_audio::FAMILY,
    &audio_flamingo::FAMILY,
    &voxtral::FAMILY,
    &glm_asr::FAMILY,
    &meralion::FAMILY,
    &granite_speech::FAMILY,
    &lfm2_audio::FAMILY,
    &qwen_omni::FAMILY,
    &qwen3_omni::OMNI,
    &qwen3_omni::ASR,
];
