//! The encoders of dots.note: images by a mixture of experts of another size in every layer, and sound.

use std::borrow::Cow;

use super::settings;
use crate::convert::architecture::common::halves;
use crate::convert::parameters::Parameters;
use crate::convert::projector::{Encoders, Projector};
use crate::convert::rule::{LayerCount, Rule};
use crate::convert::{Configuration, ConvertError};
use crate::tensor::ElementType;

pub(in crate::convert::architecture) const PROJECTOR: Projector = Projector {
    audio: |whole| whole.part("audio_config"),
    adjust: adjust_vision,
    adjust_audio,
    hyperparameters,
    rename: |_, name| {
        let sensed = name.starts_with("vision_encoder.") || name.starts_with("audio_encoder.");
        sensed.then(|| Cow::Owned(name.replace("audio_encoder.dots_encoder.", "audio_encoder.")))
    },
    tensors: &[IMAGES, SOUND],
    forced: |name| {
        let precise = [".ffn_gate_inp.", ".exp_probs_b.", ".conv2d", "a.conv_out"];
        precise.iter().any(|part| name.contains(part)).then_some(ElementType::F32)
    },
    ..Projector::STANDARD
};

const IMAGES: &[Rule] = &[
    Rule::keep("vision_encoder.patch_embed.proj.*", "v.patch_embd.*").required(),
    Rule::keep("vision_encoder.patch_embed.norm.*", "v.pre_ln.*").required(),
    Rule::keep("vision_encoder.blocks.{}.norm_1.*", "v.blk.{}.ln1.*"),
    Rule::keep("vision_encoder.blocks.{}.norm_2.*", "v.blk.{}.ln2.*"),
    Rule::keep("vision_encoder.blocks.{}.attn.qkv.*", "v.blk.{}.attn_qkv.*"),
    Rule::keep("vision_encoder.blocks.{}.attn.proj.*", "v.blk.{}.attn_out.*"),
    Rule::keep("vision_encoder.blocks.{}.attn.q_norm.*", "v.blk.{}.attn_q_norm.*"),
    Rule::keep("vision_encoder.blocks.{}.attn.k_norm.*", "v.blk.{}.attn_k_norm.*"),
    Rule::keep("vision_encoder.blocks.{}.mlp.fc1.*", "v.blk.{}.ffn_gate.*"),
    Rule::keep("vision_encoder.blocks.{}.mlp.fc2.*", "v.blk.{}.ffn_down.*"),
    Rule::keep("vision_encoder.blocks.{}.mlp.fc3.*", "v.blk.{}.ffn_up.*"),
    Rule::keep("vision_encoder.blocks.{}.mlp.gate_weight", "v.blk.{}.ffn_gate_inp.weight"),
    Rule::keep("vision_encoder.blocks.{}.mlp.router_bias", "v.blk.{}.exp_probs_b.weight"),
    expert("vision_encoder.blocks.{}.mlp.experts.{}.fc1.weight", "v.blk.{}.ffn_gate_exps.weight"),
    expert("vision_encoder.blocks.{}.mlp.experts.{}.fc2.weight", "v.blk.{}.ffn_down_exps.weight"),
    expert("vision_encoder.blocks.{}.mlp.experts.{}.fc3.weight", "v.blk.{}.ffn_up_exps.weight"),
    Rule::keep("vision_encoder.post_trunk_norm.*", "mm.post_norm.*"),
    Rule::keep("vision_encoder.adapter.ln_q.*", "mm.input_norm.*").required(),
    Rule::keep("vision_encoder.adapter.mlp.{}.*", "mm.{}.*"),
];

const SOUND: &[Rule] = &[
    Rule::keep("audio_encoder.speech_encoder.conv2d1.*", "a.conv2d.1.*").required(),
    Rule::keep("audio_encoder.speech_encoder.conv2d2.*", "a.conv2d.2.*").required(),
    Rule::keep("audio_encoder.speech_encoder.conv2d3.*", "a.conv2d.3.*").required(),
    Rule::keep("audio_encoder.speech_encoder.conv_out.*", "a.conv_out.*").required(),
    Rule::keep("audio_encoder.speech_encoder.layer_norm.*", "a.post_ln.*").required(),
    Rule::keep("audio_encoder.speech_encoder.layers.{}.self_attn_layer_norm.*", "a.blk.{}.ln1.*"),
    Rule::keep("audio_encoder.speech_encoder.layers.{}.self_attn.q_proj.*", "a.blk.{}.attn_q.*"),
    Rule::keep("audio_encoder.speech_encoder.layers.{}.self_attn.k_proj.*", "a.blk.{}.attn_k.*"),
    Rule::keep("audio_encoder.speech_encoder.layers.{}.self_attn.v_proj.*", "a.blk.{}.attn_v.*"),
    Rule::keep("audio_encoder.speech_encoder.layers.{}.self_attn.out_proj.*", "a.blk.{}.attn_out.*"),
    Rule::keep("audio_encoder.speech_encoder.layers.{}.final_layer_norm.*", "a.blk.{}.ln2.*"),
    Rule::split(
        "audio_encoder.speech_encoder.layers.{}.fc1.*",
        &["a.blk.{}.ffn_gate.*", "a.blk.{}.ffn_up.*"],
        halves,
    ),
    Rule::keep("audio_encoder.speech_encoder.layers.{}.fc2.*", "a.blk.{}.ffn_down.*"),
    Rule::keep("audio_encoder.audio_adapter.proj.0.*", "mm.a.norm_pre.*").required(),
    Rule::keep("audio_encoder.audio_adapter.proj.1.*", "mm.a.mlp.1.*").required(),
    Rule::keep("audio_encoder.audio_adapter.proj.3.*", "mm.a.mlp.3.*").required(),
];

