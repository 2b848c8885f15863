//! `ollamake create NAME [SOURCE | -f MODELFILE] [-q TYPE]`

use std::fs;
use std::io::{self, Read as _, stdin};
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use serde_json::json;

use super::client::Client;
use super::error::parse_name;
use super::giving::Giver;
use super::made::Made;
use super::model_options::ModelOptions;
use super::parts::Parts;
use super::progress::Progress;
use super::recipe_options::RecipeOptions;
use super::standard_output::{print, print_line};
use super::{CliError, Surroundings, local_check, plan};
use crate::modelfile::Modelfile;
use crate::quantize::Target;

/// More bytes than any Modelfile has.
const LONGEST_MODELFILE: u64 = 64 << 20;

#[derive(Debug, Args)]
pub(super) struct Create {
    /// What the model will be called: [host/][namespace/]model[:tag]
    name: String,
    /// What it is made from, in place of a Modelfile: a file or a directory, or else the name of a model,
    /// which may be one of the Hugging Face Hub: hf.co/OWNER/REPOSITORY, with @REVISION or :QUANTIZATION
    #[arg(conflicts_with = "file")]
    source: Option<String>,
    /// Read this Modelfile, "-" being standard input; without it, and without a file "Modelfile" here, the
    /// model is what this directory holds
    #[arg(short, long, value_name = "MODELFILE")]
    file: Option<PathBuf>,
    /// Quantize to this type (q4_K_M, iq4_xs, q8_0, …); several make a model each, NAME:q4_k_m and so on,
    /// from one pass over the source
    #[arg(short, long, value_name = "TYPE")]
    quantize: Vec<Target>,
    /// Make the adapters part of the weights instead of layers of their own
    #[arg(long)]
    merge: bool,
    /// Publish the model in the library (OLLAMAKE_LIBRARY) when it is made, as OLLAMAKE_PUBLISH=1 does always
    #[arg(long)]
    publish: bool,
    /// Only tell what would be made: sizes, types, time and memory. Files are uploaded for that, and stay in
    /// the store until it is pruned
    #[arg(long)]
    dry_run: bool,
    /// Tell how much memory it takes to run the model with a context of so many tokens
    #[arg(long, value_name = "TOKENS", requires = "dry_run")]
    context: Option<u64>,
    /// Show each tensor of the plan
    #[arg(short, long, requires = "dry_run")]
    verbose: bool,
    /// Print a JSON object: models with model, digest, size and bits_per_weight, seconds, warnings; of a dry
    /// run the plan as the server answers it
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    options: ModelOptions,
    #[command(flatten)]
    recipe: RecipeOptions,
}

