//! Metadata that many encoders of images have, where their configurations say them alike.

use crate::convert::ConvertError;
use crate::convert::parameters::Parameters;
use crate::convert::projector::Encoders;

/// Writes the epsilon of the norms: the number under the key, or another where the configuration is silent.
pub(super) fn epsilon(
    subject: &Encoders<'_>,
    key: &str,
    otherwise: f64,
    out: &mut Parameters,
) -> Result<(), ConvertError> {
    let epsilon = subject.vision.optional_number(&[key])?.unwrap_or(otherwise);
    out.float("vision.attention.layer_norm_epsilon", epsilon);
    Ok(())
}

/// Writes the activation that `hidden_act` names; nothing for one that has no key.
pub(super) fn activation(subject: &Encoders<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    match subject.vision.text_value("hidden_act")?.map(str::to_lowercase).as_deref() {
        Some("gelu") => out.set("use_gelu", true),
        Some("silu") => out.set("use_silu", true),
        _ => {}
    }
    Ok(())
}

/// Writes how many pixels an image has at least and at most.
pub(super) fn pixel_limits(subject: &Encoders<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    out.count("vision.image_min_pixels", subject.preprocessor.integer("min_pixels")?)?;
    out.count("vision.image_max_pixels", subject.preprocessor.integer("max_pixels")?)
}

/// Writes how many patches in a row become one; two where the configuration is silent.
pub(super) fn merged_patches(subject: &Encoders<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let size = subject.vision.optional_integer(&["spatial_merge_size"])?.unwrap_or(2);
    out.count("vision.spatial_merge_size", size)
}

/// Writes into how few patches in a row the image is pooled: as many tokens as the preprocessor says, 256
/// where it is silent. Nothing where it is four, which the runtime assumes.
pub(in crate::convert::architecture) fn pooled_patches(
    subject: &Encoders<'_>,
    out: &mut Parameters,
) -> Result<(), ConvertError> {
    let vision = subject.vision;
    let tokens = subject.preprocessor.optional_integer(&["image_seq_length"])?.unwrap_or(256);
    let patches = vision.integer("image_size")?.checked_div(vision.integer("patch_size")?).unwrap_or(0);
    let scale = patches.checked_div(tokens.isqrt()).unwrap_or(0);
    match scale {
        0 | 4 => Ok(()),
        scale => out.count("vision.projector.scale_factor", scale),
    }
}
