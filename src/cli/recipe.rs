//! `ollamake recipe MODEL|FILE`: the recipe that makes another model like one that there is.

use std::path::Path;

use clap::Args;
use serde_json::{Value, json};

use super::client::Client;
use super::error::parse_name;
use super::local_error::LocalModelError;
use super::mapped_file::map_file;
use super::progress::Progress;
use super::standard_output::print_line;
use super::{CliError, Surroundings};
use crate::gguf::{Gguf, ValueRef};
use crate::quantize::{self, Example, FileType};
use crate::tensor::{ElementType, Shape};

#[derive(Debug, Args)]
pub(super) struct Recipe {
    /// A GGUF file, or the name of a model
    #[arg(value_name = "MODEL|FILE")]
    model: String,
}

/// What there is to know of the model that there is.
struct Known {
    architecture: String,
    tensors: Vec<Example>,
    file_type: String,
}

impl Recipe {
    pub(super) async fn run(self, surroundings: &Surroundings) -> Result<(), CliError> {
        let path = Path::new(&self.model);
        let known = if path.is_file() { of_file(path)? } else { self.of_model(surroundings).await? };
        let recipe = quantize::Recipe::of_model(&known.architecture, known.tensors);
        let text = serde_json::to_string_pretty(&Value::Object(recipe.to_object()));
        print_line(text.expect("texts can be written as JSON"))?;
        if let Ok(target) = known.file_type.parse::<FileType>() {
            let said = format!("the model is {target}: give that as the type beside this recipe");
            Progress::new(surroundings.quiet).line(&said);
        }
        Ok(())
    }

    async fn of_model(&self, surroundings: &Surroundings) -> Result<Known, CliError> {
        parse_name(&self.model)?;
        let body = json!({"model": self.model, "verbose": true});
        let answer = Client::connect_to_look(surroundings).await?.post("/api/show", &body).await?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let tensors = answer["tensors"].as_array().into_iter().flatten().filter_map(|tensor| {
            let dimensions: Vec<u64> = tensor["shape"].as_array()?.iter().filter_map(Value::as_u64).collect();
            Some(Example {
                name: text(&tensor["name"]),
                shape: Shape::new(&dimensions).ok()?,
                element_type: ElementType::from_name(tensor["type"].as_str()?)?,
            })
        });
        Ok(Known {
            architecture: text(&answer["model_info"]["general.architecture"]),
            tensors: tensors.collect(),
            file_type: text(&answer["details"]["quantization_level"]),
        })
    }
}

fn of_file(path: &Path) -> Result<Known, CliError> {
    let map = map_file(path).map_err(CliError::file(path))?;
    let file = Gguf::parse(&map)
        .map_err(|reason| CliError::Model(LocalModelError::Gguf { path: path.to_owned(), reason }))?;
    let example = |tensor: &crate::gguf::TensorInfo<'_>| Example {
        name: tensor.name.to_owned(),
        shape: tensor.shape,
        element_type: tensor.element_type,
    };
    let architecture = file.get("general.architecture").and_then(ValueRef::as_str).unwrap_or_default();
    let file_type = FileType::of(&file.metadata()).map_or("", FileType::name);
    Ok(Known {
        architecture: architecture.to_owned(),
        tensors: file.tensors().iter().map(example).collect(),
        file_type: file_type.to_owned(),
    })
}