impl Create {
    pub(super) async fn run(self, surroundings: &Surroundings) -> Result<(), CliError> {
        let begun = Instant::now();
        parse_name(&self.name)?;
        let (modelfile, path) = self.modelfile()?;
        let progress = Progress::new(surroundings.quiet);
        let mut parts = Parts::of(&modelfile, path.as_deref(), surroundings.config()?.hub_cache.clone())?;
        let given = self.options.commands()?;
        given.iter().try_for_each(|given| parts.add_given(given))?;
        let modelfile = modelfile.followed_by(given.into_iter().map(|given| given.command));
        if parts.adapters.adapters() > 1 && !self.merge {
            return Err(CliError::SeveralAdapters);
        }
        parts.warnings().for_each(|warning| progress.warn(warning));
        let local = parts.check()?;
        parts.follow(self.recipe.recipe()?)?;
        let outputs = self.outputs()?;
        let quantize = self.quantize.first().copied().map(Target::name).or(modelfile.quantize());
        if quantize.is_none() && !parts.recipe.is_empty() {
            return Err(CliError::NoTarget);
        }
        if let Some(model) = local.filter(|_| !self.merge) {
            let targets = match modelfile.quantize() {
                Some(wish) if self.quantize.is_empty() => vec![wish.parse()?],
                _ => self.quantize.clone(),
            };
            local_check::quantization(&model, &targets, &parts.recipe, parts.matrix.as_deref())?;
        }
        let client = Client::connect(surroundings).await?;
        let recipe = (!parts.recipe.is_empty()).then(|| parts.recipe.to_object());
        let addresses = parts.addresses(&surroundings.config()?.registry.hub);
        let mut giver = Giver::new(&client, surroundings, &progress);
        let (files, adapters) = (giver.give(parts.files).await?, giver.give(parts.adapters).await?);
        giver.conclude();
        let mut request = json!({
            "from": parts.from,
            "files": files,
            "merge_adapters": self.merge.then_some(true),
            "adapters": adapters,
            "addresses": (!addresses.is_empty()).then_some(addresses),
            "template": modelfile.template(),
            "system": modelfile.system(),
            "license": modelfile.licenses().collect::<Vec<_>>(),
            "parameters": modelfile.parameters(),
            "messages": modelfile.messages(),
            "renderer": modelfile.renderer(),
            "parser": modelfile.parser(),
            "requires": modelfile.requires(),
            "publish": self.publish.then_some(true),
        });
        let names: Vec<String> = match outputs.is_empty() {
            true => vec![self.name.clone()],
            false => outputs.iter().map(|(name, _)| name.clone()).collect(),
        };
        if outputs.is_empty() {
            request["model"] = self.name.clone().into();
            request["quantize"] = quantize.into();
            request["recipe"] = recipe.into();
        } else {
            let output = |(model, quantize)| json!({"model": model, "quantize": quantize, "recipe": recipe});
            request["outputs"] = outputs.into_iter().map(output).collect();
        }
        if !self.dry_run {
            client.job("/api/create", &request, &progress).await?;
            return self.tell(&client, &names, begun, &progress).await;
        }
        request["dry_run"] = true.into();
        request["context"] = self.context.into();
        let plan = client.question("/api/create", &request, &progress).await?;
        match self.json {
            true => print_line(&plan)?,
            false => print(plan::describe(&plan, self.verbose))?,
        }
        Ok(())
    }

    /// Ends with what has been made.
    async fn tell(
        &self,
        client: &Client,
        names: &[String],
        begun: Instant,
        progress: &Progress,
    ) -> Result<(), CliError> {
        let took = begun.elapsed();
        let mut all = Vec::with_capacity(names.len());
        for name in names {
            all.push(Made::ask(client, name).await);
        }
        if self.json {
            let models: Vec<_> = all.iter().map(Made::answer).collect();
            let (seconds, warnings) = (took.as_secs_f64(), progress.warnings());
            return Ok(print_line(json!({"models": models, "seconds": seconds, "warnings": warnings}))?);
        }
        all.iter().for_each(|made| progress.line(&made.line(took)));
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
        let (text, path) = self.text()?;
        let named = path.clone().unwrap_or_default();
        let modelfile =
            Modelfile::parse(&text).map_err(|source| CliError::Modelfile { path: named, source })?;
        Ok((modelfile, path))
    }

    /// The text of the Modelfile that applies, and where it is.
    fn text(&self) -> Result<(Vec<u8>, Option<PathBuf>), CliError> {
        if self.file.as_deref() == Some(Path::new("-")) {
            let (mut text, path) = (Vec::new(), PathBuf::from("standard input"));
            stdin().lock().take(LONGEST_MODELFILE).read_to_end(&mut text).map_err(CliError::file(&path))?;
            return Ok((text, Some(path)));
        }
        let path = self.file.clone().unwrap_or_else(|| PathBuf::from("Modelfile"));
        match fs::read(&path) {
            Ok(text) => Ok((text, Some(path))),
            Err(error) => match (error.kind(), &self.file) {
                (io::ErrorKind::NotFound, Some(_)) => Err(CliError::NoModelfile(path)),
                (io::ErrorKind::NotFound, None) => Ok((b"FROM .\n".to_vec(), None)),
                (io::ErrorKind::IsADirectory, _) => Err(CliError::ModelfileIsDirectory(path)),
                _ => Err(CliError::file(&path)(error)),
            },
        }
    }
}
