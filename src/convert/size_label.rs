//! How many weights a model has, and the short form of that number in `general.size_label`.

use crate::plan::PlannedTensor;

/// Numbers of weights.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ParameterCount {
    total: u64,
    shared: u64,
    /// Of one expert.
    expert: u64,
    experts: u64,
    adapter: bool,
}

impl ParameterCount {
    /// Counts the weights of a model or projector.
    pub(super) fn of_model(tensors: &[PlannedTensor]) -> Self {
        if has_separate_factors(tensors) {
            return Self::default();
        }
        let mut count = Self::default();
        let (mut expert_sum, mut expert_tensors) = (0_u64, 0);
        for tensor in tensors {
            let size = tensor.shape.elements();
            let dimensions = tensor.shape.dimensions();
            // The experts are the last but one dimension of biases, the last but two of matrices, slowest
            // first.
            let experts = if tensor.name.contains(".bias") { dimensions.get(1) } else { dimensions.get(2) };
            match experts {
                Some(&experts) if tensor.name.contains("_exps.") && dimensions.len() >= 3 => {
                    count.expert += size / experts;
                    expert_sum += experts;
                    expert_tensors += 1;
                }
                _ => count.shared += size,
            }
            count.total += size;
        }
        count.experts = expert_sum.checked_div(expert_tensors).unwrap_or(0);
        count
    }

    /// Counts the weights that the factors of an adapter stand for: the number is an estimate.
    pub(super) fn of_adapter(tensors: &[PlannedTensor]) -> Self {
        let mut total = 0;
        let mut columns = None;
        for tensor in tensors {
            if tensor.name.ends_with(".lora_a") {
                columns = Some(tensor.shape.row_len());
            } else if tensor.name.ends_with(".lora_b") {
                total += columns.unwrap_or(0).saturating_mul(tensor.shape.rows());
            } else {
                total += tensor.shape.elements();
            }
        }
        Self { total, shared: total, adapter: true, ..Self::default() }
    }

    /// All weights; negative where the number is an estimate, as llama.cpp has it.
    pub(super) fn total(self) -> i64 {
        let total = i64::try_from(self.total).unwrap_or(i64::MAX);
        if self.adapter { -total } else { total }
    }

    /// The label; adapters have none.
    pub(super) fn label(self) -> Option<String> {
        if self.adapter || self.total == 0 {
            return None;
        }
        Some(match self.experts {
            0 => rounded(self.total),
            experts => format!("{experts}x{}", rounded(self.shared + self.expert)),
        })
    }
}

/// Whether there are second factors of adapters that do not follow their first ones: the reference converter
/// gives up counting there.
fn has_separate_factors(tensors: &[PlannedTensor]) -> bool {
    let mut first = None;
    tensors.iter().any(|tensor| {
        if let Some(stem) = tensor.name.strip_suffix(".lora_a") {
            first = Some(stem);
        }
        tensor.name.strip_suffix(".lora_b").is_some_and(|stem| first != Some(stem))
    })
}

/// A number with two digits at least and a unit.
fn rounded(number: u64) -> String {
    let number = number as f64;
    let (scaled, unit) = match number {
        _ if number > 1e12 => (number * 1e-12, "T"),
        _ if number > 1e9 => (number * 1e-9, "B"),
        _ if number > 1e6 => (number * 1e-6, "M"),
        _ => (number * 1e-3, "K"),
    };
    let whole = scaled.round_ties_even();
    let digits = if whole == 0.0 { 0 } else { format!("{whole:.0}").len() };
    format!("{scaled:.*}{unit}", 2_usize.saturating_sub(digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(rounded(886_016), "886K");
        assert_eq!(rounded(7_241_732_096), "7.2B");
        assert_eq!(rounded(500), "0.50K");
        assert_eq!(rounded(46_702_792_704), "47B");
    }
}
