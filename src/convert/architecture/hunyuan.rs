//! Tencent's Hunyuan with experts: A13B, Hy3 and Hy4.

use super::common::{
    ATTENTION, DENSE_LAYERS, EMBEDDINGS, EXPERTS, GATE_AND_UP_EXPERTS, NORMS, halves, text_name,
};
use super::deepseek2::{self, LATENT_ATTENTION, ROUTING};
use super::indexer::{self, INDEXER};
use super::prediction::{self, PREDICTION};
use super::{Family, hunyuan_dense, hyper_connections};
use crate::convert::hyperparameters::{GATING_SIGMOID, standard};
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;
use crate::convert::{Configuration, ConvertError, Model, Subject};
use crate::tensor::ElementType;

/// A13B, whose configuration says layer by layer what is the same in all.
pub(super) const FIRST: Family = Family {
    names: &["HunYuanMoEV1ForCausalLM"],
    architecture: "hunyuan-moe",
    tokenizer: Flavour::HUNYUAN_MOE,
    hyperparameters: first_hyperparameters,
    rename: hunyuan_dense::FAMILY.rename,
    tensors: &[EMBEDDINGS, NORMS, hunyuan_dense::ATTENTION, EXPERTS, FIRST_ROUTING],
    ..Family::STANDARD
};

const FIRST_ROUTING: &[Rule] = &[
    Rule::keep("model.layers.{}.mlp.gate.wg.*", "blk.{}.ffn_gate_inp.*").required(),
    Rule::keep("model.layers.{}.mlp.shared_mlp.gate_proj.*", "blk.{}.ffn_gate_shexp.*").required(),
    Rule::keep("model.layers.{}.mlp.shared_mlp.up_proj.*", "blk.{}.ffn_up_shexp.*").required(),
    Rule::keep("model.layers.{}.mlp.shared_mlp.down_proj.*", "blk.{}.ffn_down_shexp.*").required(),
];

fn first_hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    standard(subject, out)?;
    let configuration = &subject.model.configuration;
    out.count("expert_shared_feed_forward_length", configuration.integer("intermediate_size")?)?;
    for (key, name) in [
        ("expert_feed_forward_length", "moe_intermediate_size"),
        ("expert_used_count", "moe_topk"),
        ("expert_shared_count", "num_shared_expert"),
    ] {
        let numbers = configuration.integers(name)?.ok_or_else(|| configuration.missing(&[name]))?;
        match numbers.split_first() {
            Some((first, rest)) if rest.iter().all(|number| number == first) => out.count(key, *first)?,
            _ => {
                let got = serde_json::Value::from(numbers);
                return Err(configuration.bad(name, &got, "the same number for every layer"));
            }
        }
    }
    hunyuan_dense::scaled_rope(subject.model, 1000.0, out)
}

pub(super) const THIRD: Family = Family {
    names: &["HYV3ForCausalLM"],
    architecture: "hy_v3",
    predicted_layers: prediction::stated,
    hyperparameters: |subject, out| {
        standard(subject, out)?;
        let configuration = &subject.model.configuration;
        let width = configuration.integer("moe_intermediate_size")?;
        let shared = configuration.optional_integer(&["num_shared_experts"])?.unwrap_or(1);
        out.count("expert_feed_forward_length", width)?;
        out.count("expert_shared_feed_forward_length", width.saturating_mul(shared))?;
        out.set("expert_weights_norm", configuration.optional_flag("route_norm")?.unwrap_or(true));
        let scale = configuration.optional_number(&["router_scaling_factor"])?;
        out.float("expert_weights_scale", scale.unwrap_or(1.0));
        out.set("expert_gating_func", GATING_SIGMOID);
        prediction::write(subject.model, out)
    },
    tensors: &[EMBEDDINGS, NORMS, ATTENTION, DENSE_LAYERS, EXPERTS, THIRD_ROUTING, PREDICTION],
    ..Family::STANDARD
};

const THIRD_ROUTING: &[Rule] = &[
    Rule::keep("model.layers.{}.mlp.expert_bias", "blk.{}.exp_probs_b"),
    Rule::keep("model.layers.{}.mlp.router.gate.*", "blk.{}.ffn_gate_inp.*"),
    Rule::keep("model.layers.{}.mlp.shared_mlp.gate_proj.*", "blk.{}.ffn_gate_shexp.*"),
    Rule::keep("model.layers.{}.mlp.shared_mlp.up_proj.*", "blk.{}.ffn_up_shexp.*"),
    Rule::keep("model.layers.{}.mlp.shared_mlp.down_proj.*", "blk.{}.ffn_down_shexp.*"),
    Rule::keep("model.layers.{}.final_layernorm.*", "blk.{}.nextn.shared_head_norm.*"),
];

/// Latent attention with a gate, sinks and an indexer, experts, and several residual streams.
pub(super) const FOURTH: Family = Family {
    names: &["HYV4ForCausalLM"],
    architecture: "hy_v4",
    adjust: |configuration, _| adjust(configuration),
    hyperparameters: fourth_hyperparameters,
    rename: |model, name| {
        let left_out = name.starts_with("model.mtp_layers.") || deepseek2::is_tied_output(model, name);
        if left_out { None } else { text_name(name) }
    },
    tensors: &[
        EMBEDDINGS,
        NORMS,
        LATENT_ATTENTION,
        FOURTH_ATTENTION,
        INDEXER,
        DENSE_LAYERS,
        ROUTING,
        FOURTH_EXPERTS,
        STREAMS,
    ],
    element_type: |model, name, _| {
        let precise = hyper_connections::is_mixer(name)
            || name.ends_with(".indexer.k_norm.bias")
            || name == "output.weight" && model.configuration.flag("enable_lm_head_fp32") == Ok(true);
        precise.then_some(ElementType::F32)
    },
    ..Family::STANDARD
};

