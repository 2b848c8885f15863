//! What can go wrong on the command line, in words for the person at it.

use std::io;
use std::path::{Path, PathBuf};

use super::format::count_of;
use crate::config::{ConfigError, OpenStoreError};
use crate::model::{InvalidName, Name};
use crate::store::{StoreError, Unread};

/// A failed command.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the user's cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// As the user named it.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A directory given as a model holds no model.
    #[error("{}: no model here: expected *.safetensors or *.gguf files", .0.display())]
    NoModel(PathBuf),
    /// A file is a pointer of Git's large file storage.
    #[error("{}: this is a Git LFS pointer, not the file itself; fetch it with \"git lfs pull\"", .0.display())]
    LargeFilePointer(PathBuf),
    /// Weights in Python's pickle format.
    #[error("{}: PyTorch pickle files are not read; convert the checkpoint to safetensors first", .0.display())]
    Pickle(PathBuf),
    /// No Modelfile where one was named.
    #[error("{}: no such Modelfile; name another with -f", .0.display())]
    NoModelfile(PathBuf),
    /// A Modelfile that does not parse.
    #[error("{}: {source}", path.display())]
    Modelfile {
        /// As the user named it.
        path: PathBuf,
        /// What is wrong, with its line.
        source: crate::modelfile::ParseError,
    },
    /// A command of a Modelfile that cannot be carried out.
    #[error("{}: (line {line}): {source}", path.display())]
    Line {
        /// The Modelfile as the user named it.
        path: PathBuf,
        /// Where the command begins.
        line: usize,
        /// What is wrong.
        source: Box<Error>,
    },
    /// Options or commands make up no recipe.
    #[error(transparent)]
    Recipe(#[from] super::recipe_options::RecipeError),
    /// Not a type that weights can be quantized to.
    #[error(transparent)]
    Target(#[from] crate::quantize::UnknownFileType),
    /// A recipe for weights that stay as they are.
    #[error(
        "a recipe needs the type that most tensors get: QUANTIZE in the Modelfile, or -q; COPY keeps the types"
    )]
    NoTarget,
    /// Not a Go template.
    #[error("{source}{}", source.hint().map(|hint| format!("; {hint}")).unwrap_or_default())]
    Template {
        /// What is wrong with it.
        #[from]
        source: crate::template::ParseError,
    },
    /// A model from two models.
    #[error("FROM names a second model, {second:?} beside {first:?}; remove one")]
    TwoModels {
        /// The one named first.
        first: String,
        /// The other one.
        second: String,
    },
    /// A model from a model and files.
    #[error("FROM names the model {model:?} as well as files; remove the one or the others")]
    ModelAndFiles {
        /// The model.
        model: String,
    },
    /// Two files that the server would take for one.
    #[error("two files would be called {name:?}: {} and {}; rename one", first.display(), second.display())]
    SameName {
        /// What they would be called.
        name: String,
        /// One of them.
        first: PathBuf,
        /// The other one.
        second: PathBuf,
    },
    /// A Modelfile asks for a draft model.
    #[error(
        "DRAFT is not supported: a model is made without the draft models that Ollama attaches; remove the line"
    )]
    Draft,
    /// Not a model name.
    #[error("invalid model name: {text:?}; {reason}")]
    Name {
        /// As it was written.
        text: String,
        /// The rule, and which part breaks it.
        reason: String,
    },
    /// What the server answered.
    #[error("{0}")]
    Server(String),
    /// The connection to the server failed.
    #[error("cannot reach the server at {url}: {reason}")]
    Connection {
        /// The server's address.
        url: String,
        /// The innermost cause.
        reason: String,
    },
    /// The configuration in the environment is wrong.
    #[error(transparent)]
    Configuration(ConfigError),
    /// No server answers, and none can be started in this process.
    #[error("no server can be started in this process: {0}")]
    Embed(Box<dyn std::error::Error + Send + Sync>),
    /// The server cannot start.
    #[error("{0}")]
    Start(Box<dyn std::error::Error + Send + Sync>),
    /// The directory of the store cannot be used.
    #[error(transparent)]
    OpenStore(#[from] OpenStoreError),
    /// Something is wrong with the store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store has been checked, and it is not whole.
    #[error("the store has {}", count_of(*findings, "problem"))]
    Findings {
        /// How many things are wrong with it.
        findings: usize,
    },
    /// The store could not be checked.
    #[error("the store cannot be checked: {0}")]
    Unchecked(Box<Error>),
    /// Nothing is pruned.
    #[error(
        "no blob is removed as long as the store has what cannot be read or understood: {}; make the models again, or remove them with \"ollamake rm\"; mend or remove what is of no model",
        describe(.unread)
    )]
    Unpruned {
        /// What keeps every blob.
        unread: Vec<Unread>,
    },
    /// Quantizing a plain file failed.
    #[error(transparent)]
    Quantize(#[from] super::quantize::QuantizeError),
}

impl Error {
    /// The exit code of a command that failed so: 1, or 2 where a check could not be made at all.
    pub fn exit_code(&self) -> u8 {
        if matches!(self, Self::Unchecked(_)) { 2 } else { 1 }
    }

    /// For `map_err` on operations on the user's own files.
    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Error::File { path, source }
    }
}

/// Parses a model's name as the command line takes it.
pub(super) fn parse_name(text: &str) -> Result<Name, Error> {
    text.parse().map_err(|error: InvalidName| Error::Name {
        text: text.to_owned(),
        reason: error.reason().to_owned(),
    })
}

fn describe(all: &[Unread]) -> String {
    let describe = |unread: &Unread| {
        let Unread { place, model, problem } = unread;
        let model = model.as_ref().map(|model| format!(" (of {})", model.short())).unwrap_or_default();
        format!("{place}{model}: {problem}")
    };
    all.iter().map(describe).collect::<Vec<_>>().join(", ")
}
