//! Recipes: what a scheme deviates from its target in, as people write and send it.
//!
//! The fields bear the names of llama-quantize's options. A recipe is a JSON object, in a request or in a
//! file; a file may also be what llama-quantize takes as `--tensor-type-file`.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::importance::Selection;
use super::scheme::Scheme;
use super::size::Size;
use super::target::Target;
use super::type_override::{TypeOverride, target_type};
use crate::model::nearest;

/// The fields of a recipe; an empty text is one that was not given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recipe {
    /// What the importance matrix is called.
    pub imatrix: String,
    /// Types by patterns of names.
    pub tensor_types: Vec<(String, String)>,
    /// The type of the output.
    pub output_tensor_type: String,
    /// The type of the token embedding.
    pub token_embedding_type: String,
    /// No mixture.
    pub pure: bool,
    /// The output stays as it is.
    pub leave_output_tensor: bool,
    /// What is quantized already may be quantized again.
    pub allow_requantize: bool,
    /// Parts of the names of tensors that the matrix is used for.
    pub include_weights: Vec<String>,
    /// Parts of the names of tensors that it is not used for.
    pub exclude_weights: Vec<String>,
    /// Layers that are left out.
    pub prune_layers: Vec<u32>,
    /// Keys of the metadata that are set: `KEY=TYPE:VALUE`.
    pub override_kv: Vec<String>,
    /// Whether the error of each tensor is to be told.
    pub quality: bool,
    /// The size that the file must not exceed, for which the best types are to be found.
    pub target_size: Option<Size>,
}

