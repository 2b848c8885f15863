//! Idefics 3 and SmolVLM: a SigLIP encoder before Llama's layout.

use std::borrow::Cow;

use super::siglip;
use crate::convert::architecture::common::text_name;
use crate::convert::architecture::{Family, llama};
use crate::convert::configuration::{Absent, Class, Part};
use crate::convert::parameters::Parameters;
use crate::convert::projector::{Encoders, Projector};
use crate::convert::rule::Rule;
use crate::convert::{Configuration, ConvertError};
use crate::tensor::ElementType;

pub(super) const FAMILY: Family = Family {
    names: &["SmolVLMForConditionalGeneration", "Idefics3ForConditionalGeneration", "VLlama3ForCausalLM"],
    classes: &[
        composed("smolvlm"),
        composed("idefics3"),
        encoder("smolvlm_vision"),
        encoder("idefics3_vision"),
    ],
    rename: |_, name| text_name(name).map(|name| name.replace("text_model.", "").into()),
    projector: Some(&PROJECTOR),
    ..llama::FAMILY
};

const fn composed(model_type: &'static str) -> Class {
    Class { model_type, defaults: r#"{"scale_factor": 2}"#, derived: &[], parts: PARTS }
}

const PARTS: &[Part] = &[
    Part { key: "text_config", class: "llama", absent: Absent::Values(r#"{"rms_norm_eps": 1e-5}"#) },
    Part::of("vision_config", "idefics3_vision"),
];

const fn encoder(model_type: &'static str) -> Class {
    Class::new(
        model_type,
        &[],
        r#"{"hidden_size": 1152, "intermediate_size": 3072, "num_hidden_layers": 12,
        "num_attention_heads": 16, "image_size": 224, "patch_size": 32, "layer_norm_eps": 1e-6}"#,
    )
}

const PROJECTOR: Projector = Projector {
    hyperparameters,
    rename: |_, name| {
        let connector = name.strip_prefix("model.").filter(|name| name.starts_with("connector."));
        connector.or_else(|| siglip::name(name)).map(Cow::Borrowed)
    },
    tensors: &[
        siglip::ENDS,
        siglip::LAYERS,
        &[Rule::keep("connector.modality_projection.proj.*", "mm.model.fc.*").required()],
    ],
    forced: |name| match name {
        "v.patch_embd.weight" | "v.position_embd.weight" => Some(ElementType::F32),
        _ => None,
    },
    ..Projector::STANDARD
};

fn hyperparameters(subject: &Encoders<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    out.set("projector_type", "idefics3");
    super::settings::epsilon(subject, "layer_norm_eps", 1e-5, out)?;
    let scale = subject.whole.optional_integer(&["scale_factor"])?.unwrap_or(2);
    out.count("vision.projector.scale_factor", scale)?;
    out.set("use_gelu", true);
    let edge = longest_edge(subject.preprocessor)?;
    out.count("vision.preproc_image_size", edge.map_or_else(|| subject.vision.integer("image_size"), Ok)?)
}

/// The longest edge that images are brought to before they are cut.
fn longest_edge(preprocessor: &Configuration) -> Result<Option<u64>, ConvertError> {
    preprocessor.part("size").map_or(Ok(None), |size| size.optional_integer(&["longest_edge"]))
}
