//! IBM's Granite Speech: a conformer, and queries that ask it, before a Granite text model.

use std::borrow::Cow;

use super::batch_norm::{factors_and_addends, folded};
use super::convolution::{self, point};
use crate::convert::architecture::common::{consecutive_rows, flat_kernel};
use crate::convert::architecture::{Family, granite};
use crate::convert::configuration::{Class, Part};
use crate::convert::parameters::Parameters;
use crate::convert::projector::{Encoders, Projector};
use crate::convert::rule::Rule;
use crate::convert::weight::{Weight, WeightError};
use crate::convert::{Configuration, ConvertError, Model};

pub(super) const FAMILY: Family = Family {
    names: &["GraniteSpeechForConditionalGeneration", "GraniteSpeechPlusForConditionalGeneration"],
    classes: &[
        Class {
            model_type: "granite_speech",
            defaults: r#"{"downsample_rate": 5, "window_size": 15}"#,
            derived: &[],
            parts: &[
                Part::of("text_config", "granite"),
                Part::of("encoder_config", "granite_speech_encoder"),
                Part::of("projector_config", "blip_2_qformer"),
            ],
        },
        Class::new(
            "granite_speech_encoder",
            &[],
            r#"{"input_dim": 160, "num_layers": 10, "hidden_dim": 1024, "feedforward_mult": 4, "num_heads": 8,
            "context_size": 200, "conv_kernel_size": 15, "max_pos_emb": 512}"#,
        ),
        Class::new("blip_2_qformer", &[], r#"{"num_attention_heads": 12, "encoder_hidden_size": 1408}"#),
    ],
    projector: Some(&PROJECTOR),
    ..granite::FAMILY
};

const PROJECTOR: Projector = Projector {
    vision: |_| None,
    audio: |whole| whole.part("encoder_config"),
    adjust_audio: name_usually,
    hyperparameters,
    computed: folded,
    rename: |_, name| {
        let heard = name.starts_with("encoder.") || name.starts_with("projector.");
        let unused = name.contains("attention_dists") || name.contains("num_batches_tracked");
        (heard && !unused).then_some(Cow::Borrowed(name))
    },
    tensors: &[ENDS, ATTENTION, CONVOLUTION, FEED_FORWARD, QUERIES],
    forced: convolution::single_in_layers,
    ..Projector::STANDARD
};

const ENDS: &[Rule] = &[
    Rule::keep("encoder.input_linear.*", "a.input_projection.*").required(),
    Rule::keep("encoder.out.*", "a.enc_ctc_out.*").required(),
    Rule::keep("encoder.out_mid.*", "a.enc_ctc_out_mid.*").required(),
];

const ATTENTION: &[Rule] = &[
    Rule::keep("encoder.layers.{}.attn.pre_norm.*", "a.blk.{}.ln1.*").required(),
    Rule::keep("encoder.layers.{}.attn.rel_pos_emb.weight", "a.blk.{}.attn_rel_pos_emb").required(),
    Rule::keep("encoder.layers.{}.attn.to_q.*", "a.blk.{}.attn_q.*").required(),
    Rule::split("encoder.layers.{}.attn.to_kv.*", &["a.blk.{}.attn_k.*", "a.blk.{}.attn_v.*"], two_parts)
        .required(),
    Rule::keep("encoder.layers.{}.attn.to_out.*", "a.blk.{}.attn_out.*").required(),
    Rule::keep("encoder.layers.{}.post_norm.*", "a.blk.{}.ln2.*").required(),
];

const CONVOLUTION: &[Rule] = &[
    Rule::keep("encoder.layers.{}.conv.norm.*", "a.blk.{}.norm_conv.*").required(),
    Rule::step("encoder.layers.{}.conv.up_conv.weight", "a.blk.{}.conv_pw1.weight", point).required(),
    Rule::keep("encoder.layers.{}.conv.up_conv.bias", "a.blk.{}.conv_pw1.bias"),
    Rule::step("encoder.layers.{}.conv.depth_conv.conv.weight", "a.blk.{}.conv_dw.weight", flat_kernel)
        .required(),
    Rule::keep("encoder.layers.{}.conv.depth_conv.conv.bias", "a.blk.{}.conv_dw.bias"),
    Rule::step("encoder.layers.{}.conv.down_conv.weight", "a.blk.{}.conv_pw2.weight", point).required(),
    Rule::keep("encoder.layers.{}.conv.down_conv.bias", "a.blk.{}.conv_pw2.bias"),
    Rule::split(
        "encoder.layers.{}.conv.batch_norm.weight",
        &["a.blk.{}.conv_norm_var.weight", "a.blk.{}.conv_norm_var.bias"],
        factors_and_addends,
    )
    .required(),
    Rule::drop("encoder.layers.{}.conv.batch_norm.bias"),
    Rule::drop("encoder.layers.{}.conv.batch_norm.running_mean"),
    Rule::drop("encoder.layers.{}.conv.batch_norm.running_var"),
];

