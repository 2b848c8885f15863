//! The encoders of MiMo V2.5: images with windows and sinks, and sound by way of codes, whose encoder lies in
//! a folder of its own.

use std::borrow::Cow;

use super::patches::{FRAMES, frames};
use super::settings;
use crate::convert::architecture::audio::convolution::column;
use crate::convert::architecture::qwen2vl::{self, name_usually};
use crate::convert::model::MAX_LAYERS;
use crate::convert::parameters::Parameters;
use crate::convert::projector::{AUDIO, Encoders, Projector};
use crate::convert::rule::{Count, Rule};
use crate::convert::weight::{Weight, WeightError};
use crate::convert::{Configuration, ConvertError, Model};
use crate::plan::{Derivation, DerivationError};
use crate::tensor::ElementType;

/// The folder of what turns sound into codes.
pub(in crate::convert::architecture) const FOLDER: &str = "audio_tokenizer";

pub(in crate::convert::architecture) const PROJECTOR: Projector = Projector {
    audio: |whole| whole.part("audio_config"),
    audio_file: Some("audio_tokenizer/config.json"),
    adjust: |vision, whole| {
        name_usually(vision, 560)?;
        let channels =
            whole.part("audio_config").map_or(Ok(None), |part| part.optional_integer(&[CHANNELS]))?;
        vision.set(CHANNELS, channels);
        Ok(())
    },
    adjust_audio: |audio, _| {
        for (usual, own) in [
            ("hidden_size", "d_model"),
            ("intermediate_size", "encoder_ffn_dim"),
            ("num_attention_heads", "encoder_attention_heads"),
        ] {
            audio.set(usual, audio.integer(own)?);
        }
        let layers = audio.integer("encoder_layers")?;
        if layers > MAX_LAYERS {
            return Err(audio.bad("encoder_layers", &layers, &format!("at most {MAX_LAYERS} layers")));
        }
        Ok(())
    },
    hyperparameters,
    rename: |_, name| {
        let Some(inner) = name.strip_prefix(FOLDER).and_then(|rest| rest.strip_prefix('/')) else {
            let starts = ["visual.", "speech_embeddings.", "audio_encoder."];
            return starts.iter().any(|start| name.starts_with(start)).then_some(Cow::Borrowed(name));
        };
        // What codes become sound with, and what only training has use for.
        let unused = ["_codebook.cluster_size", "_codebook.embed_avg", "_codebook.inited"];
        let used = inner.starts_with("encoder.") && !unused.iter().any(|end| inner.ends_with(end));
        used.then_some(Cow::Borrowed(inner))
    },
    tensors: &[IMAGES, qwen2vl::TENSORS, CODES, SOUND],
    forced: |name| {
        let precise = ["a.rvq.codebook.weight", "mm.a.code_embd.weight", "a.downsample.conv.weight"];
        let convolution = name.starts_with("a.conv1d.") && name.ends_with(".weight");
        (convolution || precise.contains(&name)).then_some(ElementType::F32)
    },
    ..Projector::STANDARD
};

const CHANNELS: &str = "audio_channels";

const IMAGES: &[Rule] = &[
    Rule::split("visual.patch_embed.proj.weight", FRAMES, frames).required(),
    Rule::keep("visual.blocks.{}.attn.qkv.*", "v.blk.{}.attn_qkv.*").required(),
    Rule::keep("visual.blocks.{}.attn.sinks", "v.blk.{}.attn_sinks"),
];

/// From sound to codes.
const CODES: &[Rule] = &[
    Rule::keep("encoder.conv1.weight", "a.conv1d.1.weight").required(),
    Rule::step("encoder.conv1.bias", "a.conv1d.1.bias", column),
    Rule::keep("encoder.conv2.weight", "a.conv1d.2.weight").required(),
    Rule::step("encoder.conv2.bias", "a.conv1d.2.bias", column),
    Rule::keep("encoder.down_sample_layer.0.weight", "a.downsample.conv.weight"),
    Rule::keep("encoder.down_sample_norm.*", "a.downsample.norm.*"),
    Rule::keep("encoder.layer_norm.*", "a.post_ln.*").required(),
    Rule::keep("encoder.layers.{}.self_attn_layer_norm.*", "a.blk.{}.ln1.*"),
    Rule::keep("encoder.layers.{}.self_attn.q_proj.*", "a.blk.{}.attn_q.*"),
    Rule::keep("encoder.layers.{}.self_attn.k_proj.*", "a.blk.{}.attn_k.*"),
    Rule::keep("encoder.layers.{}.self_attn.v_proj.*", "a.blk.{}.attn_v.*"),
    Rule::keep("encoder.layers.{}.self_attn.out_proj.*", "a.blk.{}.attn_out.*"),
    Rule::keep("encoder.layers.{}.final_layer_norm.*", "a.blk.{}.ln2.*"),
    Rule::keep("encoder.layers.{}.fc1.*", "a.blk.{}.ffn_up.*"),
    Rule::keep("encoder.layers.{}.fc2.*", "a.blk.{}.ffn_down.*"),
    Rule::stack("encoder.quantizer.vq.layers.{}._codebook.embed", "a.rvq.codebook.weight", CODEBOOKS)
        .prepared(of_largest_size),
];

