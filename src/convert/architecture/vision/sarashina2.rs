//! Sarashina 2.2 Vision: Qwen 2-VL's encoder before Llama's layout.

use crate::convert::architecture::common::text_name;
use crate::convert::architecture::{Family, llama, qwen2vl};

pub(super) const FAMILY: Family = Family {
    names: &["Sarashina2VisionForCausalLM"],
    overrules_text: true,
    classes: &[],
    rename: |_, name| match name.strip_prefix("llm.") {
        Some(inner) => text_name(inner),
        // A norm that the model does not use stands beside the text model.
        None => text_name(name).filter(|_| !name.starts_with("norm.")),
    },
    projector: Some(&qwen2vl::PROJECTOR),
    ..llama::FAMILY
};
