//! The recipe that makes another model like one that there is.

use std::collections::BTreeMap;

use super::eligible::is_eligible;
use super::recipe::Recipe;
use super::role::around_layer;
use super::type_override::target_type;
use crate::tensor::{ElementType, Shape};

/// A tensor of the model that there is.
#[derive(Debug, Clone)]
pub struct Example {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub shape: Shape,
    /// Its type.
    pub element_type: ElementType,
}

impl Recipe {
    /// The types of all tensors that are quantized, by patterns that match one another's tensors nowhere:
    /// with it, any target that is quantized gives these types. Layers that agree are named together.
    pub fn of_model(architecture: &str, tensors: impl IntoIterator<Item = Example>) -> Self {
        // By what stands around the number of the layer, then by type: the layers.
        let mut kinds: BTreeMap<(String, String), BTreeMap<ElementType, Vec<u32>>> = BTreeMap::new();
        let mut tensor_types = Vec::new();
        for Example { name, shape, element_type } in tensors {
            if !is_eligible(architecture, &name, &shape) || target_type(element_type.name()).is_err() {
                continue;
            }
            // A number written otherwise would not come back.
            let layer = around_layer(&name);
            match layer.filter(|(before, number, after)| format!("{before}{number}{after}") == name) {
                Some((before, number, after)) => {
                    let kind = kinds.entry((before.to_owned(), after.to_owned())).or_default();
                    kind.entry(element_type).or_default().push(number);
                }
                None => tensor_types.push((format!("^{}$", regex::escape(&name)), element_type)),
            }
        }
        for ((before, after), types) in kinds {
            let (before, after) = (regex::escape(&before), regex::escape(&after));
            let agree = types.len() == 1;
            for (element_type, mut layers) in types {
                layers.sort_unstable();
                let number = match layers.as_slice() {
                    _ if agree => r"\d+".to_owned(),
                    [only] => only.to_string(),
                    several => {
                        let several: Vec<String> = several.iter().map(u32::to_string).collect();
                        format!("({})", several.join("|"))
                    }
                };
                tensor_types.push((format!("^{before}{number}{after}$"), element_type));
            }
        }
        let written = |(pattern, element_type): (String, ElementType)| {
            (pattern, element_type.name().to_ascii_lowercase())
        };
        Self { tensor_types: tensor_types.into_iter().map(written).collect(), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_that_agree_are_named_together() {
        let matrix = Shape::new(&[256, 4]).unwrap();
        let example = |name: &str, element_type| Example { name: name.into(), shape: matrix, element_type };
        let recipe = Recipe::of_model(
            "llama",
            [
                example("output.weight", ElementType::Q6K),
                example("blk.0.attn_v.weight", ElementType::Q6K),
                example("blk.1.attn_v.weight", ElementType::Q4K),
                example("blk.2.attn_v.weight", ElementType::Q6K),
                example("blk.0.ffn_up.weight", ElementType::Q4K),
                example("blk.1.ffn_up.weight", ElementType::Q4K),
                example("blk.0.attn_norm.weight", ElementType::F32),
            ],
        );
        let written: Vec<String> =
            recipe.tensor_types.iter().map(|(pattern, name)| format!("{pattern}={name}")).collect();
        assert_eq!(
            written,
            [
                r"^output\.weight$=q6_k",
                r"^blk\.1\.attn_v\.weight$=q4_k",
                r"^blk\.(0|2)\.attn_v\.weight$=q6_k",
                r"^blk\.\d+\.ffn_up\.weight$=q4_k",
            ]
        );
        assert!(recipe.scheme("q2_k".parse().unwrap()).is_ok());
    }
}
