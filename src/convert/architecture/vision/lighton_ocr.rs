//! LightOnOCR: Pixtral's encoder under names of its own, before Qwen 3.

use crate::convert::architecture::{Family, pixtral, qwen3};
use crate::convert::projector::Projector;

pub(super) const FAMILY: Family = Family {
    names: &["LightOnOCRForConditionalGeneration"],
    classes: &[],
    projector: Some(&PROJECTOR),
    ..qwen3::FAMILY
};

const PROJECTOR: Projector = Projector {
    hyperparameters: |subject, out| {
        (pixtral::PROJECTOR.hyperparameters)(subject, out)?;
        out.set("projector_type", "lightonocr");
        Ok(())
    },
    rename: |_, name| {
        let inner = name.strip_prefix("model.").unwrap_or(name);
        let places = [("vision_encoder.", "vision_tower."), ("vision_projection.", "multi_modal_projector.")];
        places
            .into_iter()
            .find_map(|(own, usual)| inner.strip_prefix(own).map(|rest| format!("{usual}{rest}").into()))
    },
    ..pixtral::PROJECTOR
};
