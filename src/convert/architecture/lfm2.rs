//! Liquid's LFM2: short convolutions in most layers, attention in some; dense and with experts.

use super::Family;
use super::common::{flat_kernel, replaced};
use crate::convert::configuration::Class;
use crate::convert::hyperparameters::{GATING_SIGMOID, standard};
use crate::convert::model::MAX_LAYERS;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;
use crate::convert::{Configuration, ConvertError, pooling};

pub(super) const FAMILY: Family = Family {
    names: &["Lfm2ForCausalLM", "LFM2ForCausalLM"],
    architecture: "lfm2",
    classes: &[Class::new(
        "lfm2",
        &[],
        r#"{"vocab_size": 65536, "max_position_embeddings": 128000, "hidden_size": 2560,
        "intermediate_size": 12288, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 8, "norm_eps": 1e-5, "rope_theta": 1000000.0, "conv_L_cache": 3,
        "block_multiple_of": 256, "block_ffn_dim_multiplier": 1.0, "block_auto_adjust_ff_dim": true}"#,
    )],
    adjust: |configuration, _| {
        if let Some(base) = configuration.value("theta").cloned() {
            configuration.set("rope_theta", base);
        }
        layer_kinds(configuration)?;
        heads_by_layer(configuration)?;
        configuration.set("intermediate_size", feed_forward_width(configuration)?);
        Ok(())
    },
    hyperparameters: |subject, out| {
        standard(subject, out)?;
        let configuration = &subject.model.configuration;
        out.count("vocab_size", configuration.integer("vocab_size")?)?;
        out.count("shortconv.l_cache", configuration.integer("conv_L_cache")?)
    },
    tensors: &[TRUNK, LAYERS, FEED_FORWARD],
    ..Family::STANDARD
};

pub(super) const MIXTURE: Family = Family {
    names: &["Lfm2MoeForCausalLM"],
    architecture: "lfm2moe",
    classes: &[],
    adjust: |configuration, _| heads_by_layer(configuration),
    hyperparameters: |subject, out| {
        standard(subject, out)?;
        let configuration = &subject.model.configuration;
        out.count("expert_feed_forward_length", configuration.integer("moe_intermediate_size")?)?;
        out.count("leading_dense_block_count", configuration.integer("num_dense_layers")?)?;
        out.set("expert_gating_func", GATING_SIGMOID);
        out.count("vocab_size", configuration.integer("vocab_size")?)?;
        out.count("shortconv.l_cache", configuration.integer("conv_L_cache")?)
    },
    tensors: &[TRUNK, LAYERS, FEED_FORWARD, EXPERTS],
    ..FAMILY
};

/// Turns the tokens of LFM2.5 Audio into sound.
pub(super) const SPEECH_DECODER: Family = Family {
    names: &["Lfm25AudioTokenizer"],
    classes: &[],
    tokenizer: Flavour::NONE,
    hyperparameters: |subject, out| {
        (FAMILY.hyperparameters)(subject, out)?;
        let configuration = &subject.model.configuration;
        out.count("attention.sliding_window", configuration.integer("sliding_window")?)?;
        out.count("embedding_length_out", configuration.integer("output_size")?)
    },
    rename: |_, name| match name {
        "istft.window" => None,
        _ if name.starts_with("emb.emb") => None,
        _ => Some(replaced(name.into(), "lfm.", "model.")),
    },
    tensors: &[
        &[Rule::keep("model.embed_tokens.*", "token_embd.*"), Rule::keep("lin.*", "dense_2.*")],
        &[TRUNK[1], TRUNK[2]],
        LAYERS,
        FEED_FORWARD,
    ],
    ..FAMILY
};

/// Embeddings: in both directions, or a vector a token, which a dense module makes narrower.
pub(super) const EMBEDDING: Family = Family {
    names: &["Lfm2Model", "Lfm2BidirectionalModel"],
    classes: &[],
    hyperparameters: |subject, out| {
        (FAMILY.hyperparameters)(subject, out)?;
        if subject.model.configuration.own_class() == Some("Lfm2BidirectionalModel") {
            out.set("attention.causal", false);
        }
        pooling::write(subject, out)
    },
    measured: |_, numbers, out| match numbers.dimensions(DENSE) {
        Some([rows, ..]) => out.count("embedding_length_out", *rows),
        _ => Ok(()),
    },
    modules: &["1_Dense"],
    rename: |_, name| match name.contains('/') {
        true => (name == DENSE).then_some(name.into()),
        false => Some(format!("model.{name}").into()),
    },
    tensors: &[&[Rule::keep(DENSE, "dense_2.weight")], TRUNK, LAYERS, FEED_FORWARD],
    ..FAMILY
};

