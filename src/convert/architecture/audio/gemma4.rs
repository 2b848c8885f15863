//! The encoders of Gemma 4: one of images and a conformer for sound, or embeddings without layers in the
//! unified models.

use std::borrow::Cow;

use crate::convert::architecture::common::flat_kernel;
use crate::convert::architecture::vision::patches;
use crate::convert::numbers::Numbers;
use crate::convert::parameters::Parameters;
use crate::convert::projector::{Encoders, Projector};
use crate::convert::rule::Rule;
use crate::convert::weight::{Weight, WeightError};
use crate::convert::{Configuration, ConvertError, Model};
use crate::plan::Derivation;
use crate::tensor::ElementType;

/// Encoders with layers.
pub(in crate::convert::architecture) const PROJECTOR: Projector = Projector {
    audio: |whole| whole.part("audio_config"),
    adjust: |vision, _| {
        // Images come in any size; the runtime wants some number.
        vision.set("image_size", 224);
        Ok(())
    },
    adjust_audio: |audio, _| {
        if let Some(width) = audio.optional_integer(&["hidden_size"])? {
            audio.set("intermediate_size", width.saturating_mul(4));
        }
        Ok(())
    },
    hyperparameters: |subject, out| hyperparameters(["gemma4v", "gemma4a"], subject, out),
    computed: softened_scale,
    rename,
    tensors: &[PROJECTIONS, IMAGES, SOUND_FRONT, SOUND_ATTENTION, SOUND_FEED_FORWARD, SOUND_CONVOLUTION],
    forced,
    ..Projector::STANDARD
};

/// Embeddings of patches and of stretches of sound, which the text model takes as they are.
pub(in crate::convert::architecture) const UNIFIED: Projector = Projector {
    adjust: |vision, whole| {
        (PROJECTOR.adjust)(vision, whole)?;
        vision.set("hidden_size", vision.integer("mm_embed_dim")?);
        without_layers(vision);
        Ok(())
    },
    adjust_audio: |audio, _| {
        audio.set("hidden_size", audio.integer("audio_embed_dim")?);
        without_layers(audio);
        Ok(())
    },
    hyperparameters: |subject, out| hyperparameters(["gemma4uv", "gemma4ua"], subject, out),
    tensors: &[PROJECTIONS, EMBEDDINGS],
    ..PROJECTOR
};

const PROJECTIONS: &[Rule] = &[
    Rule::keep("embed_vision.embedding_projection.*", "mm.input_projection.*").required(),
    Rule::keep("embed_audio.embedding_projection.*", "mm.a.input_projection.*"),
];

const IMAGES: &[Rule] = &[
    Rule::step("vision_tower.patch_embedder.input_proj.weight", "v.patch_embd.weight", patches::pixels)
        .required(),
    Rule::keep("vision_tower.patch_embedder.position_embedding_table", "v.position_embd.weight").required(),
    Rule::keep("vision_tower.std_bias", "v.std_bias"),
    Rule::keep("vision_tower.std_scale", "v.std_scale"),
    Rule::keep("vision_tower.encoder.layers.{}.layer_scalar", "v.blk.{}.out_scale.weight"),
    Rule::keep("vision_tower.encoder.layers.{}.input_layernorm.*", "v.blk.{}.ln1.*").required(),
    Rule::keep("vision_tower.encoder.layers.{}.post_attention_layernorm.*", "v.blk.{}.attn_post_norm.*"),
    Rule::keep("vision_tower.encoder.layers.{}.pre_feedforward_layernorm.*", "v.blk.{}.ln2.*").required(),
    Rule::keep("vision_tower.encoder.layers.{}.post_feedforward_layernorm.*", "v.blk.{}.ffn_post_norm.*"),
    Rule::keep("vision_tower.encoder.layers.{}.self_attn.q_norm.*", "v.blk.{}.attn_q_norm.*"),
    Rule::keep("vision_tower.encoder.layers.{}.self_attn.k_norm.*", "v.blk.{}.attn_k_norm.*"),
    Rule::keep("vision_tower.encoder.layers.{}.self_attn.q_proj.**", "v.blk.{}.attn_q.**").required(),
    Rule::keep("vision_tower.encoder.layers.{}.self_attn.k_proj.**", "v.blk.{}.attn_k.**").required(),
    Rule::keep("vision_tower.encoder.layers.{}.self_attn.v_proj.**", "v.blk.{}.attn_v.**").required(),
    Rule::keep("vision_tower.encoder.layers.{}.self_attn.o_proj.**", "v.blk.{}.attn_out.**").required(),
    Rule::keep("vision_tower.encoder.layers.{}.mlp.gate_proj.**", "v.blk.{}.ffn_gate.**").required(),
    Rule::keep("vision_tower.encoder.layers.{}.mlp.up_proj.**", "v.blk.{}.ffn_up.**").required(),
    Rule::keep("vision_tower.encoder.layers.{}.mlp.down_proj.**", "v.blk.{}.ffn_down.**").required(),
];

