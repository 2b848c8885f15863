//! Encoders of images, one file a kind, with the text models that are known ones but for the encoder before
//! them.

mod cogvlm;
pub(super) mod deepseek4;
mod deepseek_ocr;
pub(super) mod dots3;
mod dots_ocr;
mod exaone4_5;
pub(super) mod glm4v;
mod granite4_vision;
mod hunyuan_vl;
mod idefics3;
mod internvl;
mod janus;
mod lfm2_vl;
mod lighton_ocr;
mod ling3;
pub(super) mod mimo;
mod minicpm_v;
pub(super) mod minimax_m3;
mod moonvit;
mod muse_glimmer;
mod nemotron_vl;
mod paddleocr;
pub(super) mod patches;
mod phi4;
mod sarashina2;
pub(super) mod settings;
pub(super) mod siglip;
pub(super) mod step3;
mod youtu_vl;

use super::Family;

/// The families that come with these encoders.
pub(super) const FAMILIES: &[&Family] = &[
    &idefics3::FAMILY,
    &internvl::FAMILY,
    &moonvit::KIMI_VL,
    &moonvit::KIMI_K2_5,
    &moonvit::GLM_5V,
    &lfm2_vl::FAMILY,
    &hunyuan_vl::FAMILY,
    &paddleocr::FAMILY,
    &dots_ocr::FAMILY,
    &minicpm_v::FAMILY,
    &deepseek_ocr::FIRST,
    &deepseek_ocr::SECOND,
    &deepseek_ocr::UNLIMITED,
    &janus::FAMILY,
    &lighton_ocr::FAMILY,
    &phi4::FAMILY,
    &sarashina2::FAMILY,
    &youtu_vl::FAMILY,
    &step3::FAMILY,
    &exaone4_5::FAMILY,
    &granite4_vision::FAMILY,
    &ling3::FAMILY,
    &cogvlm::FAMILY,
    &muse_glimmer::FAMILY,
    &nemotron_vl::FAMILY,
];
