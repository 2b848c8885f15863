//! The weights of an adapter, each as what it does to one of the model.

use std::borrow::Cow;
use std::collections::HashMap;

use super::adapter_settings::{Library, Settings, refuse};
use super::weight::{LowRank, Weight};
use super::weights::StoredWeight;
use super::{ConvertError, architecture};
use crate::plan::Derivation;

/// What a tensor of an adapter is, by the end of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// The factor that inputs meet first.
    Inner,
    /// The factor that makes outputs.
    Outer,
    /// The length of each output's weights.
    Lengths,
}

/// How names end; those of embeddings are looked up and not multiplied.
const ENDINGS: [(&str, Role); 8] = [
    (".lora_A.weight", Role::Inner),
    (".lora_B.weight", Role::Outer),
    (".lora_embedding_A", Role::Inner),
    (".lora_embedding_B", Role::Outer),
    (".lora_magnitude_vector.weight", Role::Lengths),
    (".lora_magnitude_vector", Role::Lengths),
    (".lora_a", Role::Inner),
    (".lora_b", Role::Outer),
];

/// How MLX calls the lengths.
const MLX_LENGTHS: &str = ".m";

/// The tensors of one changed module.
#[derive(Default)]
struct Parts<'w> {
    inner: Option<&'w StoredWeight>,
    outer: Option<&'w StoredWeight>,
    lengths: Option<&'w StoredWeight>,
    is_embedding: bool,
}

/// What becomes of each weight of the model, by its name there, in the order of the file; weights that take
/// the place of the model's come first.
pub(super) fn changed(
    settings: &Settings,
    weights: &[StoredWeight],
) -> Result<Vec<(String, Weight)>, ConvertError> {
    let mut changed: Vec<(String, Weight)> = Vec::new();
    let mut modules: Vec<(String, Parts<'_>)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for weight in weights {
        let name = base_name(&weight.name);
        let Some((module, role)) = module_and_role(settings.library, &name) else {
            if let Some(name) = replaced(weight, name)? {
                changed.push((name, Weight::Whole(weight.derivation()?)));
            }
            continue;
        };
        let place = *places.entry(module.to_owned()).or_insert_with(|| {
            modules.push((module.to_owned(), Parts::default()));
            modules.len() - 1
        });
        let parts = &mut modules[place].1;
        parts.is_embedding |= name.contains(".lora_embedding_") || is_embedding(settings.library, module);
        *match role {
            Role::Inner => &mut parts.inner,
            Role::Outer => &mut parts.outer,
            Role::Lengths => &mut parts.lengths,
        } = Some(weight);
    }
    for (module, parts) in modules {
        let change = parts.change(settings, &module)?;
        changed.push((format!("{module}.weight"), change));
    }
    if changed.is_empty() {
        return Err(refuse("it has no tensors".to_owned()));
    }
    Ok(changed)
}

fn module_and_role(library: Library, name: &str) -> Option<(&str, Role)> {
    let lengths = (library == Library::Mlx).then(|| name.strip_suffix(MLX_LENGTHS)).flatten();
    let found = ENDINGS.iter().find_map(|(ending, role)| Some((name.strip_suffix(ending)?, *role)));
    found.or_else(|| lengths.map(|module| (module, Role::Lengths)))
}

/// MLX does not say what is looked up.
fn is_embedding(library: Library, module: &str) -> bool {
    library == Library::Mlx
        && module.rsplit('.').next().is_some_and(|last| matches!(last, "embed_tokens" | "wte"))
}

/// The name of the weight that a whole one takes the place of; nothing if it is the model's own.
fn replaced(weight: &StoredWeight, name: Cow<'_, str>) -> Result<Option<String>, ConvertError> {
    if name.contains(".base_layer.") {
        return Ok(None);
    }
    if name.ends_with("trainable_tokens_delta") {
        let reason = format!(
            "tensor {:?} replaces the embeddings of single tokens (trainable_token_indices), which is not \
             supported; merge it with PEFT (merge_and_unload) and give the whole model",
            weight.name
        );
        return Err(refuse(reason));
    }
    if name.ends_with(".lora_B.bias") {
        return Err(refuse(format!(
            "tensor {:?} is a bias of a factor (lora_bias), which is not supported; merge it with PEFT \
             (merge_and_unload) and give the whole model",
            weight.name
        )));
    }
    if [".weight", ".bias"].iter().any(|ending| name.ends_with(ending)) {
        return Ok(Some(name.replace("modules_to_save.", "")));
    }
    Err(refuse(format!("tensor {:?} is neither lora_A nor lora_B nor a weight of the model", weight.name)))
}

impl Parts<'_> {
    /// The change of a module's weight.
    fn change(self, settings: &Settings, module: &str) -> Result<Weight, ConvertError> {
        let (Some(inner), Some(outer)) = (self.inner, self.outer) else {
            return Err(refuse(format!("one of the two factors of \"{module}.weight\" is missing")));
        };
        let lies_inputs_first = settings.library == Library::Mlx;
        let fits = match (inner.dimensions(), outer.dimensions()) {
            ([rank, _], [_, other]) if !lies_inputs_first => rank == other,
            ([_, rank], [other, _]) if lies_inputs_first => rank == other,
            _ => false,
        };
        if !fits {
            let (a, b) = (inner.dimensions(), outer.dimensions());
            return Err(refuse(format!(
                "the factors of \"{module}.weight\", of shapes {a:?} and {b:?}, do not fit each other"
            )));
        }
        let turned = |derivation: Derivation| {
            derivation
                .transpose(0, 1)
                .map_err(|reason| ConvertError::Dimensions { tensor: module.to_owned(), reason })
        };
        let (mut a, mut b) = (inner.derivation()?, outer.derivation()?);
        // Embeddings have a row a token, which is looked up: the matrix itself is turned against other
        // matrices.
        if lies_inputs_first != self.is_embedding {
            (a, b) = (turned(a)?, turned(b)?);
        }
        if self.is_embedding {
            (a, b) = (b, a);
        }
        let rank = a.dimensions().first().copied().unwrap_or(1);
        let scale = settings.scale(module, rank)?;
        if settings.has_lengths()? && self.lengths.is_none() {
            return Err(refuse(format!(
                "the magnitudes of \"{module}.weight\" are missing, which DoRA needs"
            )));
        }
        let lengths = self.lengths.map(|lengths| {
            let count = lengths.dimensions().iter().product();
            let flat = lengths.derivation()?.reshape(&[count]);
            flat.map_err(|reason| ConvertError::Dimensions { tensor: lengths.name.clone(), reason })
        });
        // Outputs come first even where the model keeps the matrix the other way round (fan_in_fan_out): its
        // family knows.
        Ok(Weight::LowRank(LowRank { a, b, scale, lengths: lengths.transpose()? }))
    }
}

/// The name of a tensor without what PEFT wraps around the model.
fn base_name(name: &str) -> Cow<'_, str> {
    let name = name.strip_prefix("base_model.model.").unwrap_or(name);
    // Some versions name the adapter within the tensor's name.
    architecture::replaced(Cow::Borrowed(name), ".default.weight", ".weight")
}
