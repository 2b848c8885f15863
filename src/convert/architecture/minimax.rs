//! MiniMax: Text-01 and M1 with linear attention in most layers, M2, and M3, whose attention is sparse.

use super::common::{ATTENTION, DENSE_LAYERS, EMBEDDINGS, NORMS, NORMS_AROUND_ZERO, add_one};
use super::llama::MIXTRAL_EXPERTS;
use super::{Family, vision};
use crate::convert::hyperparameters::standard;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::shapes::{ANY, WIDTH};
use crate::convert::stored_bytes::StoredBytes;
use crate::convert::tokenizer;
use crate::convert::{ConvertError, Subject};
use crate::tensor::ElementType;

pub(super) const TEXT_01: Family = Family {
    names: &["MiniMaxText01ForCausalLM", "MiniMaxM1ForCausalLM"],
    architecture: "minimax-01",
    hyperparameters: |subject, out| {
        standard(subject, out)?;
        suppressed_tokens(subject, out)?;
        residual_scale(subject, out)?;
        out.count("rope.dimension_count", subject.model.configuration.integer("rotary_dim")?)
    },
    tensors: &[EMBEDDINGS, NORMS, MIXED_ATTENTION, ROUTER, MIXTRAL_EXPERTS],
    // Linear attention has as many keys as queries.
    shapes: &[("attn_qkv.weight", &[&[WIDTH, ANY]])],
    ..Family::STANDARD
};

pub(super) const M2: Family = Family {
    names: &["MiniMaxM2ForCausalLM"],
    architecture: "minimax-m2",
    hyperparameters,
    tensors: &[EMBEDDINGS, NORMS, ATTENTION, ROUTER, MIXTRAL_EXPERTS],
    ..Family::STANDARD
};

pub(super) const M3: Family = Family {
    names: &[
        "MiniMaxM3SparseForCausalLM",
        "MiniMaxM3SparseForConditionalGeneration",
        "MiniMaxM3VLForConditionalGeneration",
    ],
    architecture: "minimax-m3",
    hyperparameters: |subject, out| {
        hyperparameters(subject, out)?;
        let configuration = &subject.model.configuration;
        out.count("expert_shared_count", configuration.integer("n_shared_experts")?)?;
        out.float("expert_weights_scale", configuration.number("routed_scaling_factor")?);
        out.set("expert_weights_norm", true);
        let key = "sparse_attention_config";
        let sparse = configuration.part(key).ok_or_else(|| configuration.missing(&[key]))?;
        for (key, name) in [
            ("head_count", "sparse_num_index_heads"),
            ("key_length", "sparse_index_dim"),
            ("top_k", "sparse_topk_blocks"),
            ("block_size", "sparse_block_size"),
            ("local_blocks", "sparse_local_block"),
        ] {
            out.count(&format!("attention.indexer.{key}"), sparse.integer(name)?)?;
        }
        let key = "moe_layer_freq";
        let layers = configuration.integers(key)?.ok_or_else(|| configuration.missing(&[key]))?;
        let dense = layers.iter().take_while(|frequency| **frequency == 0).count();
        out.count("leading_dense_block_count", dense as u64)
    },
    tensors: &[
        NORMS_AROUND_ZERO,
        INDEXER_NORMS,
        &[EMBEDDINGS[0], EMBEDDINGS[2]],
        ATTENTION,
        DENSE_LAYERS,
        ROUTER,
        MIXTRAL_EXPERTS,
        SPARSE,
    ],
    element_type: |_, name, _| name.contains(".indexer.").then_some(ElementType::F32),
    projector: Some(&vision::minimax_m3::PROJECTOR),
    ..Family::STANDARD
};

const ROUTER: &[Rule] = &[
    Rule::keep("model.layers.{}.block_sparse_moe.gate.weight", "blk.{}.ffn_gate_inp.weight"),
    Rule::keep("model.layers.{}.block_sparse_moe.e_score_correction.bias", "blk.{}.exp_probs_b.bias"),
];

