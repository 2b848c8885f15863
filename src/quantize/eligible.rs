//! Which tensors are quantized at all.
//!
//! Source: llama.cpp, `src/llama-quant.cpp`, `tensor_allows_quantization`.

use crate::family;
use crate::tensor::Shape;

/// Parts of names of matrices that are kept: they are small, or the model suffers.
const KEPT: [&str; 35] = [
    // Norms and the routers of experts.
    "_norm.weight",
    "ffn_gate_inp.weight",
    "ffn_gate_tid2eid.weight",
    // Gemma 3n.
    "altup",
    "laurel",
    "per_layer_model_proj",
    // Convolutions of state-space layers.
    "ssm_conv1d",
    "shortconv.conv.weight",
    // Indexers of sparse attention.
    "indexer.k_proj.weight",
    "indexer.q_proj.weight",
    // RWKV.
    "time_mix_first.weight",
    "time_mix_w0.weight",
    "time_mix_w1.weight",
    "time_mix_w2.weight",
    "time_mix_v0.weight",
    "time_mix_v1.weight",
    "time_mix_v2.weight",
    "time_mix_a0.weight",
    "time_mix_a1.weight",
    "time_mix_a2.weight",
    "time_mix_g1.weight",
    "time_mix_g2.weight",
    "time_mix_decay_w1.weight",
    "time_mix_decay_w2.weight",
    "time_mix_lerp_fused.weight",
    // Relative positions of T5.
    "attn_rel_b.weight",
    // Vision and audio.
    ".position_embd",
    "sam.pos_embd",
    "sam.neck.",
    "sam.net_",
    ".rel_pos",
    ".patch_embd",
    ".patch_merger",
    "a.rvq.codebook",
    "mm.a.code_embd",
];

/// Names of matrices that are kept: positions and token types of BERT.
const KEPT_WHOLE: [&str; 2] = ["position_embd.weight", "token_types.weight"];

/// Whether a tensor is quantized, or kept in the type it has, unless a scheme spares it.
pub(super) fn is_eligible(architecture: &str, name: &str, shape: &Shape) -> bool {
    let is_matrix = shape.dimensions().iter().skip(1).any(|&length| length > 1);
    // The reference means names that end so. It finds the place of the word from the length of the name, and
    // for names of five bytes that wraps around to "not found", which every such name without the word
    // fulfils.
    let is_weight = name.ends_with("weight") || name.len() == 5;
    let holds = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    is_matrix
        && is_weight
        && !holds(&KEPT)
        && !KEPT_WHOLE.contains(&name)
        && !holds(family::of(architecture).quantization.kept)
}
