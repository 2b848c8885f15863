//! Granite 4 Vision: a SigLIP encoder, several of whose layers reach several layers of the text model through
//! projectors of their own, before Granite.

use std::borrow::Cow;

use serde_json::Value;

use super::{settings, siglip};
use crate::convert::architecture::common::text_name;
use crate::convert::architecture::{Family, granite};
use crate::convert::configuration::{Class, Part};
use crate::convert::parameters::Parameters;
use crate::convert::projector::{Encoders, Projector};
use crate::convert::rule::Rule;
use crate::convert::{Configuration, ConvertError, Subject};

pub(super) const FAMILY: Family = Family {
    names: &["Granite4VisionForConditionalGeneration"],
    overrules_text: true,
    classes: &[Class::of_parts(
        "granite4_vision",
        &[Part::of("text_config", "granite"), Part::of("vision_config", "siglip_vision_model")],
    )],
    hyperparameters: |subject, out| {
        (granite::FAMILY.hyperparameters)(subject, out)?;
        mapping(subject, out)
    },
    rename: |_, name| {
        let other = ["layerwise_projectors", "spatial_projectors"];
        if other.iter().any(|part| name.contains(part)) { None } else { text_name(name) }
    },
    projector: Some(&PROJECTOR),
    ..granite::FAMILY
};

/// The way from a layer of the encoder to one of the text model.
struct Way {
    vision_layer: u64,
    text_layer: u64,
    /// Its tensors' names begin with this.
    name: String,
    /// The place in the grid that it looks at, if it looks at one.
    offset: Option<u64>,
}

/// The ways in the order of the layers that they lead to (llama.cpp, `conversion/granite.py`).
fn ways(whole: &Configuration) -> Result<Vec<Way>, ConvertError> {
    let layers = |key: &str| {
        let part = whole.part(key).ok_or_else(|| whole.missing(&[key]))?;
        part.integer("num_hidden_layers")
    };
    let (text_layers, vision_layers) = (layers("text_config")?, layers("vision_config")?);
    let place = |key: &str, number: &Value, layers: u64| {
        let stated = number.as_i64().unwrap_or(i64::MAX);
        let counted = if stated < 0 { stated.saturating_add_unsigned(layers) } else { stated };
        let layer = u64::try_from(counted).ok().filter(|layer| *layer < layers);
        layer.ok_or_else(|| whole.bad(key, number, &format!("one of {layers} layers")))
    };
    let list = |key: &str| match whole.value(key) {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) => Ok(items.clone()),
        Some(other) => Err(whole.bad(key, other, "a list")),
    };
    let mut ways = Vec::new();
    let (deep, spatial) = ("deepstack_layer_map", "spatial_target_layers");
    let mut pairs = list(deep)?;
    // The numbers as they are written give the order, so that those from the end come first.
    pairs.sort_by_key(|pair| [pair.get(0), pair.get(1)].map(|number| number.and_then(Value::as_i64)));
    for (index, pair) in pairs.iter().enumerate() {
        let [Some(vision), Some(text)] = [pair.get(0), pair.get(1)] else {
            return Err(whole.bad(deep, pair, "a layer of the encoder and one of the text model"));
        };
        ways.push(Way {
            vision_layer: place(deep, vision, vision_layers)?,
            text_layer: place(deep, text, text_layers)?,
            name: format!("layerwise_projectors.{index}."),
            offset: None,
        });
    }
    let last = Value::from(-1);
    let source = whole.value("spatial_vision_layer").unwrap_or(&last);
    for (index, text) in list(spatial)?.iter().enumerate() {
        ways.push(Way {
            vision_layer: place("spatial_vision_layer", source, vision_layers)?,
            text_layer: place(spatial, text, text_layers)?,
            name: format!("spatial_projectors.{index}."),
            offset: Some(index as u64),
        });
    }
    ways.sort_by_key(|way| way.text_layer);
    Ok(ways)
}

/// Writes layer by layer which way leads to it. The first leads to the embeddings.
fn mapping(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let ways = ways(&subject.model.configuration)?;
    let mut mapping = vec![-1_i32; usize::try_from(subject.model.layers).unwrap_or(0)];
    for (number, way) in (0..).zip(&ways).skip(1) {
        if let Some(layer) = mapping.get_mut(way.text_layer as usize) {
            *layer = number;
        }
    }
    if !ways.is_empty() {
        out.set("deepstack_mapping", mapping);
    }
    Ok(())
}

/// The key under which the beginnings of the ways' names are kept.
const WAYS: &str = "beginnings of the projectors' names";