/// Softmax attention in some layers, linear attention with a gate and a norm in the others.
const MIXED_ATTENTION: &[Rule] = &[
    Rule::keep("model.layers.{}.self_attn.q_proj.*", "blk.{}.attn_q.*"),
    Rule::keep("model.layers.{}.self_attn.k_proj.*", "blk.{}.attn_k.*"),
    Rule::keep("model.layers.{}.self_attn.v_proj.*", "blk.{}.attn_v.*"),
    Rule::keep("model.layers.{}.self_attn.o_proj.*", "blk.{}.attn_output.*"),
    Rule::keep("model.layers.{}.self_attn.qkv_proj.*", "blk.{}.attn_qkv.*"),
    Rule::keep("model.layers.{}.self_attn.output_gate.*", "blk.{}.attn_gate.*"),
    Rule::keep("model.layers.{}.self_attn.norm.*", "blk.{}.attn_norm_2.*"),
    Rule::keep("model.layers.{}.self_attn.out_proj.*", "blk.{}.attn_output.*"),
];

const INDEXER_NORMS: &[Rule] = &[
    Rule::step("model.layers.{}.self_attn.index_q_norm.weight", "blk.{}.indexer.q_norm.weight", add_one),
    Rule::step("model.layers.{}.self_attn.index_k_norm.weight", "blk.{}.indexer.k_norm.weight", add_one),
];

/// The choice of blocks to attend to, and the shared experts.
const SPARSE: &[Rule] = &[
    Rule::keep("model.layers.{}.self_attn.index_q_proj.*", "blk.{}.indexer.q_proj.*"),
    Rule::keep("model.layers.{}.self_attn.index_k_proj.*", "blk.{}.indexer.k_proj.*"),
    Rule::keep("model.layers.{}.block_sparse_moe.shared_experts.gate_proj.*", "blk.{}.ffn_gate_shexp.*"),
    Rule::keep("model.layers.{}.block_sparse_moe.shared_experts.up_proj.*", "blk.{}.ffn_up_shexp.*"),
    Rule::keep("model.layers.{}.block_sparse_moe.shared_experts.down_proj.*", "blk.{}.ffn_down_shexp.*"),
];

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    standard(subject, out)?;
    let configuration = &subject.model.configuration;
    out.count("expert_feed_forward_length", configuration.integer("intermediate_size")?)?;
    out.count("rope.dimension_count", configuration.integer("rotary_dim")?)
}

/// What the outputs of attention and of the feed-forward network are added to is scaled, everywhere alike.
fn residual_scale(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let configuration = &subject.model.configuration;
    let alpha = configuration.number("layernorm_full_attention_alpha")?;
    for (key, expected) in [
        ("layernorm_linear_attention_alpha", alpha),
        ("layernorm_mlp_alpha", alpha),
        ("layernorm_full_attention_beta", 1.0),
        ("layernorm_linear_attention_beta", 1.0),
        ("layernorm_mlp_beta", 1.0),
    ] {
        let number = configuration.number(key)?;
        if number != expected {
            return Err(configuration.bad(key, &number, &expected.to_string()));
        }
    }
    out.float("residual_scale", alpha);
    Ok(())
}

/// Tokens beyond the tokenizer's own whose embeddings are zero were never trained and must not be chosen.
fn suppressed_tokens(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let Some(own) = tokenizer::own_tokens(subject.files)? else { return Ok(()) };
    let Some(embeddings) = StoredBytes::find(subject.files, "model.embed_tokens.weight")? else {
        return Ok(());
    };
    let zero = embeddings.zero_rows(subject.model.configuration.integer("vocab_size")?);
    let beyond = zero.into_iter().filter(|token| *token >= own);
    let tokens: Vec<i32> = beyond.filter_map(|token| i32::try_from(token).ok()).collect();
    if !tokens.is_empty() {
        out.set_plain("tokenizer.ggml.suppress_tokens", tokens);
    }
    Ok(())
}
