//! WavTokenizer's decoder: from the codes of speech to its spectrum, by convolutions and no attention but
//! that of one layer in the middle.
//!
//! The checkpoint is the one that llama.cpp's tools make of the original: the codebook as embeddings, the
//! rest under its own names.

use super::Family;
use crate::convert::hyperparameters::standard;
use crate::convert::lengths::Number::{FeatureWidth, PosnetWidth};
use crate::convert::lengths::{Length, Term};
use crate::convert::rule::Rule;
use crate::convert::shapes::{FEED_FORWARD, Shapes, TOKENS, WIDTH};
use crate::convert::tokenizer::Flavour;
use crate::convert::{Configuration, ConvertError, stored_bytes};
use crate::tensor::ElementType;

pub(super) const FAMILY: Family = Family {
    names: &["WavTokenizerDec"],
    architecture: ARCHITECTURE,
    tokenizer: Flavour::NONE,
    adjust: |configuration, _| adjust(configuration),
    hyperparameters: |subject, out| {
        standard(subject, out)?;
        let configuration = &subject.model.configuration;
        out.count("vocab_size", configuration.integer("vocab_size")?)?;
        out.count("features_length", configuration.integer("n_embd_features")?)?;
        out.count("feed_forward_length", configuration.integer("n_ff")?)?;
        out.float("attention.group_norm_epsilon", configuration.number("group_norm_epsilon")?);
        out.count("attention.group_norm_groups", configuration.integer("group_norm_groups")?)?;
        for network in ["posnet", "convnext"] {
            let part = part(configuration, network)?;
            out.count(&format!("{network}.embedding_length"), part.integer("n_embd")?)?;
            out.count(&format!("{network}.block_count"), part.integer("n_layer")?)?;
        }
        out.set("attention.causal", false);
        Ok(())
    },
    // What only training has a use for.
    rename: |_, name| {
        let endings = ["codebook.cluster_size", "codebook.embed_avg", "codebook.inited"];
        (!endings.iter().any(|ending| name.ends_with(ending))).then_some(name.into())
    },
    tensors: &[ENDS, POSNET, CONVNEXT],
    appended: |_, files| {
        let names = stored_bytes::names(files)?;
        let mut needed = POSNET_LAYERS.iter().enumerate().flat_map(|(layer, parts)| {
            let parts = parts.iter().flat_map(|part| [format!("{part}.weight"), format!("{part}.bias")]);
            parts.map(move |part| format!("backbone.posnet.{layer}.{part}"))
        });
        match needed.find(|name| !names.contains(name)) {
            Some(tensor) => {
                Err(ConvertError::LackingTensor { tensor, architecture: ARCHITECTURE.to_owned() })
            }
            None => Ok(Vec::new()),
        }
    },
    // The layers of the first network differ; what they need is checked by itself.
    lacking: &["norm1", "norm2", "conv1", "conv2", "attn_norm"],
    shapes: SHAPES,
    element_type: |_, name, _| {
        let is_norm = name.ends_with(".norm1.weight") || name.ends_with(".norm2.weight");
        is_norm.then_some(ElementType::F32)
    },
    ..Family::STANDARD
};

const ARCHITECTURE: &str = "wavtokenizer-dec";

const ENDS: &[Rule] = &[
    Rule::keep("backbone.embedding.weight", "token_embd.weight").required(),
    Rule::keep("backbone.embed.weight", "conv1d.weight").required(),
    Rule::keep("backbone.embed.bias", "conv1d.bias").required(),
    Rule::keep("backbone.norm.weight", "token_embd_norm.weight").required(),
    Rule::keep("backbone.norm.bias", "token_embd_norm.bias").required(),
    Rule::keep("backbone.final_layer_norm.weight", "output_norm.weight").required(),
    Rule::keep("backbone.final_layer_norm.bias", "output_norm.bias").required(),
    Rule::keep("head.out.weight", "output.weight").required(),
    Rule::keep("head.out.bias", "output.bias").required(),
];

const POSNET: &[Rule] = &[
    Rule::keep("backbone.posnet.{}.norm1.*", "posnet.{}.norm1.*"),
    Rule::keep("backbone.posnet.{}.conv1.*", "posnet.{}.conv1.*"),
    Rule::keep("backbone.posnet.{}.norm2.*", "posnet.{}.norm2.*"),
    Rule::keep("backbone.posnet.{}.conv2.*", "posnet.{}.conv2.*"),
    Rule::keep("backbone.posnet.{}.norm.*", "posnet.{}.attn_norm.*"),
    Rule::keep("backbone.posnet.{}.q.*", "posnet.{}.attn_q.*"),
    Rule::keep("backbone.posnet.{}.k.*", "posnet.{}.attn_k.*"),
    Rule::keep("backbone.posnet.{}.v.*", "posnet.{}.attn_v.*"),
    Rule::keep("backbone.posnet.{}.proj_out.*", "posnet.{}.attn_output.*"),
];

/// The runtime knows this one order of layers (llama.cpp, `src/models/wavtokenizer-dec.cpp`).
const POSNET_LAYERS: [&[&str]; 6] = [RESIDUAL, RESIDUAL, ATTENTION, RESIDUAL, RESIDUAL, &["norm"]];
const RESIDUAL: &[&str] = &["norm1", "conv1", "norm2", "conv2"];
const ATTENTION: &[&str] = &["norm", "q", "k", "v", "proj_out"];

