//! Pixtral 12B as the library keeps it: a Llama or Mistral model behind Pixtral's encoder, under LLaVA's
//! name.

use super::llama::{self, MISTRAL};
use super::{Family, pixtral};
use crate::convert::configuration::{Class, Part};

pub(super) const FAMILY: Family = Family {
    names: &["LlavaForConditionalGeneration"],
    classes: &[composed("llava"), composed("llava_next"), composed("llava_next_video"), composed("vipllava")],
    applies: |configuration| {
        let vision = configuration.part("vision_config");
        vision.is_some_and(|vision| vision.text_value("model_type") == Ok(Some(pixtral::CLASS.model_type)))
    },
    projector: Some(&pixtral::PROJECTOR),
    ..llama::FAMILY
};

/// LLaVA and what came of it differ in what is between the encoder and the text model.
const fn composed(model_type: &'static str) -> Class {
    const PARTS: &[Part] =
        &[Part::of("text_config", MISTRAL.model_type), Part::of("vision_config", pixtral::CLASS.model_type)];
    Class::of_parts(model_type, PARTS)
}
