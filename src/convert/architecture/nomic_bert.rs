//! Nomic's BERT with rotary positions and gated feed-forward networks, or experts in every second layer.

use super::Family;
use super::bert::{hyperparameters, trunk_name};
use crate::convert::files::Files;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;
use crate::convert::weight::{Weight, WeightError};
use crate::convert::{Configuration, ConvertError, Model, tokenizer};
use crate::plan::Derivation;

pub(super) const FAMILY: Family = Family {
    names: &["NomicBertModel"],
    architecture: "nomic-bert",
    applies: |configuration| !has_experts(configuration),
    adjust,
    tokenizer: Flavour::WORD_PIECE_OR_UNIGRAM,
    hyperparameters,
    rename: |_, name| {
        if name.contains("mlp.experts.bias") { None } else { trunk_name(name, "bert.") }
    },
    tensors: &[TENSORS],
    ..Family::STANDARD
};

pub(super) const MIXTURE: Family = Family {
    architecture: "nomic-bert-moe",
    applies: has_experts,
    hyperparameters: |subject, out| {
        hyperparameters(subject, out)?;
        let configuration = &subject.model.configuration;
        out.count("moe_every_n_layers", configuration.integer("moe_every_n_layers")?)?;
        out.count("expert_used_count", configuration.integer("moe_top_k")?)
    },
    // Layers without experts have no gate in these.
    lacking: &["ffn_gate."],
    ..FAMILY
};

const TENSORS: &[Rule] = &[
    Rule::keep("embeddings.word_embeddings.*", "token_embd.*").required(),
    Rule::keep("embeddings.token_type_embeddings.*", "token_types.*"),
    Rule::keep("emb_ln.*", "token_embd_norm.*").required(),
    Rule::keep("encoder.layers.{}.attn.Wqkv.*", "blk.{}.attn_qkv.*").required(),
    Rule::keep("encoder.layers.{}.attn.out_proj.*", "blk.{}.attn_output.*").required(),
    Rule::keep("encoder.layers.{}.norm1.*", "blk.{}.attn_output_norm.*").required(),
    Rule::keep("encoder.layers.{}.norm2.*", "blk.{}.layer_output_norm.*").required(),
    Rule::keep("encoder.layers.{}.mlp.fc11.*", "blk.{}.ffn_up.*"),
    Rule::keep("encoder.layers.{}.mlp.fc12.*", "blk.{}.ffn_gate.*"),
    Rule::keep("encoder.layers.{}.mlp.fc1.*", "blk.{}.ffn_up.*"),
    Rule::keep("encoder.layers.{}.mlp.fc2.*", "blk.{}.ffn_down.*"),
    Rule::keep("encoder.layers.{}.mlp.router.layer.*", "blk.{}.ffn_gate_inp.*"),
    Rule::step("encoder.layers.{}.mlp.experts.mlp.w1", "blk.{}.ffn_up_exps.weight", |model, weight| {
        Ok(Weight::Whole(by_expert(model, weight)?))
    }),
    Rule::step("encoder.layers.{}.mlp.experts.mlp.w2", "blk.{}.ffn_down_exps.weight", |model, weight| {
        Ok(Weight::Whole(by_expert(model, weight)?.transpose(1, 2)?))
    }),
];

fn has_experts(configuration: &Configuration) -> bool {
    configuration.optional_integer(&["moe_every_n_layers"]).is_ok_and(|every| every.unwrap_or(0) > 0)
}

/// Matrices of all experts, which lie below each other.
fn by_expert(model: &Model, weight: Weight) -> Result<Derivation, WeightError> {
    let inner = model.configuration.integer("n_inner")?;
    Ok(weight.whole()?.reshape(&[model.experts()?, inner, model.hidden_size()?])?)
}

/// The context that the models were trained with, which is shorter than what the configuration says.
fn adjust(configuration: &mut Configuration, files: Files<'_>) -> Result<(), ConvertError> {
    let positions = configuration.integer("n_positions")?;
    let trained = configuration.optional_integer(&["max_trained_positions"])?.unwrap_or(2048);
    let context = match (positions, trained) {
        (8192, 2048) => 2048_u64,
        (2048, 2048) => 512,
        _ => return Err(configuration.bad("n_positions", &positions, "8192 or 2048, trained with 2048")),
    };
    configuration.set("n_positions", context);
    let multilingual = tokenizer::is_unigram(files)?;
    let padding = configuration.optional_integer(&["pad_token_id"])?.filter(|_| multilingual);
    let stated = configuration.optional_integer(&["max_position_embeddings"])?;
    if let (Some(padding), Some(stated)) = (padding, stated) {
        configuration.set("max_position_embeddings", stated.saturating_sub(padding.saturating_add(1)));
    }
    let expected = if has_experts(configuration) { "gelu" } else { "swiglu" };
    match configuration.text_value("activation_function")? {
        Some(function) if function == expected => {}
        other => return Err(configuration.bad("activation_function", &other.unwrap_or("missing"), expected)),
    }
    for key in ["causal", "prenorm", "rotary_emb_interleaved"] {
        if configuration.flag(key)? {
            return Err(configuration.bad(key, &true, "false"));
        }
    }
    Ok(())
}
