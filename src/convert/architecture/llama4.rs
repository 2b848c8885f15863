//! Llama 4 Scout and Maverick, and their vision encoder.

use std::borrow::Cow;

use super::common::{ATTENTION, EMBEDDINGS, GATE_AND_UP_EXPERTS, NORMS, transposed, transposed_halves};
use super::{Family, llama};
use crate::convert::configuration::{Class, Derived, Part};
use crate::convert::parameters::Parameters;
use crate::convert::projector::{Encoders, Projector};
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;
use crate::convert::{ConvertError, Subject};

pub(super) const FAMILY: Family = Family {
    names: &["Llama4ForConditionalGeneration", "Llama4ForCausalLM"],
    architecture: "llama4",
    classes: &[
        Class::of_parts(
            "llama4",
            &[Part::of("text_config", "llama4_text"), Part::of("vision_config", "llama4_vision_model")],
        ),
        Class::new(
            "llama4_text",
            &[Derived::KeyValueHeads, Derived::HeadSize],
            r#"{"vocab_size": 202048, "max_position_embeddings": 131072, "hidden_size": 5120,
            "intermediate_size": 8192, "intermediate_size_mlp": 16384, "num_hidden_layers": 48,
            "num_attention_heads": 40, "num_key_value_heads": 8, "head_dim": 128, "rms_norm_eps": 1e-5,
            "rope_theta": 500000, "num_local_experts": 16, "num_experts_per_tok": 1,
            "interleave_moe_layer_step": 1}"#,
        ),
        Class::new(
            "llama4_vision_model",
            &[],
            r#"{"hidden_size": 768, "intermediate_size": 5632, "num_hidden_layers": 34,
            "num_attention_heads": 16, "image_size": 448, "patch_size": 14, "norm_eps": 1e-5,
            "pixel_shuffle_ratio": 0.5, "hidden_act": "gelu"}"#,
        ),
    ],
    adjust: |configuration, _| {
        // What others call intermediate_size is that of an expert here.
        configuration.set("intermediate_size_moe", configuration.integer("intermediate_size")?);
        configuration.set("intermediate_size", configuration.integer("intermediate_size_mlp")?);
        Ok(())
    },
    tokenizer: Flavour::BYTE_PAIR,
    hyperparameters,
    generated: llama::rope_factors,
    tensors: &[EMBEDDINGS, NORMS, ATTENTION, FEED_FORWARD],
    projector: Some(&PROJECTOR),
    ..Family::STANDARD
};

const FEED_FORWARD: &[Rule] = &[
    Rule::keep("model.layers.{}.feed_forward.gate_proj.*", "blk.{}.ffn_gate.*"),
    Rule::keep("model.layers.{}.feed_forward.up_proj.*", "blk.{}.ffn_up.*"),
    Rule::keep("model.layers.{}.feed_forward.down_proj.*", "blk.{}.ffn_down.*"),
    Rule::keep("model.layers.{}.feed_forward.router.*", "blk.{}.ffn_gate_inp.*"),
    Rule::keep("model.layers.{}.feed_forward.shared_expert.gate_proj.*", "blk.{}.ffn_gate_shexp.*"),
    Rule::keep("model.layers.{}.feed_forward.shared_expert.up_proj.*", "blk.{}.ffn_up_shexp.*"),
    Rule::keep("model.layers.{}.feed_forward.shared_expert.down_proj.*", "blk.{}.ffn_down_shexp.*"),
    Rule::step("model.layers.{}.feed_forward.experts.down_proj", "blk.{}.ffn_down_exps.weight", transposed),
    Rule::split("model.layers.{}.feed_forward.experts.gate_up_proj", GATE_AND_UP_EXPERTS, transposed_halves),
];

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    llama::hyperparameters(subject, out)?;
    let configuration = &subject.model.configuration;
    out.count("interleave_moe_layer_step", configuration.integer("interleave_moe_layer_step")?)?;
    out.count("expert_feed_forward_length", configuration.integer("intermediate_size_moe")?)?;
    let full = subject.model.layers_of_kind("full_attention")?;
    if full.is_some_and(|full| full.into_iter().all(|full| full)) {
        // No layer has a window.
        out.count("attention.sliding_window", 0)?;
    }
    Ok(())
}

const PROJECTOR: Projector = Projector {
    hyperparameters: vision_hyperparameters,
    rename: |_, name| {
        let name = name.strip_prefix("model.").unwrap_or(name);
        let seen = name.contains("multi_modal_projector") || name.contains("vision_model");
        seen.then_some(Cow::Borrowed(name))
    },
    tensors: &[VISION],
    ..Projector::STANDARD
};

const VISION: &[Rule] = &[
    Rule::keep("multi_modal_projector.linear_1.*", "mm.model.fc.*"),
    Rule::keep("vision_model.class_embedding", "v.class_embd"),
    Rule::keep("vision_model.positional_embedding_vlm", "v.position_embd.weight"),
    Rule::keep("vision_model.positional_embedding_vlm.weight", "v.position_embd.weight"),
    Rule::keep("vision_model.patch_embedding.linear.*", "v.patch_embd.*"),
    Rule::keep("vision_model.layernorm_pre.*", "v.pre_ln.*"),
    Rule::keep("vision_model.layernorm_post.*", "v.post_ln.*"),
    Rule::keep("vision_model.vision_adapter.mlp.fc1.*", "mm.model.mlp.1.*"),
    Rule::keep("vision_model.vision_adapter.mlp.fc2.*", "mm.model.mlp.2.*"),
    Rule::keep("vision_model.model.layers.{}.input_layernorm.*", "v.blk.{}.ln1.*"),
    Rule::keep("vision_model.model.layers.{}.post_attention_layernorm.*", "v.blk.{}.attn_post_norm.*"),
    Rule::keep("vision_model.model.layers.{}.self_attn.q_proj.*", "v.blk.{}.attn_q.*"),
    Rule::keep("vision_model.model.layers.{}.self_attn.k_proj.*", "v.blk.{}.attn_k.*"),
    Rule::keep("vision_model.model.layers.{}.self_attn.v_proj.*", "v.blk.{}.attn_v.*"),
    Rule::keep("vision_model.model.layers.{}.self_attn.o_proj.*", "v.blk.{}.attn_out.*"),
    Rule::keep("vision_model.model.layers.{}.mlp.fc1.*", "v.blk.{}.ffn_up.*"),
    Rule::keep("vision_model.model.layers.{}.mlp.fc2.*", "v.blk.{}.ffn_down.*"),
];

fn vision_hyperparameters(subject: &Encoders<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let vision = subject.vision;
    out.set("projector_type", "llama4");
    out.float("vision.attention.layer_norm_epsilon", vision.number("norm_eps")?);
    let ratio = vision.number("pixel_shuffle_ratio")?;
    if ratio <= 0.0 {
        return Err(vision.bad("pixel_shuffle_ratio", &ratio, "a positive number"));
    }
    out.count("vision.projector.scale_factor", (1.0 / ratio) as u64)?;
    match vision.text_value("hidden_act")? {
        None | Some("gelu") => out.set("use_gelu", true),
        Some(other) => return Err(vision.bad("hidden_act", &other, "gelu")),
    }
    Ok(())
}
