//! `ollamake create NAME [SOURCE | -f MODELFILE] [-q TYPE]`

use std::fs;
use std::io;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::client::Client;
use super::error::parse_name;
use super::giving::Giver;
use super::parts::Parts;
use super::progress::Progress;
use super::recipe_options::RecipeOptions;
use super::{CliError, Surroundings, plan};
use crate::model::{Parameters, known_parameters, nearest, parameter_kind};
use crate::modelfile::Modelfile;
use crate::quantize::Target;

#[derive(Debug, Args)]
pub(super) struct Create {
    /// What the model will be called: [host/][namespace/]model[:tag]
    name: String,
    /// What it is made from, in place of a Modelfile: a file or a directory, or else the name of a model, which
    /// may be one of the Hugging Face Hub: hf.co/OWNER/REPOSITORY, with @REVISION or :QUANTIZATION
    #[arg(conflicts_with = "file")]
    source: Option<String>,
    /// The Modelfile; without one, and without "Modelfile" here, the model is what this directory holds
    #[arg(short, long, value_name = "MODELFILE")]
    file: Option<PathBuf>,
    /// Quantize to this type (q4_K_M, iq4_xs, q8_0, …); several make a model each, NAME:q4_k_m and so on,
    /// from one pass over the source
    #[arg(short, long, value_name = "TYPE")]
    quantize: Vec<Target>,
    /// Make the adapters part of the weights, in place of layers of their own
    #[arg(long)]
    merge: bool,
    /// Only tell what would be made: sizes, types, time and memory. Files are uploaded for that, and stay in the
    /// store until it is pruned
    #[arg(long)]
    dry_run: bool,
    /// Tell the memory to run the model for a conversation of so many tokens
    #[arg(long, value_name = "TOKENS", requires = "dry_run")]
    context: Option<u64>,
    /// Show each tensor of the plan
    #[arg(short, long, requires = "dry_run")]
    verbose: bool,
    /// Print the plan as the server answers it
    #[arg(long, requires = "dry_run")]
    json: bool,
    #[command(flatten)]
    recipe: RecipeOptions,
}

impl Create {
    pub(super) async fn run(self, surroundings: &Surroundings) -> Result<(), CliError> {
        parse_name(&self.name)?;
        let (modelfile, path) = self.modelfile()?;
        let progress = Progress::new();
        let mut parts = Parts::of(&modelfile, path.as_deref(), surroundings.config()?.hub_cache.clone())?;
        if parts.adapters.adapters() > 1 && !self.merge {
            return Err(CliError::SeveralAdapters);
        }
        parts.follow(self.recipe.recipe()?)?;
        let outputs = self.outputs()?;
        let quantize = self.quantize.first().copied().map(Target::name).or(modelfile.quantize());
        if quantize.is_none() && !parts.recipe.is_empty() {
            return Err(CliError::NoTarget);
        }
        let parameters = modelfile.parameters();
        warn_of_unknown(&parameters, &progress);
        let client = Client::connect(surroundings).await?;
        let recipe = (!parts.recipe.is_empty()).then(|| parts.recipe.to_object());
        let mut giver = Giver::new(&client, surroundings, &progress);
        let (files, adapters) = (giver.give(parts.files).await?, giver.give(parts.adapters).await?);
        giver.conclude();
        let mut request = json!({
            "from": parts.from,
            "files": files,
            "merge_adapters": self.merge.then_some(true),
            "adapters": adapters,
            "template": modelfile.template(),
            "system": modelfile.system(),
            "license": modelfile.licenses().collect::<Vec<_>>(),
            "parameters": parameters,
            "messages": modelfile.messages(),
            "renderer": modelfile.renderer(),
            "parser": modelfile.parser(),
            "requires": modelfile.requires(),
        });
        if outputs.is_empty() {
            request["model"] = self.name.into();
            request["quantize"] = quantize.into();
            request["recipe"] = recipe.into();
        } else {
            let output = |(model, quantize)| json!({"model": model, "quantize": quantize, "recipe": recipe});
            request["outputs"] = outputs.into_iter().map(output).collect();
        }
        if !self.dry_run {
            return client.job("/api/create", &request, &progress).await;
        }
        request["dry_run"] = true.into();
        request["context"] = self.context.into();
        let plan = client.question("/api/create", &request, &progress).await?;
        match self.json {
            true => println!("{plan}"),
            false => print!("{}", plan::describe(&plan, self.verbose)),
        }
        Ok(())
    }

    /// The models that are made, with their types, if there are several.
    fn outputs(&self) -> Result<Vec<(String, &'static str)>, CliError> {
        if self.quantize.len() < 2 {
            return Ok(Vec::new());
        }
        let model = self.name.rsplit('/').next().unwrap_or_default();
        if model.contains(':') {
            return Err(CliError::TagOfSeveral { name: self.name.clone() });
        }
        let output =
            |target: &Target| (format!("{}:{}", self.name, target.name().to_lowercase()), target.name());
        Ok(self.quantize.iter().map(output).collect())
    }

    /// The Modelfile that applies, and where it is.
    fn modelfile(&self) -> Result<(Modelfile, Option<PathBuf>), CliError> {
        if let Some(source) = &self.source {
            return Ok((Modelfile::from_source(source), None));
        }
        let path = self.file.clone().unwrap_or_else(|| PathBuf::from("Modelfile"));
        let (text, found) = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => match &self.file {
                Some(_) => return Err(CliError::NoModelfile(path)),
                None => (b"FROM .\n".to_vec(), None),
            },
            other => (other.map_err(CliError::file(&path))?, Some(path.clone())),
        };
        let modelfile = Modelfile::parse(&text).map_err(|source| CliError::Modelfile { path, source })?;
        Ok((modelfile, found))
    }
}

/// Newer runtimes may know more parameters; most names that are not known are misspelt.
fn warn_of_unknown(parameters: &Parameters, progress: &Progress) {
    for name in parameters.keys().filter(|name| parameter_kind(name).is_none()) {
        let known = nearest(name, known_parameters(), 1).concat();
        progress.line(&format!("warning: PARAMETER {name:?} is not known; the nearest that is: {known:?}"));
    }
}
