//! Qwen 3-VL; its encoder is that of Qwen 3.5 too.

use std::borrow::Cow;

use super::qwen2vl::name_usually;
use super::vision::patches::{FRAMES, frames};
use super::{Family, qwen2};
use crate::convert::configuration::{Class, Configuration, Derived, Part};
use crate::convert::model::MAX_LAYERS;
use crate::convert::parameters::Parameters;
use crate::convert::projector::{Encoders, Projector};
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;
use crate::convert::{ConvertError, Subject};

pub(super) const FAMILY: Family = Family {
    names: &["Qwen3VLForConditionalGeneration"],
    architecture: "qwen3vl",
    classes: &[
        Class::of_parts(
            "qwen3_vl",
            &[Part::of("text_config", "qwen3_vl_text"), Part::of("vision_config", "qwen3_vl_vision")],
        ),
        Class::new(
            "qwen3_vl_text",
            &[Derived::KeyValueHeads],
            r#"{"vocab_size": 151936, "max_position_embeddings": 128000, "hidden_size": 4096,
            "intermediate_size": 22016, "num_hidden_layers": 32, "num_attention_heads": 32,
            "num_key_value_heads": 32, "head_dim": 128, "rms_norm_eps": 1e-6, "rope_theta": 5000000.0}"#,
        ),
        VISION,
    ],
    tokenizer: Flavour::SENTENCE_PIECE_OR_BYTE_PAIR,
    hyperparameters: |subject, out| {
        qwen2::hyperparameters(subject, out)?;
        deepstack_layers(subject, out)
    },
    projector: Some(&PROJECTOR),
    ..Family::STANDARD
};

pub(super) const VISION: Class = Class::new(
    "qwen3_vl_vision",
    &[],
    r#"{"depth": 27, "hidden_size": 1152, "intermediate_size": 4304, "num_heads": 16, "patch_size": 16,
    "num_position_embeddings": 2304, "deepstack_visual_indexes": [8, 16, 24], "spatial_merge_size": 2}"#,
);

/// How many layers of the encoder reach into the text model.
pub(super) fn deepstack_layers(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let vision = subject.model.configuration.part("vision_config");
    let layers = vision.map_or(Ok(None), |vision| vision.integers("deepstack_visual_indexes"))?;
    out.count("n_deepstack_layers", layers.map_or(0, |layers| layers.len() as u64))
}

pub(super) const PROJECTOR: Projector = Projector {
    adjust: |vision, _| {
        let deepstack = vision.integers("deepstack_visual_indexes")?.unwrap_or_default().len() as u64;
        if deepstack > MAX_LAYERS {
            let got = format!("{deepstack} layers");
            return Err(vision.bad("deepstack_visual_indexes", &got, &format!("at most {MAX_LAYERS}")));
        }
        let positions = vision.optional_integer(&["num_position_embeddings"])?.unwrap_or(2304);
        let patch = vision.optional_integer(&["patch_size"])?.unwrap_or(16);
        name_usually(vision, ((positions as f64).sqrt() * patch as f64) as u64)
    },
    hyperparameters,
    rename: |vision, name| {
        let name = name.strip_prefix("model.").unwrap_or(name);
        let inner = name.strip_prefix("visual.")?;
        Some(deepstack_name(vision, inner).map_or(Cow::Borrowed(name), Cow::Owned))
    },
    tensors: &[TENSORS],
    ..Projector::STANDARD
};

pub(super) const TENSORS: &[Rule] = &[
    Rule::split("visual.patch_embed.proj.weight", FRAMES, frames),
    Rule::keep("visual.patch_embed.proj.bias", "v.patch_embd.bias"),
    Rule::keep("visual.pos_embed.*", "v.position_embd.*"),
    Rule::keep("visual.blocks.{}.attn.qkv.*", "v.blk.{}.attn_qkv.*"),
    Rule::keep("visual.blocks.{}.attn.proj.*", "v.blk.{}.attn_out.*"),
    Rule::keep("visual.blocks.{}.norm1.*", "v.blk.{}.ln1.*"),
    Rule::keep("visual.blocks.{}.norm2.*", "v.blk.{}.ln2.*"),
    Rule::keep("visual.blocks.{}.mlp.linear_fc1.*", "v.blk.{}.ffn_up.*"),
    Rule::keep("visual.blocks.{}.mlp.linear_fc2.*", "v.blk.{}.ffn_down.*"),
    Rule::keep("visual.merger.norm.*", "v.post_ln.*"),
    Rule::keep("visual.merger.linear_fc1.*", "mm.0.*"),
    Rule::keep("visual.merger.linear_fc2.*", "mm.2.*"),
    Rule::keep("visual.deepstack.{}.norm.*", "v.deepstack.{}.norm.*"),
    Rule::keep("visual.deepstack.{}.linear_fc1.*", "v.deepstack.{}.fc1.*"),
    Rule::keep("visual.deepstack.{}.linear_fc2.*", "v.deepstack.{}.fc2.*"),
    // As Qwen3-Omni calls them.
    Rule::keep("visual.merger.ln_q.*", "v.post_ln.*"),
    Rule::keep("visual.merger.mlp.{}.*", "mm.{}.*"),
    Rule::keep("visual.deepstack.{}.ln_q.*", "v.deepstack.{}.norm.*"),
    Rule::keep("visual.deepstack.{}.mlp.0.*", "v.deepstack.{}.fc1.*"),
    Rule::keep("visual.deepstack.{}.mlp.2.*", "v.deepstack.{}.fc2.*"),
];

/// Mergers are numbered by themselves in the checkpoint, and by the layer that they belong to in the file.
fn deepstack_name(vision: &Configuration, name: &str) -> Option<String> {
    let listed = name.strip_prefix("deepstack_merger_list.").or_else(|| name.strip_prefix("merger_list."));
    let (number, rest) = listed?.split_once('.')?;
    let layers = vision.integers("deepstack_visual_indexes").ok()??;
    let layer = layers.get(number.parse::<usize>().ok()?)?;
    Some(format!("visual.deepstack.{layer}.{rest}"))
}

/// What the runtime calls the encoder.
pub(super) const KIND: &str = "qwen3vl_merger";

fn hyperparameters(subject: &Encoders<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    out.set("projector_type", KIND);
    images(subject, out)
}

/// Metadata of the encoder beside its kind.
pub(super) fn images(subject: &Encoders<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let vision = subject.vision;
    out.set("use_gelu", true);
    if let Some(size) = vision.optional_integer(&["spatial_merge_size"])? {
        out.count("vision.spatial_merge_size", size)?;
    }
    out.float("vision.attention.layer_norm_epsilon", text_epsilon(subject)?);
    let deepstack = vision.integers("deepstack_visual_indexes")?.unwrap_or_default();
    let layers = subject.layers;
    if let Some(layer) = deepstack.iter().find(|layer| **layer >= layers) {
        return Err(vision.bad("deepstack_visual_indexes", layer, &format!("layers below {layers}")));
    }
    let flags: Vec<bool> = (0..layers).map(|layer| deepstack.contains(&layer)).collect();
    out.set("vision.is_deepstack_layers", flags);
    Ok(())
}

/// The epsilon of the text model's norms, which the runtime is given for those of the encoder.
pub(super) fn text_epsilon(subject: &Encoders<'_>) -> Result<f64, ConvertError> {
    let thinker = subject.whole.part("thinker_config");
    let text = thinker.as_ref().unwrap_or(subject.whole).part("text_config");
    Ok(text.map_or(Ok(None), |text| text.optional_number(&["rms_norm_eps"]))?.unwrap_or(1e-6))
}
