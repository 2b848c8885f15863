//! Jina's embeddings: BERT with slopes instead of positions and gated feed-forward networks (v2), and with
//! rotary positions and adapters for tasks (v3).

use std::borrow::Cow;

use super::Family;
use super::bert::{self, hyperparameters, trunk_name};
use super::common::replaced;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;

pub(super) const SECOND: Family = Family {
    names: &["JinaBertModel", "JinaBertForMaskedLM"],
    architecture: "jina-bert-v2",
    tokenizer: Flavour::JINA_BERT,
    hyperparameters,
    rename: |_, name| trunk_name(name, "bert."),
    tensors: &[TENSORS],
    ..Family::STANDARD
};

const TENSORS: &[Rule] = &[
    Rule::keep("embeddings.word_embeddings.*", "token_embd.*").required(),
    Rule::keep("embeddings.token_type_embeddings.*", "token_types.*"),
    Rule::keep("embeddings.LayerNorm.*", "token_embd_norm.*").required(),
    Rule::keep("encoder.layer.{}.attention.self.query.*", "blk.{}.attn_q.*").required(),
    Rule::keep("encoder.layer.{}.attention.self.key.*", "blk.{}.attn_k.*").required(),
    Rule::keep("encoder.layer.{}.attention.self.value.*", "blk.{}.attn_v.*").required(),
    Rule::keep("encoder.layer.{}.attention.output.dense.*", "blk.{}.attn_output.*").required(),
    Rule::keep("encoder.layer.{}.attention.output.LayerNorm.*", "blk.{}.attn_output_norm.*"),
    Rule::keep("encoder.layer.{}.mlp.gated_layers.*", "blk.{}.ffn_up.*"),
    Rule::keep("encoder.layer.{}.mlp.wo.*", "blk.{}.ffn_down.*"),
    Rule::keep("encoder.layer.{}.mlp.layernorm.*", "blk.{}.layer_output_norm.*"),
    // The models for code have norms on queries and keys, and name the rest otherwise.
    Rule::keep("encoder.layer.{}.attention.self.layer_norm_q.*", "blk.{}.attn_q_norm.*"),
    Rule::keep("encoder.layer.{}.attention.self.layer_norm_k.*", "blk.{}.attn_k_norm.*"),
    Rule::keep("encoder.layer.{}.layer_norm_1.*", "blk.{}.attn_norm_2.*"),
    Rule::keep("encoder.layer.{}.layer_norm_2.*", "blk.{}.layer_output_norm.*"),
    Rule::keep("encoder.layer.{}.mlp.up_gated_layer.*", "blk.{}.ffn_up.*"),
    Rule::keep("encoder.layer.{}.mlp.down_layer.*", "blk.{}.ffn_down.*"),
];

pub(super) const THIRD: Family = Family {
    applies: bert::has_tasks,
    architecture: "jina-bert-v3",
    rename: |_, name| original_name(name),
    tensors: &[ADAPTED],
    ..bert::XLM_ROBERTA
};

const ADAPTED: &[Rule] = &[
    Rule::keep("embeddings.word_embeddings.*", "token_embd.*").required(),
    Rule::keep("embeddings.token_type_embeddings.*", "token_types.*"),
    Rule::keep("emb_ln.*", "token_embd_norm.*").required(),
    Rule::keep("encoder.layers.{}.mixer.Wqkv.*", "blk.{}.attn_qkv.*").required(),
    Rule::keep("encoder.layers.{}.mixer.out_proj.*", "blk.{}.attn_output.*").required(),
    Rule::keep("encoder.layers.{}.norm1.*", "blk.{}.attn_output_norm.*").required(),
    Rule::keep("encoder.layers.{}.mlp.fc1.*", "blk.{}.ffn_up.*").required(),
    Rule::keep("encoder.layers.{}.mlp.fc2.*", "blk.{}.ffn_down.*").required(),
    Rule::keep("encoder.layers.{}.norm2.*", "blk.{}.layer_output_norm.*").required(),
];

/// The name of a weight without what `torch` puts there where adapters change it; `None` for the adapters.
fn original_name(name: &str) -> Option<Cow<'_, str>> {
    if name.ends_with(".lora_A") || name.ends_with(".lora_B") {
        return None;
    }
    let name = name.strip_suffix(".original").unwrap_or(name);
    let name = replaced(trunk_name(name, "roberta.")?, ".parametrizations.", ".");
    if name.starts_with("pooler.") { None } else { Some(name) }
}
