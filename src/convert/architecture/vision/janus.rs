//! Janus: a SigLIP encoder before Llama's layout. What makes images is left out.

use std::borrow::Cow;

use super::{settings, siglip};
use crate::convert::architecture::common::text_name;
use crate::convert::architecture::{Family, llama};
use crate::convert::configuration::{Class, Part};
use crate::convert::projector::Projector;
use crate::convert::rule::Rule;

pub(super) const FAMILY: Family = Family {
    names: &["JanusForConditionalGeneration"],
    classes: &[
        Class::of_parts(
            "janus",
            &[Part::of("text_config", "llama"), Part::of("vision_config", "janus_vision_model")],
        ),
        Class::new(
            "janus_vision_model",
            &[],
            r#"{"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "image_size": 384,
            "patch_size": 16, "mlp_ratio": 4.0, "layer_norm_eps": 1e-6, "hidden_act": "gelu"}"#,
        ),
    ],
    rename: |_, name| {
        let inner = name.strip_prefix("model.").unwrap_or(name);
        let others = ["aligner.", "vqmodel.", "generation_"];
        if others.iter().any(|other| inner.starts_with(other)) { None } else { text_name(name) }
    },
    projector: Some(&PROJECTOR),
    ..llama::FAMILY
};

const PROJECTOR: Projector = Projector {
    adjust: |vision, _| {
        if !vision.has("intermediate_size") {
            let width = vision.integer("hidden_size")? as f64 * vision.number("mlp_ratio")?;
            vision.set("intermediate_size", width.round_ties_even() as u64);
        }
        Ok(())
    },
    hyperparameters: |subject, out| {
        out.set("projector_type", "janus_pro");
        settings::epsilon(subject, "layer_norm_eps", 1e-6, out)?;
        settings::activation(subject, out)
    },
    rename: |_, name| {
        let inner = name.strip_prefix("model.").unwrap_or(name);
        if inner.starts_with("aligner.") {
            return Some(Cow::Borrowed(inner));
        }
        let inner = inner.starts_with("vision_model.").then(|| siglip::name(inner))??;
        Some(inner.replace(".self_attn.projection_layer.", ".self_attn.out_proj.").into())
    },
    tensors: &[siglip::ENDS, siglip::LAYERS, ALIGNER],
    ..Projector::STANDARD
};

/// Two matrices, as in the models that there are.
const ALIGNER: &[Rule] = &[
    Rule::keep("aligner.fc1.*", "mm.0.*").required(),
    Rule::keep("aligner.hidden_layers.0.*", "mm.1.*").required(),
];
