//! The perception encoder of Step3-VL and Step 3.7.

use std::borrow::Cow;

use super::settings;
use crate::convert::ConvertError;
use crate::convert::architecture::{Family, qwen3};
use crate::convert::parameters::Parameters;
use crate::convert::projector::{Encoders, Projector};
use crate::convert::rule::Rule;
use crate::tensor::ElementType;

/// Step3-VL, whose text model is Qwen 3.
pub(super) const FAMILY: Family = Family {
    names: &["StepVLForConditionalGeneration"],
    classes: &[],
    projector: Some(&PROJECTOR),
    ..qwen3::FAMILY
};

pub(in crate::convert::architecture) const PROJECTOR: Projector = Projector {
    adjust: |vision, _| {
        if vision.optional_integer(&["intermediate_size"])?.unwrap_or(0) == 0 {
            let ratio = vision.optional_number(&["mlp_ratio"])?.unwrap_or(8960.0 / 1536.0);
            let width = vision.integer_of(&["hidden_size", "width"])? as f64 * ratio;
            vision.set("intermediate_size", width.round_ties_even() as u64);
        }
        Ok(())
    },
    hyperparameters,
    rename: |_, name| {
        let seen = ["vision_model.", "vit_large_projector."].iter().any(|start| name.starts_with(start));
        seen.then_some(Cow::Borrowed(name))
    },
    tensors: &[TENSORS],
    forced: |name| (name == "v.position_embd.weight").then_some(ElementType::F32),
    convolutions: &["mm.0.weight", "mm.1.weight"],
    // Those of CLIP, which the model's own code has.
    normalization: Some([
        [0.481_454_66, 0.457_827_5, 0.408_210_73],
        [0.268_629_54, 0.261_302_58, 0.275_777_11],
    ]),
    ..Projector::STANDARD
};

const TENSORS: &[Rule] = &[
    Rule::keep("vision_model.conv1.*", "v.patch_embd.*"),
    Rule::keep("vision_model.positional_embedding", "v.position_embd.weight"),
    Rule::keep("vision_model.ln_pre.*", "v.pre_ln.*"),
    Rule::keep("vision_model.transformer.resblocks.{}.ln_1.*", "v.blk.{}.ln1.*"),
    Rule::keep("vision_model.transformer.resblocks.{}.ln_2.*", "v.blk.{}.ln2.*"),
    Rule::keep("vision_model.transformer.resblocks.{}.attn.in_proj_weight", "v.blk.{}.attn_qkv.weight"),
    Rule::keep("vision_model.transformer.resblocks.{}.attn.in_proj_bias", "v.blk.{}.attn_qkv.bias"),
    Rule::keep("vision_model.transformer.resblocks.{}.attn.out_proj.*", "v.blk.{}.attn_out.*"),
    Rule::keep("vision_model.transformer.resblocks.{}.ls_1.gamma", "v.blk.{}.ls1.weight"),
    Rule::keep("vision_model.transformer.resblocks.{}.ls_2.gamma", "v.blk.{}.ls2.weight"),
    Rule::keep("vision_model.transformer.resblocks.{}.mlp.c_fc.*", "v.blk.{}.ffn_up.*"),
    Rule::keep("vision_model.transformer.resblocks.{}.mlp.c_proj.*", "v.blk.{}.ffn_down.*"),
    Rule::keep("vision_model.vit_downsampler1.*", "mm.0.*"),
    Rule::keep("vision_model.vit_downsampler2.*", "mm.1.*"),
    Rule::keep("vit_large_projector.weight", "mm.model.fc.weight"),
];

/// The longest side to which images are brought (`processing_step3.py` of Step3-VL).
const LONGEST_SIDE: u64 = 3024;

fn hyperparameters(subject: &Encoders<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    out.set("projector_type", "step3vl");
    settings::epsilon(subject, "layer_norm_eps", 1e-5, out)?;
    let stride = subject.whole.integer("understand_projector_stride")?;
    out.count("vision.projector.scale_factor", stride.saturating_mul(stride))?;
    out.count("vision.preproc_image_size", LONGEST_SIDE)
}
