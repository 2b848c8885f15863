//! Orion 14B: Llama's layout with biases on the norms.

use super::Family;
use crate::convert::hyperparameters::file_type_here;
use crate::convert::tokenizer::Flavour;

pub(super) const FAMILY: Family = Family {
    names: &["OrionForCausalLM"],
    architecture: "orion",
    tokenizer: Flavour::SENTENCE_PIECE,
    hyperparameters: |subject, out| {
        let model = subject.model;
        let configuration = &model.configuration;
        let context = ["max_sequence_length", "max_position_embeddings", "model_max_length"];
        file_type_here(out);
        out.set("tensor_data_layout", "Meta AI original pth");
        out.count("context_length", configuration.integer_of(&context)?)?;
        out.count("embedding_length", model.hidden_size()?)?;
        out.count("block_count", model.layers)?;
        out.count("feed_forward_length", configuration.integer("intermediate_size")?)?;
        out.count("attention.head_count", model.heads()?)?;
        out.count("attention.head_count_kv", model.key_value_heads()?)?;
        // The norms are not root mean square norms, whatever the key is called.
        out.float("attention.layer_norm_epsilon", configuration.number("rms_norm_eps")?);
        Ok(())
    },
    ..Family::STANDARD
};
