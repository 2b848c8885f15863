//! `ollamake create NAME [-f MODELFILE] [-q TYPE]`

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};

use super::Error;
use super::client::Client;
use super::error::parse_name;
use super::files::{self, LocalFile};
use super::progress::Progress;
use crate::model::Digest;
use crate::modelfile::Modelfile;

#[derive(Debug, Args)]
pub(super) struct Create {
    /// What the model will be called: [host/][namespace/]model[:tag]
    name: String,
    /// The Modelfile; without one, and without "Modelfile" here, the model is what this directory holds
    #[arg(short, long, value_name = "MODELFILE")]
    file: Option<PathBuf>,
    /// Quantize to this type (q4_K_M, q8_0, …)
    #[arg(short, long, value_name = "TYPE")]
    quantize: Option<String>,
}

impl Create {
    pub(super) async fn run(self) -> Result<(), Error> {
        parse_name(&self.name)?;
        let (modelfile, directory) = self.modelfile()?;
        let progress = Progress::new();
        let parts = Parts::of(&modelfile, &directory)?;
        let client = Client::connect().await?;
        let request = json!({
            "model": self.name,
            "quantize": self.quantize,
            "from": parts.from,
            "files": upload(&client, parts.files, &progress).await?,
            "adapters": upload(&client, parts.adapters, &progress).await?,
            "template": modelfile.template(),
            "system": modelfile.system(),
            "license": modelfile.licenses().collect::<Vec<_>>(),
            "parameters": modelfile.parameters(),
            "messages": modelfile.messages(),
            "renderer": modelfile.renderer(),
            "parser": modelfile.parser(),
            "requires": modelfile.requires(),
        });
        client.job("/api/create", &request, &progress).await
    }

    /// The Modelfile that applies, and the directory that its paths start from.
    fn modelfile(&self) -> Result<(Modelfile, PathBuf), Error> {
        let path = self.file.clone().unwrap_or_else(|| PathBuf::from("Modelfile"));
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => match &self.file {
                Some(_) => return Err(Error::NoModelfile(path)),
                None => b"FROM .\n".to_vec(),
            },
            other => other.map_err(Error::file(&path))?,
        };
        let modelfile =
            Modelfile::parse(&text).map_err(|source| Error::Modelfile { path: path.clone(), source })?;
        let directory = path.parent().map(Path::to_owned).unwrap_or_default();
        Ok((modelfile, directory))
    }
}

/// What a Modelfile's FROM and ADAPTER commands mean here.
struct Parts {
    from: Option<String>,
    files: Vec<LocalFile>,
    adapters: Vec<LocalFile>,
}

impl Parts {
    /// A FROM that names no file here is the name of a model.
    fn of(modelfile: &Modelfile, directory: &Path) -> Result<Self, Error> {
        if modelfile.drafts().next().is_some() {
            return Err(Error::Draft);
        }
        let mut parts = Parts { from: None, files: Vec::new(), adapters: Vec::new() };
        for from in modelfile.from() {
            let path = resolve(from, directory);
            if path.exists() {
                parts.files.extend(files::gather(&path)?);
            } else if parse_name(from).is_ok() && !from.starts_with(['.', '/', '~']) {
                parts.from = Some(from.to_owned());
            } else {
                return Err(Error::file(&path)(io::ErrorKind::NotFound.into()));
            }
        }
        for adapter in modelfile.adapters() {
            parts.adapters.extend(files::gather(&resolve(adapter, directory))?);
        }
        Ok(parts)
    }
}

/// A path of a Modelfile: relative to the Modelfile, `~` being the home directory.
fn resolve(path: &str, directory: &Path) -> PathBuf {
    match (path.strip_prefix('~'), std::env::home_dir()) {
        (Some(""), Some(home)) => home,
        (Some(rest), Some(home)) if rest.starts_with('/') => home.join(&rest[1..]),
        _ => directory.join(path),
    }
}

/// Uploads the files and returns the request's object of names and digests; nothing for no files.
async fn upload(client: &Client, files: Vec<LocalFile>, progress: &Progress) -> Result<Option<Value>, Error> {
    let mut digests = Map::new();
    for file in files {
        let digest: Digest = tokio::task::block_in_place(|| files::digest(&file.path, progress))?;
        client.upload(&file.path, digest, progress).await?;
        digests.insert(file.name, json!(digest));
    }
    Ok(if digests.is_empty() { None } else { Some(Value::Object(digests)) })
}
