//! DeepSeek's sparse attention: a small network, the indexer, chooses the positions that are attended to.

use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::{ConvertError, Model};

/// The indexer of a layer.
pub(super) const INDEXER: &[Rule] = &[
    Rule::keep("model.layers.{}.self_attn.indexer.k_norm.*", "blk.{}.indexer.k_norm.*"),
    Rule::keep("model.layers.{}.self_attn.indexer.weights_proj.*", "blk.{}.indexer.proj.*"),
    Rule::keep("model.layers.{}.self_attn.indexer.wk.*", "blk.{}.indexer.attn_k.*"),
    Rule::keep("model.layers.{}.self_attn.indexer.wq_b.*", "blk.{}.indexer.attn_q_b.*"),
];

/// Writes the size of the indexer and how many positions it chooses.
pub(super) fn write(model: &Model, out: &mut Parameters) -> Result<(), ConvertError> {
    for (key, name) in [
        ("attention.indexer.head_count", "index_n_heads"),
        ("attention.indexer.key_length", "index_head_dim"),
        ("attention.indexer.top_k", "index_topk"),
    ] {
        out.count(key, model.configuration.integer(name)?)?;
    }
    Ok(())
}

/// Layer by layer whether it has an indexer, or takes the choice of the one before it; nothing where no layer
/// does.
pub(super) fn owners(model: &Model) -> Result<Option<Vec<bool>>, ConvertError> {
    let kinds = model.configuration.strings("indexer_types")?;
    Ok(kinds.map(|kinds| kinds.into_iter().map(|kind| kind == "full").collect()))
}

/// Writes which layers have an indexer of their own, where the configuration says so.
pub(super) fn write_owners(model: &Model, out: &mut Parameters) -> Result<(), ConvertError> {
    if let Some(owners) = owners(model)? {
        out.set("attention.indexer.types", owners);
    }
    Ok(())
}