const FOURTH_ATTENTION: &[Rule] = &[
    Rule::keep("model.layers.{}.self_attn.linear_gate.*", "blk.{}.attn_gate.*"),
    Rule::keep("model.layers.{}.self_attn.learnable_sink_param", "blk.{}.attn_sinks.weight"),
];

const FOURTH_EXPERTS: &[Rule] = &[
    Rule::split("model.layers.{}.mlp.experts.gate_up_proj", GATE_AND_UP_EXPERTS, halves),
    Rule::keep("model.layers.{}.mlp.experts.down_proj", "blk.{}.ffn_down_exps.weight"),
];

const STREAMS: &[Rule] = &[
    Rule::keep("model.hc_head.hc_head_fn", "output_hc_fn.weight"),
    Rule::keep("model.hc_head.hc_head_base", "output_hc_base.weight"),
    Rule::keep("model.hc_head.hc_head_scale", "output_hc_scale.weight"),
    Rule::keep("model.layers.{}.hc_attn_layer.hc_pre.hc_fn", "blk.{}.hc_attn_fn.weight"),
    Rule::keep("model.layers.{}.hc_attn_layer.hc_pre.hc_base", "blk.{}.hc_attn_base.weight"),
    Rule::keep("model.layers.{}.hc_attn_layer.hc_pre.hc_scale", "blk.{}.hc_attn_scale.weight"),
    Rule::keep("model.layers.{}.hc_mlp_layer.hc_pre.hc_fn", "blk.{}.hc_ffn_fn.weight"),
    Rule::keep("model.layers.{}.hc_mlp_layer.hc_pre.hc_base", "blk.{}.hc_ffn_base.weight"),
    Rule::keep("model.layers.{}.hc_mlp_layer.hc_pre.hc_scale", "blk.{}.hc_ffn_scale.weight"),
];

fn adjust(configuration: &mut Configuration) -> Result<(), ConvertError> {
    // Every head has keys of its own, whatever the file says.
    configuration.set("num_key_value_heads", configuration.integer("num_attention_heads")?);
    // One group of experts is no grouping.
    if configuration.optional_integer(&["n_group"])? == Some(1)
        && configuration.optional_integer(&["topk_group"])? == Some(1)
    {
        configuration.remove("n_group");
        configuration.remove("topk_group");
    }
    let stated = configuration.optional_integer(&["first_k_dense_replace"])?;
    let Some(kinds) = configuration.strings("mlp_layer_types")? else {
        return stated
            .map(drop)
            .ok_or_else(|| configuration.missing(&["first_k_dense_replace", "mlp_layer_types"]));
    };
    let leading = kinds.iter().take_while(|kind| **kind == "dense").count();
    let dense = kinds.iter().filter(|kind| **kind == "dense").count();
    if leading != dense || stated.is_some_and(|stated| stated != leading as u64) {
        let expected = "dense layers first, as many as first_k_dense_replace says";
        return Err(configuration.bad("mlp_layer_types", &format!("{dense} dense layers"), expected));
    }
    configuration.set("first_k_dense_replace", leading as u64);
    Ok(())
}

fn fourth_hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    deepseek2::hyperparameters(subject, out)?;
    let model = subject.model;
    let configuration = &model.configuration;
    out.set("expert_gating_func", GATING_SIGMOID);
    let limit = configuration.optional_number(&["swiglu_limit"])?.unwrap_or(0.0);
    if limit > 0.0 {
        out.floats("swiglu_clamp_exp", &vec![limit; model.layers as usize]);
    }
    out.count("hyper_connection.count", configuration.integer("hc_mult")?)?;
    out.float("hyper_connection.epsilon", configuration.number("hc_eps")?);
    out.float("hyper_connection.magnitude", configuration.number("hc_magnitude")?);
    let Some(owners) = owners(model)? else { return Ok(()) };
    indexer::write(model, out)?;
    out.set("attention.indexer.types", owners);
    Ok(())
}

/// Which layers have an indexer; older files only say which layers attend sparsely.
fn owners(model: &Model) -> Result<Option<Vec<bool>>, ConvertError> {
    let configuration = &model.configuration;
    let layers = model.main_layers as usize;
    let (key, owners) = match indexer::owners(model)? {
        Some(owners) => ("indexer_types", owners),
        None => {
            let kinds = configuration.strings("layer_types")?.unwrap_or_default();
            let sparse = |kind: &&str| matches!(*kind, "sparse_attention" | "deepseek_sparse_attention");
            if !kinds.iter().any(sparse) {
                return Ok(None);
            }
            ("layer_types", kinds.iter().map(sparse).collect())
        }
    };
    match owners.get(..layers) {
        Some(owners) if key == "layer_types" || owners.first() == Some(&true) => Ok(Some(owners.to_vec())),
        _ => {
            Err(configuration.bad(key, &owners.len(), &format!("{layers} layers, the first with an indexer")))
        }
    }
}
