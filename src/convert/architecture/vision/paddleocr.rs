//! PaddleOCR-VL: a SigLIP encoder for images of any size before Ernie 4.5.

use std::borrow::Cow;

use super::{settings, siglip};
use crate::convert::architecture::{Family, ernie};
use crate::convert::projector::Projector;
use crate::convert::rule::Rule;

pub(super) const FAMILY: Family = Family {
    names: &["PaddleOCRVLForConditionalGeneration", "PaddleOCRVisionModel"],
    architecture: "paddleocr",
    classes: &[],
    projector: Some(&PROJECTOR),
    ..ernie::FAMILY
};

const PROJECTOR: Projector = Projector {
    hyperparameters: |subject, out| {
        let (least, most) = ("min_pixels", "max_pixels");
        let most = subject.preprocessor.integer(most)?;
        // Images come in any size; a square of as many pixels stands for the largest.
        out.count("vision.image_size", most.isqrt())?;
        out.set("projector_type", "paddleocr");
        out.count("vision.image_max_pixels", most)?;
        out.count("vision.image_min_pixels", subject.preprocessor.integer(least)?)?;
        out.set("use_gelu", true);
        settings::epsilon(subject, "rms_norm_eps", 1e-6, out)
    },
    rename: |_, name| {
        let merger = Some(name).filter(|name| name.starts_with("mlp_AR."));
        merger.or_else(|| siglip::name(name)).map(Cow::Borrowed)
    },
    tensors: &[
        siglip::ENDS,
        siglip::LAYERS,
        &[
            // Of no use to the model's own code.
            Rule::drop("vision_model.embeddings.packing_position_embedding.weight"),
            Rule::keep("mlp_AR.pre_norm.*", "mm.input_norm.*").required(),
            Rule::keep("mlp_AR.linear_1.*", "mm.1.*").required(),
            Rule::keep("mlp_AR.linear_2.*", "mm.2.*").required(),
        ],
    ],
    ..Projector::STANDARD
};
