//! DeepSeek V4: heads that share one latent key, attention over compressed stretches, several residual
//! streams, and experts that the first layers choose by the token alone. Its weights stay what they are:
//! floats of 8 bits become blocks of 8 bits, packed experts stay packed, whatever is asked for.

use std::borrow::Cow;

use super::hyper_connections::HYPER_CONNECTIONS;
use super::{Family, dflash, indexer, vision};
use crate::convert::hyperparameters::standard;
use crate::convert::model::MAX_LAYERS;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::{ConvertError, Model, Subject, stored_bytes};

pub(super) const FAMILY: Family = Family {
    names: &["DeepseekV4ForCausalLM"],
    architecture: "deepseek4",
    hyperparameters: |subject, out| {
        hyperparameters(subject, out)?;
        let configuration = &subject.model.configuration;
        let width = subject.model.hidden_size()?.saturating_mul(configuration.integer("hc_mult")?);
        out.count("embedding_length_out", width)
    },
    rename,
    keeps_types: true,
    tensors: &[
        ENDS,
        ENDS_OF_STREAMS,
        ATTENTION,
        COMPRESSION,
        CHOICE,
        EXPERTS,
        SHARED_EXPERTS,
        HYPER_CONNECTIONS,
    ],
    // Only some layers compress, and only some of these choose.
    lacking: &["attn_compressor_", "indexer", "exp_probs_b", "ffn_gate_tid2eid"],
    projector: Some(&vision::deepseek4::PROJECTOR),
    ..Family::STANDARD
};

/// DSpark for it: layers of its own kind that predict a block of its tokens. They lie beside the model's
/// layers or alone, and have neither embeddings nor an output of their own.
pub(super) const SPARK: Family = Family {
    names: &["DeepseekV4DSparkModel"],
    architecture: dflash::FAMILY.architecture,
    drafts: true,
    adjust: |configuration, files| {
        let names = stored_bytes::names(files)?;
        let stages =
            names.iter().filter_map(|name| name.strip_prefix("mtp.")?.split_once('.')?.0.parse().ok());
        // More layers than a model can have are refused as such.
        let layers = stages.max().map_or(0, |last: u64| last.saturating_add(1)).min(MAX_LAYERS + 1);
        configuration.set("num_hidden_layers", layers);
        // No layer compresses, and none chooses its experts by the token.
        configuration.set("compress_ratios", vec![0; layers as usize]);
        configuration.set("num_hash_layers", 0);
        Ok(())
    },
    hyperparameters: |subject, out| {
        hyperparameters(subject, out)?;
        let configuration = &subject.model.configuration;
        out.count("block_size", configuration.integer("dspark_block_size")?)?;
        dflash::target_layers(configuration, "dspark_target_layer_ids", out)
    },
    after_vocabulary: |subject, out| {
        dflash::mask_token(&subject.model.configuration, "dspark_noise_token_id", out)
    },
    rename: |_, name| stage_name(name),
    tensors: &[
        ENDS_OF_STREAMS,
        ATTENTION,
        COMPRESSION,
        CHOICE,
        EXPERTS,
        SHARED_EXPERTS,
        HYPER_CONNECTIONS,
        DRAFTING,
    ],
    projector: None,
    ..FAMILY
};

/// The features of the target, and what chooses each token by the one before it.
const DRAFTING: &[Rule] = &[
    Rule::keep("main_proj.weight", "fc.weight").required(),
    Rule::keep("main_norm.weight", "enc.output_norm.weight").required(),
    Rule::keep("markov_head.markov_w1.weight", "markov_w1.weight").required(),
    Rule::keep("markov_head.markov_w2.weight", "markov_w2.weight").required(),
    Rule::keep("confidence_head.proj.weight", "conf_proj.weight"),
];

