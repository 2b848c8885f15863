//! LFM2-Audio: a conformer before LFM2. What makes sound of an answer is left out, but for the embeddings of
//! its codes.

use std::borrow::Cow;

use super::batch_norm::{factors_and_addends, folded};
use super::convolution::{self, plane, point};
use crate::convert::architecture::common::flat_kernel;
use crate::convert::architecture::{Family, lfm2};
use crate::convert::parameters::Parameters;
use crate::convert::projector::{Encoders, Projector};
use crate::convert::rule::Rule;
use crate::convert::{Configuration, ConvertError};

pub(super) const FAMILY: Family = Family {
    names: &["Lfm2AudioForConditionalGeneration"],
    overrules_text: true,
    classes: &[],
    rename: |_, name| name.strip_prefix("lfm.").map(|name| Cow::Owned(format!("model.{name}"))),
    projector: Some(&PROJECTOR),
    ..lfm2::FAMILY
};

const PROJECTOR: Projector = Projector {
    vision: |_| None,
    audio: |whole| whole.part("encoder"),
    adjust_audio: name_usually,
    hyperparameters,
    computed: folded,
    rename: |_, name| {
        const HEARD: [&str; 3] = ["conformer.", "audio_adapter.", "audio_embedding."];
        let heard = HEARD.iter().any(|start| name.starts_with(start));
        (heard && !name.ends_with(".num_batches_tracked")).then_some(Cow::Borrowed(name))
    },
    tensors: &[ENDS, CONVOLUTION, LAYERS],
    forced: convolution::single_in_layers,
    ..Projector::STANDARD
};

const ENDS: &[Rule] = &[
    Rule::keep("conformer.pre_encode.conv.{}.weight", "a.conv1d.{}.weight"),
    Rule::step("conformer.pre_encode.conv.{}.bias", "a.conv1d.{}.bias", plane),
    Rule::keep("conformer.pre_encode.out.*", "a.pre_encode.out.*").required(),
    Rule::keep("audio_embedding.embedding.*", "a.position_embd.*").required(),
    Rule::keep("audio_embedding.embedding_norm.*", "a.position_embd_norm.*").required(),
    Rule::keep("audio_embedding.to_logits.*", "a.embd_to_logits.*").required(),
    Rule::keep("audio_adapter.model.{}.*", "mm.a.mlp.{}.*"),
];

const CONVOLUTION: &[Rule] = &[
    Rule::keep("conformer.layers.{}.norm_conv.*", "a.blk.{}.norm_conv.*").required(),
    Rule::step("conformer.layers.{}.conv.pointwise_conv1.weight", "a.blk.{}.conv_pw1.weight", point)
        .required(),
    Rule::keep("conformer.layers.{}.conv.pointwise_conv1.bias", "a.blk.{}.conv_pw1.bias"),
    Rule::step("conformer.layers.{}.conv.depthwise_conv.weight", "a.blk.{}.conv_dw.weight", flat_kernel)
        .required(),
    Rule::keep("conformer.layers.{}.conv.depthwise_conv.bias", "a.blk.{}.conv_dw.bias"),
    Rule::step("conformer.layers.{}.conv.pointwise_conv2.weight", "a.blk.{}.conv_pw2.weight", point)
        .required(),
    Rule::keep("conformer.layers.{}.conv.pointwise_conv2.bias", "a.blk.{}.conv_pw2.bias"),
    Rule::split(
        "conformer.layers.{}.conv.batch_norm.weight",
        &["a.blk.{}.conv_norm.weight", "a.blk.{}.conv_norm.bias"],
        factors_and_addends,
    )
    .required(),
    Rule::drop("conformer.layers.{}.conv.batch_norm.bias"),
    Rule::drop("conformer.layers.{}.conv.batch_norm.running_mean"),
    Rule::drop("conformer.layers.{}.conv.batch_norm.running_var"),
];

const LAYERS: &[Rule] = &[
    Rule::keep("conformer.layers.{}.norm_self_att.*", "a.blk.{}.ln1.*").required(),
    Rule::keep("conformer.layers.{}.self_attn.linear_q.*", "a.blk.{}.attn_q.*").required(),
    Rule::keep("conformer.layers.{}.self_attn.linear_k.*", "a.blk.{}.attn_k.*").required(),
    Rule::keep("conformer.layers.{}.self_attn.linear_v.*", "a.blk.{}.attn_v.*").required(),
    Rule::keep("conformer.layers.{}.self_attn.linear_out.*", "a.blk.{}.attn_out.*").required(),
    Rule::keep("conformer.layers.{}.self_attn.linear_pos.*", "a.blk.{}.linear_pos.*").required(),
    Rule::keep("conformer.layers.{}.self_attn.pos_bias_u", "a.blk.{}.pos_bias_u").required(),
    Rule::keep("conformer.layers.{}.self_attn.pos_bias_v", "a.blk.{}.pos_bias_v").required(),
    Rule::keep("conformer.layers.{}.norm_feed_forward1.*", "a.blk.{}.ffn_norm.*").required(),
    Rule::keep("conformer.layers.{}.feed_forward1.linear1.*", "a.blk.{}.ffn_up.*").required(),
    Rule::keep("conformer.layers.{}.feed_forward1.linear2.*", "a.blk.{}.ffn_down.*").required(),
    Rule::keep("conformer.layers.{}.norm_feed_forward2.*", "a.blk.{}.ffn_norm_1.*").required(),
    Rule::keep("conformer.layers.{}.feed_forward2.linear1.*", "a.blk.{}.ffn_up_1.*").required(),
    Rule::keep("conformer.layers.{}.feed_forward2.linear2.*", "a.blk.{}.ffn_down_1.*").required(),
    Rule::keep("conformer.layers.{}.norm_out.*", "a.blk.{}.ln2.*").required(),
];

/// The names that other encoders use. The runtime takes the width of the feed-forward network from its
/// tensors.
fn name_usually(audio: &mut Configuration, _: &Configuration) -> Result<(), ConvertError> {
    let width = audio.integer("d_model")?;
    audio.set("hidden_size", width);
    audio.set("intermediate_size", width);
    audio.set("num_attention_heads", audio.integer("n_heads")?);
    Ok(())
}

fn hyperparameters(subject: &Encoders<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    out.set("projector_type", "lfm2a");
    out.count("audio.num_mel_bins", subject.audio.integer("feat_in")?)?;
    out.float("audio.attention.layer_norm_epsilon", 1e-5);
    Ok(())
}
