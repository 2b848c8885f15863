//! Ling 3.0 VL: Qwen 3-VL's encoder, whose merger is a norm alone, before Ling 3.0 with positions of three
//! parts.

use std::borrow::Cow;

use crate::convert::architecture::{Family, ling, qwen3vl};
use crate::convert::parameters::Parameters;
use crate::convert::projector::{Encoders, Projector};
use crate::convert::rule::Rule;
use crate::convert::{ConvertError, Subject};

pub(super) const FAMILY: Family = Family {
    names: &["BailingMoeV3VLForConditionalGeneration"],
    classes: &[],
    hyperparameters: |subject, out| {
        (ling::THIRD.hyperparameters)(subject, out)?;
        sections(subject, out)
    },
    rename: |model, name| {
        if name.starts_with("linear_proj") { None } else { (ling::THIRD.rename)(model, name) }
    },
    projector: Some(&PROJECTOR),
    ..ling::THIRD
};

/// The rotated pairs of time, height and width.
fn sections(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    const KEY: &str = "mrope_section";
    let configuration = &subject.model.configuration;
    let mut sections = configuration.integers(KEY)?.ok_or_else(|| configuration.missing(&[KEY]))?;
    sections.truncate(3);
    let pairs = configuration.integer("qk_rope_head_dim")? / 2;
    if sections.iter().fold(0_u64, |sum, section| sum.saturating_add(*section)) != pairs {
        let got = serde_json::Value::from(sections);
        return Err(configuration.bad(KEY, &got, &format!("numbers that make {pairs} together")));
    }
    sections.resize(4, 0);
    out.counts("rope.dimension_sections", &sections)
}

const PROJECTOR: Projector = Projector {
    hyperparameters,
    rename: |vision, name| match name.starts_with("linear_proj.") {
        true => Some(Cow::Borrowed(name)),
        false => (qwen3vl::PROJECTOR.rename)(vision, name),
    },
    tensors: &[
        &[
            Rule::keep("linear_proj.{}.*", "mm.{}.*"),
            Rule::keep("visual.merger.norm.*", "mm.input_norm.*").required(),
        ],
        qwen3vl::TENSORS,
    ],
    ..qwen3vl::PROJECTOR
};

fn hyperparameters(subject: &Encoders<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let vision = subject.vision;
    if vision.optional_flag("disable_merger_proj")? != Some(true) {
        return Err(vision.bad("disable_merger_proj", &"not true", "true"));
    }
    out.set("projector_type", "ling3vl");
    out.set("use_gelu", true);
    if let Some(size) = vision.optional_integer(&["spatial_merge_size"])? {
        out.count("vision.spatial_merge_size", size)?;
    }
    out.float("vision.attention.layer_norm_epsilon", qwen3vl::text_epsilon(subject)?);
    Ok(())
}
