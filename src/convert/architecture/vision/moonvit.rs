//! MoonViT: the encoder of Kimi-VL, and that of Kimi K2.5 and GLM-5V, which sees films too.

use std::borrow::Cow;

use super::settings;
use crate::convert::architecture::common::thirds;
use crate::convert::architecture::{Family, deepseek2, glm5};
use crate::convert::parameters::Parameters;
use crate::convert::projector::{Encoders, Projector};
use crate::convert::rule::Rule;
use crate::convert::weight::{Weight, WeightError, regroup_rows};
use crate::convert::{Configuration, ConvertError, Model};
use crate::plan::{Derivation, DerivationError};

pub(super) const KIMI_VL: Family = Family {
    names: &["KimiVLForConditionalGeneration"],
    classes: &[],
    projector: Some(&IMAGES),
    ..deepseek2::FAMILY
};

pub(super) const KIMI_K2_5: Family = Family {
    names: &["KimiK25ForConditionalGeneration"],
    classes: &[],
    projector: Some(&FILMS),
    ..deepseek2::FAMILY
};

pub(super) const GLM_5V: Family = Family {
    names: &["Glm5vForConditionalGeneration"],
    classes: &[],
    projector: Some(&FILMS),
    ..glm5::FIFTH
};

const IMAGES: Projector = Projector {
    adjust: |vision, _| {
        // Images come in any size; this is what the runtime warms up with.
        vision.set("image_size", 64 * 14);
        Ok(())
    },
    hyperparameters: |subject, out| {
        out.set("projector_type", "kimivl");
        out.set("use_gelu", true);
        out.count("vision.projector.scale_factor", 2)?;
        settings::epsilon(subject, "layer_norm_eps", 1e-5, out)
    },
    rename,
    tensors: &[
        TRUNK,
        &[
            Rule::split(
                "vision_tower.encoder.blocks.{}.wqkv.*",
                &["v.blk.{}.attn_q.*", "v.blk.{}.attn_k.*", "v.blk.{}.attn_v.*"],
                thirds,
            ),
            Rule::step("vision_tower.patch_embed.pos_emb.weight", "v.position_embd.weight", flat_grid),
            Rule::keep("multi_modal_projector.pre_norm.*", "mm.input_norm.*").required(),
            Rule::keep("multi_modal_projector.linear_1.*", "mm.1.*").required(),
            Rule::keep("multi_modal_projector.linear_2.*", "mm.2.*").required(),
        ],
    ],
    ..Projector::STANDARD
};

const FILMS: Projector = Projector {
    adjust: |vision, _| {
        let patch = vision.optional_integer(&["patch_size"])?.unwrap_or(14);
        let [height, ..] = grid(vision)?;
        vision.set("image_size", height.saturating_mul(patch));
        vision.set("patch_size", patch);
        // The heads that the runtime pairs dimensions by, whatever the encoder's own key says.
        let heads = vision.optional_integer(&["num_attention_heads"])?.unwrap_or(16);
        vision.set("num_attention_heads", heads);
        Ok(())
    },
    hyperparameters: film_hyperparameters,
    rename,
    tensors: &[
        TRUNK,
        &[
            Rule::step("vision_tower.encoder.blocks.{}.wqkv.*", "v.blk.{}.attn_qkv.*", split_rotation)
                .required(),
            Rule::keep("vision_tower.patch_embed.pos_emb.weight", "v.position_embd.weight").required(),
            Rule::drop("vision_tower.patch_embed.pos_emb.time_weight"),
            Rule::keep("mm_projector.pre_norm.*", "mm.input_norm.*").required(),
            Rule::keep("mm_projector.proj.0.*", "mm.1.*"),
            Rule::keep("mm_projector.proj.2.*", "mm.2.*"),
            Rule::keep("mm_projector.linear_1.*", "mm.1.*"),
            Rule::keep("mm_projector.linear_2.*", "mm.2.*"),
        ],
    ],
    ..Projector::STANDARD
};

