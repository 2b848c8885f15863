//! Whisper's encoder of sound, which most models that hear have in front of a known text model.

use std::borrow::Cow;

use super::convolution;
use crate::convert::parameters::Parameters;
use crate::convert::projector::{Encoders, Projector};
use crate::convert::rule::Rule;
use crate::convert::{Configuration, ConvertError};

/// The encoder with no more behind it; families add the tensors that lead to the text model.
pub(super) const PROJECTOR: Projector = Projector {
    vision: |_| None,
    audio: |whole| whole.part("audio_config"),
    adjust_audio: |audio, _| name_usually(audio),
    rename: |_, name| {
        let heard = name.starts_with("audio_tower.") || name.starts_with("multi_modal_projector.");
        heard.then_some(Cow::Borrowed(name))
    },
    tensors: &[FRONT, POSITIONS, FINAL_NORM, LAYERS],
    forced: convolution::half,
    ..Projector::STANDARD
};

/// The convolutions that sound goes through first.
pub(super) const FRONT: &[Rule] = &[
    Rule::keep("audio_tower.conv1.weight", "a.conv1d.1.weight").required(),
    Rule::step("audio_tower.conv1.bias", "a.conv1d.1.bias", convolution::column),
    Rule::keep("audio_tower.conv2.weight", "a.conv1d.2.weight").required(),
    Rule::step("audio_tower.conv2.bias", "a.conv1d.2.bias", convolution::column),
];

pub(super) const POSITIONS: &[Rule] =
    &[Rule::keep("audio_tower.embed_positions.weight", "a.position_embd.weight").required()];

pub(super) const FINAL_NORM: &[Rule] = &[Rule::keep("audio_tower.layer_norm.*", "a.post_ln.*").required()];

pub(super) const LAYERS: &[Rule] = &[
    Rule::keep("audio_tower.layers.{}.self_attn_layer_norm.*", "a.blk.{}.ln1.*").required(),
    Rule::keep("audio_tower.layers.{}.self_attn.q_proj.*", "a.blk.{}.attn_q.*").required(),
    Rule::keep("audio_tower.layers.{}.self_attn.k_proj.*", "a.blk.{}.attn_k.*").required(),
    Rule::keep("audio_tower.layers.{}.self_attn.v_proj.*", "a.blk.{}.attn_v.*").required(),
    Rule::keep("audio_tower.layers.{}.self_attn.out_proj.*", "a.blk.{}.attn_out.*").required(),
    Rule::keep("audio_tower.layers.{}.final_layer_norm.*", "a.blk.{}.ln2.*").required(),
    Rule::keep("audio_tower.layers.{}.fc1.*", "a.blk.{}.ffn_up.*").required(),
    Rule::keep("audio_tower.layers.{}.fc2.*", "a.blk.{}.ffn_down.*").required(),
];

/// Two matrices between the encoder and the text model.
pub(super) const TWO_MATRICES: &[Rule] = &[
    Rule::keep("multi_modal_projector.linear_1.*", "mm.a.mlp.1.*").required(),
    Rule::keep("multi_modal_projector.linear_2.*", "mm.a.mlp.2.*").required(),
];

/// The names that other encoders use, where the configuration has Whisper's.
pub(super) fn name_usually(audio: &mut Configuration) -> Result<(), ConvertError> {
    if audio.has("hidden_size") || audio.has("intermediate_size") {
        return Ok(());
    }
    for (usual, own) in [
        ("hidden_size", "d_model"),
        ("intermediate_size", "encoder_ffn_dim"),
        ("num_attention_heads", "encoder_attention_heads"),
    ] {
        audio.set(usual, audio.integer(own)?);
    }
    Ok(())
}

/// Metadata of Whisper's encoder. `kind` is what the runtime calls the way from it to the text model.
pub(super) fn hyperparameters(
    kind: &str,
    subject: &Encoders<'_>,
    out: &mut Parameters,
) -> Result<(), ConvertError> {
    out.set("projector_type", kind);
    sound(subject.audio, out)
}

/// How sound is prepared, and the small number in the norms.
pub(super) fn sound(audio: &Configuration, out: &mut Parameters) -> Result<(), ConvertError> {
    out.count("audio.num_mel_bins", audio.integer("num_mel_bins")?)?;
    let epsilon = audio.optional_number(&["layer_norm_eps"])?.unwrap_or(1e-5);
    out.float("audio.attention.layer_norm_epsilon", epsilon);
    Ok(())
}

/// How many steps in time become one.
pub(super) fn stack_factor(steps: u64, out: &mut Parameters) -> Result<(), ConvertError> {
    out.count("audio.projector.stack_factor", steps)
}
