//! Whether an adapter is one for a base model.

use std::collections::HashMap;

use super::ConvertError;
use super::adapter_settings::refuse;
use super::found::Found;
use super::planned::EMBEDDINGS;
use super::weight::{LowRank, Packed, Weight};
use crate::gguf::{Gguf, ValueRef};
use crate::plan::Plan;
use crate::tensor::Shape;

/// Checks that the base model has what an adapter changes, in the same shapes. Of a plan without tensors
/// nothing is known.
pub(super) fn check(base: &Plan, changed: &[(String, Weight)], found: &Found) -> Result<(), ConvertError> {
    let shapes = shapes(base);
    for (name, weight) in changed {
        let origin = found.origin(name);
        match weight {
            Weight::Whole(derivation) | Weight::Packed(Packed { numbers: derivation, .. }) => {
                expect(&shapes, origin, name, &derivation.dimensions())?;
            }
            Weight::LowRank(LowRank { a, b, .. }) => {
                let mut dimensions = b.dimensions();
                dimensions.pop();
                dimensions.extend(a.dimensions().last());
                expect(&shapes, origin, name, &dimensions)?;
            }
        }
    }
    Ok(())
}

/// Checks that a GGUF adapter is one for a base model, given as the plan of its file.
///
/// # Errors
/// [`ConvertError::Adapter`] with the tensor, or with both architectures.
pub fn check_gguf_adapter(adapter: &Gguf<'_>, base: &Plan) -> Result<(), ConvertError> {
    let shapes = shapes(base);
    let own = adapter.get("general.architecture").and_then(ValueRef::as_str).unwrap_or("unknown");
    let theirs = base.metadata.architecture().unwrap_or("unknown");
    if own != theirs {
        return Err(refuse(format!(
            "it is for models of architecture {own}, and the base model is {theirs}"
        )));
    }
    if adapter.tensors().is_empty() {
        return Err(refuse("it has no tensors".to_owned()));
    }
    for tensor in adapter.tensors() {
        let own = |shape: Shape| -> Vec<u64> { shape.dimensions().iter().rev().copied().collect() };
        let Some(name) = tensor.name.strip_suffix(".lora_a") else {
            let is_factor = tensor.name.ends_with(".lora_b");
            if !is_factor {
                expect(&shapes, tensor.name, tensor.name, &own(tensor.shape))?;
            }
            continue;
        };
        let outer = adapter.tensor(&format!("{name}.lora_b"));
        let outer = outer.ok_or_else(|| refuse(format!("one of the two factors of {name:?} is missing")))?;
        let (a, b) = (own(tensor.shape), own(outer.shape));
        let dimensions = match (&a[..], &b[..]) {
            // Embeddings are looked up: both factors have their rank last.
            ([rows, _], [columns, _]) if name == EMBEDDINGS => vec![*rows, *columns],
            (a, [stack @ .., rows, _]) => stack.iter().chain([rows]).chain(a.last()).copied().collect(),
            _ => {
                let reason = format!("the factors of {name:?}, of shapes {a:?} and {b:?}, are not matrices");
                return Err(refuse(reason));
            }
        };
        expect(&shapes, tensor.name, name, &dimensions)?;
    }
    Ok(())
}

fn shapes(base: &Plan) -> HashMap<&str, Shape> {
    base.tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.shape)).collect()
}

/// Checks that a tensor of the base model is there and has these dimensions, slowest first. `origin` is what
/// the adapter calls it.
fn expect(
    base: &HashMap<&str, Shape>,
    origin: &str,
    name: &str,
    dimensions: &[u64],
) -> Result<(), ConvertError> {
    if base.is_empty() {
        return Ok(());
    }
    // The head of a model whose embeddings serve as one.
    let is_tied = name == "output.weight" && !base.contains_key(name);
    let known = base.get(if is_tied { EMBEDDINGS } else { name });
    let Some(known) = known else {
        return Err(refuse(format!("it changes {origin:?} ({name:?}), which the base model does not have")));
    };
    let got = Shape::from_slowest_first(dimensions);
    let got = got.map_err(|reason| ConvertError::Shape { tensor: origin.to_owned(), reason })?;
    if got.without_trailing_ones() != known.without_trailing_ones() {
        let expected: Vec<u64> = known.dimensions().iter().rev().copied().collect();
        return Err(refuse(format!(
            "it changes {origin:?} as a tensor of shape {dimensions:?}, but in the base model that has the \
             shape {expected:?}; is the adapter for another model?"
        )));
    }
    Ok(())
}
