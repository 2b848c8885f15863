//! Mistral Small 3.1 and Ministral 3: Llama's layout under a name of their own, with Pixtral's encoder.

use super::llama::{self, MISTRAL};
use super::{Family, pixtral};
use crate::convert::configuration::{Absent, Class, Part};
use crate::convert::parameters::Parameters;
use crate::convert::tokenizer::Flavour;
use crate::convert::{ConvertError, Subject};

pub(super) const FAMILY: Family = Family {
    names: &["Mistral3ForConditionalGeneration", "Ministral3ForCausalLM"],
    architecture: "mistral3",
    classes: &[
        Class {
            model_type: "mistral3",
            defaults: r#"{"spatial_merge_size": 2}"#,
            derived: &[],
            parts: &[
                Part { key: "text_config", class: MISTRAL.model_type, absent: Absent::Values(TEXT) },
                Part {
                    key: "vision_config",
                    class: pixtral::CLASS.model_type,
                    absent: Absent::Values(VISION),
                },
            ],
        },
        pixtral::CLASS,
    ],
    applies: |configuration| configuration.text_value("model_type") != Ok(Some("mistral4")),
    tokenizer: Flavour::LLAMA,
    hyperparameters,
    generated: llama::rope_factors,
    tensors: llama::FAMILY.tensors,
    projector: Some(&pixtral::PROJECTOR),
    ..Family::STANDARD
};

const TEXT: &str = r#"{"model_type": "mistral", "vocab_size": 131072, "hidden_size": 5120,
    "intermediate_size": 32768, "num_hidden_layers": 40, "head_dim": 128, "rms_norm_eps": 1e-5,
    "rope_theta": 1000000000.0, "sliding_window": null}"#;

const VISION: &str = r#"{"model_type": "pixtral", "image_size": 1540, "patch_size": 14, "head_dim": 64}"#;

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    llama::hyperparameters(subject, out)?;
    if subject.model.configuration.text_value("model_type")? == Some("ministral3") {
        let rope = &subject.model.rope.common;
        out.float("rope.scaling.yarn_log_multiplier", rope.number("mscale_all_dim")?);
        out.float("attention.temperature_scale", rope.number("llama_4_scaling_beta")?);
    }
    Ok(())
}
