//! EXAONE 4.5: an encoder like that of Qwen 2.5-VL, with fewer keys than queries, before EXAONE 4 with layers
//! that predict further tokens.

use super::settings;
use crate::convert::architecture::Family;
use crate::convert::architecture::common::{ATTENTION, EMBEDDINGS, GATED_FEED_FORWARD, text_name};
use crate::convert::architecture::exaone::{self, LATE_NORMS};
use crate::convert::architecture::prediction::{self, PREDICTION};
use crate::convert::architecture::qwen2vl::{self, name_usually, window_period};
use crate::convert::architecture::qwen3next::predicting_name;
use crate::convert::projector::Projector;
use crate::convert::rule::Rule;

pub(super) const FAMILY: Family = Family {
    names: &["Exaone4_5_ForConditionalGeneration"],
    overrules_text: true,
    classes: &[],
    predicted_layers: prediction::stated,
    hyperparameters: |subject, out| {
        (exaone::FOURTH.hyperparameters)(subject, out)?;
        prediction::write(subject.model, out)
    },
    rename: |model, name| text_name(name).map(|name| predicting_name(model, name)),
    tensors: &[EMBEDDINGS, ATTENTION, LATE_NORMS, GATED_FEED_FORWARD, PREDICTION],
    projector: Some(&PROJECTOR),
    ..exaone::FOURTH
};

const PROJECTOR: Projector = Projector {
    adjust: |vision, _| name_usually(vision, 560),
    hyperparameters: |subject, out| {
        let vision = subject.vision;
        out.set("projector_type", "exaone4_5");
        out.set("use_silu", true);
        settings::pixel_limits(subject, out)?;
        if let Some(heads) = vision.optional_integer(&["num_key_value_heads"])? {
            out.count("vision.attention.head_count_kv", heads)?;
        }
        let key = ["rms_norm_eps"];
        let otherwise = subject.whole.optional_number(&key)?.unwrap_or(1e-6);
        settings::epsilon(subject, key[0], otherwise, out)?;
        if let Some(size) = vision.optional_integer(&["window_size"])? {
            out.count("vision.window_size", size)?;
        }
        match vision.integers("fullatt_block_indexes")?.filter(|blocks| !blocks.is_empty()) {
            Some(blocks) => out.count("vision.n_wa_pattern", window_period(vision, &blocks)?),
            None => Ok(()),
        }
    },
    tensors: &[
        &[Rule::keep("visual.blocks.{}.attn.qkv.*", "v.blk.{}.attn_qkv.*").required()],
        qwen2vl::TENSORS,
    ],
    ..qwen2vl::PROJECTOR
};
