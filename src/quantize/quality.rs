//! How far quantized tensors are from what they stand for, in words.

use crate::plan::{Plan, SquaredError};

/// The relative errors of the tensors that were changed, by name.
pub fn relative_errors<'p>(plan: &'p Plan, errors: &[SquaredError]) -> impl Iterator<Item = (&'p str, f64)> {
    let changed = plan.tensors.iter().zip(errors).filter(|(_, error)| error.own > 0.0);
    changed.map(|(tensor, error)| (tensor.name.as_str(), error.relative()))
}

/// Of each tensor that was changed, its name, and its type with the root-mean-square error relative to its
/// own; at the end the same of all together.
pub fn quality(plan: &Plan, errors: &[SquaredError]) -> Vec<(String, String)> {
    let percent = |error: &SquaredError| format!("{:.3} %", error.relative() * 100.0);
    let is_weighed = |weighed: bool| if weighed { ", weighed" } else { "" };
    let changed = plan.tensors.iter().zip(errors).filter(|(_, error)| error.own > 0.0);
    let mut lines: Vec<_> = changed
        .clone()
        .map(|(tensor, error)| {
            let weighed = is_weighed(tensor.importance.is_some());
            (tensor.name.clone(), format!("{} {}{weighed}", tensor.element_type, percent(error)))
        })
        .collect();
    let all = changed.map(|(_, error)| *error).fold(SquaredError::default(), SquaredError::plus);
    lines.push(("all together".to_owned(), percent(&all)));
    lines
}
