//! BitNet b1.58: matrices whose numbers are trained to be one of three, and norms within both parts of a
//! layer.

use super::Family;
use super::common::{EMBEDDINGS, NORMS};
use crate::convert::Model;
use crate::convert::configuration::{Class, Derived};
use crate::convert::hyperparameters::standard;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::{Flavour, Format};
use crate::convert::weight::{Weight, WeightError};
use crate::plan::Operation;

pub(super) const FAMILY: Family = Family {
    names: &["BitnetForCausalLM", "BitNetForCausalLM"],
    architecture: "bitnet",
    classes: &[Class::new(
        "bitnet",
        &[Derived::KeyValueHeads],
        r#"{"vocab_size": 128256, "max_position_embeddings": 2048, "hidden_size": 2560,
        "intermediate_size": 6912, "num_hidden_layers": 30, "num_attention_heads": 20,
        "num_key_value_heads": 5, "rms_norm_eps": 1e-5, "rope_theta": 500000.0}"#,
    )],
    tokenizer: Flavour { formats: &[Format::SentencePiece, Format::BytePair], ..Flavour::BYTE_PAIR },
    hyperparameters: |subject, out| {
        standard(subject, out)?;
        out.set("rope.scaling.type", "linear");
        out.float("rope.scaling.factor", 1.0);
        Ok(())
    },
    tensors: &[EMBEDDINGS, NORMS, LAYERS],
    ..Family::STANDARD
};

const LAYERS: &[Rule] = &[
    Rule::step("model.layers.{}.self_attn.q_proj.weight", "blk.{}.attn_q.weight", ternary).required(),
    Rule::step("model.layers.{}.self_attn.k_proj.weight", "blk.{}.attn_k.weight", ternary).required(),
    Rule::step("model.layers.{}.self_attn.v_proj.weight", "blk.{}.attn_v.weight", ternary).required(),
    Rule::step("model.layers.{}.self_attn.o_proj.weight", "blk.{}.attn_output.weight", ternary).required(),
    Rule::keep("model.layers.{}.self_attn.inner_attn_ln.*", "blk.{}.attn_sub_norm.*"),
    Rule::keep("model.layers.{}.self_attn.attn_sub_norm.*", "blk.{}.attn_sub_norm.*"),
    Rule::step("model.layers.{}.mlp.gate_proj.weight", "blk.{}.ffn_gate.weight", ternary).required(),
    Rule::step("model.layers.{}.mlp.up_proj.weight", "blk.{}.ffn_up.weight", ternary).required(),
    Rule::step("model.layers.{}.mlp.down_proj.weight", "blk.{}.ffn_down.weight", ternary).required(),
    Rule::keep("model.layers.{}.mlp.ffn_layernorm.*", "blk.{}.ffn_sub_norm.*"),
    Rule::keep("model.layers.{}.mlp.ffn_sub_norm.*", "blk.{}.ffn_sub_norm.*"),
];

fn ternary(_: &Model, weight: Weight) -> Result<Weight, WeightError> {
    weight.map(Operation::Ternary)
}
