//! openPangu Embedded.

use super::Family;
use super::common::text_name;
use super::deepseek2::is_tied_output;
use crate::convert::hyperparameters::{key_and_value_length, standard};
use crate::convert::tokenizer::{Flavour, SpacePrefix};

pub(super) const FAMILY: Family = Family {
    names: &["PanguEmbeddedForCausalLM"],
    architecture: "pangu-embedded",
    tokenizer: Flavour { space_prefix: SpacePrefix::Last, ..Flavour::SENTENCE_PIECE },
    hyperparameters: |subject, out| {
        standard(subject, out)?;
        let model = subject.model;
        out.count("vocab_size", model.configuration.integer("vocab_size")?)?;
        let size = model.head_size()?;
        out.count("rope.dimension_count", size)?;
        key_and_value_length(out, size)
    },
    rename: |model, name| if is_tied_output(model, name) { None } else { text_name(name) },
    ..Family::STANDARD
};