const TRUNK: &[Rule] = &[
    Rule::keep("vision_tower.patch_embed.proj.*", "v.patch_embd.*").required(),
    Rule::keep("vision_tower.encoder.blocks.{}.norm0.*", "v.blk.{}.ln1.*").required(),
    Rule::keep("vision_tower.encoder.blocks.{}.norm1.*", "v.blk.{}.ln2.*").required(),
    Rule::keep("vision_tower.encoder.blocks.{}.wo.*", "v.blk.{}.attn_out.*").required(),
    Rule::keep("vision_tower.encoder.blocks.{}.mlp.fc0.*", "v.blk.{}.ffn_up.*").required(),
    Rule::keep("vision_tower.encoder.blocks.{}.mlp.fc1.*", "v.blk.{}.ffn_down.*").required(),
    Rule::keep("vision_tower.encoder.final_layernorm.*", "v.post_ln.*").required(),
];

fn rename<'n>(_: &Configuration, name: &'n str) -> Option<Cow<'n, str>> {
    let starts = ["vision_tower.", "multi_modal_projector.", "mm_projector."];
    starts.iter().any(|start| name.starts_with(start)).then_some(Cow::Borrowed(name))
}

/// Positions in rows and columns as a list.
fn flat_grid(_: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let derivation = weight.whole()?;
    match derivation.dimensions()[..] {
        [rows, columns, width] => Ok(Weight::Whole(derivation.reshape(&[rows * columns, width])?)),
        _ => Err(DerivationError::Axis { axis: 2, dimensions: derivation.dimensions() }.into()),
    }
}

/// Queries and keys whose dimensions turn by column and by row in turn: first all that turn by the one, then
/// all by the other. Values stay.
fn split_rotation(model: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let heads = model.heads()?;
    let third = weight.row_count() / 3;
    let quarter = third / heads / 4;
    weight.rows(|derivation| {
        let part = |index: u64| derivation.clone().slice(0, index * third..(index + 1) * third);
        let turned = |part: Derivation| regroup_rows(part, &[heads, quarter, 2, 2], &[0, 2, 1, 3]);
        Derivation::concatenate(0, vec![turned(part(0)?)?, turned(part(1)?)?, part(2)?])
    })
}

/// Positions for which there are embeddings: rows, columns, moments.
fn grid(vision: &Configuration) -> Result<[u64; 3], ConvertError> {
    let or =
        |key: &str, otherwise: u64| vision.optional_integer(&[key]).map(|size| size.unwrap_or(otherwise));
    Ok([or("init_pos_emb_height", 64)?, or("init_pos_emb_width", 64)?, or("init_pos_emb_time", 4)?])
}

/// The fewest patches of an image that the runtime is told.
const FEWEST_PATCHES: u64 = 8;

fn film_hyperparameters(subject: &Encoders<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let vision = subject.vision;
    out.set("projector_type", "kimik25");
    for (key, size) in ["height", "width", "time"].into_iter().zip(grid(vision)?) {
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        // The runtime has these without the prefix of all others.
        out.set_plain(&format!("vision.pos_emb_{key}"), size);
    }
    let activation = vision.text_value("projector_hidden_act")?.unwrap_or("gelu");
    out.set("use_gelu", activation == "gelu");
    settings::epsilon(subject, "projector_ln_eps", 1e-5, out)?;
    let kernel = vision.integers("merge_kernel_size")?.and_then(|sides| sides.first().copied()).unwrap_or(2);
    out.count("vision.projector.scale_factor", kernel)?;
    let patch = vision.integer("patch_size")?;
    let pixels = patch.saturating_mul(patch);
    let most = subject.preprocessor.optional_integer(&["in_patch_limit"])?.unwrap_or(16_384);
    out.count("vision.image_min_pixels", pixels.saturating_mul(FEWEST_PATCHES))?;
    out.count("vision.image_max_pixels", pixels.saturating_mul(most))
}
