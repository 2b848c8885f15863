//! Parakeet, the encoder of sound that Nemotron's models with images may have beside that of images.

use super::convolution::point;
use crate::convert::configuration::Configuration;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::weight::{Weight, WeightError};
use crate::convert::{ConvertError, Model};
use crate::tensor::ElementType;

pub(in crate::convert::architecture) const TENSORS: &[Rule] = &[
    Rule::keep("sound_encoder.encoder.feature_extractor.featurizer.fb", "a.mel_filters"),
    Rule::keep("sound_encoder.encoder.feature_extractor.featurizer.window", "a.window"),
    Rule::keep("sound_encoder.encoder.subsampling.layers.{}.weight", "a.conv1d.{}.weight"),
    Rule::step("sound_encoder.encoder.subsampling.layers.{}.bias", "a.conv1d.{}.bias", channels),
    Rule::keep("sound_encoder.encoder.subsampling.linear.*", "a.pre_encode.out.*"),
    Rule::keep("sound_encoder.encoder.layers.{}.norm_feed_forward1.*", "a.blk.{}.ffn_norm.*").required(),
    Rule::keep("sound_encoder.encoder.layers.{}.feed_forward1.linear1.*", "a.blk.{}.ffn_up.*").required(),
    Rule::keep("sound_encoder.encoder.layers.{}.feed_forward1.linear2.*", "a.blk.{}.ffn_down.*").required(),
    Rule::keep("sound_encoder.encoder.layers.{}.norm_self_att.*", "a.blk.{}.ln1.*").required(),
    Rule::keep("sound_encoder.encoder.layers.{}.self_attn.q_proj.*", "a.blk.{}.attn_q.*").required(),
    Rule::keep("sound_encoder.encoder.layers.{}.self_attn.k_proj.*", "a.blk.{}.attn_k.*").required(),
    Rule::keep("sound_encoder.encoder.layers.{}.self_attn.v_proj.*", "a.blk.{}.attn_v.*").required(),
    Rule::keep("sound_encoder.encoder.layers.{}.self_attn.o_proj.*", "a.blk.{}.attn_out.*").required(),
    Rule::keep("sound_encoder.encoder.layers.{}.self_attn.relative_k_proj.*", "a.blk.{}.linear_pos.*"),
    Rule::keep("sound_encoder.encoder.layers.{}.self_attn.bias_u", "a.blk.{}.pos_bias_u"),
    Rule::keep("sound_encoder.encoder.layers.{}.self_attn.bias_v", "a.blk.{}.pos_bias_v"),
    Rule::keep("sound_encoder.encoder.layers.{}.norm_conv.*", "a.blk.{}.norm_conv.*").required(),
    Rule::step(
        "sound_encoder.encoder.layers.{}.conv.pointwise_conv1.weight",
        "a.blk.{}.conv_pw1.weight",
        point,
    ),
    Rule::step(
        "sound_encoder.encoder.layers.{}.conv.pointwise_conv1.bias",
        "a.blk.{}.conv_pw1.bias",
        channels,
    ),
    Rule::step(
        "sound_encoder.encoder.layers.{}.conv.depthwise_conv.weight",
        "a.blk.{}.conv_dw.weight",
        kernels,
    ),
    Rule::keep("sound_encoder.encoder.layers.{}.conv.depthwise_conv.bias", "a.blk.{}.conv_dw.bias"),
    Rule::keep("sound_encoder.encoder.layers.{}.conv.norm.*", "a.blk.{}.conv_norm.*"),
    Rule::keep("sound_encoder.encoder.layers.{}.conv.norm.running_mean", "a.blk.{}.conv_norm_mean"),
    Rule::keep("sound_encoder.encoder.layers.{}.conv.norm.running_var", "a.blk.{}.conv_norm_var"),
    Rule::drop("sound_encoder.encoder.layers.{}.conv.norm.num_batches_tracked"),
    Rule::step(
        "sound_encoder.encoder.layers.{}.conv.pointwise_conv2.weight",
        "a.blk.{}.conv_pw2.weight",
        point,
    ),
    Rule::step(
        "sound_encoder.encoder.layers.{}.conv.pointwise_conv2.bias",
        "a.blk.{}.conv_pw2.bias",
        channels,
    ),
    Rule::keep("sound_encoder.encoder.layers.{}.norm_feed_forward2.*", "a.blk.{}.ffn_norm_1.*").required(),
    Rule::keep("sound_encoder.encoder.layers.{}.feed_forward2.linear1.*", "a.blk.{}.ffn_up_1.*").required(),
    Rule::keep("sound_encoder.encoder.layers.{}.feed_forward2.linear2.*", "a.blk.{}.ffn_down_1.*").required(),
    Rule::keep("sound_encoder.encoder.layers.{}.norm_out.*", "a.blk.{}.ln2.*").required(),
    Rule::keep("sound_projection.norm.*", "mm.a.norm_pre.*"),
    Rule::keep("sound_projection.linear1.*", "mm.a.mlp.1.*"),
    Rule::keep("sound_projection.linear2.*", "mm.a.mlp.2.*"),
];

/// What is small, and convolutions.
pub(in crate::convert::architecture) fn forced(name: &str) -> Option<ElementType> {
    let of_sound = name.starts_with("a.") || name.starts_with("mm.a.");
    let precise = ["bias", "norm"].iter().any(|part| name.contains(part));
    let convolution = name.contains("conv") && name.contains("weight");
    (of_sound && (precise || convolution)).then_some(ElementType::F32)
}

pub(in crate::convert::architecture) fn hyperparameters(
    audio: &Configuration,
    out: &mut Parameters,
) -> Result<(), ConvertError> {
    out.count("audio.num_mel_bins", audio.integer("num_mel_bins")?)?;
    out.float("audio.attention.layer_norm_epsilon", 1e-5);
    out.count("audio.subsampling_factor", audio.integer("subsampling_factor")?)?;
    out.count("audio.conv_kernel_size", audio.integer("conv_kernel_size")?)?;
    out.set("audio.projector_type", "parakeet");
    Ok(())
}

/// A bias of convolutions as an image of one point, which the runtime adds to every point.
fn channels(_: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let count = weight.row_count();
    Ok(Weight::Whole(weight.whole()?.reshape(&[1, count, 1, 1])?))
}

/// A convolution over each channel by itself as an image of all of their kernels.
fn kernels(_: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let derivation = weight.whole()?;
    match derivation.dimensions()[..] {
        [channels, 1, length] => Ok(Weight::Whole(derivation.reshape(&[1, 1, channels, length])?)),
        _ => Ok(Weight::Whole(derivation)),
    }
}
