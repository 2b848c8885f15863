//! LFM2-VL: a SigLIP 2 encoder before LFM2.

use std::borrow::Cow;

use super::{settings, siglip};
use crate::convert::ConvertError;
use crate::convert::architecture::{Family, lfm2};
use crate::convert::configuration::{Class, Part};
use crate::convert::parameters::Parameters;
use crate::convert::projector::{Encoders, Projector};
use crate::convert::rule::Rule;

pub(super) const FAMILY: Family = Family {
    names: &["Lfm2VlForConditionalGeneration"],
    classes: &[
        Class {
            model_type: "lfm2_vl",
            defaults: r#"{"downsample_factor": 2}"#,
            derived: &[],
            parts: &[Part::of("text_config", "lfm2"), Part::of("vision_config", CLASS.model_type)],
        },
        CLASS,
    ],
    projector: Some(&PROJECTOR),
    ..lfm2::FAMILY
};

const CLASS: Class = Class::new(
    "siglip2_vision_model",
    &[],
    r#"{"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
    "num_patches": 256, "patch_size": 16, "layer_norm_eps": 1e-6, "hidden_act": "gelu_pytorch_tanh"}"#,
);

const PROJECTOR: Projector = Projector {
    adjust: |vision, _| {
        // Images come in any size.
        vision.set("image_size", 256);
        Ok(())
    },
    hyperparameters,
    rename: |_, name| {
        let inner = name.strip_prefix("model.").unwrap_or(name);
        let merger = Some(inner).filter(|inner| inner.starts_with("multi_modal_projector."));
        merger.or_else(|| siglip::name(name)).map(Cow::Borrowed)
    },
    tensors: &[
        &[
            siglip::FLAT_PATCHES,
            Rule::keep("multi_modal_projector.layer_norm.*", "mm.input_norm.*"),
            Rule::keep("multi_modal_projector.linear_1.*", "mm.1.*").required(),
            Rule::keep("multi_modal_projector.linear_2.*", "mm.2.*").required(),
        ],
        siglip::ENDS,
        siglip::LAYERS,
    ],
    ..Projector::STANDARD
};

fn hyperparameters(subject: &Encoders<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    out.set("projector_type", "lfm2");
    settings::epsilon(subject, "layer_norm_eps", 1e-6, out)?;
    let scale = subject.whole.optional_integer(&["downsample_factor"])?.unwrap_or(2);
    out.count("vision.projector.scale_factor", scale)?;
    out.set("use_gelu", true);
    // The layer whose states are taken, counted from the last: minus one is the last.
    let feature =
        subject.whole.value("vision_feature_layer").and_then(serde_json::Value::as_i64).unwrap_or(-1);
    let dropped = feature.clamp(-i64::from(u32::MAX), -1).unsigned_abs() - 1;
    out.count("vision.block_count", subject.layers.saturating_sub(dropped))
}
