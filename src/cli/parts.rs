//! What the commands of a Modelfile that name files or models mean here.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::error::parse_name;
use super::files::{Gathered, LocalFile, gather, not_taken};
use super::hub_cache;
use super::local_model::LocalModel;
use super::mapped_file::same_file;
use super::model_options::Given;
use super::recipe_options::{self, RecipeError};
use super::{CliError, local_check};
use crate::model::{Digest, HubModel};
use crate::modelfile::{Command, Modelfile};
use crate::quantize::{Recipe, Target};
use crate::registry::hub::Hub;
use crate::template::Template;

/// How the address of a file or directory beside the server begins.
const BESIDE: &str = "file:///";

/// What a model is made from: another model or files, and perhaps an adapter.
#[derive(Debug, Default)]
pub(super) struct Parts {
    /// The cache of the Hub on this machine.
    hub_cache: Option<PathBuf>,
    /// The model that was taken from there, and where its files are.
    cached: Option<(HubModel, PathBuf)>,
    pub(super) from: Option<String>,
    pub(super) files: Files,
    pub(super) adapters: Files,
    /// Where the quantization differs from its type; paths in it are relative to here.
    pub(super) recipe: Recipe,
    /// The importance matrix that is among the files.
    pub(super) matrix: Option<PathBuf>,
}

/// The files of a model or of an adapter.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// To be uploaded.
    pub(super) local: Vec<LocalFile>,
    /// In the server's store already, as the Modelfile of `show` names them.
    pub(super) stored: BTreeMap<String, Digest>,
    /// How many adapters they are.
    adapters: usize,
    /// Files with weights beside them.
    left_out: Vec<PathBuf>,
}

impl Parts {
    /// Reads a Modelfile, which lies at `path` if it is a file, and checks what can be checked here. What is
    /// of the Hub is taken from its cache on this machine, if there is one and all of it is there.
    pub(super) fn of(
        modelfile: &Modelfile,
        path: Option<&Path>,
        hub_cache: Option<PathBuf>,
    ) -> Result<Self, CliError> {
        let directory = path.and_then(Path::parent).unwrap_or(Path::new(""));
        let mut parts = Self { hub_cache, ..Self::default() };
        for (line, command) in modelfile.lines() {
            parts.add(command, directory).map_err(|source| match path {
                Some(path) => CliError::Line { path: path.to_owned(), line, source: Box::new(source) },
                None => source,
            })?;
        }
        Ok(parts)
    }

    /// Adds what an option stands for; paths are those from here.
    pub(super) fn add_given(&mut self, given: &Given) -> Result<(), CliError> {
        self.add(&given.command, Path::new(""))
            .map_err(|source| CliError::Option { option: given.option, source: Box::new(source) })
    }

    /// Where files have come from that were taken from the cache of the Hub, by what they are called: the
    /// cache keeps them by their commit.
    pub(super) fn addresses(&self, hub: &Hub) -> BTreeMap<String, String> {
        let Some((model, snapshot)) = &self.cached else { return BTreeMap::new() };
        let Some(commit) = snapshot.file_name().and_then(|name| name.to_str()) else {
            return BTreeMap::new();
        };
        let is_cached = |file: &&LocalFile| file.path.starts_with(snapshot);
        let address = |file: &LocalFile| (file.name.clone(), hub.file(model, commit, &file.name).into());
        self.files.local.iter().filter(is_cached).map(address).collect()
    }

    /// What is doubtful about what was named.
    pub(super) fn warnings(&self) -> impl Iterator<Item = String> {
        [&self.files, &self.adapters].into_iter().filter_map(|files| not_taken(&files.left_out))
    }

    /// Checks what is known of the files here; the model that they are, if it can be told.
    pub(super) fn check(&self) -> Result<Option<LocalModel>, CliError> {
        let is_here = !self.files.local.is_empty() && self.files.stored.is_empty();
        let model = is_here.then(|| LocalModel::of(self.files.local.clone())).transpose()?;
        let base = model.as_ref().and_then(|model| model.plan.as_ref());
        local_check::adapters(&self.adapters.local, base)?;
        Ok(model)
    }