const SOUND_FRONT: &[Rule] = &[
    Rule::keep("audio_tower.subsample_conv_projection.layer{}.conv.*", "a.conv1d.{}.*"),
    Rule::keep("audio_tower.subsample_conv_projection.layer{}.norm.*", "a.conv1d.{}.norm.*"),
    Rule::keep("audio_tower.subsample_conv_projection.input_proj_linear.*", "a.input_projection.*"),
    Rule::keep("audio_tower.output_proj.*", "a.pre_encode.out.*"),
];

const SOUND_ATTENTION: &[Rule] = &[
    Rule::keep("audio_tower.layers.{}.norm_pre_attn.*", "a.blk.{}.attn_pre_norm.*").required(),
    Rule::keep("audio_tower.layers.{}.norm_post_attn.*", "a.blk.{}.attn_post_norm.*").required(),
    Rule::keep("audio_tower.layers.{}.norm_out.*", "a.blk.{}.ln2.*").required(),
    Rule::keep("audio_tower.layers.{}.self_attn.q_proj.**", "a.blk.{}.attn_q.**").required(),
    Rule::keep("audio_tower.layers.{}.self_attn.k_proj.**", "a.blk.{}.attn_k.**").required(),
    Rule::keep("audio_tower.layers.{}.self_attn.v_proj.**", "a.blk.{}.attn_v.**").required(),
    Rule::keep("audio_tower.layers.{}.self_attn.post.**", "a.blk.{}.attn_out.**").required(),
    Rule::keep("audio_tower.layers.{}.self_attn.relative_k_proj.**", "a.blk.{}.attn_k_rel.**").required(),
    Rule::keep("audio_tower.layers.{}.self_attn.per_dim_scale", "a.blk.{}.per_dim_scale.weight").required(),
];

const SOUND_FEED_FORWARD: &[Rule] = &[
    Rule::keep("audio_tower.layers.{}.feed_forward1.pre_layer_norm.*", "a.blk.{}.ffn_norm.*").required(),
    Rule::keep("audio_tower.layers.{}.feed_forward1.ffw_layer_1.**", "a.blk.{}.ffn_up.**").required(),
    Rule::keep("audio_tower.layers.{}.feed_forward1.ffw_layer_2.**", "a.blk.{}.ffn_down.**").required(),
    Rule::keep("audio_tower.layers.{}.feed_forward1.post_layer_norm.*", "a.blk.{}.ffn_post_norm.*")
        .required(),
    Rule::keep("audio_tower.layers.{}.feed_forward2.pre_layer_norm.*", "a.blk.{}.ffn_norm_1.*").required(),
    Rule::keep("audio_tower.layers.{}.feed_forward2.ffw_layer_1.**", "a.blk.{}.ffn_up_1.**").required(),
    Rule::keep("audio_tower.layers.{}.feed_forward2.ffw_layer_2.**", "a.blk.{}.ffn_down_1.**").required(),
    Rule::keep("audio_tower.layers.{}.feed_forward2.post_layer_norm.*", "a.blk.{}.ffn_post_norm_1.*")
        .required(),
];

const SOUND_CONVOLUTION: &[Rule] = &[
    Rule::keep("audio_tower.layers.{}.lconv1d.pre_layer_norm.*", "a.blk.{}.conv_norm.*").required(),
    Rule::keep("audio_tower.layers.{}.lconv1d.linear_start.**", "a.blk.{}.conv_pw1.**").required(),
    Rule::step(
        "audio_tower.layers.{}.lconv1d.depthwise_conv1d.weight",
        "a.blk.{}.conv_dw.weight",
        flat_kernel,
    )
    .required(),
    Rule::keep("audio_tower.layers.{}.lconv1d.conv_norm.*", "a.blk.{}.norm_conv.*").required(),
    Rule::keep("audio_tower.layers.{}.lconv1d.linear_end.**", "a.blk.{}.conv_pw2.**").required(),
];

