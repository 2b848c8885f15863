//! What many families share: tables of tensor names, and which tensors are not part of a text model.

use std::borrow::Cow;

use crate::convert::rule::Rule;
use crate::convert::weight::{Generated, Weight, WeightError, rows_as};
use crate::convert::{ConvertError, Model};
use crate::plan::{Derivation, DerivationError, Operation};

/// The decoder that most families descend from.
pub(super) const DECODER: &[&[Rule]] = &[EMBEDDINGS, NORMS, ATTENTION, GATED_FEED_FORWARD];

/// Embeddings, final norm and output.
pub(super) const EMBEDDINGS: &[Rule] = &[
    Rule::keep("model.embed_tokens.*", "token_embd.*").required(),
    Rule::keep("model.norm.*", "output_norm.*").required(),
    Rule::keep("lm_head.*", "output.*"),
];

/// Norms before attention and before the feed-forward network.
pub(super) const NORMS: &[Rule] = &[
    Rule::keep("model.layers.{}.input_layernorm.*", "blk.{}.attn_norm.*").required(),
    Rule::keep("model.layers.{}.post_attention_layernorm.*", "blk.{}.ffn_norm.*").required(),
];

/// Norms whose weights are stored around zero.
pub(super) const NORMS_AROUND_ZERO: &[Rule] = &[
    Rule::step("model.norm.weight", "output_norm.weight", add_one).required(),
    Rule::step("model.layers.{}.input_layernorm.weight", "blk.{}.attn_norm.weight", add_one).required(),
    Rule::step("model.layers.{}.post_attention_layernorm.weight", "blk.{}.ffn_norm.weight", add_one)
        .required(),
    Rule::step("model.layers.{}.self_attn.q_norm.weight", "blk.{}.attn_q_norm.weight", add_one),
    Rule::step("model.layers.{}.self_attn.k_norm.weight", "blk.{}.attn_k_norm.weight", add_one),
];

/// Attention with separate queries, keys and values, and norms on queries and keys where there are any.
pub(super) const ATTENTION: &[Rule] = &[
    Rule::keep("model.layers.{}.self_attn.q_proj.*", "blk.{}.attn_q.*").required(),
    Rule::keep("model.layers.{}.self_attn.k_proj.*", "blk.{}.attn_k.*").required(),
    Rule::keep("model.layers.{}.self_attn.v_proj.*", "blk.{}.attn_v.*").required(),
    Rule::keep("model.layers.{}.self_attn.o_proj.*", "blk.{}.attn_output.*").required(),
    Rule::keep("model.layers.{}.self_attn.q_norm.*", "blk.{}.attn_q_norm.*"),
    Rule::keep("model.layers.{}.self_attn.k_norm.*", "blk.{}.attn_k_norm.*"),
];

/// A gated feed-forward network in every layer.
pub(super) const GATED_FEED_FORWARD: &[Rule] = &[
    Rule::keep("model.layers.{}.mlp.gate_proj.*", "blk.{}.ffn_gate.*").required(),
    Rule::keep("model.layers.{}.mlp.up_proj.*", "blk.{}.ffn_up.*").required(),
    Rule::keep("model.layers.{}.mlp.down_proj.*", "blk.{}.ffn_down.*").required(),
];

/// A feed-forward network without a gate.
pub(super) const UNGATED_FEED_FORWARD: &[Rule] = &[
    Rule::keep("model.layers.{}.mlp.up_proj.*", "blk.{}.ffn_up.*").required(),
    Rule::keep("model.layers.{}.mlp.down_proj.*", "blk.{}.ffn_down.*").required(),
];

/// A gated feed-forward network in the layers that have no experts.
pub(super) const DENSE_LAYERS: &[Rule] = &[
    Rule::keep("model.layers.{}.mlp.gate_proj.*", "blk.{}.ffn_gate.*"),
    Rule::keep("model.layers.{}.mlp.up_proj.*", "blk.{}.ffn_up.*"),
    Rule::keep("model.layers.{}.mlp.down_proj.*", "blk.{}.ffn_down.*"),
];

/// Experts one by one.
pub(super) const EXPERTS: &[Rule] = &[
    Rule::expert("model.layers.{}.mlp.experts.{}.down_proj.weight", "blk.{}.ffn_down_exps.weight"),
    Rule::expert("model.layers.{}.mlp.experts.{}.gate_proj.weight", "blk.{}.ffn_gate_exps.weight"),
    Rule::expert("model.layers.{}.mlp.experts.{}.up_proj.weight", "blk.{}.ffn_up_exps.weight"),
    // MLX saves them stacked, and calls them after what chooses between them.
    Rule::keep("model.layers.{}.mlp.switch_mlp.down_proj.weight", "blk.{}.ffn_down_exps.weight"),
    Rule::keep("model.layers.{}.mlp.switch_mlp.gate_proj.weight", "blk.{}.ffn_gate_exps.weight"),
    Rule::keep("model.layers.{}.mlp.switch_mlp.up_proj.weight", "blk.{}.ffn_up_exps.weight"),
];

