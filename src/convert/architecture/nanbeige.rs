//! Nanbeige 4.2: Llama's layout, run through several times.

use super::common::{EMBEDDINGS, GATED_FEED_FORWARD, NORMS};
use super::llama::PAIRED_ATTENTION;
use super::{Family, llama};

pub(super) const FAMILY: Family = Family {
    names: &["NanbeigeForCausalLM"],
    architecture: "nanbeige",
    classes: &[],
    hyperparameters: |subject, out| {
        llama::hyperparameters(subject, out)?;
        let configuration = &subject.model.configuration;
        out.count("num_loops", configuration.optional_integer(&["num_loops"])?.unwrap_or(1).max(1))?;
        out.set("skip_loop_final_norm", configuration.flag("skip_loop_final_norm")?);
        Ok(())
    },
    tensors: &[EMBEDDINGS, NORMS, PAIRED_ATTENTION, GATED_FEED_FORWARD],
    ..llama::FAMILY
};
