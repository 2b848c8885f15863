//! Why a model cannot be created.
//!
//! Texts that clients of Ollama know are kept word for word; which file is meant stands beside them
//! ([`CreateError::file`]), and so does what to do ([`CreateError::hint`]).

use crate::convert::{ConvertError, Unselectable};
use crate::gguf::GgufError;
use crate::library::LibraryError;
use crate::model::{Digest, InvalidDigest, InvalidName, InvalidParameter, Name};
use crate::plan::{PlanError, ShardError};
use crate::quantize::{ImportanceError, InvalidRecipe, QuantizeError};
use crate::registry::RegistryError;
use crate::store::{Store, StoreError};
use crate::template::TemplateError;

use super::file_name::InvalidFileName;
use super::remote::InvalidRemote;

/// Why a model cannot be created.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message of a variant says what its fields are")]
pub enum CreateError {
    /// The name of the model, or of the one that it is made from, is invalid.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// The name of a file is invalid.
    #[error("{source}")]
    FileName { file: String, source: InvalidFileName },
    /// Two files' names differ in letter case only.
    #[error("file names must differ in more than letter case, got {file:?} and {other:?}")]
    FileNameCase { file: String, other: String },
    /// The digest of a file is invalid.
    #[error("{source}")]
    Digest { file: String, source: InvalidDigest },
    /// Nothing to make the model from.
    #[error("neither 'from' or 'files' was specified")]
    NoSource,
    /// A path where the name of a model belongs.
    #[error("{source}")]
    FromIsPath { file: String, source: InvalidName },
    /// Two things to make the model from.
    #[error(
        "from names model '{from}', and files names {}; a model is made from one or the other, so leave out \
         from or files",
        quoted(files)
    )]
    FromAndFiles { from: String, files: Vec<String> },
    /// No file is of a kind that a model can be made from.
    #[error("unknown type")]
    UnknownType { file: Option<String> },
    /// Weights in two formats.
    #[error("files has both GGUF and safetensors weights: {gguf:?} and {safetensors:?}; give one of them")]
    MixedFormats { gguf: String, safetensors: String },
    /// An artifact that holds none of the files that a model is made of.
    #[error("{from:?} was pushed to this server, and no model can be made of it: {problem}")]
    NoModelInArtifact { from: String, problem: String },
    /// The bytes of a file have not been uploaded.
    #[error("blob {digest} of file {file:?} not found; upload it first")]
    MissingBlob { file: String, digest: Digest },
    /// A file beside the server is named that is in no directory that is allowed, or is not there. Which of
    /// the two is not told.
    #[error("file {file:?} is not to be had: no directory that clients may name files in has such a file")]
    NotBeside { file: String },
    /// A file beside the server cannot be brought into the store.
    #[error("file {file:?}: {source}")]
    Import { file: String, source: StoreError },
    /// A file is not in GGUF format.
    #[error("supplied file was not in GGUF format")]
    NotGguf { file: String },
    /// A file that only says where the real one is.
    #[error("file {file:?} is a Git LFS pointer, not the file itself; run git lfs pull and upload it again")]
    LargeFilePointer { file: String },
    /// What a server has sent in place of a file.
    #[error("file {file:?} is a web page (HTML), not the file itself; download it again")]
    WebPage { file: String },
    /// Weights that only Python can read, and that can run code when it does.
    #[error("file {file:?} is a PyTorch pickle, which is not read; convert it to safetensors first")]
    Pickle { file: String },
    /// A GGUF file that cannot be run.
    #[error("file {file:?} is not a model: it does not have {what}")]
    LacksContents { file: String, what: &'static str },
    /// GGUF files of several models.
    #[error("files holds several models, {}; name one of them", quoted(files))]
    SeveralModels { files: Vec<String> },
    /// Something else where an adapter should be.
    #[error("{file:?} is not an adapter but a {kind}; give it as from or among files")]
    NotAnAdapter { file: String, kind: &'static str },
    /// An adapter in the place of a model.
    #[error("{file:?} is an adapter, which needs a base model: give from, and the adapter under adapters")]
    AdapterAlone { file: String },
    /// A projector in the place of a model.
    #[error("{file:?} is a projector, which needs a model: give the model's file too")]
    ProjectorAlone { file: String },
    /// Adapters are to be merged, and there are none.
    #[error("merge_adapters needs adapters: name the files of one under adapters")]
    MergeWithoutAdapters,
    /// A strength for an adapter that is not there.
    #[error("merge_adapters names {name:?}, which is not one of the adapters: {}", quoted(known))]
    NoSuchAdapter { name: String, known: Vec<String> },
    /// The weights are in several files.
    #[error(
        "adapters cannot be merged into a model that is split into several files; create it as one first"
    )]
    MergeIntoShards,
    /// A GGUF file is damaged or not supported.
    #[error("file {file:?}: {source}")]
    Gguf { file: String, source: Box<GgufError> },
    /// More than one adapter.
    #[error("only one adapter is currently supported")]
    SeveralAdapters,
    /// A set of shards is not one model.
    #[error("split GGUF: {source}")]
    Shards { file: String, source: Box<ShardError> },
    /// A shard whose name contradicts its number.
    #[error(
        "split GGUF: {file:?} is shard {got} by its name, expected {expected}, since split.no counts from 0; \
         rename it"
    )]
    ShardName { file: String, got: u64, expected: u64 },
    /// The template does not parse.
    #[error("template error: {0}")]
    Template(#[from] TemplateError),
    /// A part of the request, or of what is made from it, is too long.
    #[error("{part} must not be longer than {limit} bytes, got {got}")]
    TooLong {
        part: String,
        /// Its length in bytes.
        got: usize,
        /// The longest, in bytes.
        limit: usize,
    },
    /// A parameter has a value of the wrong type.
    #[error(transparent)]
    Parameter(#[from] InvalidParameter),
    /// The address of the remote host is invalid.
    #[error(transparent)]
    Remote(#[from] InvalidRemote),
    /// Remote models have no weights here.
    #[error("{field} cannot be used with a remote model")]
    RemoteWith { field: &'static str },
    /// The quantization wished for does not exist.
    #[error("unsupported quantization type {got} - supported types are {}", .supported.join(", "))]
    UnknownQuantization { got: String, supported: Vec<&'static str> },
    /// The weights cannot be quantized.
    #[error("{}", quantize_message(.source))]
    Quantize { file: String, source: Box<QuantizeError> },
    /// A recipe is invalid.
    #[error(transparent)]
    Recipe(#[from] InvalidRecipe),
    /// A recipe for weights that stay as they are.
    #[error("recipe needs quantize, the type that most tensors get; COPY keeps the types")]
    RecipeWithoutQuantize,
    /// The recipe names an importance matrix that is not there.
    #[error("recipe.imatrix: {name:?} is neither one of files nor the digest of a blob")]
    NoSuchMatrix { name: String },
    /// An importance matrix is invalid.
    #[error("importance matrix {file:?}: {source}")]
    Importance { file: String, source: Box<ImportanceError> },
    /// An importance matrix among the files of the model.
    #[error("file {file:?} is an importance matrix and no part of a model; name it as recipe.imatrix")]
    StrayMatrix { file: String },
    /// There are no weights to quantize.
    #[error("quantize needs a model with weights; leave it out where there are none")]
    NothingToQuantize,
    /// The base model is not in the store and could not be fetched.
    #[error("pull model manifest: {0}")]
    Pull(Box<RegistryError>),
    /// The Hub does not give what the model is made from.
    #[error(transparent)]
    Hub(Box<RegistryError>),
    /// The files of a directory, or of a repository of the Hub, are none of a model.
    #[error("{place}: {source}")]
    Unselectable { place: String, source: Unselectable },
    /// A model could not be sent to its registry.
    #[error(transparent)]
    Push(Box<RegistryError>),
    /// The library could not be asked for a model.
    #[error("library {library}: {source}")]
    Library { library: String, source: Box<RegistryError> },
    /// A model was made and could not be sent to the library.
    #[error("model '{model}' is here, but could not be published in the library {library}: {source}")]
    Unpublished { model: String, library: String, source: Box<RegistryError> },
    /// A checkpoint or an adapter cannot be converted.
    #[error(transparent)]
    Convert(Box<ConvertError>),
    /// An adapter without the model that it is for.
    #[error("an adapter in safetensors needs a base model with weights: name one in from")]
    NoBaseOfAdapter,
    /// A part of the base model does not hold what it should.
    #[error(
        "the {part} of model '{}' cannot be read: {problem}; pull or create that model again", .name.short()
    )]
    DamagedBase { name: Box<Name>, part: &'static str, problem: String },
    /// The file that was planned cannot be made.
    #[error("{source}")]
    Plan { file: String, source: Box<PlanError> },
    /// A file that was made cannot be read again. This is a defect.
    #[error("the finished model cannot be read: {0}")]
    Description(#[from] LibraryError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A list of no models, or of too many.
    #[error("outputs must name 1 to {limit} models, got {got}")]
    OutputCount {
        got: usize,
        /// The most.
        limit: usize,
    },
    /// The plans of all outputs would take too much memory.
    #[error("the metadata of {outputs} outputs takes more than {limit} bytes; make fewer of them at once")]
    OutputsTooLarge {
        /// How many had been planned by then.
        outputs: usize,
        /// The most, in bytes.
        limit: usize,
    },
    /// Two outputs of one name.
    #[error("outputs names model '{}' twice", .model.short())]
    SameOutput { model: Box<Name> },
    /// An output would replace what all outputs are made from.
    #[error("outputs names model '{}', which all are made from; give it another name", .model.short())]
    OutputIsSource { model: Box<Name> },
    /// Some of several models could not be made.
    #[error("{}", outputs_message(.0))]
    Outputs(Vec<OutputOutcome>),
    /// Nobody waits for the model any more.
    #[error("the job was cancelled")]
    Cancelled,
}

/// What became of one of several models: the digest of its manifest, or why it was not made.
#[derive(Debug)]
pub struct OutputOutcome {
    /// Its name.
    pub model: Name,
    /// How it ended.
    pub outcome: Result<Digest, CreateError>,
}

impl OutputOutcome {
    /// Why it was not made, if so.
    pub fn failure(&self) -> Option<&CreateError> {
        self.outcome.as_ref().err()
    }
}

impl CreateError {
    /// The file that it is about, as the client called it.
    pub fn file(&self) -> Option<&str> {
        match self {
            Self::FileName { file, .. }
            | Self::FileNameCase { file, .. }
            | Self::Digest { file, .. }
            | Self::MissingBlob { file, .. }
            | Self::NotBeside { file }
            | Self::Import { file, .. }
            | Self::NotGguf { file }
            | Self::Gguf { file, .. }
            | Self::Shards { file, .. }
            | Self::ShardName { file, .. }
            | Self::Quantize { file, .. }
            | Self::Importance { file, .. }
            | Self::StrayMatrix { file }
            | Self::LargeFilePointer { file }
            | Self::WebPage { file }
            | Self::Pickle { file }
            | Self::LacksContents { file, .. }
            | Self::NotAnAdapter { file, .. }
            | Self::AdapterAlone { file }
            | Self::ProjectorAlone { file }
            | Self::Plan { file, .. } => Some(file),
            Self::UnknownType { file } => file.as_deref(),
            Self::Outputs(outcomes) => only_failure(outcomes).and_then(Self::file),
            _ => None,
        }
    }

    /// This error, or the damage of one of the blobs that it may come from: what seems to be wrong with a
    /// file may be what has happened to it in the store.
    pub(super) fn or_damage(self, store: &Store, blobs: impl IntoIterator<Item = Digest>) -> Self {
        let damage = |digest| {
            let blob = store.blob(digest).ok()?;
            store.ensure_whole(&blob, || true).err().map(Self::from)
        };
        match self.may_come_from_damage() {
            true => blobs.into_iter().find_map(damage).unwrap_or(self),
            false => self,
        }
    }

    fn may_come_from_damage(&self) -> bool {
        matches!(
            self,
            Self::UnknownType { .. }
                | Self::NotGguf { .. }
                | Self::Gguf { .. }
                | Self::Shards { .. }
                | Self::StrayMatrix { .. }
                | Self::Importance { .. }
                | Self::Quantize { .. }
                | Self::NothingToQuantize
                | Self::Convert(_)
                | Self::Plan { .. }
                | Self::DamagedBase { .. }
                | Self::Description(_)
        )
    }

    /// What to do about it, where the message does not say so.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownType { .. } => {
                Some("files must hold a GGUF file, or safetensors with their config.json".to_owned())
            }
            Self::Quantize { source, .. } if matches!(**source, QuantizeError::AlreadyQuantized { .. }) => {
                Some(source.to_string())
            }
            Self::Plan { source, .. } => match **source {
                PlanError::NotFinite { .. } => {
                    Some("the weights are damaged; export or download them again".to_owned())
                }
                PlanError::Overflow { .. } => Some("quantize to BF16 or F32".to_owned()),
                _ => None,
            },
            Self::NotBeside { .. } => Some(
                "write file:///directory/file; the operator allows directories with OLLAMAKE_IMPORT_DIRS"
                    .to_owned(),
            ),
            Self::Unselectable {
                source: Unselectable::Several(_) | Unselectable::NoSuchType { .. }, ..
            } => Some(
                "write hf.co/owner/repository:TYPE with the type that stands in a file's name".to_owned(),
            ),
            Self::Name(error) => Some(error.hint()),
            Self::Digest { source, .. } => Some(source.hint().to_owned()),
            Self::Remote(_) => {
                Some("remote_host must be an address, such as https://example.com:11434".to_owned())
            }
            Self::Library { .. } => Some(
                "models that are here can be used meanwhile; the operator sets OLLAMAKE_LIBRARY, and \
                 OLLAMAKE_LIBRARY_WAIT_SECONDS, for how long a job waits for it"
                    .to_owned(),
            ),
            Self::Unpublished { model, .. } => {
                Some(format!("when that is mended, ollamake push --library {model} publishes it"))
            }
            Self::FromIsPath { file, .. } => {
                Some(format!("from names a model; to use {file} upload it and name it under files"))
            }
            Self::Outputs(outcomes) => only_failure(outcomes).and_then(Self::hint),
            Self::Template(error) => error.hint().map(str::to_owned),
            Self::SeveralAdapters => {
                Some("make them part of the weights with merge_adapters (--merge)".to_owned())
            }
            _ => None,
        }
    }
}

/// Why the one model failed, where one did.
fn only_failure(outcomes: &[OutputOutcome]) -> Option<&CreateError> {
    let mut failures = outcomes.iter().filter_map(OutputOutcome::failure);
    failures.next().filter(|_| failures.next().is_none())
}

fn outputs_message(outcomes: &[OutputOutcome]) -> String {
    let told = |outcome: &OutputOutcome| {
        outcome.failure().map(|failure| format!("'{}': {failure}", outcome.model.short()))
    };
    let failures: Vec<String> = outcomes.iter().filter_map(told).collect();
    format!("{} of {} models could not be made: {}", failures.len(), outcomes.len(), failures.join("; "))
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}

/// Clients know what Ollama says of weights that are quantized already.
fn quantize_message(source: &QuantizeError) -> String {
    match source {
        QuantizeError::AlreadyQuantized { .. } => {
            "quantization is only supported for F16, BF16 and F32 models".to_owned()
        }
        other => other.to_string(),
    }
}
