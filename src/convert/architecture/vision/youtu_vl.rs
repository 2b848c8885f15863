//! Youtu-VL: a SigLIP 2 encoder with windows before Youtu's text model.

use std::borrow::Cow;

use super::{settings, siglip};
use crate::convert::ConvertError;
use crate::convert::architecture::{Family, deepseek2};
use crate::convert::parameters::Parameters;
use crate::convert::projector::{Encoders, Projector};
use crate::convert::rule::Rule;

pub(super) const FAMILY: Family = Family {
    names: &["YoutuVLForConditionalGeneration"],
    classes: &[],
    projector: Some(&PROJECTOR),
    ..deepseek2::FAMILY
};

const PROJECTOR: Projector = Projector {
    adjust: |vision, _| {
        // Images come in any size.
        if !vision.has("image_size") {
            vision.set("image_size", 560);
        }
        Ok(())
    },
    hyperparameters,
    rename: |_, name| {
        let merger = Some(name).filter(|name| name.starts_with("merger."));
        merger.or_else(|| siglip::name(name)).map(Cow::Borrowed)
    },
    tensors: &[
        siglip::ENDS,
        siglip::LAYERS,
        &[
            Rule::keep("merger.ln_q.*", "mm.input_norm.*").required(),
            Rule::keep("merger.mlp.{}.*", "mm.{}.*"),
        ],
    ],
    ..Projector::STANDARD
};

fn hyperparameters(subject: &Encoders<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let vision = subject.vision;
    out.set("projector_type", "youtuvl");
    settings::epsilon(subject, "layer_norm_eps", 1e-6, out)?;
    match vision.text_value("hidden_act")?.unwrap_or("gelu_pytorch_tanh") {
        "gelu" | "gelu_pytorch_tanh" | "gelu_fast" | "gelu_new" | "gelu_accurate" => {
            out.set("use_gelu", true)
        }
        "silu" => out.set("use_silu", true),
        other => return Err(vision.bad("hidden_act", &other, "silu or a form of gelu")),
    }
    settings::merged_patches(subject, out)?;
    if let Some(size) = vision.optional_integer(&["window_size"])? {
        out.count("vision.window_size", size)?;
    }
    let whole = vision.integers("fullatt_block_indexes")?;
    out.counts("vision.wa_layer_indexes", &whole.ok_or_else(|| vision.missing(&["fullatt_block_indexes"]))?)
}
