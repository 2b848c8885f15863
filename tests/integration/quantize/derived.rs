//! Recipes that make another model like one that there is.

use ollamake::plan::Plan;
use ollamake::quantize::{Example, FileType, Recipe, Target, quantize};

use super::material::{expected, list};
use super::mixtures::skeleton;

/// The recipe of what a plan makes, as text.
fn recipe(plan: &Plan) -> String {
    let architecture = plan.metadata.architecture().unwrap();
    let example = |tensor: &ollamake::plan::PlannedTensor| Example {
        name: tensor.name.clone(),
        shape: tensor.shape,
        element_type: tensor.element_type,
    };
    let recipe = Recipe::of_model(architecture, plan.tensors.iter().map(example));
    serde_json::to_string(&recipe.to_object()).unwrap()
}

#[test]
fn any_type_with_the_recipe_of_a_model_gives_the_types_of_that_model() {
    let mut compared = 0;
    let file_types: Vec<FileType> = FileType::all().collect();
    for (number, model) in list(&expected("mixtures.json")["models"]).iter().enumerate() {
        // Another selection for every model, so that all are met.
        for file_type in file_types.iter().skip(number % 5).step_by(5) {
            let Ok(one) = quantize(skeleton(model), &(*file_type).into(), None) else { continue };
            let text = recipe(&one.plan);
            for other in [FileType::Q8_0, FileType::Q2K] {
                let scheme = Recipe::from_text(&text).unwrap().scheme(Target::Type(other)).unwrap();
                let again = quantize(skeleton(model), &scheme, None).unwrap().plan;
                for (tensor, again) in one.plan.tensors.iter().zip(&again.tensors) {
                    let (architecture, name) = (&model["arch"], &tensor.name);
                    assert_eq!(again.element_type, tensor.element_type, "{architecture} {file_type} {name}");
                }
                compared += 1;
            }
        }
    }
    assert!(compared > 100, "{compared}");
}
