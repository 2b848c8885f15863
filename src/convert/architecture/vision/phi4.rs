//! Phi-4 with images: a SigLIP 2 encoder without its last layer before Phi-4.

use std::borrow::Cow;

use super::{settings, siglip};
use crate::convert::architecture::{Family, phi3};
use crate::convert::parameters::Parameters;
use crate::convert::projector::{Encoders, Projector};
use crate::convert::rule::Rule;
use crate::convert::{Configuration, ConvertError};

pub(super) const FAMILY: Family =
    Family { names: &["Phi4ForCausalLMV"], classes: &[], projector: Some(&PROJECTOR), ..phi3::FAMILY };

const PROJECTOR: Projector = Projector {
    adjust: |vision, _| {
        // The model looks at the states before the last layer.
        let layers = vision.integer("num_hidden_layers")?;
        if layers < 2 {
            return Err(vision.bad("num_hidden_layers", &layers, "at least 2"));
        }
        vision.set("num_hidden_layers", layers - 1);
        let patch = vision.optional_integer(&["patch_size"])?.unwrap_or(16);
        let positions = vision.optional_integer(&["num_patches"])?.unwrap_or(256);
        vision.set("patch_size", patch);
        vision.set("image_size", positions.isqrt().saturating_mul(patch));
        Ok(())
    },
    hyperparameters,
    rename,
    tensors: &[
        &[
            siglip::FLAT_PATCHES,
            Rule::drop("vision_model.post_layernorm.*"),
            Rule::keep("mm_projector.0.*", "mm.0.*").required(),
            Rule::keep("mm_projector.2.*", "mm.2.*").required(),
        ],
        siglip::ENDS,
        siglip::LAYERS,
    ],
    ..Projector::STANDARD
};

fn rename<'n>(vision: &Configuration, name: &'n str) -> Option<Cow<'n, str>> {
    let inner = name.strip_prefix("model.").unwrap_or(name);
    if inner.starts_with("mm_projector.") {
        return Some(Cow::Borrowed(inner));
    }
    let encoder = siglip::name(name)?;
    let layer = encoder.strip_prefix("vision_model.encoder.layers.").and_then(|rest| rest.split_once('.'));
    let layer = layer.and_then(|(number, _)| number.parse::<u64>().ok());
    let kept = vision.integer("num_hidden_layers").ok()?;
    layer.is_none_or(|layer| layer < kept).then_some(Cow::Borrowed(encoder))
}

fn hyperparameters(subject: &Encoders<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    out.set("projector_type", "phi4");
    let patch = subject.vision.integer("patch_size")?;
    let pixels = patch.saturating_mul(patch);
    for (key, name) in [("image_min_pixels", "min_num_patches"), ("image_max_pixels", "max_num_patches")] {
        let patches = match subject.preprocessor.optional_integer(&[name])? {
            Some(patches) => patches,
            None => subject.whole.integer(name)?,
        };
        out.count(&format!("vision.{key}"), patches.saturating_mul(pixels))?;
    }
    out.set("use_gelu", true);
    settings::epsilon(subject, "layer_norm_eps", 1e-6, out)
}