/// From codes to the text model.
const SOUND: &[Rule] = &[
    Rule::stack("speech_embeddings.{}.weight", "mm.a.code_embd.weight", |model| {
        model.configuration.integer(CHANNELS)
    }),
    Rule::keep("audio_encoder.input_local_transformer.norm.*", "mm.a.local_norm.*"),
    Rule::keep(
        "audio_encoder.input_local_transformer.layers.{}.input_layernorm.*",
        "mm.a.local_blk.{}.ln1.*",
    ),
    Rule::keep(
        "audio_encoder.input_local_transformer.layers.{}.post_attention_layernorm.*",
        "mm.a.local_blk.{}.ln2.*",
    ),
    Rule::keep(
        "audio_encoder.input_local_transformer.layers.{}.self_attn.q_proj.*",
        "mm.a.local_blk.{}.attn_q.*",
    ),
    Rule::keep(
        "audio_encoder.input_local_transformer.layers.{}.self_attn.k_proj.*",
        "mm.a.local_blk.{}.attn_k.*",
    ),
    Rule::keep(
        "audio_encoder.input_local_transformer.layers.{}.self_attn.v_proj.*",
        "mm.a.local_blk.{}.attn_v.*",
    ),
    Rule::keep(
        "audio_encoder.input_local_transformer.layers.{}.self_attn.o_proj.*",
        "mm.a.local_blk.{}.attn_out.*",
    ),
    Rule::keep(
        "audio_encoder.input_local_transformer.layers.{}.mlp.gate_proj.*",
        "mm.a.local_blk.{}.ffn_gate.*",
    ),
    Rule::keep("audio_encoder.input_local_transformer.layers.{}.mlp.up_proj.*", "mm.a.local_blk.{}.ffn_up.*"),
    Rule::keep(
        "audio_encoder.input_local_transformer.layers.{}.mlp.down_proj.*",
        "mm.a.local_blk.{}.ffn_down.*",
    ),
    Rule::keep("audio_encoder.projection.mlp.0.weight", "mm.a.mlp.1.weight"),
    Rule::keep("audio_encoder.projection.mlp.2.weight", "mm.a.mlp.2.weight"),
];

const CODEBOOKS: Count = |model| {
    let sizes =
        model.configuration.part(AUDIO).map_or_else(|| Ok(Vec::new()), |audio| codebook_sizes(&audio))?;
    Ok(sizes.len() as u64)
};

/// How many codes each codebook has.
fn codebook_sizes(audio: &Configuration) -> Result<Vec<u64>, ConvertError> {
    const KEY: &str = "codebook_size";
    audio.integers(KEY)?.ok_or_else(|| audio.missing(&[KEY]))
}

/// A codebook with zeros behind it, as long as the longest.
fn of_largest_size(model: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let sizes =
        model.configuration.part(AUDIO).map_or_else(|| Ok(Vec::new()), |audio| codebook_sizes(&audio))?;
    let derivation = weight.whole()?;
    let (codes, width) = match derivation.dimensions()[..] {
        [codes, width] => (codes, width),
        _ => return Err(DerivationError::Axis { axis: 1, dimensions: derivation.dimensions() }.into()),
    };
    let missing = sizes.into_iter().max().unwrap_or(0).saturating_sub(codes);
    if missing == 0 {
        return Ok(Weight::Whole(derivation));
    }
    Ok(Weight::Whole(Derivation::concatenate(
        0,
        vec![derivation, Derivation::filled(0.0, &[missing, width])?],
    )?))
}

fn hyperparameters(subject: &Encoders<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let (vision, audio, whole) = (subject.vision, subject.audio, subject.whole);
    out.set("vision.projector_type", "mimovl");
    out.set("use_silu", true);
    let heads = vision.optional_integer(&["num_key_value_heads"])?.unwrap_or(8);
    out.count("vision.attention.head_count_kv", heads)?;
    out.count("vision.spatial_merge_size", vision.integer("spatial_merge_size")?)?;
    out.count("vision.window_size", vision.integer("visual_token_window_size")?)?;
    let kinds = vision.numbers("vit_window_attn_types")?.unwrap_or_default();
    out.set("vision.wa_pattern_mode", kinds.into_iter().map(|kind| kind as i32).collect::<Vec<i32>>());
    settings::epsilon(subject, "rms_norm_eps", 1e-6, out)?;
    settings::pixel_limits(subject, out)?;
    out.set("audio.projector_type", "mimo_audio");
    out.count("audio.num_mel_bins", audio.integer("n_mels")?)?;
    let epsilon = audio.optional_number(&["layer_norm_eps"])?.unwrap_or(1e-5);
    out.float("audio.attention.layer_norm_epsilon", epsilon);
    let sizes = codebook_sizes(audio)?;
    out.count("audio.rvq.num_quantizers", sizes.len() as u64)?;
    out.counts("audio.rvq.codebook_size", &sizes)?;
    out.set("audio.wa_pattern_mode", windows(audio)?);
    const WINDOW: &str = "encoder_attn_window_size";
    let window = audio.integers(WINDOW)?.and_then(|sizes| sizes.first().copied());
    out.count("audio.window_size", window.ok_or_else(|| audio.missing(&[WINDOW]))?)?;
    let codes = whole.part("audio_config").ok_or_else(|| whole.missing(&["audio_config"]))?;
    out.count("audio.local_block_count", codes.integer("input_local_layers")?)?;
    out.count("audio.local_group_size", codes.integer("group_size")?)
}

/// Layer by layer of the encoder of sound 0 where it sees a window, −1 where it sees everything.
fn windows(audio: &Configuration) -> Result<Vec<i32>, ConvertError> {
    let layers = audio.integer("encoder_layers")?;
    let block = audio.optional_integer(&["swa_per_block"])?.unwrap_or(1);
    let hybrid = audio.flag("hybrid_attention")? && block > 1;
    Ok((0..layers).map(|layer| if hybrid && layer % block < block - 1 { 0 } else { -1 }).collect())
}
