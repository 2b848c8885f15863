//! DeepSeek-OCR and Unlimited-OCR: SAM's encoder before CLIP's, or before one made from Qwen 2, and the first
//! DeepSeek V2 with plain attention.

use std::borrow::Cow;

use super::settings;
use crate::convert::architecture::Family;
use crate::convert::architecture::common::{ATTENTION, DENSE_LAYERS, EMBEDDINGS, EXPERTS, NORMS, text_name};
use crate::convert::architecture::deepseek2::{self, ROUTING};
use crate::convert::hyperparameters::standard;
use crate::convert::parameters::Parameters;
use crate::convert::projector::{Encoders, Projector};
use crate::convert::rule::Rule;
use crate::convert::weight::{Weight, WeightError};
use crate::convert::{Configuration, ConvertError, Model};
use crate::tensor::ElementType;

pub(super) const FIRST: Family = Family {
    names: &["DeepseekOCRForCausalLM"],
    overrules_text: true,
    architecture: "deepseek2-ocr",
    classes: &[],
    adjust: |configuration, _| {
        if !configuration.has("rms_norm_eps") {
            configuration.set("rms_norm_eps", 1e-6);
        }
        Ok(())
    },
    hyperparameters: |subject, out| {
        standard(subject, out)?;
        deepseek2::dense_layers(subject.model, out)?;
        deepseek2::experts(subject.model, out)?;
        let configuration = &subject.model.configuration;
        for key in ["sliding_window_size", "sliding_window"] {
            if let Some(window) = configuration.optional_integer(&[key])?.filter(|window| *window > 0) {
                return out.count("attention.sliding_window", window);
            }
        }
        Ok(())
    },
    rename: |model, name| {
        let other = ["sam_model", "qwen2_model"].iter().any(|part| name.contains(part));
        if other || deepseek2::is_tied_output(model, name) { None } else { text_name(name) }
    },
    tensors: &[EMBEDDINGS, NORMS, ATTENTION, DENSE_LAYERS, EXPERTS, ROUTING],
    projector: Some(&FIRST_PROJECTOR),
    ..deepseek2::FAMILY
};

pub(super) const UNLIMITED: Family =
    Family { names: &["UnlimitedOCRForCausalLM"], projector: Some(&UNLIMITED_PROJECTOR), ..FIRST };

pub(super) const SECOND: Family =
    Family { names: &["DeepseekOCR2ForCausalLM"], projector: Some(&SECOND_PROJECTOR), ..FIRST };

const FIRST_PROJECTOR: Projector = Projector {
    adjust: |vision, _| widths(vision),
    hyperparameters: |subject, out| hyperparameters(subject, "deepseekocr", 9, out),
    rename: |_, name| {
        let inner = name.strip_prefix("model.")?;
        let text = ["embed_tokens.", "layers.", "norm."];
        (!text.iter().any(|start| inner.starts_with(start))).then_some(Cow::Borrowed(inner))
    },
    tensors: &[CONNECTION, SAM, CLIP],
    forced: |name| {
        let parts = [".pos_embd.", ".pos_h.", ".pos_w.", ".neck.", ".net_"];
        let embedding = ["v.patch_embd.weight", "v.position_embd.weight"].contains(&name);
        (embedding || parts.iter().any(|part| name.contains(part))).then_some(ElementType::F32)
    },
    ..Projector::STANDARD
};

const UNLIMITED_PROJECTOR: Projector = Projector {
    hyperparameters: |subject, out| hyperparameters(subject, "deepseekocr", 32, out),
    ..FIRST_PROJECTOR
};

const SECOND_PROJECTOR: Projector = Projector {
    adjust: |vision, _| {
        widths(vision)?;
        let encoder = vision.part("width").and_then(|width| width.part("qwen2-0-5b"));
        let encoder = encoder.ok_or_else(|| vision.missing(&["width.qwen2-0-5b"]))?;
        vision.set("hidden_size", encoder.integer("dim")?);
        // What the model's own code builds its encoder with.
        let built =
            [("layers", 24), ("patch_size", 16), ("intermediate_size", 4864), ("num_attention_heads", 14)];
        for (key, number) in built {
            if vision.value(key).is_none() {
                vision.set(key, number);
            }
        }
        Ok(())
    },
    hyperparameters: |subject, out| {
        hyperparameters(subject, "deepseekocr2", 6, out)?;
        out.count("vision.attention.head_count_kv", 2)
    },
    tensors: &[CONNECTION, SAM, SECOND_ENCODER],
    ..FIRST_PROJECTOR
};

/// What is said of both encoders under the name of a width, put where that of other encoders is.
fn widths(vision: &mut Configuration) -> Result<(), ConvertError> {
    let width = vision.part("width").ok_or_else(|| vision.missing(&["width"]))?;
    if let Some(clip) = width.part("clip-l-14-224") {
        for key in ["heads", "image_size", "layers", "patch_size"] {
            if let Some(value) = clip.value(key) {
                vision.set(key, value.clone());
            }
        }
        vision.set("hidden_size", clip.integer("width")?);
    }
    if let Some(heads) = vision.optional_integer(&["heads"])? {
        vision.set("num_attention_heads", heads);
        // So the reference has it; the runtime takes the width from the tensors.
        vision.set("intermediate_size", heads.saturating_mul(4));
    }
    Ok(())
}