const PROJECTOR: Projector = Projector {
    adjust: |vision, whole| {
        let names: Vec<String> = ways(whole)?.into_iter().map(|way| way.name).collect();
        vision.set(WAYS, names);
        Ok(())
    },
    hyperparameters,
    rename: |vision, name| {
        let inner = name.strip_prefix("model.").unwrap_or(name);
        if inner == "image_newline" {
            return Some(Cow::Borrowed(inner));
        }
        if let Some(encoder) = siglip::name(name) {
            return Some(Cow::Borrowed(encoder));
        }
        let ways = vision.strings(WAYS).ok()??;
        let (way, rest) = (0..)
            .zip(ways)
            .find_map(|(number, start): (u64, _)| Some((number, inner.strip_prefix(start)?)))?;
        // A way has one layer.
        let rest = rest.strip_prefix("qformer.encoder.layer.0.").unwrap_or(rest);
        Some(format!("projectors.{way}.{rest}").into())
    },
    tensors: &[siglip::ENDS, siglip::LAYERS, PROJECTORS],
    ..Projector::STANDARD
};

const PROJECTORS: &[Rule] = &[
    Rule::keep("image_newline", "v.image_newline"),
    Rule::keep("projectors.{}.image_positions", "v.proj_blk.{}.img_pos"),
    Rule::keep("projectors.{}.query", "v.proj_blk.{}.query"),
    Rule::keep("projectors.{}.norm.*", "v.proj_blk.{}.norm.*"),
    Rule::keep("projectors.{}.out_linear.*", "v.proj_blk.{}.linear.*"),
    Rule::keep("projectors.{}.qformer.layernorm.*", "v.proj_blk.{}.post_norm.*"),
    Rule::keep("projectors.{}.attention.attention.query.*", "v.proj_blk.{}.self_attn_q.*"),
    Rule::keep("projectors.{}.attention.attention.key.*", "v.proj_blk.{}.self_attn_k.*"),
    Rule::keep("projectors.{}.attention.attention.value.*", "v.proj_blk.{}.self_attn_v.*"),
    Rule::keep("projectors.{}.attention.output.dense.*", "v.proj_blk.{}.self_attn_out.*"),
    Rule::keep("projectors.{}.attention.output.LayerNorm.*", "v.proj_blk.{}.self_attn_norm.*"),
    Rule::keep("projectors.{}.crossattention.attention.query.*", "v.proj_blk.{}.cross_attn_q.*"),
    Rule::keep("projectors.{}.crossattention.attention.key.*", "v.proj_blk.{}.cross_attn_k.*"),
    Rule::keep("projectors.{}.crossattention.attention.value.*", "v.proj_blk.{}.cross_attn_v.*"),
    Rule::keep("projectors.{}.crossattention.output.dense.*", "v.proj_blk.{}.cross_attn_out.*"),
    Rule::keep("projectors.{}.crossattention.output.LayerNorm.*", "v.proj_blk.{}.cross_attn_norm.*"),
    Rule::keep("projectors.{}.intermediate_query.dense.*", "v.proj_blk.{}.ffn_up.*"),
    Rule::keep("projectors.{}.output_query.dense.*", "v.proj_blk.{}.ffn_down.*"),
    Rule::keep("projectors.{}.output_query.LayerNorm.*", "v.proj_blk.{}.ffn_norm.*"),
];

fn hyperparameters(subject: &Encoders<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let whole = subject.whole;
    out.set("projector_type", "granite4_vision");
    settings::epsilon(subject, "layer_norm_eps", 1e-6, out)?;
    out.set("use_gelu", true);
    out.count("vision.preproc_image_size", subject.vision.integer("image_size")?)?;
    let rate = whole.text_value("downsample_rate")?.ok_or_else(|| whole.missing(&["downsample_rate"]))?;
    let sides =
        rate.split_once('/').and_then(|(query, window)| Some((query.parse().ok()?, window.parse().ok()?)));
    let (query, window): (u64, u64) =
        sides.ok_or_else(|| whole.bad("downsample_rate", &rate, "a fraction"))?;
    out.count("vision.projector.query_side", query)?;
    out.count("vision.projector.window_side", window)?;
    let ways = ways(whole)?;
    let layers: Vec<u64> = ways.iter().map(|way| way.vision_layer).collect();
    out.counts("vision.feature_layer", &layers)?;
    let offset = |way: &Way| way.offset.and_then(|offset| i32::try_from(offset).ok()).unwrap_or(-1);
    out.set("vision.projector.spatial_offsets", ways.iter().map(offset).collect::<Vec<i32>>());
    if let Some(sizes) = grid_sizes(whole)?.filter(|sizes| !sizes.is_empty()) {
        out.counts("vision.image_grid_pinpoints", &sizes)?;
    }
    Ok(())
}

/// The sizes that images are brought to, width before height one after the other.
fn grid_sizes(whole: &Configuration) -> Result<Option<Vec<u64>>, ConvertError> {
    const KEY: &str = "image_grid_pinpoints";
    let Some(value) = whole.value(KEY) else { return Ok(None) };
    let pair =
        |size: &Value| [size.get(1)?.as_u64(), size.get(0)?.as_u64()].into_iter().collect::<Option<Vec<_>>>();
    let sizes = value.as_array().and_then(|sizes| sizes.iter().map(pair).collect::<Option<Vec<_>>>());
    sizes
        .map(|sizes| Some(sizes.concat()))
        .ok_or_else(|| whole.bad(KEY, value, "a list of heights and widths"))
}