/// The name of a tensor of the draft in the tables: what stands outside its layers is stored in one of them.
fn stage_name(name: &str) -> Option<Cow<'_, str>> {
    let (stage, inner) = name.strip_prefix("mtp.")?.split_once('.')?;
    let mut outside = ENDS_OF_STREAMS.iter().chain(DRAFTING);
    if outside.any(|rule| rule.matches(inner).is_some()) {
        return Some(inner.into());
    }
    // What chooses for pictures, and by the token, the draft has no use for.
    let unused = [".ffn.gate.bias_vl", ".ffn.gate.tid2eid"].iter().any(|ending| name.ends_with(ending));
    (!unused).then(|| format!("model.layers.{stage}.{inner}").into())
}

const ENDS: &[Rule] =
    &[Rule::keep("embed.weight", "token_embd.weight").required(), Rule::keep("head.weight", "output.weight")];

/// Where the residual streams become one.
const ENDS_OF_STREAMS: &[Rule] = &[
    Rule::keep("norm.weight", "output_norm.weight").required(),
    Rule::keep("hc_head_fn", "output_hc_fn.weight").required(),
    Rule::keep("hc_head_base", "output_hc_base.weight").required(),
    Rule::keep("hc_head_scale", "output_hc_scale.weight").required(),
];

const ATTENTION: &[Rule] = &[
    Rule::keep("model.layers.{}.attn_norm.weight", "blk.{}.attn_norm.weight").required(),
    Rule::keep("model.layers.{}.ffn_norm.weight", "blk.{}.ffn_norm.weight").required(),
    Rule::keep("model.layers.{}.attn.attn_sink", "blk.{}.attn_sinks.weight").required(),
    Rule::keep("model.layers.{}.attn.wq_a.weight", "blk.{}.attn_q_a.weight").required(),
    Rule::keep("model.layers.{}.attn.q_norm.weight", "blk.{}.attn_q_a_norm.weight").required(),
    Rule::keep("model.layers.{}.attn.wq_b.weight", "blk.{}.attn_q_b.weight").required(),
    Rule::keep("model.layers.{}.attn.wkv.weight", "blk.{}.attn_kv.weight").required(),
    Rule::keep("model.layers.{}.attn.kv_norm.weight", "blk.{}.attn_kv_a_norm.weight").required(),
    Rule::keep("model.layers.{}.attn.wo_a.weight", "blk.{}.attn_output_a.weight").required(),
    Rule::keep("model.layers.{}.attn.wo_b.weight", "blk.{}.attn_output_b.weight").required(),
];

/// Stretches of positions are made one, and in some layers an indexer chooses among them.
const COMPRESSION: &[Rule] = &[
    Rule::keep("model.layers.{}.attn.compressor.ape", "blk.{}.attn_compressor_ape.weight"),
    Rule::keep("model.layers.{}.attn.compressor.wkv.weight", "blk.{}.attn_compressor_kv.weight"),
    Rule::keep("model.layers.{}.attn.compressor.wgate.weight", "blk.{}.attn_compressor_gate.weight"),
    Rule::keep("model.layers.{}.attn.compressor.norm.weight", "blk.{}.attn_compressor_norm.weight"),
    Rule::keep("model.layers.{}.attn.indexer.wq_b.weight", "blk.{}.indexer.attn_q_b.weight"),
    Rule::keep("model.layers.{}.attn.indexer.weights_proj.weight", "blk.{}.indexer.proj.weight"),
    Rule::keep("model.layers.{}.attn.indexer.compressor.ape", "blk.{}.indexer_compressor_ape.weight"),
    Rule::keep("model.layers.{}.attn.indexer.compressor.wkv.weight", "blk.{}.indexer_compressor_kv.weight"),
    Rule::keep(
        "model.layers.{}.attn.indexer.compressor.wgate.weight",
        "blk.{}.indexer_compressor_gate.weight",
    ),
    Rule::keep(
        "model.layers.{}.attn.indexer.compressor.norm.weight",
        "blk.{}.indexer_compressor_norm.weight",
    ),
];

