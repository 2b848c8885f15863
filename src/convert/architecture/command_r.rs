//! Cohere's Command R, Aya and Command R7B.

use super::Family;
use super::common::{ATTENTION, DENSE_LAYERS, EXPERTS, GATED_FEED_FORWARD, text_name};
use super::deepseek2::{ROUTING, is_tied_output};
use super::prediction::{self, PREDICTION};
use crate::convert::configuration::{Class, Derived};
use crate::convert::hyperparameters::standard;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::{ConvertError, Subject};

pub(super) const FIRST: Family = Family {
    names: &["CohereForCausalLM"],
    architecture: "command-r",
    classes: &[Class::new(
        "cohere",
        &[Derived::KeyValueHeads],
        r#"{"vocab_size": 256000, "max_position_embeddings": 8192, "hidden_size": 8192,
        "intermediate_size": 22528, "num_hidden_layers": 40, "num_attention_heads": 64,
        "layer_norm_eps": 1e-5, "rope_theta": 10000.0, "logit_scale": 0.0625, "tie_word_embeddings": true}"#,
    )],
    adjust: |configuration, _| {
        // The context that the models were trained with.
        if let Some(length) = configuration.optional_integer(&["model_max_length"])? {
            configuration.set("max_position_embeddings", length);
        }
        Ok(())
    },
    hyperparameters: |subject, out| {
        standard(subject, out)?;
        out.float("logit_scale", subject.model.configuration.number("logit_scale")?);
        out.set("rope.scaling.type", "none");
        Ok(())
    },
    rename: |model, name| if is_tied_output(model, name) { None } else { text_name(name) },
    tensors: &[EMBEDDINGS, ONE_NORM, ATTENTION, GATED_FEED_FORWARD],
    ..Family::STANDARD
};

pub(super) const SECOND: Family = Family {
    names: &["Cohere2ForCausalLM"],
    architecture: "cohere2",
    classes: &[Class::new(
        "cohere2",
        &[Derived::KeyValueHeads, Derived::HeadSize],
        r#"{"vocab_size": 256000, "max_position_embeddings": 8192, "hidden_size": 8192,
        "intermediate_size": 22528, "num_hidden_layers": 40, "num_attention_heads": 64,
        "layer_norm_eps": 1e-5, "rope_theta": 10000.0, "logit_scale": 0.0625, "sliding_window": 4096,
        "tie_word_embeddings": true}"#,
    )],
    hyperparameters: |subject, out| {
        standard(subject, out)?;
        let model = subject.model;
        let configuration = &model.configuration;
        out.float("logit_scale", configuration.number("logit_scale")?);
        out.count("attention.sliding_window", configuration.integer("sliding_window")?)?;
        out.count("vocab_size", configuration.integer("vocab_size")?)?;
        let fraction = configuration.optional_number(&["rotary_pct"])?.unwrap_or(1.0);
        let head = model.hidden_size()? / model.heads()?;
        out.count("rope.dimension_count", (fraction * head as f64) as u64)?;
        out.set("rope.scaling.type", "none");
        Ok(())
    },
    rename: |model, name| {
        // The models have biases in name only: all are said to be zero, and are passed over unread.
        if name.ends_with(".bias") { None } else { (FIRST.rename)(model, name) }
    },
    ..FIRST
};

/// The second with experts.
pub(super) const MIXTURE: Family = Family {
    names: &["Cohere2MoeForCausalLM"],
    architecture: "cohere2moe",
    classes: &[],
    adjust: |_, _| Ok(()),
    predicted_layers: prediction::stated,
    hyperparameters: mixture_hyperparameters,
    rename: |_, name| if name.ends_with(".bias") { None } else { text_name(name) },
    tensors: &[
        EMBEDDINGS,
        ONE_NORM,
        &[Rule::keep("lm_head.*", "output.*")],
        ATTENTION,
        DENSE_LAYERS,
        EXPERTS,
        ROUTING,
        PREDICTION,
    ],
    ..SECOND
};

fn mixture_hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    standard(subject, out)?;
    let model = subject.model;
    let configuration = &model.configuration;
    out.float("logit_scale", configuration.number("logit_scale")?);
    out.count("attention.sliding_window", configuration.integer("sliding_window")?)?;
    let sliding = model.layers_of_kind("sliding_attention")?;
    let sliding = sliding.ok_or_else(|| configuration.missing(&["layer_types"]))?;
    out.set("attention.sliding_window_pattern", sliding);
    out.count("vocab_size", configuration.integer("vocab_size")?)?;
    let width = configuration.integer("intermediate_size")?;
    out.count("expert_feed_forward_length", width)?;
    let dense = match configuration.strings("mlp_layer_types")? {
        Some(kinds) => kinds.iter().take_while(|kind| **kind == "dense").count() as u64,
        None => configuration.optional_integer(&["first_k_dense_replace"])?.unwrap_or(0),
    };
    out.count("leading_dense_block_count", dense)?;
    out.set("expert_weights_norm", configuration.flag("norm_topk_prob")?);
    let shared = configuration.optional_integer(&["num_shared_experts"])?.unwrap_or(0);
    if shared > 0 {
        const COMBINATION: &str = "shared_expert_combination_strategy";
        if let Some(other) = configuration.text_value(COMBINATION)?.filter(|kind| *kind != "average") {
            return Err(configuration.bad(COMBINATION, &other, "average"));
        }
        out.count("expert_shared_count", shared)?;
        out.count("expert_shared_feed_forward_length", width.saturating_mul(shared))?;
    }
    prediction::write(model, out)?;
    out.count("rope.dimension_count", configuration.integer("head_dim")?)?;
    out.set("rope.scaling.type", "none");
    Ok(())
}

/// The output is the embeddings; the runtime knows no other.
const EMBEDDINGS: &[Rule] = &[
    Rule::keep("model.embed_tokens.*", "token_embd.*").required(),
    Rule::keep("model.norm.*", "output_norm.*").required(),
];

/// One norm for attention and feed-forward network, which stand side by side.
const ONE_NORM: &[Rule] = &[Rule::keep("model.layers.{}.input_layernorm.*", "blk.{}.attn_norm.*").required()];