const EMBEDDINGS: &[Rule] = &[
    Rule::step("vision_embedder.patch_dense.weight", "v.patch_embd.weight", planes).required(),
    Rule::keep("vision_embedder.patch_dense.bias", "v.patch_embd.bias"),
    Rule::step("vision_embedder.patch_ln1.*", "v.patch_norm.1.*", planes).required(),
    Rule::keep("vision_embedder.patch_ln2.*", "v.patch_norm.2.*").required(),
    Rule::keep("vision_embedder.pos_norm.*", "v.patch_norm.3.*").required(),
    Rule::step("vision_embedder.pos_embedding", "v.position_embd.weight", by_axis).required(),
];

/// What has limits lies one step deeper.
fn rename<'n>(_: &Configuration, name: &'n str) -> Option<Cow<'n, str>> {
    const PARTS: [&str; 5] =
        ["vision_tower.", "audio_tower.", "embed_vision.", "embed_audio.", "vision_embedder."];
    let name = name.strip_prefix("model.").unwrap_or(name);
    let sensed = PARTS.iter().any(|part| name.starts_with(part));
    sensed.then(|| if name.contains(".linear.") { name.replace(".linear.", ".").into() } else { name.into() })
}

fn forced(name: &str) -> Option<ElementType> {
    let sound =
        name.starts_with("a.conv") || name.contains(".conv_dw.") || name == "a.input_projection.weight";
    (sound || name == "v.position_embd.weight").then_some(ElementType::F32)
}

/// A scale as the model applies it, which is the logarithm of one more than the exponential of what is
/// stored.
fn softened_scale(numbers: &Numbers<'_>, name: &str) -> Result<Option<Derivation>, ConvertError> {
    // Beyond this the logarithm is the number itself (PyTorch's default).
    const LINEAR: f32 = 20.0;
    if !name.ends_with(".per_dim_scale") {
        return Ok(None);
    }
    let Some(stored) = numbers.of(name)? else { return Ok(None) };
    let soften = |number: f32| {
        let exponential = f64::from(number).exp() as f32;
        if number > LINEAR { number } else { f64::from(exponential).ln_1p() as f32 }
    };
    let count = stored.len() as u64;
    let derivation = Derivation::values(stored.into_iter().map(soften).collect(), &[count]);
    derivation.map(Some).map_err(|reason| ConvertError::Dimensions { tensor: name.to_owned(), reason })
}

/// Pixels, whose colours lie together, as planes of one colour each: in the last axis.
fn planes(_: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let derivation = weight.whole()?;
    let dimensions = derivation.dimensions();
    let Some((pixels, rows)) = dimensions.split_last() else { return Ok(Weight::Whole(derivation)) };
    let (rows, axis) = (rows.iter().product::<u64>(), 1);
    let apart = derivation.reshape(&[rows, pixels / 3, 3])?;
    Ok(Weight::Whole(apart.transpose(axis, axis + 1)?.reshape(&dimensions)?))
}

/// The positions of each axis together.
fn by_axis(_: &Model, weight: Weight) -> Result<Weight, WeightError> {
    Ok(Weight::Whole(weight.whole()?.permute(&[1, 0, 2])?))
}

/// What the runtime wants to be told of encoders that have no layers.
fn without_layers(encoder: &mut Configuration) {
    for key in ["intermediate_size", "num_layers", "num_attention_heads"] {
        encoder.set(key, 0);
    }
}

fn hyperparameters(
    [images, sound]: [&str; 2],
    subject: &Encoders<'_>,
    out: &mut Parameters,
) -> Result<(), ConvertError> {
    let epsilon = |encoder: &Configuration| {
        encoder.optional_number(&["layer_norm_eps"]).map(|epsilon| epsilon.unwrap_or(1e-6))
    };
    out.set("vision.projector_type", images);
    out.float("vision.attention.layer_norm_epsilon", epsilon(subject.vision)?);
    if subject.whole.part("audio_config").is_some() {
        out.set("audio.projector_type", sound);
        let bins = subject.audio.optional_integer(&["input_feat_size"])?.unwrap_or(128);
        out.count("audio.num_mel_bins", bins)?;
        out.float("audio.attention.layer_norm_epsilon", epsilon(subject.audio)?);
    }
    Ok(())
}
