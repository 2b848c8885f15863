//! Qwen 3, and the rerankers made from it.

use super::common::{ATTENTION, EMBEDDINGS, GATED_FEED_FORWARD, NORMS};
use super::{Family, qwen2};
use crate::convert::configuration::{Class, Derived, TITLE};
use crate::convert::files::Files;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::{self, Flavour};
use crate::convert::weight::{Weight, WeightError};
use crate::convert::{Configuration, ConvertError, Model, Subject, pooling};

pub(super) const FAMILY: Family = Family {
    names: &["Qwen3ForCausalLM", "Qwen3Model"],
    architecture: "qwen3",
    classes: &[Class::new(
        "qwen3",
        &[Derived::KeyValueHeads],
        r#"{"vocab_size": 151936, "max_position_embeddings": 32768, "hidden_size": 4096,
        "intermediate_size": 22016, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 32, "head_dim": 128, "rms_norm_eps": 1e-6, "rope_theta": 10000.0}"#,
    )],
    applies: |configuration| !reranks(configuration),
    tokenizer: Flavour::SENTENCE_PIECE_OR_BYTE_PAIR,
    hyperparameters: qwen2::hyperparameters,
    ..Family::STANDARD
};

/// Says whether a document answers a query by how likely it finds `yes` and `no`.
pub(super) const RERANKER: Family = Family {
    classes: &[],
    applies: |configuration| reranks(configuration) && !is_tied(configuration),
    adjust: find_answers,
    hyperparameters: reranker_hyperparameters,
    tensors: &[ENDS, HEAD, NORMS, ATTENTION, GATED_FEED_FORWARD],
    ..FAMILY
};

/// The same where the embeddings are the output.
pub(super) const TIED_RERANKER: Family = Family {
    applies: |configuration| reranks(configuration) && is_tied(configuration),
    tensors: &[TIED_ENDS, NORMS, ATTENTION, GATED_FEED_FORWARD],
    ..RERANKER
};

const ENDS: &[Rule] = &[EMBEDDINGS[0], EMBEDDINGS[1]];

const HEAD: &[Rule] = &[Rule::step("lm_head.weight", "cls.output.weight", answers).required()];

const TIED_ENDS: &[Rule] = &[
    Rule::split("model.embed_tokens.weight", &["cls.output.weight", "token_embd.weight"], |model, weight| {
        Ok(vec![answers(model, weight.clone())?, weight])
    })
    .required(),
    EMBEDDINGS[1],
    EMBEDDINGS[2],
];

/// Nothing but their name tells rerankers from other models.
fn reranks(configuration: &Configuration) -> bool {
    let names = ["_name_or_path", TITLE].map(|key| configuration.text_value(key).ok().flatten());
    names.into_iter().flatten().any(|name| name.to_lowercase().contains("qwen3-reranker"))
}

fn is_tied(configuration: &Configuration) -> bool {
    configuration.flag("tie_word_embeddings") == Ok(true)
}

/// The answers, and the keys under which their tokens' numbers are kept.
const ANSWERS: [(&str, &str); 2] = [("yes", "token of the answer yes"), ("no", "token of the answer no")];

fn find_answers(configuration: &mut Configuration, files: Files<'_>) -> Result<(), ConvertError> {
    for (text, key) in ANSWERS {
        configuration.set(key, tokenizer::number_of(files, text)?);
    }
    Ok(())
}

/// The rows of the answers.
fn answers(model: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let rows = ANSWERS.map(|(_, key)| {
        let row = model.configuration.integer(key)?;
        weight.clone().rows(|derivation| derivation.slice(0, row..row.saturating_add(1)))
    });
    Weight::join(rows.into_iter().collect::<Result<_, _>>()?)
}

/// How the model is asked, as its model card says (`Qwen/Qwen3-Reranker-0.6B`, README.md), with llama.cpp's
/// names for query and document.
const QUESTION: &str = concat!(
    "<|im_start|>system\n",
    "Judge whether the Document meets the requirements based on the Query and the Instruct provided. ",
    "Note that the answer can only be \"yes\" or \"no\".<|im_end|>\n",
    "<|im_start|>user\n",
    "<Instruct>: Given a web search query, retrieve relevant passages that answer the query\n",
    "<Query>: {query}\n",
    "<Document>: {document}<|im_end|>\n",
    "<|im_start|>assistant\n<think>\n\n</think>\n\n",
);

fn reranker_hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    qwen2::hyperparameters(subject, out)?;
    out.set("pooling_type", pooling::RANK);
    out.set("classifier.output_labels", ANSWERS.map(|(text, _)| text.to_owned()).to_vec());
    out.set_plain("tokenizer.chat_template.rerank", QUESTION);
    out.set_plain("tokenizer.chat_templates", vec!["rerank".to_owned()]);
    Ok(())
}
