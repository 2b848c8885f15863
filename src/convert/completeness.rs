//! Whether every layer of a model has all that it is built of.
//!
//! What is missing is told from three sides: tensors of a layer that belong together are there together;
//! every layer has a feed-forward network where the metadata give it a width; and layers that are built of
//! the same parts have the same tensors.

use std::collections::{BTreeMap, BTreeSet};

use super::ConvertError;
use super::found::Found;
use super::lengths::{Facts, Number, Place};
use super::shapes::layer_and_name;

/// What a layer is built of. If one of the first tensors is there, all of them and of the others are, as far
/// as the family has rules for them.
struct Part {
    marks: &'static [&'static str],
    others: &'static [&'static str],
    /// Tensors in the presence of which the part is another one.
    unless: &'static [&'static str],
    /// What the metadata have to say for llama.cpp to know its shapes.
    number: Option<Number>,
}

/// The last matrix of each kind of feed-forward network.
const FEED_FORWARDS: [&str; 2] = ["ffn_down.weight", "ffn_down_exps.weight"];

const PLAIN: Part = Part { marks: &[], others: &[], unless: &[], number: None };

const PARTS: &[Part] = &[
    Part {
        marks: &["ffn_gate.weight", "ffn_up.weight", "ffn_down.weight"],
        number: Some(Number::FeedForward),
        ..PLAIN
    },
    Part {
        marks: &["ffn_gate_exps.weight", "ffn_up_exps.weight", "ffn_down_exps.weight"],
        others: &["ffn_gate_inp.weight"],
        unless: &["ffn_gate_up_exps.weight"],
        number: Some(Number::Experts),
    },
    Part {
        marks: &["ffn_gate_up_exps.weight"],
        others: &["ffn_down_exps.weight", "ffn_gate_inp.weight"],
        number: Some(Number::Experts),
        ..PLAIN
    },
    Part { marks: &["ffn_gate_shexp.weight", "ffn_up_shexp.weight", "ffn_down_shexp.weight"], ..PLAIN },
    Part {
        marks: &["attn_q.weight", "attn_k.weight", "attn_v.weight"],
        others: &["attn_output.weight"],
        unless: &["attn_kv_a_mqa.weight", "attn_kv.weight"],
        number: Some(Number::Heads),
    },
    Part { marks: &["attn_qkv.weight"], number: Some(Number::Heads), ..PLAIN },
    Part {
        marks: &["attn_kv_a_mqa.weight", "attn_kv_a_norm.weight"],
        others: &["attn_output.weight"],
        number: Some(Number::Heads),
        ..PLAIN
    },
    Part { marks: &["attn_q_a.weight", "attn_q_a_norm.weight", "attn_q_b.weight"], ..PLAIN },
    Part { marks: &["ssm_a"], others: &["ssm_conv1d.weight", "ssm_dt.bias", "ssm_out.weight"], ..PLAIN },
    Part {
        marks: &["shortconv.conv.weight", "shortconv.in_proj.weight", "shortconv.out_proj.weight"],
        ..PLAIN
    },
    Part { marks: &["nextn.eh_proj.weight", "nextn.enorm.weight", "nextn.hnorm.weight"], ..PLAIN },
    Part { marks: &["indexer.attn_k.weight", "indexer.k_proj.weight"], ..PLAIN },
    Part { marks: &["attn_compressor_kv.weight"], ..PLAIN },
];

/// How the names of numbers end that belong to a weight and are there only where they say something.
const NUMBERS_OF_WEIGHTS: [&str; 2] = [".scale", ".input_scale"];

/// The tensors of one layer, by their names within it.
type Layer<'n> = BTreeSet<&'n str>;

/// A layer by the tensors' names up to its number, and the number.
type Key<'n> = (&'n str, usize);

/// Checks that nothing is missing that tensors or metadata speak of. `lacking` is how the names of tensors
/// begin that layers may lack in the family.
///
/// # Errors
/// [`ConvertError::LackingTensor`], or [`ConvertError::LayerCount`] for a layer that the metadata do not
/// count.
pub(super) fn check(lacking: &[&str], facts: &Facts<'_>, found: &Found) -> Result<(), ConvertError> {
    let mut layers: BTreeMap<Key<'_>, Layer<'_>> = BTreeMap::new();
    for name in found.names() {
        let (Some(layer), inner) = layer_and_name(name) else { continue };
        if layer as u64 >= facts.model.layers {
            return Err(facts.model.too_many_layers(layer as u64, found.origin(name)));
        }
        let start = name.split_once("blk.").or_else(|| name.split_once('.')).map_or("", |(start, _)| start);
        layers.entry((start, layer)).or_default().insert(inner);
    }
    let may_lack = |name: &str| lacking.iter().any(|start| name.starts_with(start));
    let lacks = |layer: usize, name: &str| found.lacks(layer, name, facts.architecture);
    for (&(start, number), layer) in &layers {
        for part in PARTS {
            let is_there = |names: &[&str]| names.iter().any(|name| layer.contains(name));
            if !is_there(part.marks) || is_there(part.unless) {
                continue;
            }
            let all = part.marks.iter().chain(part.others);
            let needed = all.filter(|name| found.has_rule_for(name) && !may_lack(name));
            if let Some(name) = needed.copied().find(|name| !layer.contains(name)) {
                return Err(lacks(number, name));
            }
            if let Some(unstated) = part.number.filter(|number| !number.is_stated(facts)) {
                return Err(unstated.missing(facts));
            }
        }
        let place = Place { layer: Some(number), slides: false };
        let works = facts.stated("feed_forward_length", place).is_some_and(|width| width > 0);
        let mut networks = FEED_FORWARDS.iter().copied();
        let is_empty = start.is_empty() && works && !networks.clone().any(|name| layer.contains(name));
        if is_empty && let Some(name) = networks.find(|name| found.has_rule_for(name) && !may_lack(name)) {
            return Err(lacks(number, name));
        }
    }
    for alike in built_alike(&layers, facts.model.main_layers) {
        let all: Layer<'_> = alike.iter().flat_map(|(_, layer)| layer.iter().copied()).collect();
        for (number, layer) in alike {
            let is_number = |name: &str| NUMBERS_OF_WEIGHTS.iter().any(|ending| name.ends_with(ending));
            if let Some(name) = all.difference(layer).find(|name| !may_lack(name) && !is_number(name)) {
                return Err(lacks(number, name));
            }
        }
    }
    Ok(())
}

/// What tells how a layer is built: where it stands, whether it predicts, and which parts it has.
type Build<'l> = (&'l str, bool, Vec<bool>);

/// Layers in groups that are built of the same parts.
fn built_alike<'l>(
    layers: &'l BTreeMap<Key<'_>, Layer<'l>>,
    main_layers: u64,
) -> impl Iterator<Item = Vec<(usize, &'l Layer<'l>)>> {
    let mut groups: BTreeMap<Build<'_>, Vec<(usize, &Layer<'_>)>> = BTreeMap::new();
    for (&(start, number), layer) in layers {
        let parts = PARTS.iter().map(|part| part.marks.iter().any(|mark| layer.contains(mark))).collect();
        let predicts = number as u64 >= main_layers;
        groups.entry((start, predicts, parts)).or_default().push((number, layer));
    }
    groups.into_values()
}
