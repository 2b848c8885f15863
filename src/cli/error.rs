//! What can go wrong on the command line, in words for the person at it.

use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::format::count_of;
use super::quantize::QuantizeError;
use crate::config::{ConfigError, OpenStoreError};
use crate::convert::Unselectable;
use crate::library::LibraryError;
use crate::model::{Digest, InvalidName, Name};
use crate::store::{StoreError, Unread};

/// A failed command.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message of a variant says what its fields are")]
pub enum CliError {
    /// A file of the user's cannot be read or written.
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    /// A file that is there already.
    #[error("{}: a file of this name exists; --force replaces it", .0.display())]
    Exists(PathBuf),
    /// A model that has no weights in files of its own.
    #[error("model '{0}' has no weights in a GGUF file")]
    NoWeights(String),
    /// What a model is cannot be told.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// A directory given as a model holds no model.
    #[error("{}: {source}", path.display())]
    NoModel { path: PathBuf, source: Unselectable },
    /// A file is a pointer of Git's large file storage.
    #[error(
        "{}: this is a Git LFS pointer, not the file itself; fetch it with \"git lfs pull\"",
        .0.display()
    )]
    LargeFilePointer(PathBuf),
    /// What a server has sent in place of a file.
    #[error("{}: this is a web page (HTML), not the file itself; download it again", .0.display())]
    WebPage(PathBuf),
    /// More than one adapter, and they are not to be merged.
    #[error("only one adapter can be a layer of a model; --merge makes several of them part of the weights")]
    SeveralAdapters,
    /// No Modelfile where one was named.
    #[error("{}: no such Modelfile; name another with -f", .0.display())]
    NoModelfile(PathBuf),
    /// A Modelfile that is a directory.
    #[error(
        "{}: this is a directory, and -f names a Modelfile; to create from a directory write FROM and its \
         path",
        .0.display()
    )]
    ModelfileIsDirectory(PathBuf),
    /// An option that cannot be carried out.
    #[error("{option}: {source}")]
    Option { option: &'static str, source: Box<CliError> },
    /// A parameter without a value.
    #[error("{text:?} is not NAME=VALUE")]
    NotAPair { text: String },
    /// A parameter that is none.
    #[error(transparent)]
    Parameter(#[from] crate::modelfile::ParameterError),
    /// A Modelfile that does not parse.
    #[error("{}: {source}", path.display())]
    Modelfile { path: PathBuf, source: crate::modelfile::ModelfileError },
    /// A command of a Modelfile that cannot be carried out.
    #[error("{}: (line {line}): {source}", path.display())]
    Line { path: PathBuf, line: usize, source: Box<CliError> },
    /// Options or commands make up no recipe.
    #[error(transparent)]
    Recipe(#[from] super::recipe_options::RecipeError),
    /// Not a type that weights can be quantized to.
    #[error(transparent)]
    Target(#[from] crate::quantize::UnknownFileType),
    /// A recipe for weights that stay as they are.
    #[error(
        "a recipe needs the type that most tensors get: QUANTIZE in the Modelfile, or -q; COPY keeps the \
         types"
    )]
    NoTarget,
    /// A tag for several models.
    #[error("several types make several models, whose tags are the types; leave out the tag of {name:?}")]
    TagOfSeveral { name: String },
    /// Not a Go template.
    #[error("{source}{}", source.hint().map(|hint| format!("; {hint}")).unwrap_or_default())]
    Template {
        #[from]
        source: crate::template::TemplateError,
    },
    /// A model from two models.
    #[error("FROM names a second model, '{second}' beside '{first}'; remove one of them")]
    TwoModels { first: String, second: String },
    /// A model from a model and files.
    #[error("FROM names the model '{model}' as well as files; remove the one or the others")]
    ModelAndFiles { model: String },
    /// Two files that the server would take for one.
    #[error("two files would be called {name:?}: {} and {}; rename one", first.display(), second.display())]
    SameName { name: String, first: PathBuf, second: PathBuf },
    /// A Modelfile asks for a draft model.
    #[error(
        "DRAFT is not supported: a model is made without the draft models that Ollama attaches; remove the \
         line"
    )]
    Draft,
    /// Not a model name.
    #[error("invalid model name: {text:?}; {reason}")]
    Name { text: String, reason: String },
    /// The bytes at the server are not those that were hashed here.
    #[error("{}: the file was changed while it was read; create the model again", .0.display())]
    FileChanged(PathBuf),
    /// What the server answered.
    #[error("{0}")]
    Server(String),
    /// The connection to the server failed.
    #[error("cannot reach the server at {url}: {reason}")]
    Connection { url: String, reason: String },
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
    /// A bundle cannot be written or read.
    #[error(transparent)]
    Bundle(#[from] crate::bundle::BundleError),
    /// Standard output is a person.
    #[error("a bundle is not written to a terminal: name a file with -o, or redirect the output")]
    BundleToTerminal,
    /// Standard output is a person.
    #[error("a model file is not written to a terminal: name a file, or redirect the output")]
    FileToTerminal,
    /// What only a file can be.
    #[error("{option} needs a file: standard output is the file itself")]
    OnlyFile { option: &'static str },
    /// More than one file for one stream.
    #[error("the model is split into {count} files, which do not go to standard output; name a file")]
    SeveralFiles { count: usize },
    /// Standard input is a person.
    #[error("a bundle is not read from a terminal: name a file, or redirect the input")]
    BundleFromTerminal,
    /// The store has been checked, and it is not whole.
    #[error("the store has {}", count_of(*findings, "problem"))]
    Findings { findings: usize },
    /// The store, or a model, could not be checked.
    #[error("it could not be checked: {0}")]
    Unchecked(Box<CliError>),
    /// A model that was made again is another.
    #[error("model '{model}' is not what its sources give now: that has the digest {got}")]
    MadeOtherwise { model: String, got: Digest },
    /// A model cannot be made again.
    #[error("model '{model}' cannot be verified: {reason}")]
    Unverified { model: String, reason: String },
    /// Nothing is pruned.
    #[error(
        "no blob is removed as long as the store has what cannot be read or understood: {}; make the models \
         again, or remove them with \"ollamake rm\"; mend or remove what is of no model",
        describe(.unread)
    )]
    Unpruned { unread: Vec<Unread> },
    /// Standard output took no more.
    #[error(transparent)]
    Output(#[from] super::standard_output::OutputError),
    /// Files of this machine are no model.
    #[error(transparent)]
    Model(#[from] super::local_error::LocalModelError),
    /// Weights that cannot be quantized as was asked for.
    #[error(transparent)]
    Quantization(#[from] crate::quantize::QuantizeError),
    /// Quantizing a plain file failed.
    #[error(transparent)]
    Quantize(#[from] QuantizeError),
    /// A command of other programs.
    #[error("{0}")]
    Elsewhere(&'static str),
}

impl CliError {
    /// The exit code of a command that failed so: 1, or 2 where a check could not be made at all or another
    /// program was meant.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Unchecked(_) | Self::Unverified { .. } | Self::Elsewhere(_) => 2,
            _ => 1,
        }
    }

    /// Whether it only means that nobody reads any more what the command prints.
    pub fn is_unread(&self) -> bool {
        match self {
            Self::Output(error) | Self::Quantize(QuantizeError::Output(error)) => error.is_unread(),
            _ => false,
        }
    }

    /// For `map_err` on operations on the user's own files.
    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| CliError::File { path, source }
    }
}

/// Parses a model's name as the command line takes it.
pub(super) fn parse_name(text: &str) -> Result<Name, CliError> {
    parse_reference(text)
}

/// Parses whatever a model is known by, its name or a digest.
pub(super) fn parse_reference<R: FromStr<Err = InvalidName>>(text: &str) -> Result<R, CliError> {
    text.parse().map_err(|error: InvalidName| CliError::Name {
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
