//! The shape of each tensor of a model file, as the runtime expects it from the metadata (llama.cpp,
//! `src/models/*.cpp`, `load_arch_tensors`).

use super::ConvertError;
use super::found::Found;
use super::lengths::Number::{
    CacheKernel, Context, ExpertWidth, Experts, FeedForward, Heads, KeyHeads, KeySize, LatentRank, QueryRank,
    RotarySize, SharedWidth, StateInner, StateKernel, ValueSize, Vocabulary, Width,
};
use super::lengths::{Facts, Length, Place, Term};
use crate::plan::PlannedTensor;
use crate::tensor::Shape;

/// The shapes that a tensor may have, fastest dimension first, by its name without the layer.
pub(super) type Shapes = (&'static str, &'static [&'static [Length]]);

/// A length that can be anything.
pub(super) const ANY: Length = Length(&[]);

pub(super) const WIDTH: Length = Length(&[Term(1, &[Width])]);
const TWICE_WIDTH: Length = Length(&[Term(2, &[Width])]);
const THRICE_WIDTH: Length = Length(&[Term(3, &[Width])]);
pub(super) const TOKENS: Length = Length(&[Term(1, &[Vocabulary])]);
pub(super) const QUERIES: Length = Length(&[Term(1, &[Heads, KeySize])]);
/// Queries and as many gates.
pub(super) const GATED_QUERIES: Length = Length(&[Term(2, &[Heads, KeySize])]);
const KEYS: Length = Length(&[Term(1, &[KeyHeads, KeySize])]);
const VALUES: Length = Length(&[Term(1, &[KeyHeads, ValueSize])]);
const ATTENDED: Length = Length(&[Term(1, &[Heads, ValueSize])]);
const ALL_HEADS: Length =
    Length(&[Term(1, &[Heads, KeySize]), Term(1, &[KeyHeads, KeySize]), Term(1, &[KeyHeads, ValueSize])]);
const HEADS: Length = Length(&[Term(1, &[Heads])]);
const KEY_HEADS: Length = Length(&[Term(1, &[KeyHeads])]);
const KEY_SIZE: Length = Length(&[Term(1, &[KeySize])]);
const VALUE_SIZE: Length = Length(&[Term(1, &[ValueSize])]);
const PLAIN_KEY_SIZE: Length = Length(&[Term(1, &[KeySize]), Term(-1, &[RotarySize])]);
const QUERY_RANK: Length = Length(&[Term(1, &[QueryRank])]);
const LATENT_RANK: Length = Length(&[Term(1, &[LatentRank])]);
const LATENT_AND_ROTARY: Length = Length(&[Term(1, &[LatentRank]), Term(1, &[RotarySize])]);
pub(super) const FEED_FORWARD: Length = Length(&[Term(1, &[FeedForward])]);
const TWICE_FEED_FORWARD: Length = Length(&[Term(2, &[FeedForward])]);
pub(super) const EXPERT_COUNT: Length = Length(&[Term(1, &[Experts])]);
pub(super) const EXPERT_WIDTH: Length = Length(&[Term(1, &[ExpertWidth])]);
const TWICE_EXPERT_WIDTH: Length = Length(&[Term(2, &[ExpertWidth])]);
const SHARED_WIDTH: Length = Length(&[Term(1, &[SharedWidth])]);
/// Gate and up of a shared expert in one.
pub(super) const TWICE_SHARED_WIDTH: Length = Length(&[Term(2, &[SharedWidth])]);
const INNER: Length = Length(&[Term(1, &[StateInner])]);
const KERNEL: Length = Length(&[Term(1, &[StateKernel])]);
const CACHE: Length = Length(&[Term(1, &[CacheKernel])]);

const USUAL: &[Shapes] = &[
    ("token_embd.weight", &[&[WIDTH, TOKENS]]),
    ("output.weight", &[&[WIDTH, TOKENS]]),
    ("output.bias", &[&[TOKENS]]),
    ("position_embd.weight", &[&[WIDTH, Length(&[Term(1, &[Context])])]]),
    ("token_types.weight", &[&[WIDTH, ANY]]),
    ("token_embd_norm.weight", &[&[WIDTH]]),
    ("token_embd_norm.bias", &[&[WIDTH]]),
    ("output_norm.weight", &[&[WIDTH]]),
    ("output_norm.bias", &[&[WIDTH]]),
    ("attn_norm.weight", &[&[WIDTH]]),
    ("attn_norm.bias", &[&[WIDTH]]),
    ("ffn_norm.weight", &[&[WIDTH]]),
    ("ffn_norm.bias", &[&[WIDTH]]),
    ("post_attention_norm.weight", &[&[WIDTH]]),
    ("post_ffw_norm.weight", &[&[WIDTH]]),
    ("attn_output_norm.weight", &[&[WIDTH]]),
    ("attn_output_norm.bias", &[&[WIDTH]]),
    ("layer_output_norm.weight", &[&[WIDTH]]),
    ("layer_output_norm.bias", &[&[WIDTH]]),
    ("attn_q.weight", &[&[WIDTH, QUERIES]]),
    ("attn_q.bias", &[&[QUERIES]]),
    ("attn_k.weight", &[&[WIDTH, KEYS]]),
    ("attn_k.bias", &[&[KEYS]]),
    ("attn_v.weight", &[&[WIDTH, VALUES]]),
    ("attn_v.bias", &[&[VALUES]]),
    ("attn_qkv.weight", &[&[WIDTH, ALL_HEADS]]),
    ("attn_qkv.bias", &[&[ALL_HEADS]]),
    ("attn_output.weight", &[&[ATTENDED, WIDTH]]),
    ("attn_o.weight", &[&[ATTENDED, WIDTH]]),
    ("attn_output.bias", &[&[WIDTH]]),
    // Of a head, of each head for itself, or of all heads at once.
    ("attn_q_norm.weight", &[&[KEY_SIZE], &[KEY_SIZE, HEADS], &[QUERIES]]),
    ("attn_k_norm.weight", &[&[KEY_SIZE], &[KEY_SIZE, KEY_HEADS], &[KEYS]]),
    ("attn_sinks.weight", &[&[HEADS]]),
    ("attn_q_a.weight", &[&[WIDTH, QUERY_RANK]]),
    ("attn_q_a_norm.weight", &[&[QUERY_RANK]]),
    ("attn_q_b.weight", &[&[QUERY_RANK, QUERIES]]),
    ("attn_kv_a_mqa.weight", &[&[WIDTH, LATENT_AND_ROTARY]]),
    ("attn_kv_a_norm.weight", &[&[LATENT_RANK]]),
    ("attn_k_b.weight", &[&[PLAIN_KEY_SIZE, LATENT_RANK, HEADS]]),
    ("attn_v_b.weight", &[&[LATENT_RANK, VALUE_SIZE, HEADS]]),
    ("ffn_gate.weight", &[&[WIDTH, FEED_FORWARD]]),
    ("ffn_gate.bias", &[&[FEED_FORWARD]]),
    ("ffn_up.weight", &[&[WIDTH, FEED_FORWARD]]),
    ("ffn_up.bias", &[&[FEED_FORWARD]]),
    ("ffn_down.weight", &[&[FEED_FORWARD, WIDTH]]),
    ("ffn_down.bias", &[&[WIDTH]]),
    ("ffn_gate_inp.weight", &[&[WIDTH, EXPERT_COUNT]]),
    ("ffn_gate_inp.bias", &[&[EXPERT_COUNT]]),
    ("exp_probs_b.bias", &[&[EXPERT_COUNT]]),
    ("ffn_gate_exps.weight", &[&[WIDTH, EXPERT_WIDTH, EXPERT_COUNT]]),
    ("ffn_up_exps.weight", &[&[WIDTH, EXPERT_WIDTH, EXPERT_COUNT]]),
    ("ffn_gate_up_exps.weight", &[&[WIDTH, TWICE_EXPERT_WIDTH, EXPERT_COUNT]]),
    ("ffn_down_exps.weight", &[&[EXPERT_WIDTH, WIDTH, EXPERT_COUNT]]),
    ("ffn_gate_exps.bias", &[&[EXPERT_WIDTH, EXPERT_COUNT]]),
    ("ffn_up_exps.bias", &[&[EXPERT_WIDTH, EXPERT_COUNT]]),
    ("ffn_down_exps.bias", &[&[WIDTH, EXPERT_COUNT]]),
    ("ffn_gate_inp_shexp.weight", &[&[WIDTH]]),
    ("ffn_gate_shexp.weight", &[&[WIDTH, SHARED_WIDTH]]),
    ("ffn_up_shexp.weight", &[&[WIDTH, SHARED_WIDTH]]),
    ("ffn_down_shexp.weight", &[&[SHARED_WIDTH, WIDTH]]),
    ("ssm_conv1d.weight", &[&[KERNEL, ANY]]),
    ("ssm_out.weight", &[&[INNER, WIDTH]]),
    ("shortconv.conv.weight", &[&[CACHE, WIDTH]]),
    ("shortconv.in_proj.weight", &[&[WIDTH, THRICE_WIDTH]]),
    ("shortconv.out_proj.weight", &[&[WIDTH, WIDTH]]),
    ("nextn.eh_proj.weight", &[&[TWICE_WIDTH, WIDTH]]),
    ("nextn.enorm.weight", &[&[WIDTH]]),
    ("nextn.hnorm.weight", &[&[WIDTH]]),
    ("nextn.shared_head_norm.weight", &[&[WIDTH]]),
    ("nextn.shared_head_head.weight", &[&[WIDTH, TOKENS]]),
    ("nextn.embed_tokens.weight", &[&[WIDTH, TOKENS]]),
];

/// Where gate and up are one matrix.
const FUSED_FEED_FORWARD: &[Shapes] = &[
    ("ffn_up.weight", &[&[WIDTH, FEED_FORWARD], &[WIDTH, TWICE_FEED_FORWARD]]),
    ("ffn_up.bias", &[&[FEED_FORWARD], &[TWICE_FEED_FORWARD]]),
];

/// Checks that every tensor has a shape that the metadata call for; `own` are the shapes that are the
/// family's own.
///
/// # Errors
/// [`ConvertError::Contradiction`], with what the configuration says.
pub(super) fn check(
    own: &[Shapes],
    facts: &Facts<'_>,
    found: &Found,
    tensors: &[PlannedTensor],
) -> Result<(), ConvertError> {
    let fused = if found.has_rule_for("ffn_gate.weight") { &[][..] } else { FUSED_FEED_FORWARD };
    for tensor in tensors {
        let (layer, name) = layer_and_name(&tensor.name);
        let known = own.iter().chain(fused).chain(USUAL).find(|(known, _)| *known == name);
        let Some((_, allowed)) = known else { continue };
        let given = tensor.shape.without_trailing_ones();
        let places = [false, true].map(|slides| Place { layer, slides });
        let fits = |shape: &&[Length]| places.iter().any(|place| has_shape(facts, *place, shape, given));
        if allowed.iter().any(fits) {
            continue;
        }
        let Some(shape) = allowed.first() else { continue };
        return Err(ConvertError::Contradiction {
            tensor: found.origin(&tensor.name).to_owned(),
            got: slowest_first(given.dimensions().iter().map(|length| Some(*length))),
            expected: slowest_first(shape.iter().map(|length| length.of(facts, places[0]))),
            because: facts.explained(differing(facts, places[0], shape, given)),
        });
    }
    Ok(())
}

/// How the names of tensors begin that belong to a layer.
const LAYERS: [&str; 3] = ["blk.", "posnet.", "convnext."];

/// The layer of a tensor and its name within that, wherever the layer is.
pub(super) fn layer_and_name(name: &str) -> (Option<usize>, &str) {
    let stem = ["enc.", "dec."].iter().find_map(|start| name.strip_prefix(start)).unwrap_or(name);
    let inner = LAYERS.iter().find_map(|start| stem.strip_prefix(start)?.split_once('.'));
    match inner.and_then(|(number, inner)| Some((number.parse().ok()?, inner))) {
        Some((number, inner)) => (Some(number), inner),
        None => (None, stem),
    }
}

fn has_shape(facts: &Facts<'_>, place: Place, shape: &[Length], given: Shape) -> bool {
    given.rank() <= shape.len() && differing(facts, place, shape, given).next().is_none()
}

/// The lengths of a shape in which another differs from it.
fn differing<'l>(
    facts: &'l Facts<'_>,
    place: Place,
    shape: &'l [Length],
    given: Shape,
) -> impl Iterator<Item = Length> + 'l {
    let lengths = shape.iter().enumerate().filter(move |(axis, length)| {
        let got = given.dimensions().get(*axis).copied().unwrap_or(1);
        length.of(facts, place).is_some_and(|expected| expected != got)
    });
    lengths.map(|(_, length)| *length)
}

/// Dimensions as checkpoints write them; those that can be anything are a question mark.
fn slowest_first(lengths: impl DoubleEndedIterator<Item = Option<u64>>) -> String {
    let text = |length: Option<u64>| length.map_or("?".to_owned(), |length| length.to_string());
    format!("[{}]", lengths.rev().map(text).collect::<Vec<_>>().join(", "))
}
