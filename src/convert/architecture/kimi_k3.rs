//! Moonshot's Kimi K3: delta attention in most layers and latent attention in some, as Kimi Linear has them,
//! both with gates; experts behind a narrow projection; and weights by which a layer takes up what those
//! before it came to.

use std::borrow::Cow;

use super::common::{DENSE_LAYERS, EMBEDDINGS, NORMS, replaced, text_name};
use super::deepseek2::SOME_LATENT_ATTENTION;
use super::kda::{self, DELTA_ATTENTION};
use super::llama::MIXTRAL_EXPERTS;
use super::{Family, kimi};
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::{ConvertError, Model, Subject};

pub(super) const FAMILY: Family = Family {
    names: &["KimiK3ForConditionalGeneration"],
    overrules_text: true,
    architecture: "kimi-k3",
    hyperparameters,
    after_vocabulary: |subject, out| {
        // Turns end with the token that the configuration names, texts with the tokenizer's.
        if let Some(token) = subject.model.configuration.optional_integer(&["eos_token_id"])? {
            // Configurations hold no larger numbers than these.
            out.set_plain("tokenizer.ggml.eos_token_id", u32::try_from(token).unwrap_or(u32::MAX));
        }
        Ok(())
    },
    rename,
    tensors: &[
        EMBEDDINGS,
        NORMS,
        SOME_LATENT_ATTENTION,
        DELTA_ATTENTION,
        GATES,
        RESIDUALS,
        DENSE_LAYERS,
        kimi::ROUTING,
        NARROW_EXPERTS,
        MIXTRAL_EXPERTS,
        PACKED_EXPERTS,
    ],
    ..Family::STANDARD
};

const GATES: &[Rule] = &[
    Rule::step("model.layers.{}.self_attn.A_log", "blk.{}.ssm_a", kda::decay_of_heads),
    Rule::keep("model.layers.{}.self_attn.g_proj.*", "blk.{}.ssm_g.*"),
    Rule::keep("model.layers.{}.latent_attn.g_proj.*", "blk.{}.attn_gate.*"),
];

/// How much counts what the layers before came to. A norm and a projection are only used as their product.
const RESIDUALS: &[Rule] = &[
    Rule::factor("model.layers.{}.self_attention_res_norm.weight", "blk.{}.attn_res_score.weight"),
    Rule::factor("model.layers.{}.self_attention_res_proj.weight", "blk.{}.attn_res_score.weight"),
    Rule::factor("model.layers.{}.mlp_res_norm.weight", "blk.{}.ffn_res_score.weight"),
    Rule::factor("model.layers.{}.mlp_res_proj.weight", "blk.{}.ffn_res_score.weight"),
    Rule::factor("model.output_attn_res_norm.weight", "output_res_score.weight"),
    Rule::factor("model.output_attn_res_proj.weight", "output_res_score.weight"),
];

/// The way into the space of the experts and back.
const NARROW_EXPERTS: &[Rule] = &[
    Rule::keep("model.layers.{}.block_sparse_moe.routed_expert_down_proj.*", "blk.{}.ffn_routed_down.*"),
    Rule::keep("model.layers.{}.block_sparse_moe.routed_expert_norm.*", "blk.{}.ffn_routed_norm.*"),
    Rule::keep("model.layers.{}.block_sparse_moe.routed_expert_up_proj.*", "blk.{}.ffn_routed_up.*"),
];

const PACKED_EXPERTS: &[Rule] = &[
    Rule::expert("model.layers.{}.block_sparse_moe.packed.{}.w1.packed", "blk.{}.ffn_gate_exps.weight"),
    Rule::expert("model.layers.{}.block_sparse_moe.packed.{}.w2.packed", "blk.{}.ffn_down_exps.weight"),
    Rule::expert("model.layers.{}.block_sparse_moe.packed.{}.w3.packed", "blk.{}.ffn_up_exps.weight"),
];

/// The gates of both kinds of attention are called alike.
fn rename<'n>(model: &Model, name: &'n str) -> Option<Cow<'n, str>> {
    let name = text_name(name)?;
    if name.ends_with(".packed") {
        return Some(replaced(name, ".block_sparse_moe.experts.", ".block_sparse_moe.packed."));
    }
    let layer = name.strip_prefix("model.layers.").and_then(|rest| rest.split_once(".self_attn.g_proj."));
    let layer = layer.and_then(|(layer, _)| layer.parse::<usize>().ok());
    let is_full = |layer| kda::full_layers(model).is_ok_and(|full| full.get(layer) == Some(&true));
    match layer.is_some_and(is_full) {
        true => Some(replaced(name, ".self_attn.", ".latent_attn.")),
        false => Some(name),
    }
}

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let model = subject.model;
    let configuration = &model.configuration;
    if !configuration.flag("mla_use_nope")? {
        return Err(configuration.bad("mla_use_nope", &false, "true"));
    }
    if let Some(other) = configuration.text_value("hidden_act")?.filter(|name| *name != "situ") {
        return Err(configuration.bad("hidden_act", &other, "situ"));
    }
    kimi::delta_hyperparameters(subject, out)?;
    kda::write_latent_sizes(model, true, out)?;
    kimi::mixture_hyperparameters(subject, out)?;
    out.set("expert_weights_norm", configuration.flag("moe_renormalize")?);
    if let Some(width) = configuration.optional_integer(&["routed_expert_hidden_size"])? {
        out.count("expert_latent_length", width)?;
    }
    out.float("activation.situ_beta", configuration.number("activation_situ_beta")?);
    out.float("activation.situ_linear_beta", configuration.number("activation_situ_linear_beta")?);
    out.count("attn_res.block_size", configuration.integer("attn_res_block_size")?)
}
