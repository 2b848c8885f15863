//! From the plan of a model to the plan of the quantized model.

use super::error::QuantizeError;
use super::file_type::{FILE_TYPE_KEY, FileType};
use super::mixture::Mixture;
use super::model::Model;
use super::role::layer_of;
use crate::gguf::Metadata;
use crate::plan::{Operation, Plan, PlannedTensor, forget_split};
use crate::tensor::ElementType;

/// The version of the block formats, which quantized files state (llama.cpp, `GGML_QNT_VERSION`).
const QUANTIZATION_VERSION: u32 = 2;

/// The plan of the file that llama-quantize makes of the file that `plan` describes: its tensors in the order of
/// their layers and names, each in the type that the mixture gives it, and its metadata with the new file type at
/// the end.
///
/// Values are quantized from what the planned file would hold: where the plan says F16 or BF16 for values that are
/// not, they are rounded to that first. Every value must be finite, or execution fails with the tensor's name.
/// Tensors that have the type they are to get are copied, so a quantized model can be "quantized" to what it is,
/// which changes no tensor; [`FileType::of`] tells beforehand.
///
/// # Errors
/// Whatever [`QuantizeError`] names.
pub fn quantize(plan: Plan, file_type: FileType) -> Result<Plan, QuantizeError> {
    let Plan { sources, metadata, mut tensors } = plan;
    tensors.sort_by(|one, other| order(&one.name).cmp(&order(&other.name)));
    let model = Model::new(&metadata, tensors.iter().map(|tensor| tensor.name.as_str()))?;
    let mut mixture = Mixture::new(&model, file_type);
    let tensors = tensors
        .into_iter()
        .map(|tensor| {
            // ggml knows no number of dimensions, so what it writes ends with the last one that is not one.
            let tensor = PlannedTensor { shape: tensor.shape.without_trailing_ones(), ..tensor };
            let wanted = mixture.choose(&tensor.name, &tensor.shape)?.unwrap_or(tensor.element_type);
            convert(tensor, wanted, file_type)
        })
        .collect::<Result<_, _>>()?;
    Ok(Plan { sources, metadata: stating(metadata, file_type), tensors })
}

/// Tensors outside of layers come first, then layer by layer, each by the bytes of the name.
fn order(name: &str) -> (i32, &str) {
    (layer_of(name).unwrap_or(-1), name)
}

fn convert(
    tensor: PlannedTensor,
    wanted: ElementType,
    file_type: FileType,
) -> Result<PlannedTensor, QuantizeError> {
    let PlannedTensor { name, shape, element_type: got, recipe, importance } = tensor;
    if got == wanted {
        return Ok(PlannedTensor {
            name,
            shape,
            element_type: got,
            recipe: recipe.map(Operation::RequireFinite),
            importance,
        });
    }
    let recipe = match got {
        _ if got.is_quantized() => {
            return Err(QuantizeError::AlreadyQuantized { tensor: name, got, wanted, file_type });
        }
        ElementType::F32 => recipe,
        ElementType::F16 | ElementType::Bf16 if recipe.is_stored_as(got) => recipe,
        ElementType::F16 | ElementType::Bf16 => recipe.map(Operation::Round(got)),
        _ => return Err(QuantizeError::NotFloat { tensor: name, got, wanted }),
    };
    if shape.rank() == 4 && shape.dimensions()[3] > 1 {
        return Err(QuantizeError::FourDimensions { tensor: name });
    }
    if let Err(reason) = wanted.tensor_bytes(&shape) {
        return Err(QuantizeError::Tensor { tensor: name, reason });
    }
    let recipe = recipe.map(Operation::RequireFinite);
    Ok(PlannedTensor { name, shape, element_type: wanted, recipe, importance })
}

/// The metadata of the quantized file: those of the source, and at the end what it is now. A file made of shards
/// is none itself.
fn stating(mut metadata: Metadata, file_type: FileType) -> Metadata {
    const VERSION_KEY: &str = "general.quantization_version";
    forget_split(&mut metadata);
    metadata.remove(VERSION_KEY);
    metadata.remove(FILE_TYPE_KEY);
    metadata.set(VERSION_KEY, QUANTIZATION_VERSION);
    metadata.set(FILE_TYPE_KEY, file_type.id());
    metadata
}