/// Which experts a token goes to: a router's choice, or what a table says of it.
const CHOICE: &[Rule] = &[
    Rule::keep("model.layers.{}.ffn.gate.weight", "blk.{}.ffn_gate_inp.weight").required(),
    Rule::keep("model.layers.{}.ffn.gate.bias", "blk.{}.exp_probs_b.bias"),
    Rule::keep("model.layers.{}.ffn.gate.bias_vl", "blk.{}.exp_probs_b_vl.bias"),
    Rule::keep("model.layers.{}.ffn.gate.tid2eid", "blk.{}.ffn_gate_tid2eid.weight"),
];

const EXPERTS: &[Rule] = &[
    Rule::expert("model.layers.{}.ffn.experts.{}.w1.packed", "blk.{}.ffn_gate_exps.weight"),
    Rule::expert("model.layers.{}.ffn.experts.{}.w2.packed", "blk.{}.ffn_down_exps.weight"),
    Rule::expert("model.layers.{}.ffn.experts.{}.w3.packed", "blk.{}.ffn_up_exps.weight"),
];

const SHARED_EXPERTS: &[Rule] = &[
    Rule::keep("model.layers.{}.ffn.shared_experts.w1.weight", "blk.{}.ffn_gate_shexp.weight").required(),
    Rule::keep("model.layers.{}.ffn.shared_experts.w2.weight", "blk.{}.ffn_down_shexp.weight").required(),
    Rule::keep("model.layers.{}.ffn.shared_experts.w3.weight", "blk.{}.ffn_up_shexp.weight").required(),
];

/// Layers that predict further tokens and the encoder of images are left out, and biases of routers that
/// never choose.
fn rename<'n>(model: &Model, name: &'n str) -> Option<Cow<'n, str>> {
    if ["mtp.", "aligner.", "image_", "vision."].iter().any(|start| name.starts_with(start)) {
        return None;
    }
    let Some(rest) = name.strip_prefix("layers.") else { return Some(name.into()) };
    let layer = rest.strip_suffix(".ffn.gate.bias").and_then(|layer| layer.parse::<u64>().ok());
    let hashed = model.configuration.optional_integer(&["num_hash_layers"]).unwrap_or(None).unwrap_or(0);
    let is_unused = layer.is_some_and(|layer| layer < hashed);
    (!is_unused).then(|| format!("model.{name}").into())
}

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    standard(subject, out)?;
    let model = subject.model;
    let configuration = &model.configuration;
    for (key, name) in [
        ("rope.dimension_count", "qk_rope_head_dim"),
        ("attention.q_lora_rank", "q_lora_rank"),
        ("attention.sliding_window", "sliding_window"),
        ("expert_feed_forward_length", "moe_intermediate_size"),
        ("expert_shared_count", "n_shared_experts"),
    ] {
        out.count(key, configuration.integer(name)?)?;
    }
    out.float("expert_weights_scale", configuration.number("routed_scaling_factor")?);
    out.set("expert_weights_norm", configuration.flag("norm_topk_prob")?);
    let limits = vec![configuration.number("swiglu_limit")?; model.layers as usize];
    out.floats("swiglu_clamp_exp", &limits);
    out.floats("swiglu_clamp_shexp", &limits);
    indexer::write(model, out)?;
    out.count("attention.output_group_count", configuration.integer("o_groups")?)?;
    out.count("attention.output_lora_rank", configuration.integer("o_lora_rank")?)?;
    let key = "compress_ratios";
    let ratios = configuration.integers(key)?.ok_or_else(|| configuration.missing(&[key]))?;
    out.counts("attention.compress_ratios", &ratios)?;
    out.float("attention.compress_rope_freq_base", configuration.number("compress_rope_theta")?);
    out.count("hyper_connection.count", configuration.integer("hc_mult")?)?;
    out.count("hyper_connection.sinkhorn_iterations", configuration.integer("hc_sinkhorn_iters")?)?;
    out.float("hyper_connection.epsilon", configuration.number("hc_eps")?);
    out.count("hash_layer_count", configuration.integer("num_hash_layers")?)
}
