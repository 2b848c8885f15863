//! From the plan of a model to the plan of the quantized model.

use super::choice::{Choice, Chooser};
use super::error::QuantizeError;
use super::importance::ImportanceMatrix;
use super::metadata_override::MetadataOverride;
use super::model::Model;
use super::prune::{Kept, prune};
use super::role::layer_of;
use super::scheme::Scheme;
use super::stated::{Facts, file_type_of};
use super::warning::{Warning, fell_back, idle_patterns};
use super::weights::Weights;
use crate::plan::{Operation, Plan, PlannedTensor};
use crate::tensor::ElementType;

/// The plan of a quantized model, and what there is to say about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantized {
    /// The plan.
    pub plan: Plan,
    /// What was decided about each of its tensors, in their order.
    pub choices: Vec<Choice>,
    /// What a person should know of it.
    pub warnings: Vec<Warning>,
    /// Why it cannot be carried out, if the reason is one that only a run has to mind: a tensor that demands
    /// an importance matrix has none.
    pub demand: Option<QuantizeError>,
}

impl Quantized {
    /// The plan, if it can be carried out.
    ///
    /// # Errors
    /// A tensor demands an importance matrix.
    pub fn ready(self) -> Result<Plan, QuantizeError> {
        match self.demand {
            None => Ok(self.plan),
            Some(demand) => Err(demand),
        }
    }
}

/// The plan of the file that llama-quantize makes of the file that `plan` describes: its tensors in the order
/// of their layers and names, each in the type that the scheme gives it, and its metadata with the new file
/// type at the end.
///
/// Values are quantized from what the planned file would hold: where the plan says F16 or BF16 for values
/// that are not, they are rounded to that first. Every value must be finite, or execution fails with the
/// tensor's name. Tensors that have the type they are to get are copied, so a quantized model can be
/// "quantized" to what it is, which changes no tensor; [`FileType::of`](super::FileType::of) tells
/// beforehand.
///
/// An importance matrix is one more source of the plan, the last.
///
/// ```
/// use ollamake::gguf::Gguf;
/// use ollamake::plan::{Plan, Resources, SourceDescription};
/// use ollamake::quantize::{FileType, quantize};
///
/// let model = std::fs::read("examples/tiny/tiny.gguf")?;
/// let description = SourceDescription { label: "tiny.gguf".to_owned(), length: model.len() as u64 };
/// let plan = Plan::copying(&Gguf::parse(&model)?, description)?;
///
/// let quantized = quantize(plan, &FileType::Q4KM.into(), None)?;
/// for (tensor, choice) in quantized.plan.tensors.iter().zip(&quantized.choices) {
///     assert_eq!(tensor.element_type, choice.element_type);
/// }
/// let mut file = Vec::new();
/// quantized.ready()?.execute(&[&model], &mut file, Resources::default(), &())?;
/// assert!(file.len() < model.len() / 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Whatever [`QuantizeError`] names.
pub fn quantize(
    plan: Plan,
    scheme: &Scheme,
    importance: Option<&ImportanceMatrix>,
) -> Result<Quantized, QuantizeError> {
    let Plan { mut sources, metadata, tensors } = plan;
    let (kept, layers) = in_order(tensors, scheme)?;
    let mut overridden = metadata.clone();
    for MetadataOverride { key, value } in &scheme.override_kv {
        overridden.set(key, value.clone());
    }
    let names: Vec<&str> = kept.iter().map(|kept| kept.tensor.name.as_str()).collect();
    let model = Model::new(&overridden, names.iter().copied())?;
    let mut chooser = Chooser::new(scheme, &model, kept.len(), importance.is_some())?;
    let choices = kept
        .iter()
        .map(|Kept { tensor, .. }| {
            let shape = tensor.shape.without_trailing_ones();
            chooser.choose(&tensor.name, &shape, tensor.element_type)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let mut warnings: Vec<Warning> = fell_back(&choices).into_iter().collect();
    warnings.extend(idle_patterns(scheme, &chooser.outcomes, &names));

    let originals: Vec<_> = kept.iter().map(|kept| kept.tensor.clone()).collect();
    let facts = Facts {
        file_type: file_type_of(scheme.target, &overridden, &originals),
        overrides: &scheme.override_kv,
        importance,
        layers,
    };
    let metadata = facts.stated(metadata)?;
    let mut weights = Weights::new(scheme.target, importance, sources.len());
    sources.extend(importance.map(|matrix| matrix.source.clone()));
    let tensors = kept
        .into_iter()
        .zip(&choices)
        .map(|(kept, choice)| {
            let Kept { original_name, tensor, .. } = kept;
            // ggml knows no number of dimensions, so what it writes ends with the last one that is not one.
            let tensor = PlannedTensor { shape: tensor.shape.without_trailing_ones(), ..tensor };
            let importance = weights.of(&original_name, &tensor, choice)?;
            convert(PlannedTensor { importance, ..tensor }, choice.element_type, scheme)
        })
        .collect::<Result<_, _>>()?;
    warnings.extend(weights.warnings());
    let demand = weights.demand;
    Ok(Quantized { plan: Plan { sources, metadata, tensors }, choices, warnings, demand })
}

/// The tensors in the order of the file to come, without the layers that are left out, and how many layers
/// are left then.
fn in_order(tensors: Vec<PlannedTensor>, scheme: &Scheme) -> Result<(Vec<Kept>, Option<u32>), QuantizeError> {
    let tensors = tensors.into_iter().enumerate();
    let mut kept: Vec<Kept> = tensors.map(|(position, tensor)| Kept::new(position, tensor)).collect();
    kept.sort_by(|one, other| order(&one.original_name).cmp(&order(&other.original_name)));
    let (mut kept, layers) = prune(kept, &scheme.prune_layers)?;
    if scheme.keep_split {
        kept.sort_by_key(|kept| kept.position);
    }
    Ok((kept, layers))
}

/// Tensors outside of layers come first, then layer by layer, each by the bytes of the name.
fn order(name: &str) -> (i32, &str) {
    (layer_of(name).unwrap_or(-1), name)
}

fn convert(
    tensor: PlannedTensor,
    wanted: ElementType,
    scheme: &Scheme,
) -> Result<PlannedTensor, QuantizeError> {
    let PlannedTensor { name, shape, element_type: got, derivation, importance } = tensor;
    if got == wanted {
        return Ok(PlannedTensor {
            name,
            shape,
            element_type: got,
            derivation: derivation.map(Operation::RequireFinite),
            importance,
        });
    }
    let derivation = match got {
        _ if got.is_quantized() && scheme.allow_requantize => derivation,
        _ if got.is_quantized() => {
            let target = scheme.target;
            return Err(QuantizeError::AlreadyQuantized { tensor: name, got, wanted, target });
        }
        ElementType::F32 => derivation,
        ElementType::F16 | ElementType::Bf16 if derivation.is_stored_as(got) => derivation,
        ElementType::F16 | ElementType::Bf16 => derivation.map(Operation::Round(got)),
        _ => return Err(QuantizeError::NotFloat { tensor: name, got, wanted }),
    };
    if shape.rank() == 4 && shape.dimensions()[3] > 1 {
        return Err(QuantizeError::FourDimensions { tensor: name });
    }
    if let Err(reason) = wanted.tensor_bytes(&shape) {
        return Err(QuantizeError::Tensor { tensor: name, reason });
    }
    let derivation = derivation.map(Operation::RequireFinite);
    Ok(PlannedTensor { name, shape, element_type: wanted, derivation, importance })
}
