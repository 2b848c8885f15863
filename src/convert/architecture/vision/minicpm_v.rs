//! MiniCPM-V 4.6: a SigLIP encoder that merges patches halfway, before Qwen 3.5.

use std::borrow::Cow;

use super::{settings, siglip};
use crate::convert::ConvertError;
use crate::convert::architecture::{Family, qwen35};
use crate::convert::parameters::Parameters;
use crate::convert::projector::{Encoders, Projector};
use crate::convert::rule::Rule;

pub(super) const FAMILY: Family = Family {
    names: &["MiniCPMV4_6ForConditionalGeneration"],
    // The releases promise one and lack it, and the reference counts it.
    counts_promised_layers: true,
    rename: |model, name| {
        let other = name.starts_with("model.merger.") || name.starts_with("mtp");
        if other { None } else { (qwen35::FAMILY.rename)(model, name) }
    },
    projector: Some(&PROJECTOR),
    ..qwen35::FAMILY
};

const PROJECTOR: Projector = Projector {
    hyperparameters,
    rename: |_, name| {
        let inner = name.strip_prefix("model.")?;
        match inner.strip_prefix("vision_tower.") {
            Some(encoder) => Some(Cow::Owned(format!("vision_model.{encoder}"))),
            None => inner.starts_with("merger.").then_some(Cow::Borrowed(inner)),
        }
    },
    tensors: &[siglip::ENDS, siglip::LAYERS, MERGERS],
    ..Projector::STANDARD
};

/// What merges patches within the encoder, and behind it.
const MERGERS: &[Rule] = &[
    Rule::keep("vision_model.vit_merger.layer_norm1.*", "v.vit_merger.ln1.*").required(),
    Rule::keep("vision_model.vit_merger.self_attn.q_proj.*", "v.vit_merger.attn_q.*").required(),
    Rule::keep("vision_model.vit_merger.self_attn.k_proj.*", "v.vit_merger.attn_k.*").required(),
    Rule::keep("vision_model.vit_merger.self_attn.v_proj.*", "v.vit_merger.attn_v.*").required(),
    Rule::keep("vision_model.vit_merger.self_attn.out_proj.*", "v.vit_merger.attn_out.*").required(),
    Rule::keep("vision_model.vit_merger.pre_norm.*", "v.vit_merger.ds_ln.*").required(),
    Rule::keep("vision_model.vit_merger.linear_1.*", "v.vit_merger.ds_ffn_up.*").required(),
    Rule::keep("vision_model.vit_merger.linear_2.*", "v.vit_merger.ds_ffn_down.*").required(),
    Rule::keep("merger.mlp.0.pre_norm.*", "mm.input_norm.*").required(),
    Rule::keep("merger.mlp.0.linear_1.*", "mm.up.*").required(),
    Rule::keep("merger.mlp.0.linear_2.*", "mm.down.*").required(),
];

fn hyperparameters(subject: &Encoders<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let (vision, whole, preprocessor) = (subject.vision, subject.whole, subject.preprocessor);
    // What the runtime calls the size of an image is that of a slice of it.
    if let Some(size) = preprocessor.optional_integer(&["scale_resolution"])? {
        out.count("vision.image_size", size)?;
    }
    out.set("projector_type", "minicpmv4_6");
    match preprocessor.text_value("downsample_mode")? {
        None | Some("16x") => out.count("vision.projector.scale_factor", 4)?,
        Some(other) => return Err(preprocessor.bad("downsample_mode", &other, "16x")),
    }
    let key = ["insert_layer_id"];
    let layer = whole
        .optional_integer(&key)?
        .map_or_else(|| vision.optional_integer(&key), |layer| Ok(Some(layer)))?;
    out.counts("vision.wa_layer_indexes", &[layer.unwrap_or(6)])?;
    out.set("use_gelu", true);
    settings::epsilon(subject, "layer_norm_eps", 1e-6, out)
}