fn hyperparameters(
    subject: &Encoders<'_>,
    kind: &'static str,
    most_tiles: u64,
    out: &mut Parameters,
) -> Result<(), ConvertError> {
    let vision = subject.vision;
    out.set("projector_type", kind);
    settings::epsilon(subject, "layer_norm_eps", 1e-6, out)?;
    out.set("use_gelu", true);
    settings::pooled_patches(subject, out)?;
    out.count("vision.window_size", vision.optional_integer(&["window_size"])?.unwrap_or(14))?;
    out.count("vision.preproc_min_tiles", 2)?;
    out.count("vision.preproc_max_tiles", most_tiles)?;
    let sam = vision.part("width").and_then(|width| width.part("sam_vit_b"));
    let sam = sam.ok_or_else(|| vision.missing(&["width.sam_vit_b"]))?;
    out.count("vision.sam.block_count", sam.integer("layers")?)?;
    out.count("vision.sam.embedding_length", sam.integer("width")?)?;
    out.count("vision.sam.head_count", sam.integer("heads")?)
}

const CONNECTION: &[Rule] = &[
    Rule::keep("projector.layers.*", "mm.model.fc.*").required(),
    Rule::keep("image_newline", "v.image_newline"),
    Rule::step("view_seperator", "v.view_seperator", one_row).required(),
];

const SAM: &[Rule] = &[
    Rule::keep("sam_model.patch_embed.proj.*", "v.sam.patch_embd.*").required(),
    Rule::keep("sam_model.pos_embed", "v.sam.pos_embd.weight").required(),
    Rule::keep("sam_model.blocks.{}.norm1.*", "v.sam.blk.{}.pre_ln.*"),
    Rule::keep("sam_model.blocks.{}.norm2.*", "v.sam.blk.{}.post_ln.*"),
    Rule::keep("sam_model.blocks.{}.attn.qkv.*", "v.sam.blk.{}.attn.qkv.*"),
    Rule::keep("sam_model.blocks.{}.attn.proj.*", "v.sam.blk.{}.attn.out.*"),
    Rule::keep("sam_model.blocks.{}.attn.rel_pos_h", "v.sam.blk.{}.attn.pos_h.weight"),
    Rule::keep("sam_model.blocks.{}.attn.rel_pos_w", "v.sam.blk.{}.attn.pos_w.weight"),
    Rule::keep("sam_model.blocks.{}.mlp.lin1.*", "v.sam.blk.{}.mlp.lin1.*"),
    Rule::keep("sam_model.blocks.{}.mlp.lin2.*", "v.sam.blk.{}.mlp.lin2.*"),
    Rule::keep("sam_model.neck.{}.*", "v.sam.neck.{}.*"),
    Rule::keep("sam_model.net_2.*", "v.sam.net_2.*").required(),
    Rule::keep("sam_model.net_3.*", "v.sam.net_3.*").required(),
];

const CLIP: &[Rule] = &[
    Rule::keep("vision_model.embeddings.class_embedding", "v.class_embd").required(),
    Rule::keep("vision_model.embeddings.patch_embedding.*", "v.patch_embd.*").required(),
    Rule::keep("vision_model.embeddings.position_embedding.*", "v.position_embd.*").required(),
    Rule::keep("vision_model.pre_layrnorm.*", "v.pre_ln.*").required(),
    Rule::keep("vision_model.transformer.layers.{}.layer_norm1.*", "v.blk.{}.ln1.*").required(),
    Rule::keep("vision_model.transformer.layers.{}.layer_norm2.*", "v.blk.{}.ln2.*").required(),
    Rule::keep("vision_model.transformer.layers.{}.self_attn.qkv_proj.*", "v.blk.{}.attn_qkv.*").required(),
    Rule::keep("vision_model.transformer.layers.{}.self_attn.out_proj.*", "v.blk.{}.attn_out.*").required(),
    Rule::keep("vision_model.transformer.layers.{}.mlp.fc1.*", "v.blk.{}.ffn_up.*").required(),
    Rule::keep("vision_model.transformer.layers.{}.mlp.fc2.*", "v.blk.{}.ffn_down.*").required(),
];

/// How many layers there are is not said for sure.
const SECOND_ENCODER: &[Rule] = &[
    Rule::keep("qwen2_model.query_768.weight", "v.resample_query_768.weight").required(),
    Rule::keep("qwen2_model.query_1024.weight", "v.resample_query_1024.weight").required(),
    Rule::keep("qwen2_model.model.model.norm.*", "v.post_ln.*").required(),
    Rule::keep("qwen2_model.model.model.layers.{}.input_layernorm.*", "v.blk.{}.ln1.*"),
    Rule::keep("qwen2_model.model.model.layers.{}.post_attention_layernorm.*", "v.blk.{}.ln2.*"),
    Rule::keep("qwen2_model.model.model.layers.{}.self_attn.q_proj.*", "v.blk.{}.attn_q.*"),
    Rule::keep("qwen2_model.model.model.layers.{}.self_attn.k_proj.*", "v.blk.{}.attn_k.*"),
    Rule::keep("qwen2_model.model.model.layers.{}.self_attn.v_proj.*", "v.blk.{}.attn_v.*"),
    Rule::keep("qwen2_model.model.model.layers.{}.self_attn.o_proj.*", "v.blk.{}.attn_out.*"),
    Rule::keep("qwen2_model.model.model.layers.{}.mlp.gate_proj.*", "v.blk.{}.ffn_gate.*"),
    Rule::keep("qwen2_model.model.model.layers.{}.mlp.up_proj.*", "v.blk.{}.ffn_up.*"),
    Rule::keep("qwen2_model.model.model.layers.{}.mlp.down_proj.*", "v.blk.{}.ffn_down.*"),
];

/// A vector as a matrix of one row.
fn one_row(_: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let derivation = weight.whole()?;
    let dimensions: Vec<u64> = std::iter::once(1).chain(derivation.dimensions()).collect();
    Ok(Weight::Whole(derivation.reshape(&dimensions)?))
}
