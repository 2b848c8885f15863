//! BERT and its kin: RoBERTa, DistilBERT, XLM-RoBERTa.

use std::borrow::Cow;

use super::Family;
use super::common::replaced;
use crate::convert::configuration::{Class, TASKS};
use crate::convert::hyperparameters::standard;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;
use crate::convert::weight::{Weight, WeightError};
use crate::convert::{Configuration, ConvertError, Model, Subject, pooling};

pub(super) const FAMILY: Family = Family {
    names: &["BertModel", "BertForMaskedLM", "BertForSequenceClassification", "CamembertModel"],
    architecture: "bert",
    classes: &[
        Class::new(
            "bert",
            &[],
            r#"{"vocab_size": 30522, "max_position_embeddings": 512, "hidden_size": 768,
            "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
            "layer_norm_eps": 1e-12, "type_vocab_size": 2, "pad_token_id": 0}"#,
        ),
        Class::new("roberta", &[], ROBERTA_DEFAULTS),
        Class::new("xlm-roberta", &[], XLM_ROBERTA_DEFAULTS),
        Class::new("camembert", &[], XLM_ROBERTA_DEFAULTS),
        Class::new(
            "distilbert",
            &[],
            r#"{"vocab_size": 30522, "max_position_embeddings": 512, "dim": 768, "hidden_dim": 3072,
            "n_layers": 6, "n_heads": 12, "pad_token_id": 0}"#,
        ),
    ],
    tokenizer: Flavour::WORD_PIECE,
    hyperparameters,
    rename,
    tensors: &[EMBEDDINGS, LAYERS, HEADS],
    ..Family::STANDARD
};

const ROBERTA_DEFAULTS: &str = r#"{"vocab_size": 50265, "max_position_embeddings": 512, "hidden_size": 768,
"intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12, "layer_norm_eps": 1e-12,
"type_vocab_size": 2, "pad_token_id": 1}"#;

const XLM_ROBERTA_DEFAULTS: &str = r#"{"vocab_size": 30522, "max_position_embeddings": 512,
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12,
    "layer_norm_eps": 1e-12, "type_vocab_size": 2, "pad_token_id": 1}"#;

/// Byte pairs, and positions that begin after the padding token's.
pub(super) const ROBERTA: Family = Family {
    names: &["RobertaModel", "RobertaForSequenceClassification"],
    classes: &[],
    adjust: |configuration, _| shift_positions(configuration),
    tokenizer: Flavour::ROBERTA,
    rename: |_, name| trunk_name(name, "roberta."),
    tensors: &[SHIFTED_POSITIONS, EMBEDDINGS, LAYERS, HEADS],
    ..FAMILY
};

/// As RoBERTa with a multilingual vocabulary.
pub(super) const XLM_ROBERTA: Family = Family {
    names: &["XLMRobertaModel", "XLMRobertaForSequenceClassification"],
    applies: |configuration| !has_tasks(configuration),
    tokenizer: Flavour::UNIGRAM,
    ..ROBERTA
};

/// Whether there are adapters for tasks: Jina's embeddings v3 have the class of XLM-RoBERTa and weights of
/// their own.
pub(super) fn has_tasks(configuration: &Configuration) -> bool {
    configuration.value(TASKS).is_some()
}

pub(super) const DISTILBERT: Family = Family {
    names: &["DistilBertModel", "DistilBertForMaskedLM", "DistilBertForSequenceClassification"],
    classes: &[],
    hyperparameters: |subject, out| {
        // The class has no setting for it.
        out.float("attention.layer_norm_epsilon", 1e-12);
        hyperparameters(subject, out)
    },
    rename: |_, name| {
        if name.starts_with("vocab_") { None } else { trunk_name(name, "distilbert.") }
    },
    tensors: &[EMBEDDINGS, DISTILLED_LAYERS, HEADS],
    ..FAMILY
};

const EMBEDDINGS: &[Rule] = &[
    Rule::keep("embeddings.word_embeddings.*", "token_embd.*").required(),
    Rule::keep("embeddings.position_embeddings.*", "position_embd.*"),
    Rule::keep("embeddings.token_type_embeddings.*", "token_types.*"),
    Rule::keep("embeddings.LayerNorm.*", "token_embd_norm.*").required(),
];

const SHIFTED_POSITIONS: &[Rule] =
    &[Rule::step("embeddings.position_embeddings.weight", "position_embd.weight", without_padding)];

const LAYERS: &[Rule] = &[
    Rule::keep("encoder.layer.{}.attention.self.query.*", "blk.{}.attn_q.*").required(),
    Rule::keep("encoder.layer.{}.attention.self.key.*", "blk.{}.attn_k.*").required(),
    Rule::keep("encoder.layer.{}.attention.self.value.*", "blk.{}.attn_v.*").required(),
    Rule::keep("encoder.layer.{}.attention.output.dense.*", "blk.{}.attn_output.*").required(),
    Rule::keep("encoder.layer.{}.attention.output.LayerNorm.*", "blk.{}.attn_output_norm.*").required(),
    Rule::keep("encoder.layer.{}.intermediate.dense.*", "blk.{}.ffn_up.*").required(),
    Rule::keep("encoder.layer.{}.output.dense.*", "blk.{}.ffn_down.*").required(),
    Rule::keep("encoder.layer.{}.output.LayerNorm.*", "blk.{}.layer_output_norm.*").required(),
];

