//! Pixtral's vision encoder, which Mistral Small 3.1 has too.

use std::borrow::Cow;

use super::llama::{pair_keys, pair_queries};
use crate::convert::ConvertError;
use crate::convert::configuration::Class;
use crate::convert::parameters::Parameters;
use crate::convert::projector::{Encoders, Projector};
use crate::convert::rule::Rule;

pub(super) const CLASS: Class = Class::new(
    "pixtral",
    &[],
    r#"{"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16,
    "image_size": 1024, "patch_size": 16, "rope_theta": 10000.0, "hidden_act": "gelu"}"#,
);

pub(super) const PROJECTOR: Projector = Projector {
    adjust: |vision, _| {
        // As many keys as queries: the encoder's configuration does not say so.
        vision.set("num_key_value_heads", vision.integer("num_attention_heads")?);
        Ok(())
    },
    hyperparameters,
    rename: |_, name| {
        let name = name.strip_prefix("model.").unwrap_or(name);
        let seen = name.starts_with("multi_modal_projector.") || name.starts_with("vision_tower.");
        seen.then_some(Cow::Borrowed(name))
    },
    tensors: &[TENSORS],
    ..Projector::STANDARD
};

const TENSORS: &[Rule] = &[
    Rule::keep("multi_modal_projector.linear_1.*", "mm.1.*"),
    Rule::keep("multi_modal_projector.linear_2.*", "mm.2.*"),
    Rule::keep("multi_modal_projector.norm.*", "mm.input_norm.*"),
    Rule::keep("multi_modal_projector.patch_merger.merging_layer.*", "mm.patch_merger.*"),
    Rule::keep("vision_tower.ln_pre.*", "v.pre_ln.*"),
    Rule::keep("vision_tower.patch_conv.*", "v.patch_embd.*"),
    Rule::keep("vision_tower.transformer.layers.{}.attention_norm.*", "v.blk.{}.ln1.*"),
    Rule::step("vision_tower.transformer.layers.{}.attention.q_proj.*", "v.blk.{}.attn_q.*", pair_queries),
    Rule::step("vision_tower.transformer.layers.{}.attention.k_proj.*", "v.blk.{}.attn_k.*", pair_keys),
    Rule::keep("vision_tower.transformer.layers.{}.attention.v_proj.*", "v.blk.{}.attn_v.*"),
    Rule::keep("vision_tower.transformer.layers.{}.attention.o_proj.*", "v.blk.{}.attn_out.*"),
    Rule::keep("vision_tower.transformer.layers.{}.ffn_norm.*", "v.blk.{}.ln2.*"),
    Rule::keep("vision_tower.transformer.layers.{}.feed_forward.gate_proj.*", "v.blk.{}.ffn_gate.*"),
    Rule::keep("vision_tower.transformer.layers.{}.feed_forward.up_proj.*", "v.blk.{}.ffn_up.*"),
    Rule::keep("vision_tower.transformer.layers.{}.feed_forward.down_proj.*", "v.blk.{}.ffn_down.*"),
];

fn hyperparameters(subject: &Encoders<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let vision = subject.vision;
    out.set("projector_type", "pixtral");
    // The model's code has this number, its configuration does not.
    let epsilon = vision.optional_number(&["layer_norm_eps"])?.unwrap_or(1e-5);
    out.float("vision.attention.layer_norm_epsilon", epsilon);
    match vision.text_value("hidden_act")? {
        Some("silu") => out.set("use_silu", true),
        Some("gelu") => out.set("use_gelu", true),
        other => return Err(vision.bad("hidden_act", &other.unwrap_or("missing"), "silu or gelu")),
    }
    match subject.whole.optional_integer(&["spatial_merge_size"])? {
        Some(size) => out.count("vision.spatial_merge_size", size),
        None => Ok(()),
    }
}