const fn expert(pattern: &'static str, name: &'static str) -> Rule {
    Rule::stack_of_layer(pattern, name, EXPERTS)
}

const EXPERTS: LayerCount = |model, layer| {
    let experts = experts(&model.configuration)?;
    Ok(usize::try_from(layer).ok().and_then(|layer| experts.get(layer).copied()).unwrap_or(0))
};

/// How many experts each layer has; none where the configuration has a negative number.
fn experts(vision: &Configuration) -> Result<Vec<u64>, ConvertError> {
    const KEY: &str = "pyramid_num_routed";
    let numbers = vision.numbers(KEY)?.ok_or_else(|| vision.missing(&[KEY]))?;
    Ok(numbers.into_iter().map(|number| number.max(0.0) as u64).collect())
}

fn adjust_vision(vision: &mut Configuration, _: &Configuration) -> Result<(), ConvertError> {
    let text = [("adapter_type", "patch_merger", None), ("router_scoring_func", "sigmoid", Some("sigmoid"))];
    for (key, expected, otherwise) in text {
        let value = vision.text_value(key)?.or(otherwise);
        if value != Some(expected) {
            return Err(vision.bad(key, &value.unwrap_or("missing"), expected));
        }
    }
    for (key, expected) in [("pre_pixel_shuffle", true), ("use_bias", false), ("use_qk_norm", true)] {
        if vision.flag(key)? != expected {
            return Err(vision.bad(key, &!expected, &expected.to_string()));
        }
    }
    for key in ["router_scale", "temporal_patch_size"] {
        let number = vision.optional_number(&[key])?.unwrap_or(1.0);
        if number != 1.0 {
            return Err(vision.bad(key, &number, "1"));
        }
    }
    // What it calls hidden_size is the width of what comes out. Images come in any size.
    vision.set("hidden_size", vision.integer("embed_dim")?);
    vision.set("image_size", 0);
    Ok(())
}

/// The runtime has the rest of the encoder of sound built in.
fn adjust_audio(audio: &mut Configuration, _: &Configuration) -> Result<(), ConvertError> {
    for (key, expected) in
        [("use_conv2d_stem", true), ("use_rope", true), ("use_rms_norm", true), ("use_causal", false)]
    {
        if audio.flag(key)? != expected {
            return Err(audio.bad(key, &!expected, &expected.to_string()));
        }
    }
    let rope = audio.part("rope_parameters").ok_or_else(|| audio.missing(&["rope_parameters"]))?;
    let numbers = [
        (&*audio, "merge_factor", 1.0, Some(1.0)),
        (&*audio, "chunk_seconds", 60.0, None),
        (&rope, "partial_rotary_factor", 0.5, None),
        (&rope, "rope_theta", 10_000.0, None),
    ];
    for (part, key, expected, otherwise) in numbers {
        let number = part.optional_number(&[key])?.or(otherwise).ok_or_else(|| part.missing(&[key]))?;
        if number != expected {
            return Err(part.bad(key, &number, &expected.to_string()));
        }
    }
    let whisper = audio.part("whisper_config").ok_or_else(|| audio.missing(&["whisper_config"]))?;
    let activation = whisper.text_value("activation_function")?.unwrap_or("missing");
    if activation != "swiglu" {
        return Err(whisper.bad("activation_function", &activation, "swiglu"));
    }
    for (usual, own) in [
        ("hidden_size", "d_model"),
        ("intermediate_size", "encoder_ffn_dim"),
        ("num_attention_heads", "encoder_attention_heads"),
        ("num_hidden_layers", "encoder_layers"),
        ("num_mel_bins", "num_mel_bins"),
    ] {
        audio.set(usual, whisper.integer(own)?);
    }
    Ok(())
}

fn hyperparameters(subject: &Encoders<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let (vision, audio) = (subject.vision, subject.audio);
    out.set("vision.projector_type", "dots3note_v");
    out.set("use_silu", true);
    out.float("vision.attention.layer_norm_epsilon", vision.number("rms_norm_eps")?);
    settings::merged_patches(subject, out)?;
    settings::pixel_limits(subject, out)?;
    out.counts("vision.expert_count_per_layer", &experts(vision)?)?;
    out.count("vision.expert_used_count", vision.number("capacity_factor")?.max(0.0) as u64)?;
    out.set("audio.projector_type", "dots3note_a");
    out.count("audio.num_mel_bins", audio.integer("num_mel_bins")?)?;
    out.float("audio.attention.layer_norm_epsilon", 1e-6);
    Ok(())
}
