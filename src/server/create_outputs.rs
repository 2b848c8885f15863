//! Which models a create request wants: one, or a list of `outputs`.

use serde_json::{Map, Value};

use super::errors::Failure;
use super::request::Fields;
use crate::create::{CreateError, Outputs, Quantization, Wanted};
use crate::quantize::Recipe;

/// A model that is wanted, as the request writes it.
pub(super) struct Wish {
    /// Its name.
    pub(super) model: String,
    /// The type of its weights, or nothing.
    pub(super) quantize: String,
    /// What it deviates from that in.
    pub(super) recipe: Map<String, Value>,
}

/// The models that a request lists, if it does.
///
/// # Errors
/// The list has another form, or beside it stands what belongs into it.
pub(super) fn listed(fields: &mut Fields, beside: &Wish) -> Result<Option<Vec<Wish>>, Failure> {
    let items = match fields.value("outputs")? {
        None => return Ok(None),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(Failure::bad_request("outputs must be a list of objects")),
    };
    let beside = [
        ("model", !beside.model.is_empty()),
        ("quantize", !beside.quantize.is_empty()),
        ("recipe", !beside.recipe.is_empty()),
    ];
    if let Some((field, _)) = beside.iter().find(|(_, is_given)| *is_given) {
        let message = format!("{field} cannot be used beside outputs; each output has its own");
        return Err(Failure::bad_request(message));
    }
    let wish = |(index, item)| Wish::of(item).map_err(|failure: Failure| failure.at(&place(index)));
    items.into_iter().enumerate().map(wish).collect::<Result<_, _>>().map(Some)
}

/// The models that are wanted: the listed ones, or the one of a request without a list.
///
/// # Errors
/// A name, a type or a recipe is invalid, or two of the list have one name.
pub(super) fn outputs(listed: Option<Vec<Wish>>, one: Wish) -> Result<Outputs, Failure> {
    let Some(list) = listed else { return Ok(Outputs::single(one.wanted()?)) };
    let wanted = |(index, wish): (usize, Wish)| wish.wanted().map_err(|failure| failure.at(&place(index)));
    let wanted = list.into_iter().enumerate().map(wanted).collect::<Result<_, _>>()?;
    Ok(Outputs::list(wanted)?)
}

/// The same model in each of several types.
///
/// # Errors
/// The name, a type or the recipe is invalid.
pub(super) fn candidates(types: Vec<String>, one: Wish) -> Result<Outputs, Failure> {
    let first = one.wanted()?;
    let wanted = |wish: String| {
        let quantize = Quantization::parse(&wish).map_err(as_job)?;
        Ok::<_, Failure>(Wanted { quantize, ..first.clone() })
    };
    Ok(Outputs::candidates(types.into_iter().map(wanted).collect::<Result<_, _>>()?)?)
}

fn place(index: usize) -> String {
    format!("outputs[{index}]")
}

/// What Ollama finds in the job itself, and answers as its jobs do.
pub(super) fn as_job(error: impl Into<Failure>) -> Failure {
    error.into().into_job_answer()
}

impl Wish {
    /// An item of the list.
    fn of(item: Value) -> Result<Self, Failure> {
        let Value::Object(members) = item else {
            return Err(Failure::bad_request("expected an object with model, quantize and recipe"));
        };
        let mut wish = Self { model: String::new(), quantize: String::new(), recipe: Map::new() };
        for (field, value) in members {
            match (field.to_ascii_lowercase().as_str(), value) {
                (_, Value::Null) => {}
                ("model" | "name", Value::String(text)) => wish.model = text,
                ("quantize" | "quantization", Value::String(text)) => wish.quantize = text,
                ("recipe", Value::Object(recipe)) => wish.recipe = recipe,
                ("model" | "name" | "quantize" | "quantization", _) => {
                    return Err(Failure::bad_request(format!("{field} must be a string")));
                }
                ("recipe", _) => return Err(Failure::bad_request("recipe must be an object")),
                _ => {
                    let field: String = field.chars().take(64).collect();
                    let message = format!(
                        "field {field:?} is not known; an output has model, quantize and recipe, and what \
                         else the request says holds for all"
                    );
                    return Err(Failure::bad_request(message));
                }
            }
        }
        Ok(wish)
    }

    /// What it means.
    fn wanted(self) -> Result<Wanted, Failure> {
        let model = self.model.parse()?;
        let quantize = Quantization::parse(&self.quantize).map_err(as_job)?;
        let recipe = Recipe::from_object(self.recipe).map_err(|error| as_job(CreateError::from(error)))?;
        Ok(Wanted { model, quantize, recipe })
    }
}