    fn add(&mut self, command: &Command, directory: &Path) -> Result<(), CliError> {
        match command {
            Command::From(value) => self.add_from(value, resolve(value, directory)),
            Command::Adapter(value) => self.adapters.add_adapter(value, &resolve(value, directory)),
            Command::Draft(_) => Err(CliError::Draft),
            Command::Template(text) => Ok(Template::parse(text).map(drop)?),
            Command::Quantize(wish) => Ok(wish.parse::<Target>().map(drop)?),
            Command::Recipe(value) => {
                let mut recipe = if value.trim_start().starts_with('{') {
                    Recipe::from_text(value).map_err(RecipeError::from)?
                } else {
                    recipe_options::read(&resolve(value, directory))?
                };
                if !recipe.imatrix.is_empty() && recipe.imatrix.parse::<Digest>().is_err() {
                    recipe.imatrix = resolve(&recipe.imatrix, directory).display().to_string();
                }
                check(&recipe)?;
                self.recipe.extend(recipe);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Puts what options say before what the Modelfile says. The importance matrix, if it is a file here,
    /// will be uploaded, and is called what it is called there.
    pub(super) fn follow(&mut self, options: Recipe) -> Result<(), CliError> {
        self.recipe = options.over(std::mem::take(&mut self.recipe));
        check(&self.recipe)?;
        let Some(path) = matrix_path(&self.recipe) else { return Ok(()) };
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let is_taken = self.files.local.iter().any(|file| file.name == name);
        let name = if is_taken { format!("imatrix/{name}") } else { name };
        self.recipe.imatrix.clone_from(&name);
        self.matrix = Some(path.clone());
        self.files.local.push(LocalFile { path, name });
        Ok(())
    }

    /// A FROM that names no file here is the name of a model.
    fn add_from(&mut self, value: &str, path: PathBuf) -> Result<(), CliError> {
        match fs::metadata(&path) {
            Err(error) if value.parse::<Digest>().is_err() => {
                let hub = HubModel::parse(value).map_err(|error| CliError::Name {
                    text: value.to_owned(),
                    reason: error.reason().to_owned(),
                })?;
                let cached = hub.as_ref().zip(self.hub_cache.as_deref());
                if let Some((model, snapshot)) = cached
                    .and_then(|(model, cache)| Some((model.clone(), hub_cache::checkpoint(cache, model)?)))
                {
                    self.cached = Some((model, snapshot.clone()));
                    return self.add_from(value, snapshot);
                }
                if hub.is_none() && !value.starts_with(BESIDE) && !is_model(value) {
                    return Err(CliError::file(&path)(error));
                }
                if let Some(first) = self.from.replace(value.to_owned()) {
                    return Err(CliError::TwoModels { first, second: value.to_owned() });
                }
            }
            _ => self.files.add(value, &path)?,
        }
        match &self.from {
            Some(model) if !self.files.is_empty() => Err(CliError::ModelAndFiles { model: model.clone() }),
            _ => Ok(()),
        }
    }
}

impl Files {
    /// Adds an adapter. The files of a second one stand in a folder, as those of both may have the same
    /// names.
    fn add_adapter(&mut self, value: &str, path: &Path) -> Result<(), CliError> {
        let mut adapter = Self::default();
        adapter.add(value, path)?;
        if !self.is_empty() {
            let number = self.adapters + 1;
            let in_folder = |name: String| format!("{number}/{name}");
            adapter.local.iter_mut().for_each(|file| file.name = in_folder(std::mem::take(&mut file.name)));
            let stored = std::mem::take(&mut adapter.stored).into_iter();
            adapter.stored = stored.map(|(name, digest)| (in_folder(name), digest)).collect();
        }
        self.adapters += 1;
        self.local.extend(adapter.local);
        self.left_out.extend(adapter.left_out);
        self.stored.extend(adapter.stored);
        Ok(())
    }

    /// How many adapters they are.
    pub(super) fn adapters(&self) -> usize {
        self.adapters
    }

    fn is_empty(&self) -> bool {
        self.local.is_empty() && self.stored.is_empty()
    }

    /// Adds the file or the directory at `path`, or, where nothing is there and `value` is a digest, that
    /// blob.
    fn add(&mut self, value: &str, path: &Path) -> Result<(), CliError> {
        if let Ok(digest) = value.parse::<Digest>()
            && !path.exists()
        {
            // The server takes files in the order of their names.
            let name = format!("{}-{}.gguf", self.stored.len(), digest.file_name());
            self.stored.insert(name, digest);
            return Ok(());
        }
        let Gathered { files, left_out } = gather(path)?;
        self.left_out.extend(left_out);
        for file in files {
            match self.local.iter().find(|other| other.name == file.name) {
                None => self.local.push(file),
                Some(other) if same_file(&other.path, &file.path) => {}
                Some(other) => {
                    let (name, first, second) = (file.name, other.path.clone(), file.path);
                    return Err(CliError::SameName { name, first, second });
                }
            }
        }
        Ok(())
    }
}

/// Checks of a recipe what can be known before anything is uploaded.
fn check(recipe: &Recipe) -> Result<(), CliError> {
    recipe.scheme(Target::Copy).map_err(RecipeError::from)?;
    recipe.selection().map_err(RecipeError::from)?;
    match matrix_path(recipe) {
        Some(path) => fs::metadata(&path).map(drop).map_err(CliError::file(&path)),
        None => Ok(()),
    }
}

/// The file that is the importance matrix, unless there is none or it is in the server's store already.
fn matrix_path(recipe: &Recipe) -> Option<PathBuf> {
    let path = PathBuf::from(&recipe.imatrix);
    let is_stored = recipe.imatrix.parse::<Digest>().is_ok() && !path.exists();
    (!recipe.imatrix.is_empty() && !is_stored).then_some(path)
}

/// Whether a FROM that names nothing here can be meant as a model.
fn is_model(value: &str) -> bool {
    const OF_FILES: [&str; 3] = [".gguf", ".safetensors", ".bin"];
    parse_name(value).is_ok()
        && !value.starts_with(['.', '/', '~'])
        && !OF_FILES.iter().any(|extension| value.ends_with(extension))
}

/// A path of a Modelfile: relative to the Modelfile, `~` being the home directory.
fn resolve(path: &str, directory: &Path) -> PathBuf {
    match (path.strip_prefix('~'), std::env::home_dir()) {
        (Some(""), Some(home)) => home,
        (Some(rest), Some(home)) if rest.starts_with('/') => home.join(&rest[1..]),
        _ => directory.join(path),
    }
}