/// Why a recipe is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of a variant says what its fields are")]
pub enum InvalidRecipe {
    /// The text is not a JSON object.
    #[error("a recipe is a JSON object or lines of PATTERN=TYPE: {reason}")]
    Syntax { reason: String },
    /// A field that no recipe has.
    #[error("recipe has no field {field:?}; the nearest one that it has is {nearest:?}")]
    Unknown { field: String, nearest: &'static str },
    /// A field whose value is invalid.
    #[error("recipe.{field}: {reason}")]
    Field { field: &'static str, reason: String },
}

/// All fields, in the order in which they are printed.
const FIELDS: [&str; 13] = [
    "imatrix",
    "tensor_types",
    "output_tensor_type",
    "token_embedding_type",
    "pure",
    "leave_output_tensor",
    "allow_requantize",
    "include_weights",
    "exclude_weights",
    "prune_layers",
    "override_kv",
    "quality",
    "target_size",
];

/// The most entries of a list; more is not a recipe that anybody wrote.
const MOST_ENTRIES: usize = 4096;

impl Recipe {
    /// Reads the members of a JSON object. `null` leaves a field unset.
    ///
    /// # Errors
    /// A field that is not known, or has a value of the wrong type.
    pub fn from_object(members: Map<String, Value>) -> Result<Self, InvalidRecipe> {
        let mut recipe = Self::default();
        for (name, value) in members {
            let Some(field) = FIELDS.into_iter().find(|field| *field == name) else {
                let nearest = nearest(&name, FIELDS, 1).first().copied().unwrap_or_default();
                return Err(InvalidRecipe::Unknown { field: name.chars().take(100).collect(), nearest });
            };
            if !value.is_null() {
                recipe.set(field, value)?;
            }
        }
        Ok(recipe)
    }

    fn set(&mut self, field: &'static str, value: Value) -> Result<(), InvalidRecipe> {
        match field {
            "imatrix" => self.imatrix = typed(field, value)?,
            "tensor_types" => self.tensor_types = list(field, value)?,
            "output_tensor_type" => self.output_tensor_type = typed(field, value)?,
            "token_embedding_type" => self.token_embedding_type = typed(field, value)?,
            "pure" => self.pure = typed(field, value)?,
            "leave_output_tensor" => self.leave_output_tensor = typed(field, value)?,
            "allow_requantize" => self.allow_requantize = typed(field, value)?,
            "include_weights" => self.include_weights = list(field, value)?,
            "exclude_weights" => self.exclude_weights = list(field, value)?,
            "prune_layers" => self.prune_layers = list(field, value)?,
            "override_kv" => self.override_kv = list(field, value)?,
            "quality" => self.quality = typed(field, value)?,
            // A number of bytes, or a text with a unit.
            _ => {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                self.target_size = Some(text.parse().map_err(|error| wrong(field, error))?);
            }
        }
        Ok(())
    }

    /// Reads a file: a JSON object, or words of the form `PATTERN=TYPE`.
    ///
    /// # Errors
    /// The text is neither, or [`from_object`](Self::from_object) refuses it.
    pub fn from_text(text: &str) -> Result<Self, InvalidRecipe> {
        let syntax = |reason: String| InvalidRecipe::Syntax { reason };
        if text.trim_start().starts_with('{') {
            let members = serde_json::from_str(text).map_err(|error| syntax(error.to_string()))?;
            return Self::from_object(members);
        }
        let words = text.split_ascii_whitespace();
        let tensor_types = words.map(Self::tensor_type).collect::<Result<Vec<_>, _>>()?;
        if tensor_types.len() > MOST_ENTRIES {
            return Err(too_many("tensor_types", tensor_types.len()));
        }
        Ok(Self { tensor_types, ..Self::default() })
    }

    /// Reads `PATTERN=TYPE`. The first `=` separates: a pattern has none.
    ///
    /// # Errors
    /// There is no `=`.
    pub fn tensor_type(word: &str) -> Result<(String, String), InvalidRecipe> {
        match word.split_once('=') {
            Some((pattern, element_type)) => Ok((pattern.to_owned(), element_type.to_owned())),
            None => {
                let word: String = word.chars().take(100).collect();
                Err(InvalidRecipe::Syntax { reason: format!("{word:?} is not PATTERN=TYPE") })
            }
        }
    }

    /// The recipe as a JSON object; fields that are not given are left out.
    pub fn to_object(&self) -> Map<String, Value> {
        let values = [
            json!(self.imatrix),
            json!(self.tensor_types),
            json!(self.output_tensor_type),
            json!(self.token_embedding_type),
            json!(self.pure),
            json!(self.leave_output_tensor),
            json!(self.allow_requantize),
            json!(self.include_weights),
            json!(self.exclude_weights),
            json!(self.prune_layers),
            json!(self.override_kv),
            json!(self.quality),
            json!(self.target_size.map(|size| size.bytes())),
        ];
        let is_given = |value: &Value| match value {
            Value::Null => false,
            Value::Bool(flag) => *flag,
            Value::String(text) => !text.is_empty(),
            Value::Array(entries) => !entries.is_empty(),
            _ => true,
        };
        let members = FIELDS.into_iter().map(str::to_owned).zip(values);
        members.filter(|(_, value)| is_given(value)).collect()
    }

    /// Adds what another recipe says after what this one says.
    pub fn extend(&mut self, other: Self) {
        let text = |mine: &mut String, theirs: String| {
            if !theirs.is_empty() {
                *mine = theirs;
            }
        };
        text(&mut self.imatrix, other.imatrix);
        self.tensor_types.extend(other.tensor_types);
        text(&mut self.output_tensor_type, other.output_tensor_type);
        text(&mut self.token_embedding_type, other.token_embedding_type);
        self.pure |= other.pure;
        self.leave_output_tensor |= other.leave_output_tensor;
        self.allow_requantize |= other.allow_requantize;
        self.include_weights.extend(other.include_weights);
        self.exclude_weights.extend(other.exclude_weights);
        self.prune_layers.extend(other.prune_layers);
        self.override_kv.extend(other.override_kv);
        self.quality |= other.quality;
        self.target_size = other.target_size.or(self.target_size);
    }

    /// This recipe, and where it says nothing, what another one says; its patterns are asked first.
    #[must_use]
    pub fn over(mut self, mut other: Self) -> Self {
        let mut tensor_types = std::mem::take(&mut self.tensor_types);
        tensor_types.append(&mut other.tensor_types);
        other.extend(self);
        Self { tensor_types, ..other }
    }

    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What it means for a target.
    ///
    /// # Errors
    /// The first field that means nothing.
    pub fn scheme(&self, target: Target) -> Result<Scheme, InvalidRecipe> {
        let tensor_types = self.tensor_types.iter().map(|(pattern, element_type)| {
            TypeOverride::new(pattern, element_type).map_err(|error| wrong("tensor_types", error))
        });
        let named = |field, name: &str| match name {
            "" => Ok(None),
            name => target_type(name).map(Some).map_err(|error| wrong(field, error)),
        };
        let override_kv =
            self.override_kv.iter().map(|text| text.parse().map_err(|error| wrong("override_kv", error)));
        Ok(Scheme {
            tensor_types: tensor_types.collect::<Result<_, _>>()?,
            output_tensor_type: named("output_tensor_type", &self.output_tensor_type)?,
            token_embedding_type: named("token_embedding_type", &self.token_embedding_type)?,
            pure: self.pure,
            leave_output_tensor: self.leave_output_tensor,
            allow_requantize: self.allow_requantize,
            prune_layers: self.prune_layers.iter().copied().collect(),
            override_kv: override_kv.collect::<Result<_, _>>()?,
            ..Scheme::new(target)
        })
    }

    /// Which entries of the importance matrix are used.
    ///
    /// # Errors
    /// Both fields are given, or there is no matrix that they could select from.
    pub fn selection(&self) -> Result<Selection, InvalidRecipe> {
        let selection =
            Selection { include: self.include_weights.clone(), exclude: self.exclude_weights.clone() };
        selection.check().map_err(|error| wrong("include_weights", error))?;
        Ok(selection)
    }
}

fn wrong(field: &'static str, reason: impl std::fmt::Display) -> InvalidRecipe {
    InvalidRecipe::Field { field, reason: reason.to_string() }
}

fn too_many(field: &'static str, got: usize) -> InvalidRecipe {
    wrong(field, format!("a list has at most {MOST_ENTRIES} entries, got {got}"))
}

fn typed<T: DeserializeOwned>(field: &'static str, value: Value) -> Result<T, InvalidRecipe> {
    serde_json::from_value(value).map_err(|error| wrong(field, error))
}

fn list<T: DeserializeOwned>(field: &'static str, value: Value) -> Result<Vec<T>, InvalidRecipe> {
    match value.as_array() {
        Some(entries) if entries.len() > MOST_ENTRIES => Err(too_many(field, entries.len())),
        _ => typed(field, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Scheme, String> {
        let recipe = Recipe::from_text(text).map_err(|error| error.to_string())?;
        recipe.selection().map_err(|error| error.to_string())?;
        recipe.scheme("q4_k_m".parse().unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn recipes_are_read_as_they_are_written() {
        let text = r#"{"imatrix":"m.gguf","tensor_types":[["attn_v","q8_0"]],"output_tensor_type":"q6_k",
            "pure":true,"include_weights":["ffn"],"prune_layers":[2,5],"override_kv":["a=int:1"],
            "target_size":"1.5KiB"}"#;
        let recipe = Recipe::from_text(text).unwrap();
        assert_eq!(recipe.target_size.map(|size| size.bytes()), Some(1536));
        assert_eq!(Recipe::from_object(recipe.to_object()), Ok(recipe));
        assert_eq!(read("attn_v=q8_0\n ffn=q5_k\n").unwrap().tensor_types.len(), 2);
        assert!(Recipe::from_text("").unwrap().is_empty());
    }

    #[test]
    fn what_is_no_recipe_is_refused() {
        for (text, says) in [
            ("{", "a recipe is a JSON object"),
            ("attn_v", "is not PATTERN=TYPE"),
            (
                r#"{"tensor_type": []}"#,
                "no field \"tensor_type\"; the nearest one that it has is \"tensor_types\"",
            ),
            (r#"{"pure": "yes"}"#, "recipe.pure: invalid type: string \"yes\", expected a boolean"),
            // What a number is called depends on how the package is built.
            (r#"{"pure": 1}"#, "recipe.pure: invalid type: "),
            (r#"{"pure": 1}"#, ", expected a boolean"),
            (r#"{"tensor_types": [["a"]]}"#, "recipe.tensor_types: invalid length 1"),
            (r#"{"tensor_types": [["(", "q8_0"]]}"#, "recipe.tensor_types: pattern \"(\" is not a regular"),
            (r#"{"output_tensor_type": "q9"}"#, "recipe.output_tensor_type: unknown tensor type"),
            (r#"{"prune_layers": [-1]}"#, "recipe.prune_layers: invalid value"),
            (r#"{"override_kv": ["a"]}"#, "recipe.override_kv: \"a\" sets no key"),
            (r#"{"include_weights": ["a"], "exclude_weights": ["b"]}"#, "are both given"),
            (r#"{"target_size": "large"}"#, "recipe.target_size: \"large\" is not a size"),
        ] {
            let message = read(text).unwrap_err();
            assert!(message.contains(says), "{text}: {message}");
        }
        let many = format!("{{\"prune_layers\": [{}1]}}", "1,".repeat(MOST_ENTRIES));
        assert!(read(&many).unwrap_err().contains("at most 4096 entries"));
    }
}
