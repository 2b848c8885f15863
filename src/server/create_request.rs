//! What a create takes, as the interface describes it.

use utoipa::ToSchema;

use super::create::Made;
use super::operation::Operation;
use super::stream::Detached;
use super::wording::Line;
use crate::create::Outline;

/// What a model is made of.
#[derive(ToSchema)]
#[expect(dead_code, reason = "bodies are decoded field by field, as Go decodes them")]
struct CreateRequest {
    /// The name of the model to be; there are several in `outputs`.
    model: Option<String>,
    /// Several models to be, made from one pass over the sources.
    outputs: Option<Vec<OutputFields>>,
    /// The model that it is made from: a name, the digest of an uploaded GGUF file, or a repository of the
    /// Hugging Face Hub, `hf.co/OWNER/NAME`, with `:TYPE` of a GGUF file or `@REVISION` behind it; or a file
    /// or a directory, `file:///directory/file`, where the operator allows it.
    from: Option<String>,
    /// Files that it is made from, their names with the digests of their blobs; or, in a directory that the
    /// operator allows, with their address, `file:///directory/file`.
    #[schema(value_type = Option<HashMap<String, String>>)]
    files: Option<()>,
    /// Uploaded files of an adapter, likewise.
    #[schema(value_type = Option<HashMap<String, String>>)]
    adapters: Option<()>,
    /// Where uploaded files have come from, as far as the client knows: their names with addresses, which the
    /// provenance tells.
    #[schema(value_type = Option<HashMap<String, String>>)]
    addresses: Option<()>,
    /// Whether the adapters become part of the weights: `true`, or an object of their names with strengths.
    #[schema(value_type = Option<Value>)]
    merge_adapters: Option<()>,
    /// What the weights are quantized to; in a dry run also a list of types to compare.
    #[schema(value_type = Option<Value>)]
    quantize: Option<()>,
    /// Where the quantization differs from its type.
    recipe: Option<RecipeFields>,
    /// The prompt template, in Go's language.
    template: Option<String>,
    /// The system prompt.
    system: Option<String>,
    /// A license, or a list of them.
    #[schema(value_type = Option<Value>)]
    license: Option<()>,
    /// Run-time parameters.
    #[schema(value_type = Option<HashMap<String, Value>>)]
    parameters: Option<()>,
    /// The conversation that every conversation begins with.
    messages: Option<Vec<MessageFields>>,
    /// The name of a prompt renderer.
    renderer: Option<String>,
    /// The name of an output parser.
    parser: Option<String>,
    /// The oldest version of the runtime that can run it.
    requires: Option<String>,
    /// The server that runs `from`, if it does not run here.
    remote_host: Option<String>,
    /// Values that take the place of those in the configuration.
    #[schema(value_type = Option<HashMap<String, Value>>)]
    info: Option<()>,
    /// Whether it is published in the library; without this, as the operator has set it.
    publish: Option<bool>,
    /// Whether a line is to be sent for each step (as without it), or one answer at the end.
    stream: Option<bool>,
    /// Whether the job goes on by itself: the answer is 202 and the job's identifier.
    detach: Option<bool>,
    /// Whether only the plan is wanted.
    dry_run: Option<bool>,
    /// The tokens of context for which a dry run tells the memory that the model takes.
    #[schema(minimum = 1)]
    context: Option<u64>,
}

/// One of several models to be.
#[derive(ToSchema)]
#[schema(as = WantedOutput)]
#[expect(dead_code, reason = "bodies are decoded field by field, as Go decodes them")]
struct OutputFields {
    /// Its name.
    model: String,
    /// What its weights are quantized to.
    quantize: Option<String>,
    /// Where the quantization differs from its type.
    recipe: Option<RecipeFields>,
}

/// Where a quantization differs from its type. The names are those of llama-quantize's options.
#[derive(ToSchema)]
#[schema(as = Recipe)]
#[expect(dead_code, reason = "recipes are decoded where they are known")]
struct RecipeFields {
    /// An importance matrix: one of the files, or the digest of a blob.
    imatrix: Option<String>,
    /// Types by patterns of names, as a list of pairs: `[["attn_v", "q8_0"]]`.
    #[schema(value_type = Option<Value>)]
    tensor_types: Option<()>,
    output_tensor_type: Option<String>,
    token_embedding_type: Option<String>,
    /// No mixture: every tensor gets the one type.
    pure: Option<bool>,
    /// The output stays as it is.
    leave_output_tensor: Option<bool>,
    /// What is quantized already may be quantized again.
    allow_requantize: Option<bool>,
    /// The matrix is used for tensors alone whose names contain one of these.
    include_weights: Option<Vec<String>>,
    /// The matrix is not used for tensors whose names contain one of these.
    exclude_weights: Option<Vec<String>>,
    /// Layers that are left out.
    prune_layers: Option<Vec<u32>>,
    /// Keys of the metadata that are set: `KEY=TYPE:VALUE`.
    override_kv: Option<Vec<String>>,
    /// Whether the error of each tensor is to be told.
    quality: Option<bool>,
    /// The size that the file must not exceed: a number of bytes, or one with a unit, `7.5GiB`.
    target_size: Option<String>,
}

/// A part of a conversation.
#[derive(ToSchema)]
#[schema(as = Message)]
#[expect(dead_code, reason = "messages are decoded where they are known")]
struct MessageFields {
    /// `system`, `user` or `assistant`.
    role: String,
    content: Option<String>,
}

/// What is described of a create.
pub(super) fn operations() -> Vec<Operation> {
    const ABOUT: &str = "Makes a model of files or of another model, converting and quantizing it.";
    vec![
        Operation::post("/api/create", ABOUT)
            .takes::<CreateRequest>(true)
            .answers_lines::<Line>(
                200,
                "A line for each step; or only the last line; or the plan of a dry run.",
            )
            .answers_any_of::<Line, Made, Outline>(200)
            .tells(200, "Ollamake-Job", "The identifier of the job.")
            .answers::<Detached>(202, "The job goes on by itself.")
            .fails(&[404, 409, 507]),
    ]
}
