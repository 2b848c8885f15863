//! Mamba and Mamba 2: state spaces alone, without attention.

use super::Family;
use super::common::{flat_kernel, text_name};
use super::nemotron_h;
use crate::convert::files::Files;
use crate::convert::hyperparameters::file_type_here;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::stored_bytes::StoredBytes;
use crate::convert::tokenizer::{Flavour, Format};
use crate::convert::{Configuration, ConvertError, Subject};
use crate::plan::Operation;

pub(super) const FIRST: Family = Family {
    names: &["MambaForCausalLM", "MambaLMHeadModel", "FalconMambaForCausalLM"],
    architecture: "mamba",
    adjust: |configuration, files| {
        pad_vocabulary(configuration, 8)?;
        if is_copy(files, "lm_head.weight", "backbone.embeddings.weight")? {
            configuration.set(TIED, true);
        }
        Ok(())
    },
    tokenizer: Flavour { formats: &[Format::BytePair, Format::SentencePiece], ..Flavour::BYTE_PAIR },
    hyperparameters: first_hyperparameters,
    rename: |model, name| {
        let tied = name == "lm_head.weight" && model.configuration.flag(TIED) == Ok(true);
        if tied { None } else { text_name(name) }
    },
    tensors: &[nemotron_h::TRUNK, FIRST_LAYERS],
    ..Family::STANDARD
};

pub(super) const SECOND: Family = Family {
    names: &["Mamba2ForCausalLM"],
    architecture: "mamba2",
    adjust: |configuration, _| {
        pad_vocabulary(configuration, 16)?;
        let groups = positive(configuration, &["n_groups"], 1)?;
        configuration.set("n_groups", groups);
        Ok(())
    },
    tokenizer: Flavour::SENTENCE_PIECE_OR_BYTE_PAIR,
    hyperparameters: second_hyperparameters,
    // Codestral Mamba wraps everything once more.
    rename: |_, name| text_name(name.strip_prefix("model.").unwrap_or(name)),
    tensors: &[nemotron_h::TRUNK, nemotron_h::MAMBA],
    ..Family::STANDARD
};

/// Whether the output is a copy of the embeddings, which only the weights tell.
const TIED: &str = "output_is_embeddings";

const FIRST_LAYERS: &[Rule] = &[
    Rule::step("backbone.layers.{}.mixer.A_log", "blk.{}.ssm_a", |_, weight| {
        weight.map(Operation::NegatedExponential)
    })
    .required(),
    Rule::keep("backbone.layers.{}.mixer.D", "blk.{}.ssm_d").required(),
    Rule::step("backbone.layers.{}.mixer.conv1d.weight", "blk.{}.ssm_conv1d.weight", flat_kernel).required(),
    Rule::keep("backbone.layers.{}.mixer.conv1d.bias", "blk.{}.ssm_conv1d.bias"),
    Rule::keep("backbone.layers.{}.mixer.dt_proj.*", "blk.{}.ssm_dt.*").required(),
    Rule::keep("backbone.layers.{}.mixer.in_proj.*", "blk.{}.ssm_in.*").required(),
    Rule::keep("backbone.layers.{}.mixer.x_proj.*", "blk.{}.ssm_x.*").required(),
    Rule::keep("backbone.layers.{}.mixer.out_proj.*", "blk.{}.ssm_out.*").required(),
];

/// The context that is stated: there is no limit.
pub(super) const CONTEXT: u64 = 1 << 20;

/// The embeddings have rows for a round number of tokens.
fn pad_vocabulary(configuration: &mut Configuration, multiple: u64) -> Result<(), ConvertError> {
    let stated = configuration.optional_integer(&["pad_vocab_size_multiple"])?.unwrap_or(multiple);
    let tokens = configuration.integer("vocab_size")?;
    configuration.set("vocab_size", tokens.next_multiple_of(stated.max(1)));
    Ok(())
}

fn is_copy(files: Files<'_>, one: &str, other: &str) -> Result<bool, ConvertError> {
    let (one, other) = (StoredBytes::find(files, one)?, StoredBytes::find(files, other)?);
    Ok(one.is_some() && one == other)
}

/// The number under the first of these keys if it is one and not zero.
pub(super) fn positive(
    configuration: &Configuration,
    keys: &[&str],
    otherwise: u64,
) -> Result<u64, ConvertError> {
    Ok(configuration.optional_integer(keys)?.filter(|number| *number > 0).unwrap_or(otherwise))
}

fn epsilon(configuration: &Configuration) -> Result<f64, ConvertError> {
    let stated = configuration.optional_number(&["layer_norm_epsilon", "rms_norm_eps"])?;
    Ok(stated.filter(|number| *number != 0.0).unwrap_or(1e-5))
}

fn shared_hyperparameters(
    subject: &Subject<'_>,
    width: u64,
    out: &mut Parameters,
) -> Result<(), ConvertError> {
    out.count("context_length", CONTEXT)?;
    out.count("embedding_length", width)?;
    // The runtime asks for both and uses neither.
    out.count("feed_forward_length", 0)?;
    out.count("attention.head_count", 0)?;
    out.count("block_count", subject.model.layers)?;
    let kernel = positive(&subject.model.configuration, &["conv_kernel", "d_conv"], 4)?;
    out.count("ssm.conv_kernel", kernel)
}

fn first_hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let configuration = &subject.model.configuration;
    let width = configuration.integer_of(&["hidden_size", "d_model"])?;
    shared_hyperparameters(subject, width, out)?;
    let twice = width.saturating_mul(2);
    let inner = positive(configuration, &["intermediate_size", "d_inner"], twice)?;
    if inner != twice {
        return Err(configuration.bad("intermediate_size", &inner, &format!("twice hidden_size, {twice}")));
    }
    out.count("ssm.inner_size", inner)?;
    out.count("ssm.state_size", positive(configuration, &["state_size", "d_state"], 16)?)?;
    let rank = positive(configuration, &["time_step_rank", "dt_rank"], width.div_ceil(16))?;
    out.count("ssm.time_step_rank", rank)?;
    out.float("attention.layer_norm_rms_epsilon", epsilon(configuration)?);
    let has_norms = configuration.text_value("model_type")? == Some("falcon_mamba");
    out.set("ssm.dt_b_c_rms", has_norms);
    file_type_here(out);
    Ok(())
}

fn second_hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let configuration = &subject.model.configuration;
    let width = configuration.integer_of(&["hidden_size", "d_model", "dim"])?;
    shared_hyperparameters(subject, width, out)?;
    let expanded = positive(configuration, &["mamba_expand", "expand"], 2)?.saturating_mul(width);
    let inner = positive(configuration, &["mamba_d_ssm", "intermediate_size", "d_inner"], expanded)?;
    let head = positive(configuration, &["mamba_d_head", "head_dim"], 64)?;
    if inner != expanded || !inner.is_multiple_of(head) {
        let expected = format!("{expanded}, as hidden_size is expanded, and a multiple of head_dim {head}");
        return Err(configuration.bad("intermediate_size", &inner, &expected));
    }
    out.count("ssm.inner_size", inner)?;
    out.count("ssm.state_size", positive(configuration, &["state_size", "d_state"], 128)?)?;
    out.count("ssm.time_step_rank", inner / head)?;
    out.count("ssm.group_count", configuration.integer("n_groups")?)?;
    out.float("attention.layer_norm_rms_epsilon", epsilon(configuration)?);
    file_type_here(out);
    Ok(())
}
