//! EuroBERT, and Jina's embeddings v5 nano: Llama's layout seen in both directions.

use super::Family;
use super::common::text_name;
use crate::convert::hyperparameters::standard;
use crate::convert::pooling;
use crate::convert::tokenizer::Flavour;

pub(super) const FAMILY: Family = Family {
    names: &["EuroBertModel", "JinaEmbeddingsV5Model"],
    architecture: "eurobert",
    tokenizer: Flavour { opening: &[("add_bos_token", false)], ..Flavour::BYTE_PAIR },
    hyperparameters: |subject, out| {
        standard(subject, out)?;
        out.set("attention.causal", false);
        out.set("rope.scaling.type", "none");
        pooling::write(subject, out)
    },
    rename: |_, name| text_name(name),
    ..Family::STANDARD
};