const DENSE: &str = "1_Dense/linear.weight";

const TRUNK: &[Rule] = &[
    Rule::keep("model.embed_tokens.*", "token_embd.*").required(),
    Rule::keep("model.embedding_norm.*", "token_embd_norm.*").required(),
    Rule::keep("lm_head.*", "output.*"),
];

const LAYERS: &[Rule] = &[
    Rule::keep("model.layers.{}.operator_norm.*", "blk.{}.attn_norm.*").required(),
    Rule::keep("model.layers.{}.ffn_norm.*", "blk.{}.ffn_norm.*").required(),
    Rule::step("model.layers.{}.conv.conv.weight", "blk.{}.shortconv.conv.weight", flat_kernel),
    Rule::keep("model.layers.{}.conv.conv.bias", "blk.{}.shortconv.conv.bias"),
    Rule::keep("model.layers.{}.conv.in_proj.*", "blk.{}.shortconv.in_proj.*"),
    Rule::keep("model.layers.{}.conv.out_proj.*", "blk.{}.shortconv.out_proj.*"),
    Rule::keep("model.layers.{}.self_attn.q_proj.*", "blk.{}.attn_q.*"),
    Rule::keep("model.layers.{}.self_attn.k_proj.*", "blk.{}.attn_k.*"),
    Rule::keep("model.layers.{}.self_attn.v_proj.*", "blk.{}.attn_v.*"),
    Rule::keep("model.layers.{}.self_attn.out_proj.*", "blk.{}.attn_output.*"),
    Rule::keep("model.layers.{}.self_attn.q_layernorm.*", "blk.{}.attn_q_norm.*"),
    Rule::keep("model.layers.{}.self_attn.k_layernorm.*", "blk.{}.attn_k_norm.*"),
];

const FEED_FORWARD: &[Rule] = &[
    Rule::keep("model.layers.{}.feed_forward.w1.*", "blk.{}.ffn_gate.*"),
    Rule::keep("model.layers.{}.feed_forward.w2.*", "blk.{}.ffn_down.*"),
    Rule::keep("model.layers.{}.feed_forward.w3.*", "blk.{}.ffn_up.*"),
];

const EXPERTS: &[Rule] = &[
    Rule::keep("model.layers.{}.feed_forward.gate.*", "blk.{}.ffn_gate_inp.*"),
    Rule::keep("model.layers.{}.feed_forward.expert_bias", "blk.{}.exp_probs_b.bias"),
    Rule::expert("model.layers.{}.feed_forward.experts.{}.w1.weight", "blk.{}.ffn_gate_exps.weight"),
    Rule::expert("model.layers.{}.feed_forward.experts.{}.w2.weight", "blk.{}.ffn_down_exps.weight"),
    Rule::expert("model.layers.{}.feed_forward.experts.{}.w3.weight", "blk.{}.ffn_up_exps.weight"),
];

/// Older files list the layers with attention.
fn layer_kinds(configuration: &mut Configuration) -> Result<(), ConvertError> {
    if configuration.value("layer_types").is_none() {
        let layers = configuration.integer("num_hidden_layers")?.min(MAX_LAYERS);
        let attention = configuration.integers("full_attn_idxs")?;
        let has_attention = |layer: u64| attention.as_ref().is_none_or(|list| list.contains(&layer));
        let kind = |layer: u64| if has_attention(layer) { "full_attention" } else { "conv" };
        configuration.set("layer_types", (0..layers).map(kind).collect::<Vec<_>>());
    }
    Ok(())
}

/// Layers without attention have no key.
fn heads_by_layer(configuration: &mut Configuration) -> Result<(), ConvertError> {
    let heads = configuration.integer("num_key_value_heads")?;
    let kinds =
        configuration.strings("layer_types")?.ok_or_else(|| configuration.missing(&["layer_types"]))?;
    let heads: Vec<u64> =
        kinds.iter().map(|kind| if *kind == "full_attention" { heads } else { 0 }).collect();
    configuration.set("num_key_value_heads", heads);
    Ok(())
}

/// The width that the model's code computes from the one stated.
fn feed_forward_width(configuration: &Configuration) -> Result<u64, ConvertError> {
    let stated = configuration.integer_of(&["block_ff_dim", "intermediate_size"])?;
    if !configuration.flag("block_auto_adjust_ff_dim")? {
        return Ok(stated);
    }
    let two_thirds = stated.saturating_mul(2) / 3;
    let factor = configuration.optional_number(&["block_ffn_dim_multiplier"])?.unwrap_or(1.0);
    let multiple = configuration.integer("block_multiple_of")?.max(1);
    Ok(((factor * two_thirds as f64) as u64).div_ceil(multiple).saturating_mul(multiple))
}
