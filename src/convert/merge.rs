//! Adapters merged into the weights of a model, as PEFT's `merge_and_unload` does it in single precision.
//!
//! The adapter goes the way of any adapter, so that it lies as the model's file does; then each of its
//! changes becomes an operation on the planned tensor. What is quantized later is quantized from the sums.

use super::adapter::Adapter;
use super::adapter_settings::refuse;
use super::files::Files;
use super::planned::EMBEDDINGS;
use super::weight::{LowRank, Packed, Weight};
use super::{ConvertError, fit};
use crate::gguf::{Gguf, ValueRef};
use crate::plan::{Change, Constant, Derivation, Location, Plan, PlannedTensor, SourceDescription, Stored};
use crate::safetensors::NamedSource;
use crate::tensor::ElementType;

/// A model with an adapter in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Merged {
    /// Its plan; the sources of the base model come first.
    pub model: Plan,
    /// The places of the further sources among the files that were given.
    pub sources: Vec<usize>,
}

/// Plans the merge of an adapter in safetensors into a model, `strength` times as strong as it says.
///
/// # Errors
/// As for [`adapter`](super::adapter()), but that everything an adapter in safetensors can hold can be
/// merged.
pub fn merge(mut base: Plan, files: &[NamedSource<'_>], strength: f64) -> Result<Merged, ConvertError> {
    let Adapter { checkpoint, changed, .. } = Adapter::read(Files::new(files), &base, base.sources.len())?;
    let files = checkpoint.files.iter();
    base.sources
        .extend(files.map(|(label, length)| SourceDescription { label: label.clone(), length: *length }));
    for (name, weight) in changed {
        apply(&mut base, &name, weight, strength)?;
    }
    Ok(Merged { model: base, sources: checkpoint.given })
}

/// Plans the merge of a GGUF adapter into a model, `strength` times as strong as it says.
///
/// # Errors
/// It is not an adapter for the model.
pub fn merge_gguf(
    mut base: Plan,
    adapter: &Gguf<'_>,
    source: SourceDescription,
    strength: f64,
) -> Result<Merged, ConvertError> {
    fit::check_gguf_adapter(adapter, &base)?;
    let place = base.sources.len();
    base.sources.push(source);
    let alpha = match adapter.get("adapter.lora.alpha") {
        Some(ValueRef::F32(alpha)) => f64::from(*alpha),
        _ => 0.0,
    };
    let stored = |name: &str| -> Result<Option<Derivation>, ConvertError> {
        let Some(tensor) = adapter.tensor(name) else { return Ok(None) };
        let location = Location { source: place, offset: tensor.data.start };
        let dimensions: Vec<u64> = tensor.shape.dimensions().iter().rev().copied().collect();
        let stored = Stored::plain(location, tensor.element_type, &dimensions);
        let derivation = Derivation::stored(stored);
        derivation.map(Some).map_err(|reason| ConvertError::Dimensions { tensor: name.to_owned(), reason })
    };
    for tensor in adapter.tensors() {
        let Some(name) = tensor.name.strip_suffix(".lora_a") else {
            if let (false, Some(derivation)) = (tensor.name.ends_with(".lora_b"), stored(tensor.name)?) {
                apply(&mut base, tensor.name, Weight::Whole(derivation), strength)?;
            }
            continue;
        };
        let (Some(a), Some(b)) = (stored(tensor.name)?, stored(&format!("{name}.lora_b"))?) else { continue };
        let rank = b.dimensions().last().copied().unwrap_or(1);
        // Without a number the runtime does not scale.
        let scale = if alpha == 0.0 { 1.0 } else { alpha / rank as f64 };
        let (a, b) = if name == EMBEDDINGS {
            let turned = b.transpose(0, 1);
            (turned.map_err(|reason| ConvertError::Dimensions { tensor: name.to_owned(), reason })?, a)
        } else {
            (a, b)
        };
        apply(&mut base, name, Weight::LowRank(LowRank { a, b, scale, lengths: None }), strength)?;
    }
    Ok(Merged { model: base, sources: vec![0] })
}

/// Changes one tensor of a plan, or adds the head of a model that had none of its own.
fn apply(base: &mut Plan, name: &str, weight: Weight, strength: f64) -> Result<(), ConvertError> {
    if name == "output.weight" && !base.tensors.iter().any(|tensor| tensor.name == name) {
        let embeddings = base.tensors.iter().find(|tensor| tensor.name == EMBEDDINGS).cloned();
        base.tensors.extend(embeddings.map(|tensor| PlannedTensor { name: name.to_owned(), ..tensor }));
    }
    let scale = name.replace(".weight", ".scale");
    if scale != name && base.tensors.iter().any(|tensor| tensor.name == scale) {
        return Err(refuse(format!(
            "tensor {name:?} of the base model is scaled by {scale:?}; merge it into the original model"
        )));
    }
    let tensor = base.tensors.iter_mut().find(|tensor| tensor.name == name);
    let tensor =
        tensor.ok_or_else(|| refuse(format!("it changes {name:?}, which the base model does not have")))?;
    if !readable(tensor.element_type) {
        return Err(refuse(format!(
            "tensor {name:?} of the base model is {}, which changed numbers cannot be stored in; give \
             quantize another type",
            tensor.element_type
        )));
    }
    let before = tensor.derivation.clone();
    let after = match weight {
        Weight::Whole(_) | Weight::Packed(_) if strength != 1.0 => {
            return Err(refuse(format!(
                "it replaces {name:?}, which cannot be done with strength {strength}; give it the strength 1"
            )));
        }
        Weight::Whole(derivation) | Weight::Packed(Packed { numbers: derivation, .. }) => {
            derivation.reshape(&before.dimensions())
        }
        Weight::LowRank(LowRank { a, b, scale, lengths }) => {
            before.changed(Change { inputs: a, outputs: b, scale: Constant::new(scale * strength), lengths })
        }
    };
    tensor.derivation =
        after.map_err(|reason| ConvertError::Dimensions { tensor: name.to_owned(), reason })?;
    Ok(())
}

/// The same plan with merged tensors as they are computed, for a model that is quantized next: it should see
/// the sums, not what 16 bits can hold of them.
pub fn unrounded(mut merged: Plan) -> Plan {
    for tensor in &mut merged.tensors {
        let is_half = matches!(tensor.element_type, ElementType::F16 | ElementType::Bf16);
        if is_half && matches!(tensor.derivation, Derivation::Changed { .. }) {
            tensor.element_type = ElementType::F32;
        }
    }
    merged
}

/// Whether numbers can become elements of a type without more being known of them.
fn readable(element_type: ElementType) -> bool {
    crate::tensor::can_quantize(element_type) && !crate::tensor::needs_importance(element_type)
}
