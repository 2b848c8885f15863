//! CogVLM: an encoder before a text model whose layers have matrices of their own for what was seen.

use std::borrow::Cow;

use super::settings;
use crate::convert::architecture::common::{EMBEDDINGS, NORMS};
use crate::convert::architecture::{Family, llama};
use crate::convert::projector::Projector;
use crate::convert::rule::Rule;

pub(super) const FAMILY: Family = Family {
    names: &["CogVLMForCausalLM"],
    architecture: "cogvlm",
    classes: &[],
    rename: |_, name| (!name.starts_with("model.vision.")).then_some(Cow::Borrowed(name)),
    tensors: &[EMBEDDINGS, NORMS, LAYERS],
    projector: Some(&PROJECTOR),
    ..llama::FAMILY
};

/// Queries and keys stay as they are: the runtime turns them as the model's own code does.
const LAYERS: &[Rule] = &[
    Rule::keep("model.layers.{}.self_attn.language_expert_query_key_value.*", "blk.{}.attn_qkv.*").required(),
    Rule::keep("model.layers.{}.self_attn.language_expert_dense.*", "blk.{}.attn_output.*").required(),
    Rule::keep("model.layers.{}.self_attn.vision_expert_query_key_value.*", "blk.{}.vis_attn_qkv.*")
        .required(),
    Rule::keep("model.layers.{}.self_attn.vision_expert_dense.*", "blk.{}.vis_attn_output.*").required(),
    Rule::keep("model.layers.{}.mlp.language_mlp.gate_proj.*", "blk.{}.ffn_gate.*").required(),
    Rule::keep("model.layers.{}.mlp.language_mlp.up_proj.*", "blk.{}.ffn_up.*").required(),
    Rule::keep("model.layers.{}.mlp.language_mlp.down_proj.*", "blk.{}.ffn_down.*").required(),
    Rule::keep("model.layers.{}.mlp.vision_mlp.gate_proj.*", "blk.{}.vis_gate.*").required(),
    Rule::keep("model.layers.{}.mlp.vision_mlp.up_proj.*", "blk.{}.vis_up.*").required(),
    Rule::keep("model.layers.{}.mlp.vision_mlp.down_proj.*", "blk.{}.vis_down.*").required(),
    Rule::drop("model.layers.{}.self_attn.rotary_emb.inv_freq"),
];

const PROJECTOR: Projector = Projector {
    hyperparameters: |subject, out| {
        settings::epsilon(subject, "layer_norm_eps", 1e-6, out)?;
        out.set("projector_type", "cogvlm");
        Ok(())
    },
    rename: |_, name| {
        name.strip_prefix("model.").filter(|name| name.starts_with("vision.")).map(Cow::Borrowed)
    },
    tensors: &[ENCODER],
    ..Projector::STANDARD
};

const ENCODER: &[Rule] = &[
    Rule::keep("vision.patch_embedding.cls_embedding", "v.class_embd").required(),
    Rule::keep("vision.patch_embedding.proj.*", "v.patch_embd.*").required(),
    Rule::keep("vision.patch_embedding.position_embedding.*", "v.position_embd.*").required(),
    Rule::keep("vision.transformer.layers.{}.input_layernorm.*", "v.blk.{}.ln1.*").required(),
    Rule::keep("vision.transformer.layers.{}.post_attention_layernorm.*", "v.blk.{}.ln2.*").required(),
    Rule::keep("vision.transformer.layers.{}.attention.query_key_value.*", "v.blk.{}.attn_qkv.*").required(),
    Rule::keep("vision.transformer.layers.{}.attention.dense.*", "v.blk.{}.attn_out.*").required(),
    Rule::keep("vision.transformer.layers.{}.mlp.fc1.*", "v.blk.{}.ffn_up.*").required(),
    Rule::keep("vision.transformer.layers.{}.mlp.fc2.*", "v.blk.{}.ffn_down.*").required(),
    Rule::keep("vision.linear_proj.linear_proj.*", "mm.model.fc.*").required(),
    Rule::keep("vision.linear_proj.norm1.*", "mm.post_fc_norm.*").required(),
    Rule::keep("vision.linear_proj.gate_proj.*", "mm.gate.*").required(),
    Rule::keep("vision.linear_proj.dense_h_to_4h.*", "mm.up.*").required(),
    Rule::keep("vision.linear_proj.dense_4h_to_h.*", "mm.down.*").required(),
    Rule::keep("vision.boi", "v.boi").required(),
    Rule::keep("vision.eoi", "v.eoi").required(),
];
