//! NVIDIA's Nemotron 3 and 4, and Minitron.

use super::Family;
use super::common::{ATTENTION, EMBEDDINGS, NORMS_AROUND_ZERO, UNGATED_FEED_FORWARD};
use crate::convert::configuration::{Class, Derived};
use crate::convert::hyperparameters::standard;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;
use crate::convert::{ConvertError, Subject};

pub(super) const FAMILY: Family = Family {
    names: &["NemotronForCausalLM"],
    architecture: "nemotron",
    classes: &[Class::new(
        "nemotron",
        &[Derived::KeyValueHeads, Derived::HeadSize],
        r#"{"vocab_size": 256000, "max_position_embeddings": 4096, "hidden_size": 6144,
        "intermediate_size": 24576, "num_hidden_layers": 32, "num_attention_heads": 48, "norm_eps": 1e-5,
        "rope_theta": 10000.0, "partial_rotary_factor": 0.5}"#,
    )],
    tokenizer: Flavour { fixed_roles: &[("pad", 0), ("unk", 1)], ..Flavour::SENTENCE_PIECE },
    hyperparameters,
    tensors: &[ENDS, NORMS_AROUND_ZERO, NORM_BIASES, ATTENTION, UNGATED_FEED_FORWARD],
    ..Family::STANDARD
};

const ENDS: &[Rule] = &[EMBEDDINGS[0], EMBEDDINGS[2]];

const NORM_BIASES: &[Rule] = &[
    Rule::keep("model.norm.bias", "output_norm.bias"),
    Rule::keep("model.layers.{}.input_layernorm.bias", "blk.{}.attn_norm.bias"),
    Rule::keep("model.layers.{}.post_attention_layernorm.bias", "blk.{}.ffn_norm.bias"),
];

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    standard(subject, out)?;
    let model = subject.model;
    let configuration = &model.configuration;
    out.count("vocab_size", configuration.integer("vocab_size")?)?;
    let epsilon =
        configuration.number_of(&["layer_norm_eps", "layer_norm_epsilon", "norm_epsilon", "norm_eps"])?;
    out.float("attention.layer_norm_epsilon", epsilon);
    let fraction = model.rope.common.number("partial_rotary_factor")?;
    let rotated = (fraction * model.hidden_size()? as f64) as u64 / model.heads()?;
    out.count("rope.dimension_count", rotated)?;
    let stated = configuration.optional_number(&["factor"])?.filter(|factor| *factor != 0.0);
    match stated.map_or_else(|| model.rope.common.optional_number(&["factor"]), |factor| Ok(Some(factor)))? {
        None => out.set("rope.scaling.type", "none"),
        Some(factor) => {
            out.set("rope.scaling.type", "linear");
            out.float("rope.scaling.factor", factor);
        }
    }
    Ok(())
}