const DISTILLED_LAYERS: &[Rule] = &[
    Rule::keep("transformer.layer.{}.attention.q_lin.*", "blk.{}.attn_q.*").required(),
    Rule::keep("transformer.layer.{}.attention.k_lin.*", "blk.{}.attn_k.*").required(),
    Rule::keep("transformer.layer.{}.attention.v_lin.*", "blk.{}.attn_v.*").required(),
    Rule::keep("transformer.layer.{}.attention.out_lin.*", "blk.{}.attn_output.*").required(),
    Rule::keep("transformer.layer.{}.sa_layer_norm.*", "blk.{}.attn_output_norm.*").required(),
    Rule::keep("transformer.layer.{}.ffn.lin1.*", "blk.{}.ffn_up.*").required(),
    Rule::keep("transformer.layer.{}.ffn.lin2.*", "blk.{}.ffn_down.*").required(),
    Rule::keep("transformer.layer.{}.output_layer_norm.*", "blk.{}.layer_output_norm.*").required(),
];

/// Heads of classifiers.
const HEADS: &[Rule] = &[
    Rule::keep("pre_classifier.*", "cls.*"),
    Rule::keep("classifier.dense.*", "cls.*"),
    Rule::keep("classifier.out_proj.*", "cls.output.*"),
    Rule::keep("classifier.*", "cls.output.*"),
];

/// Where no label says what it puts out, the reference takes the head for the layer before one.
pub(super) fn rename<'n>(model: &Model, name: &'n str) -> Option<Cow<'n, str>> {
    let name = trunk_name(name, "bert.")?;
    let unlabelled = || labels(&model.configuration).is_ok_and(|labels| labels.is_empty());
    Some(match &*name {
        "classifier.weight" if unlabelled() => "pre_classifier.weight".into(),
        "classifier.bias" if unlabelled() => "pre_classifier.bias".into(),
        _ => name,
    })
}

/// The name within the trunk; `None` for what only training needs.
pub(super) fn trunk_name<'n>(name: &'n str, trunk: &str) -> Option<Cow<'n, str>> {
    let name = name.strip_prefix(trunk).unwrap_or(name);
    let unused = matches!(name, "embeddings.position_ids" | "pooler.dense.weight" | "pooler.dense.bias")
        || ["cls.predictions", "cls.seq_relationship", "lm_head."]
            .iter()
            .any(|start| name.starts_with(start));
    if unused {
        return None;
    }
    // Checkpoints made with TensorFlow call the two parts of a norm otherwise.
    Some(replaced(replaced(Cow::Borrowed(name), ".gamma", ".weight"), ".beta", ".bias"))
}

/// The rows of positions before the first real one: those up to the padding token.
fn shift_positions(configuration: &mut Configuration) -> Result<(), ConvertError> {
    if let Some(padding) = configuration.optional_integer(&["pad_token_id"])? {
        let shift = padding.saturating_add(1);
        configuration.set(SHIFT, shift);
        let positions = configuration.integer("max_position_embeddings")?;
        let left = positions.checked_sub(shift);
        let left =
            left.ok_or_else(|| configuration.bad("pad_token_id", &padding, "less than the positions"))?;
        configuration.set("max_position_embeddings", left);
    }
    Ok(())
}

/// The key under which the number of rows is kept that belong to no position.
const SHIFT: &str = "positions before the first";

fn without_padding(model: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let shift = model.configuration.optional_integer(&[SHIFT])?.unwrap_or(0);
    let rows = weight.row_count();
    weight.rows(|derivation| derivation.slice(0, shift..rows))
}

pub(super) fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    standard(subject, out)?;
    out.set("attention.causal", false);
    pooling::write(subject, out)?;
    let labels = labels(&subject.model.configuration)?;
    if !labels.is_empty() {
        out.set("classifier.output_labels", labels);
    }
    Ok(())
}

/// The labels of a classifier, without the two that the class makes up.
fn labels(configuration: &Configuration) -> Result<Vec<String>, ConvertError> {
    let Some(labels) = configuration.value("id2label").and_then(serde_json::Value::as_object) else {
        return Ok(Vec::new());
    };
    let mut numbered: Vec<(u64, String)> = labels
        .iter()
        .filter_map(|(id, label)| Some((id.parse().ok()?, label.as_str()?.to_owned())))
        .collect();
    numbered.sort_unstable();
    let made_up = numbered.len() == 2 && numbered[0].1 == "LABEL_0";
    Ok(if made_up { Vec::new() } else { numbered.into_iter().map(|(_, label)| label).collect() })
}
