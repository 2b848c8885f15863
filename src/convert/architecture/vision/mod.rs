//! Encoders of images, one file a kind, with the text models that are known ones but for the encoder before them.

mod deepseek_ocr;
mod dots_ocr;
pub(super) mod glm4v;
mod hunyuan_vl;
mod idefics3;
mod internvl;
mod lfm2_vl;
mod minicpm_v;
mod moonvit;
mod paddleocr;
pub(super) mod patches;
pub(super) mod settings;
pub(super) mod siglip;

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
];
