//! Llama 1 to 3 and what is built like it: Mistral, Mixtral, and many that only changed the name.

use super::Family;
use super::common::{DENSE_LAYERS, EMBEDDINGS, NORMS};
use crate::convert::configuration::{Class, Derived};
use crate::convert::hyperparameters::standard;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;
use crate::convert::weight::Generated;
use crate::convert::weight::{Weight, WeightError, pair_rotary_rows};
use crate::convert::{ConvertError, Model, Subject};
use crate::plan::Derivation;

pub(super) const FAMILY: Family = Family {
    names: &[
        "LlamaForCausalLM",
        "LLaMAForCausalLM",
        "LlamaModel",
        "MistralForCausalLM",
        "MixtralForCausalLM",
        "IQuestCoderForCausalLM",
    ],
    architecture: "llama",
    classes: &[
        Class::new(
            "llama",
            &[Derived::KeyValueHeads, Derived::HeadSize],
            r#"{"vocab_size": 32000, "max_position_embeddings": 2048, "hidden_size": 4096,
            "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
            "rms_norm_eps": 1e-6, "rope_theta": 10000.0}"#,
        ),
        MISTRAL,
        Class::new(
            "mixtral",
            &[Derived::KeyValueHeads],
            r#"{"vocab_size": 32000, "max_position_embeddings": 131072, "hidden_size": 4096,
            "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
            "num_key_value_heads": 8, "rms_norm_eps": 1e-5, "rope_theta": 1000000.0, "num_local_experts": 8,
            "num_experts_per_tok": 2}"#,
        ),
    ],
    tokenizer: Flavour::LLAMA,
    hyperparameters,
    generated: rope_factors,
    tensors: &[EMBEDDINGS, NORMS, PAIRED_ATTENTION, DENSE_LAYERS, MIXTRAL_ROUTER, MIXTRAL_EXPERTS],
    ..Family::STANDARD
};

pub(super) const MISTRAL: Class = Class::new(
    "mistral",
    &[Derived::KeyValueHeads],
    r#"{"vocab_size": 32000, "max_position_embeddings": 131072, "hidden_size": 4096,
    "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
    "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "sliding_window": 4096}"#,
);

/// Attention whose rotary dimensions llama.cpp takes in pairs.
pub(super) const PAIRED_ATTENTION: &[Rule] = &[
    Rule::step("model.layers.{}.self_attn.q_proj.*", "blk.{}.attn_q.*", pair_queries).required(),
    Rule::step("model.layers.{}.self_attn.k_proj.*", "blk.{}.attn_k.*", pair_keys).required(),
    Rule::keep("model.layers.{}.self_attn.v_proj.*", "blk.{}.attn_v.*").required(),
    Rule::keep("model.layers.{}.self_attn.o_proj.*", "blk.{}.attn_output.*").required(),
];

const MIXTRAL_ROUTER: &[Rule] =
    &[Rule::keep("model.layers.{}.block_sparse_moe.gate.weight", "blk.{}.ffn_gate_inp.weight")];

/// Experts one by one, as Mixtral calls them.
pub(super) const MIXTRAL_EXPERTS: &[Rule] = &[
    Rule::expert("model.layers.{}.block_sparse_moe.experts.{}.w1.weight", "blk.{}.ffn_gate_exps.weight"),
    Rule::expert("model.layers.{}.block_sparse_moe.experts.{}.w2.weight", "blk.{}.ffn_down_exps.weight"),
    Rule::expert("model.layers.{}.block_sparse_moe.experts.{}.w3.weight", "blk.{}.ffn_up_exps.weight"),
];

/// Queries in the order in which llama.cpp rotates them.
pub(super) fn pair_queries(model: &Model, weight: Weight) -> Result<Weight, WeightError> {
    pair_rotary_rows(weight, model.heads()?)
}

/// Keys in the order in which llama.cpp rotates them.
pub(super) fn pair_keys(model: &Model, weight: Weight) -> Result<Weight, WeightError> {
    pair_rotary_rows(weight, model.key_value_heads()?)
}

pub(super) fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    standard(subject, out)?;
    out.count("vocab_size", subject.model.configuration.integer("vocab_size")?)?;
    out.count("rope.dimension_count", subject.model.head_size()?)
}

/// The slowed frequencies of Llama 3.
pub(super) fn rope_factors(model: &Model, _: &mut Parameters) -> Result<Generated, ConvertError> {
    let Some(factors) = model.rope.llama3_factors(model.head_size()?)? else { return Ok(Vec::new()) };
    let count = factors.len() as u64;
    let derivation = Derivation::values(factors, &[count]);
    let derivation = derivation
        .map_err(|reason| ConvertError::Dimensions { tensor: "rope_freqs.weight".to_owned(), reason })?;
    Ok(vec![("rope_freqs.weight", derivation)])
}
