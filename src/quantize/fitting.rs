//! From a size to the plan of the model that fits into it best.

use std::collections::BTreeMap;

use super::choice::Reason;
use super::error::QuantizeError;
use super::file_type::FileType;
use super::fit::{Candidate, fit};
use super::importance::ImportanceMatrix;
use super::planner::{Quantized, quantize};
use super::scheme::Scheme;
use super::size::Size;
use super::target::Target;
use super::weights::demands;
use crate::plan::{Plan, PlannedTensor};
use crate::tensor::{ElementType, can_quantize, needs_importance};

/// What has to be measured to fit a model into a size, and what comes of it.
#[derive(Debug, Clone)]
pub struct Fitting {
    source: Plan,
    scheme: Scheme,
    importance: Option<ImportanceMatrix>,
    size: Size,
    /// The tensors as they are to be measured.
    measured: Plan,
    /// The types that each of them could get; none for those whose type is settled.
    candidates: Vec<Vec<ElementType>>,
    /// What the file types that could be made give them.
    mixtures: Vec<Vec<ElementType>>,
}

impl Fitting {
    /// Prepares to fit the model that `plan` describes.
    ///
    /// # Errors
    /// The model cannot be quantized, or is only to be copied.
    pub fn new(
        plan: Plan,
        scheme: &Scheme,
        importance: Option<&ImportanceMatrix>,
        size: Size,
    ) -> Result<Self, QuantizeError> {
        if scheme.target == Target::Copy {
            return Err(QuantizeError::SizeOfCopy);
        }
        let to = |file_type: FileType| {
            let scheme = Scheme { target: file_type.into(), ..scheme.clone() };
            quantize(plan.clone(), &scheme, importance)
        };
        // To this type all tensors are quantized for which there is a choice.
        let base = to(FileType::Q8_0)?;
        let is_free = |reason: Reason| matches!(reason, Reason::Mixture | Reason::Pure);
        let mut candidates = vec![Vec::new(); base.choices.len()];
        let mut mixtures = Vec::new();
        for file_type in FileType::all() {
            // Some do not fit every model.
            let Ok(quantized) = to(file_type) else { continue };
            let mut is_made = true;
            for (index, choice) in quantized.choices.iter().enumerate() {
                let (tensor, element_type) = (&base.plan.tensors[index], choice.element_type);
                if !is_free(base.choices[index].reason) {
                    continue;
                }
                let lacks = tensor.importance.is_none()
                    && (needs_importance(element_type)
                        || demands(&tensor.name, element_type, file_type.into()));
                if lacks || !can_quantize(element_type) {
                    is_made = false;
                } else if !candidates[index].contains(&element_type) {
                    candidates[index].push(element_type);
                }
            }
            if is_made {
                mixtures.push(quantized.choices.iter().map(|choice| choice.element_type).collect());
            }
        }
        candidates.iter_mut().for_each(|types| types.sort_unstable());
        Ok(Self {
            scheme: scheme.clone(),
            importance: importance.cloned(),
            size,
            measured: base.plan,
            candidates,
            mixtures,
            source: plan,
        })
    }

    /// The plan whose tensors have to be [measured](Plan::measure), and the candidates for each. Its sources
    /// are those of the plan to come.
    pub fn to_measure(&self) -> (&Plan, &[Vec<ElementType>]) {
        (&self.measured, &self.candidates)
    }

    /// The size that is fitted into.
    pub fn size(&self) -> Size {
        self.size
    }

    /// How many elements have to be measured.
    pub fn elements(&self) -> u64 {
        let measured = self.measured.tensors.iter().zip(&self.candidates);
        let elements =
            measured.filter(|(_, types)| !types.is_empty()).map(|(tensor, _)| tensor.shape.elements());
        elements.fold(0, u64::saturating_add)
    }

    /// The plan, given what was measured.
    ///
    /// # Errors
    /// Nothing fits.
    pub fn choose(self, errors: &[Vec<f64>]) -> Result<Quantized, QuantizeError> {
        let alignment = self.measured.metadata.alignment()?;
        let padded = |tensor: &PlannedTensor, element_type: ElementType| {
            let bytes = element_type.tensor_bytes(&tensor.shape).unwrap_or(u64::MAX / 2);
            bytes.next_multiple_of(alignment)
        };
        let mut others = 0_u64;
        let (mut free, mut tensors) = (Vec::new(), Vec::new());
        for (index, tensor) in self.measured.tensors.iter().enumerate() {
            if self.candidates[index].is_empty() {
                others = others.saturating_add(padded(tensor, tensor.element_type));
                continue;
            }
            let measured = self.candidates[index].iter().zip(&errors[index]);
            let candidate = |(&element_type, &error): (&ElementType, &f64)| Candidate {
                size: padded(tensor, element_type),
                error,
            };
            free.push(index);
            tensors.push(measured.map(candidate).collect::<Vec<_>>());
        }
        // The header is as long whatever the types.
        let data = self.measured.tensors.iter().map(|tensor| padded(tensor, tensor.element_type));
        let data = data.fold(0, u64::saturating_add);
        let size =
            self.measured.size().map_err(|error| QuantizeError::Unwritable { reason: error.to_string() })?;
        let settled = size.saturating_sub(data).saturating_add(others);
        let places = |types: &Vec<ElementType>| -> Option<Vec<usize>> {
            free.iter()
                .map(|&index| self.candidates[index].iter().position(|one| *one == types[index]))
                .collect()
        };
        let mixtures: Vec<_> = self.mixtures.iter().filter_map(places).collect();
        let budget = self.size.bytes().saturating_sub(settled);
        let Some(chosen) = fit(&tensors, &mixtures, budget) else {
            let least = tensors.iter().filter_map(|types| types.iter().map(|candidate| candidate.size).min());
            let least = least.fold(settled, u64::saturating_add);
            return Err(QuantizeError::DoesNotFit { size: self.size.bytes(), least });
        };
        let assigned: BTreeMap<String, ElementType> = free
            .iter()
            .zip(chosen)
            .map(|(&index, place)| (self.measured.tensors[index].name.clone(), self.candidates[index][place]))
            .collect();
        let scheme = Scheme { assigned, ..self.scheme };
        quantize(self.source, &scheme, self.importance.as_ref())
    }
}

impl std::fmt::Display for Fitting {
    /// What is asked for beside what the plan to be measured says.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, " {} of {} bytes", self.scheme.target, self.size.bytes())
    }
}