const FEED_FORWARD: &[Rule] = &[
    Rule::keep("encoder.layers.{}.ff1.pre_norm.*", "a.blk.{}.ffn_norm.*").required(),
    Rule::keep("encoder.layers.{}.ff1.up_proj.*", "a.blk.{}.ffn_up.*").required(),
    Rule::keep("encoder.layers.{}.ff1.down_proj.*", "a.blk.{}.ffn_down.*").required(),
    Rule::keep("encoder.layers.{}.ff2.pre_norm.*", "a.blk.{}.ffn_norm_1.*").required(),
    Rule::keep("encoder.layers.{}.ff2.up_proj.*", "a.blk.{}.ffn_up_1.*").required(),
    Rule::keep("encoder.layers.{}.ff2.down_proj.*", "a.blk.{}.ffn_down_1.*").required(),
];

/// Layers in which queries look at each other and at what was heard.
const QUERIES: &[Rule] = &[
    Rule::keep("projector.query", "a.proj_query").required(),
    Rule::keep("projector.qformer.layernorm.*", "a.proj_norm.*").required(),
    Rule::keep("projector.linear.*", "a.proj_linear.*").required(),
    Rule::keep(
        "projector.qformer.encoder.layer.{}.attention.attention.query.*",
        "a.proj_blk.{}.self_attn_q.*",
    ),
    Rule::keep("projector.qformer.encoder.layer.{}.attention.attention.key.*", "a.proj_blk.{}.self_attn_k.*"),
    Rule::keep(
        "projector.qformer.encoder.layer.{}.attention.attention.value.*",
        "a.proj_blk.{}.self_attn_v.*",
    ),
    Rule::keep(
        "projector.qformer.encoder.layer.{}.attention.output.dense.*",
        "a.proj_blk.{}.self_attn_out.*",
    ),
    Rule::keep(
        "projector.qformer.encoder.layer.{}.attention.output.LayerNorm.*",
        "a.proj_blk.{}.self_attn_norm.*",
    ),
    Rule::keep(
        "projector.qformer.encoder.layer.{}.crossattention.attention.query.*",
        "a.proj_blk.{}.cross_attn_q.*",
    ),
    Rule::keep(
        "projector.qformer.encoder.layer.{}.crossattention.attention.key.*",
        "a.proj_blk.{}.cross_attn_k.*",
    ),
    Rule::keep(
        "projector.qformer.encoder.layer.{}.crossattention.attention.value.*",
        "a.proj_blk.{}.cross_attn_v.*",
    ),
    Rule::keep(
        "projector.qformer.encoder.layer.{}.crossattention.output.dense.*",
        "a.proj_blk.{}.cross_attn_out.*",
    ),
    Rule::keep(
        "projector.qformer.encoder.layer.{}.crossattention.output.LayerNorm.*",
        "a.proj_blk.{}.cross_attn_norm.*",
    ),
    Rule::keep("projector.qformer.encoder.layer.{}.intermediate_query.dense.*", "a.proj_blk.{}.ffn_up.*"),
    Rule::keep("projector.qformer.encoder.layer.{}.output_query.dense.*", "a.proj_blk.{}.ffn_down.*"),
    Rule::keep("projector.qformer.encoder.layer.{}.output_query.LayerNorm.*", "a.proj_blk.{}.ffn_norm.*"),
];

/// The names that other encoders use.
fn name_usually(audio: &mut Configuration, _: &Configuration) -> Result<(), ConvertError> {
    let width = audio.integer("hidden_dim")?;
    audio.set("hidden_size", width);
    audio.set("intermediate_size", width.saturating_mul(audio.integer("feedforward_mult")?));
    audio.set("num_attention_heads", audio.integer("num_heads")?);
    audio.set("num_hidden_layers", audio.integer("num_layers")?);
    Ok(())
}

/// Keys, then values.
fn two_parts(_: &Model, weight: Weight) -> Result<Vec<Weight>, WeightError> {
    let half = weight.row_count() / 2;
    consecutive_rows(weight, &[half, half])
}

fn hyperparameters(subject: &Encoders<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let (audio, whole) = (subject.audio, subject.whole);
    out.set("projector_type", "granite_speech");
    out.count("audio.num_mel_bins", audio.integer("input_dim")?)?;
    out.float("audio.attention.layer_norm_epsilon", 1e-5);
    out.count("audio.chunk_size", audio.integer("context_size")?)?;
    out.count("audio.conv_kernel_size", audio.integer("conv_kernel_size")?)?;
    out.count("audio.max_pos_emb", audio.integer("max_pos_emb")?)?;
    out.count("audio.projector.window_size", whole.integer("window_size")?)?;
    out.count("audio.projector.downsample_rate", whole.integer("downsample_rate")?)?;
    let queries = whole.part("projector_config").ok_or_else(|| whole.missing(&["projector_config"]))?;
    out.count("audio.projector.head_count", queries.integer("num_attention_heads")?)?;
    write_heard_layers(subject, &queries, out)
}

/// The layers whose outputs are put beside that of the last, where there are any.
fn write_heard_layers(
    subject: &Encoders<'_>,
    queries: &Configuration,
    out: &mut Parameters,
) -> Result<(), ConvertError> {
    let layers = subject.audio.integers("cat_hidden_layers")?.unwrap_or_default();
    if layers.is_empty() {
        return Ok(());
    }
    let expected = subject.audio.integer("hidden_dim")?.saturating_mul(layers.len() as u64 + 1);
    let width = queries.integer("encoder_hidden_size")?;
    if width != expected {
        let reason = format!("{expected}, the width of as many layers");
        return Err(queries.bad("encoder_hidden_size", &width, &reason));
    }
    out.counts("audio.feature_layer", &layers)
}