/// Experts of a layer as one tensor: gate and up in one, and down.
pub(super) const STACKED_EXPERTS: &[Rule] = &[
    Rule::keep("model.layers.{}.mlp.experts.down_proj", "blk.{}.ffn_down_exps.weight"),
    Rule::keep("model.layers.{}.mlp.experts.down_proj.weight", "blk.{}.ffn_down_exps.weight"),
    Rule::split("model.layers.{}.mlp.experts.gate_up_proj", GATE_AND_UP_EXPERTS, halves),
    Rule::split("model.layers.{}.mlp.experts.gate_up_proj.weight", GATE_AND_UP_EXPERTS, halves),
];

pub(super) const GATE_AND_UP_EXPERTS: &[&str] = &["blk.{}.ffn_gate_exps.weight", "blk.{}.ffn_up_exps.weight"];

/// Router, and one expert that all tokens share.
pub(super) const SHARED_EXPERT: &[Rule] = &[
    Rule::keep("model.layers.{}.mlp.gate.*", "blk.{}.ffn_gate_inp.*"),
    Rule::keep("model.layers.{}.mlp.shared_expert_gate.*", "blk.{}.ffn_gate_inp_shexp.*"),
    Rule::keep("model.layers.{}.mlp.shared_expert.gate_proj.*", "blk.{}.ffn_gate_shexp.*"),
    Rule::keep("model.layers.{}.mlp.shared_expert.up_proj.*", "blk.{}.ffn_up_shexp.*"),
    Rule::keep("model.layers.{}.mlp.shared_expert.down_proj.*", "blk.{}.ffn_down_shexp.*"),
];

/// The two halves of the last but one axis, of stacked matrices or of one.
pub(super) fn halves(_: &Model, weight: Weight) -> Result<Vec<Weight>, WeightError> {
    let half = |second: u64| {
        weight.clone().rows(|derivation| {
            let dimensions = derivation.dimensions();
            // The lengths of outputs, beside a change, have one axis.
            let axis = dimensions.len().saturating_sub(2);
            let half = dimensions.get(axis).copied().unwrap_or(0) / 2;
            derivation.slice(axis, half * second..half * (second + 1))
        })
    };
    Ok(vec![half(0)?, half(1)?])
}

/// The thirds of the first axis: queries, keys and values of which there are as many.
pub(super) fn thirds(_: &Model, weight: Weight) -> Result<Vec<Weight>, WeightError> {
    let third = weight.row_count() / 3;
    let part = |index: u64| {
        let weight = weight.clone();
        weight.rows(|derivation| derivation.slice(0, index * third..(index + 1) * third))
    };
    (0..3).map(part).collect()
}

/// Several weights whose outputs follow each other, so many of each.
pub(super) fn consecutive_rows(weight: Weight, sizes: &[u64]) -> Result<Vec<Weight>, WeightError> {
    let all = sizes.iter().fold(0_u64, |sum, size| sum.saturating_add(*size));
    let weight = weight.rows(|derivation| rows_as(derivation, 1, &[all]))?;
    let mut end = 0;
    let part = |size: &u64| {
        let start = end;
        end += size;
        weight.clone().rows(|derivation| derivation.slice(0, start..end))
    };
    sizes.iter().map(part).collect()
}

/// A number in the layers that have something, zero in the others.
pub(super) fn where_present(present: &[bool], number: u64) -> Vec<u64> {
    present.iter().map(|present| if *present { number } else { 0 }).collect()
}

/// All queries, all keys and all values of heads that are stored in groups: the queries of a group, its key,
/// its value.
pub(super) fn grouped_heads(
    derivation: Derivation,
    heads: u64,
    groups: u64,
    size: u64,
) -> Result<Vec<Derivation>, DerivationError> {
    let groups = groups.max(1);
    let queries = heads / groups;
    let grouped = rows_as(derivation, 1, &[groups, queries.saturating_add(2), size])?;
    let part = |from: u64, count: u64| {
        rows_as(grouped.clone().slice(1, from..from + count)?, 3, &[groups * count * size])
    };
    Ok(vec![part(0, queries)?, part(queries, 1)?, part(queries + 1, 1)?])
}

