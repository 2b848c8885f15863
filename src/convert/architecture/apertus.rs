//! Apertus: norms on queries and keys, and an activation with parameters in each layer.

use super::common::{ATTENTION, EMBEDDINGS, UNGATED_FEED_FORWARD};
use super::{Family, llama};
use crate::convert::configuration::{Class, Derived};
use crate::convert::numbers::Numbers;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::{ConvertError, Model};

pub(super) const FAMILY: Family = Family {
    names: &["ApertusForCausalLM"],
    architecture: "apertus",
    classes: &[Class::new(
        "apertus",
        &[Derived::KeyValueHeads],
        r#"{"vocab_size": 131072, "max_position_embeddings": 65536, "hidden_size": 4096,
        "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32, "rms_norm_eps": 1e-5,
        "rope_theta": 12000000.0, "rope_scaling": {"rope_type": "llama3", "factor": 8.0,
        "original_max_position_embeddings": 8192, "low_freq_factor": 1.0, "high_freq_factor": 4.0}}"#,
    )],
    measured: activation,
    tensors: &[EMBEDDINGS, NORMS, ATTENTION, UNGATED_FEED_FORWARD, ACTIVATION],
    ..llama::FAMILY
};

const NORMS: &[Rule] = &[
    Rule::keep("model.layers.{}.attention_layernorm.*", "blk.{}.attn_norm.*").required(),
    Rule::keep("model.layers.{}.feedforward_layernorm.*", "blk.{}.ffn_norm.*").required(),
];

const ACTIVATION: &[Rule] = &[
    Rule::drop("model.layers.{}.mlp.act_fn.alpha_n"),
    Rule::drop("model.layers.{}.mlp.act_fn.alpha_p"),
    Rule::drop("model.layers.{}.mlp.act_fn.beta"),
    Rule::drop("model.layers.{}.mlp.act_fn.eps"),
];

/// The parameters of the activation, which the runtime wants as they are stored.
fn activation(model: &Model, numbers: &Numbers<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    for parameter in ["alpha_n", "alpha_p", "beta", "eps"] {
        let number = |layer: u64| numbers.single(&format!("model.layers.{layer}.mlp.act_fn.{parameter}"));
        let by_layer: Option<Vec<f32>> = (0..model.main_layers).map(number).collect::<Result<_, _>>()?;
        if let Some(by_layer) = by_layer {
            out.set_plain(&format!("xielu.{parameter}"), by_layer);
        }
    }
    Ok(())
}