const CONVNEXT: &[Rule] = &[
    Rule::keep("backbone.convnext.{}.dwconv.weight", "convnext.{}.dw.weight").required(),
    Rule::keep("backbone.convnext.{}.dwconv.bias", "convnext.{}.dw.bias").required(),
    Rule::keep("backbone.convnext.{}.norm.weight", "convnext.{}.norm.weight").required(),
    Rule::keep("backbone.convnext.{}.norm.bias", "convnext.{}.norm.bias").required(),
    Rule::keep("backbone.convnext.{}.pwconv1.weight", "convnext.{}.pw1.weight").required(),
    Rule::keep("backbone.convnext.{}.pwconv1.bias", "convnext.{}.pw1.bias").required(),
    Rule::keep("backbone.convnext.{}.pwconv2.weight", "convnext.{}.pw2.weight").required(),
    Rule::keep("backbone.convnext.{}.pwconv2.bias", "convnext.{}.pw2.bias").required(),
    Rule::keep("backbone.convnext.{}.gamma.weight", "convnext.{}.gamma.weight").required(),
];

const FEATURES: Length = Length(&[Term(1, &[FeatureWidth])]);
const TRUNK: Length = Length(&[Term(1, &[PosnetWidth])]);
const ONE: Length = Length(&[Term(1, &[])]);
const THREE: Length = Length(&[Term(3, &[])]);
const SEVEN: Length = Length(&[Term(7, &[])]);

/// A number for each channel.
const CHANNELS: &[&[Length]] = &[&[ONE, TRUNK]];
/// A kernel over three frames.
const KERNEL: &[&[Length]] = &[&[THREE, TRUNK, TRUNK]];
/// A matrix as a kernel over one frame.
const MATRIX: &[&[Length]] = &[&[ONE, TRUNK, TRUNK]];

const SHAPES: &[Shapes] = &[
    ("token_embd.weight", &[&[FEATURES, TOKENS]]),
    ("conv1d.weight", &[&[SEVEN, FEATURES, TRUNK]]),
    ("conv1d.bias", CHANNELS),
    ("token_embd_norm.weight", &[&[TRUNK]]),
    ("token_embd_norm.bias", &[&[TRUNK]]),
    ("output_norm.weight", &[&[TRUNK]]),
    ("output_norm.bias", &[&[TRUNK]]),
    ("output.weight", &[&[TRUNK, WIDTH]]),
    ("output.bias", &[&[WIDTH]]),
    ("norm1.weight", CHANNELS),
    ("norm1.bias", CHANNELS),
    ("norm2.weight", CHANNELS),
    ("norm2.bias", CHANNELS),
    ("conv1.weight", KERNEL),
    ("conv1.bias", CHANNELS),
    ("conv2.weight", KERNEL),
    ("conv2.bias", CHANNELS),
    ("attn_norm.weight", CHANNELS),
    ("attn_norm.bias", CHANNELS),
    ("attn_q.weight", MATRIX),
    ("attn_q.bias", CHANNELS),
    ("attn_k.weight", MATRIX),
    ("attn_k.bias", CHANNELS),
    ("attn_v.weight", MATRIX),
    ("attn_v.bias", CHANNELS),
    ("attn_output.weight", MATRIX),
    ("attn_output.bias", CHANNELS),
    ("dw.weight", &[&[SEVEN, ONE, TRUNK]]),
    ("dw.bias", CHANNELS),
    ("norm.weight", &[&[TRUNK]]),
    ("norm.bias", &[&[TRUNK]]),
    ("pw1.weight", &[&[TRUNK, FEED_FORWARD]]),
    ("pw1.bias", &[&[FEED_FORWARD]]),
    ("pw2.weight", &[&[FEED_FORWARD, TRUNK]]),
    ("pw2.bias", &[&[TRUNK]]),
    ("gamma.weight", &[&[TRUNK]]),
];

fn part(configuration: &Configuration, key: &str) -> Result<Configuration, ConvertError> {
    configuration.part(key).ok_or_else(|| configuration.missing(&[key]))
}

/// The runtime computes only networks of one width, and layers that are there.
fn adjust(configuration: &mut Configuration) -> Result<(), ConvertError> {
    let (first, second) = (part(configuration, "posnet")?, part(configuration, "convnext")?);
    let width = first.integer("n_embd")?;
    if second.integer("n_embd")? != width {
        let expected = format!("{width}, as in posnet");
        return Err(second.bad("n_embd", &second.integer("n_embd")?, &expected));
    }
    let layers = POSNET_LAYERS.len() as u64;
    if first.integer("n_layer")? != layers {
        return Err(first.bad("n_layer", &first.integer("n_layer")?, &layers.to_string()));
    }
    let all = configuration.integer_of(&["num_hidden_layers", "n_layer"])?;
    if second.integer("n_layer")? != all {
        let expected = format!("{all}, the layers of the model");
        return Err(second.bad("n_layer", &second.integer("n_layer")?, &expected));
    }
    Ok(())
}