/// The two sets of factors by which long contexts slow the frequencies of the `rotated` dimensions of a head,
/// if there are any.
pub(super) fn long_rope_factors(model: &Model, rotated: u64) -> Result<Generated, ConvertError> {
    let rope = &model.rope.common;
    let stated = |key: &str| Ok::<_, ConvertError>(rope.numbers(key)?.filter(|factors| !factors.is_empty()));
    let (long, short) = match (stated("long_factor")?, stated("short_factor")?) {
        (None, None) => return Ok(Vec::new()),
        (Some(long), Some(short)) => (long, short),
        (None, _) => return Err(rope.missing(&["long_factor"])),
        (_, None) => return Err(rope.missing(&["short_factor"])),
    };
    let expected = rotated / 2;
    let derivation = |name: &'static str, key: &str, factors: Vec<f64>| {
        if factors.len() as u64 != expected {
            return Err(rope.bad(key, &format!("{} factors", factors.len()), &format!("{expected} factors")));
        }
        let values = factors.into_iter().map(|factor| factor as f32).collect();
        let derivation = Derivation::values(values, &[expected]);
        derivation
            .map(|derivation| (name, derivation))
            .map_err(|reason| ConvertError::Dimensions { tensor: name.to_owned(), reason })
    };
    Ok(vec![
        derivation("rope_factors_long.weight", "long_factor", long)?,
        derivation("rope_factors_short.weight", "short_factor", short)?,
    ])
}

/// Matrices that lie inputs first.
pub(super) fn transposed(_: &Model, weight: Weight) -> Result<Weight, WeightError> {
    weight.transposed()
}

/// The two halves of the outputs of matrices that lie inputs first.
pub(super) fn transposed_halves(model: &Model, weight: Weight) -> Result<Vec<Weight>, WeightError> {
    halves(model, weight.transposed()?)
}

/// A convolution over one channel at a time without the axis of that channel.
pub(super) fn flat_kernel(_: &Model, weight: Weight) -> Result<Weight, WeightError> {
    Ok(Weight::Whole(weight.whole()?.squeeze(1)?))
}

/// A weight without its axes of length one.
pub(super) fn without_single_axes(_: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let derivation = weight.whole()?;
    let dimensions: Vec<u64> = derivation.dimensions().into_iter().filter(|length| *length != 1).collect();
    Ok(Weight::Whole(derivation.reshape(&dimensions)?))
}

/// Norm weights that are stored around zero.
pub(super) fn add_one(_: &Model, weight: Weight) -> Result<Weight, WeightError> {
    weight.map(Operation::AddOne)
}

/// The name of a tensor of the text model without the wrapping of models that see; `None` for the rest of
/// those.
pub(super) fn text_name(name: &str) -> Option<Cow<'_, str>> {
    const STARTS: [&str; 10] = [
        "mlp",
        "vit.",
        "vpm.",
        "siglip2.",
        "conformer.",
        "merger.",
        "resampler.",
        "sound_encoder.",
        "sound_projection.",
        "speech_embeddings.",
    ];
    const PARTS: [&str; 17] = [
        "visual.",
        "vision.",
        "audio.",
        "talker.",
        "vision_",
        "audio_",
        "token2wav.",
        "code2wav.",
        "projector.",
        "pre_mm_projector_norm",
        "image_newline",
        "view_seperator",
        "patch_embed",
        "patch_embedding",
        "patch_merger.",
        "patch_merge_mlp.",
        "model.connector.",
    ];
    let other = STARTS.iter().any(|start| name.starts_with(start))
        || PARTS.iter().any(|part| name.contains(part))
        || is_buffer(name);
    if other {
        return None;
    }
    let name = replaced(Cow::Borrowed(name), "e_score_correction_bias", "e_score_correction.bias");
    let name = replaced(name, "language_model.", "");
    // Models without a head are saved without the name of their trunk.
    let bare = ["embed_tokens.", "layers.", "norm."].iter().any(|start| name.starts_with(start));
    Some(if bare { format!("model.{name}").into() } else { name })
}

/// The name of a tensor inside the module that older model classes call `transformer`.
pub(super) fn inside_transformer(name: &str) -> Cow<'_, str> {
    name.strip_prefix("transformer.").unwrap_or(name).into()
}

/// Whether a tensor is a buffer, which some checkpoints hold beside the weights.
pub(super) fn is_buffer(name: &str) -> bool {
    [".attention.masked_bias", ".attention.bias", ".rotary_emb.inv_freq"]
        .iter()
        .any(|end| name.ends_with(end))
}

/// A name with a part replaced wherever it occurs.
pub(in crate::convert) fn replaced<'n>(name: Cow<'n, str>, from: &str, to: &str) -> Cow<'n, str> {
    if name.contains(from) { Cow::Owned(name.replace(from, to)) } else { name }
}
