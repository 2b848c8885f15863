//! Where we answer otherwise than the recorded servers, each with its reason.

/// What we answer instead.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ours {
    /// The recorded error, before the stream has begun: a 400 in place of a line.
    SameErrorEarly,
    /// Another error.
    Error(u16, &'static str),
    /// An error of which this is a part, after these lines.
    ErrorAfter(u16, &'static [&'static str], &'static str),
    /// This status and no body that matters.
    Status(u16),
    /// This body.
    Body(&'static str),
    /// The model is made.
    Success,
}

/// An exchange that is answered otherwise, and why.
#[derive(Debug)]
pub(super) struct Difference {
    pub(super) exchange: &'static str,
    pub(super) ours: Ours,
    pub(super) reason: &'static str,
}

const EARLY: &str = "what can be known before the job starts is refused before the stream begins";
const NO_PATHS: &str = "messages name the digest and the client's file name, never a path of the server";
const MORE_TYPES: &str = "all types of llama-quantize are made, not five of them";
const NO_INFERENCE: &str = "this server creates models and does not run them";
/// The tests reach registries only through a proxy that is not there.
const PROXY: &str = "the proxy http://127.0.0.1:1 does not connect to registry registry.ollama.ai ";
const PROXY_OF_PULL: &str =
    "pull model manifest: the proxy http://127.0.0.1:1 does not connect to registry registry.ollama.ai ";
const OTHER_NETWORK: &str = "the recorded text is that of a machine without name servers";

const UNSUPPORTED: &str = "unsupported quantization type {} - supported types are F32, F16, BF16, Q1_0, \
     Q2_0, IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS, IQ2_S, IQ2_M, TQ1_0, TQ2_0, Q2_K, Q2_K_S, IQ3_XXS, IQ3_XS, \
     IQ3_S, IQ3_M, Q3_K_S, Q3_K_M, Q3_K_L, IQ4_NL, IQ4_XS, Q4_0, Q4_1, MXFP4_MOE, Q4_K_S, Q4_K_M, Q5_0, \
     Q5_1, Q5_K_S, Q5_K_M, Q6_K, Q8_0, COPY";
const RUN_ELSEWHERE: &str =
    "this server creates models and does not run them; run them with Ollama on the same models directory";
const NO_BLOB: &str = "blob sha256:0000000000000000000000000000000000000000000000000000000000000000 of file \
    \"a.gguf\" not found; upload it first";
const REFUSED: &str = "registry 127.0.0.1:1 cannot be reached";

/// The error for a quantization type that does not exist.
pub(super) fn unsupported(wish: &str) -> String {
    UNSUPPORTED.replace("{}", wish)
}

/// All differences. Three more concern many exchanges and are dealt with where bodies are compared: imported
/// files stay as they are, `show` tells digests in place of paths and sorts parameters, and beside `error`
/// may stand `file` and `hint`.
#[rustfmt::skip]
pub(super) const DIFFERENCES: &[Difference] = {
    use Ours::*;
    &[
        Difference { exchange: "GET /api/version", ours: Body(r#"{"version":"0.33.0"}"#),
            reason: "the version tells clients which interface they may use" },
        Difference { exchange: "HEAD of what the mismatched POST really contained", ours: Status(404),
            reason: "an upload whose digest does not match leaves nothing" },
        Difference { exchange: "HEAD existing blob, upper-case hex", ours: Status(400),
            reason: "a digest has lower-case digits; no other spelling of it is looked for" },
        Difference { exchange: "POST ok content as sha256-<hex>", ours: Status(201),
            reason: "the spelling with a hyphen is an alias everywhere" },
        Difference { exchange: "file digest malformed",
            ours: Error(400, "invalid digest format"), reason: EARLY },
        Difference { exchange: "foreign Host header",
            ours: Error(403, "the server is not known under this host name; the operator sets \
                OLLAMAKE_HOSTS"),
            reason: "who gives the server a name of his own is told where to say so" },
        Difference { exchange: "files with an unknown blob", ours: Error(400, NO_BLOB), reason: NO_PATHS },
        Difference { exchange: "files with an unknown blob, stream=false",
            ours: Error(400, NO_BLOB), reason: NO_PATHS },
        Difference { exchange: "not a GGUF under x.gguf", ours: SameErrorEarly, reason: EARLY },
        Difference { exchange: "truncated GGUF",
            ours: Error(400, "file \"x.gguf\": tensor \"blk.0.ffn_down.weight\" has 262144 bytes of F16 data at byte \
                1388160, but the file ends at byte 1481536: it is cut off; download it again"),
            reason: EARLY },
        Difference { exchange: "not a safetensors",
            ours: Error(400, "config.json is missing; it, or params.json in Mistral's own layout, says what \
                kind of model the weights are"), reason: EARLY },
        Difference { exchange: "not a safetensors with bad config.json",
            ours: Error(400, "config.json is not valid JSON: expected value at line 1 column 1"),
            reason: EARLY },
        Difference { exchange: "from a missing model (no network)",
            ours: ErrorAfter(200, &["pulling manifest"], PROXY_OF_PULL),
            reason: OTHER_NETWORK },
        Difference { exchange: "from a missing model (no network), stream=false",
            ours: ErrorAfter(500, &[], PROXY_OF_PULL), reason: OTHER_NETWORK },
        Difference { exchange: "bad template", ours: SameErrorEarly, reason: EARLY },
        Difference { exchange: "license as number",
            ours: Error(400, "license must be a string or a list of strings, got a number"),
            reason: "a field of the wrong type is the client's mistake, and is named" },
        Difference { exchange: "parameter of wrong type",
            ours: Error(400, "parameters: \"temperature\" must be a number, not \"hot\""),
            reason: "known parameters are type-checked; the model would not run" },
        Difference { exchange: "adapters: unknown blob",
            ours: Error(400, "blob sha256:0000000000000000000000000000000000000000000000000000000000000000 \
                of file \"ad.gguf\" not found; upload it first"),
            reason: NO_PATHS },
        Difference { exchange: "adapters: a model GGUF given as adapter",
            ours: Error(400, "\"ad.gguf\" is not an adapter but a model; give it as from or among files"),
            reason: "a model with two layers of weights is none" },
        Difference { exchange: "adapters: not gguf", ours: SameErrorEarly, reason: EARLY },
        Difference { exchange: "adapters: unknown type", ours: SameErrorEarly, reason: EARLY },
        Difference { exchange: "adapters: two", ours: SameErrorEarly, reason: EARLY },
        Difference { exchange: "both from and files",
            ours: Error(400, "from names model 't1', and files names \"a.gguf\"; a model is made from one or the other, so \
                leave out from or files"),
            reason: "one of the two would be left out without a word" },
        Difference { exchange: "unknown quantize type", ours: Error(400, "Q9_X"), reason: EARLY },
        Difference { exchange: "unknown quantize type, stream=false",
            ours: Error(400, "Q9_X"), reason: EARLY },
        Difference { exchange: "quantize F16 -> q4_0", ours: Success, reason: MORE_TYPES },
        Difference { exchange: "quantize F16 -> Q4_1", ours: Success, reason: MORE_TYPES },
        Difference { exchange: "quantize F16 -> q5_0", ours: Success, reason: MORE_TYPES },
        Difference { exchange: "quantize F16 -> Q5_1", ours: Success, reason: MORE_TYPES },
        Difference { exchange: "quantize F16 -> Q2_K", ours: Success, reason: MORE_TYPES },
        Difference { exchange: "quantize F16 -> Q3_K_S", ours: Success, reason: MORE_TYPES },
        Difference { exchange: "quantize F16 -> Q3_K_M", ours: Success, reason: MORE_TYPES },
        Difference { exchange: "quantize F16 -> Q3_K_L", ours: Success, reason: MORE_TYPES },
        Difference { exchange: "quantize F16 -> Q5_K_S", ours: Success, reason: MORE_TYPES },
        Difference { exchange: "quantize F16 -> Q5_K_M", ours: Success, reason: MORE_TYPES },
        Difference { exchange: "quantize F16 -> Q6_K", ours: Success, reason: MORE_TYPES },
        Difference { exchange: "quantize F16 -> IQ4_NL", ours: Success, reason: MORE_TYPES },
        Difference { exchange: "quantize F16 -> MXFP4", ours: Error(400, "MXFP4"), reason: EARLY },
        Difference { exchange: "quantizing an already-quantized model (Q8_0 -> q4_K_M)",
            ours: SameErrorEarly, reason: EARLY },
        Difference { exchange: "quantizing Q8_0 -> q8_0", ours: Success,
            reason: "weights of the type that is wished for stay as they are" },
        Difference { exchange: "quantize F32 -> q4_K_M, stream=false", ours: Success,
            reason: "F32 is file type 0, which Ollama takes for an unknown one" },
        Difference { exchange: "quantize from an existing Q8_0 model", ours: SameErrorEarly, reason: EARLY },
        Difference { exchange: "pull (no network)",
            ours: ErrorAfter(200, &["pulling manifest"], PROXY_OF_PULL),
            reason: OTHER_NETWORK },
        Difference { exchange: "pull (no network), stream=false",
            ours: ErrorAfter(500, &[], PROXY_OF_PULL), reason: OTHER_NETWORK },
        Difference { exchange: "pull insecure from a dead registry",
            ours: ErrorAfter(200, &["pulling manifest"], REFUSED),
            reason: "the message says what to check, in our words" },
        Difference { exchange: "pull https from a dead registry",
            ours: ErrorAfter(200, &["pulling manifest"], REFUSED),
            reason: "the message says what to check, in our words" },
        Difference { exchange: "pull http without insecure",
            ours: ErrorAfter(200, &["pulling manifest"], REFUSED),
            reason: "plain HTTP to this machine needs no leave" },
        Difference { exchange: "push missing",
            ours: ErrorAfter(200, &["retrieving manifest", "couldn't retrieve manifest"], "model '"),
            reason: NO_PATHS },
        Difference { exchange: "push t1 (no namespace)",
            ours: ErrorAfter(200, &["retrieving manifest"], PROXY), reason: OTHER_NETWORK },
        Difference { exchange: "generate missing model",
            ours: Error(501, RUN_ELSEWHERE), reason: NO_INFERENCE },
        Difference { exchange: "generate t1 load (no llama-server here)",
            ours: Error(501, RUN_ELSEWHERE), reason: NO_INFERENCE },
        Difference { exchange: "chat missing model", ours: Error(501, RUN_ELSEWHERE), reason: NO_INFERENCE },
        Difference { exchange: "embed missing model", ours: Error(501, RUN_ELSEWHERE), reason: NO_INFERENCE },
        Difference { exchange: "plain GGUF import without llama-quantize", ours: Success,
            reason: "nothing but this server is needed to import a file" },
        Difference { exchange: "quantize without llama-quantize", ours: Success,
            reason: "nothing but this server is needed to quantize" },
        Difference { exchange: "safetensors without tokenizer.json", ours: Status(400), reason: EARLY },
    ]
};

/// Exchanges that cannot be repeated, and why.
pub(super) const NOT_REPEATED: &[(&str, &str)] = &[(
    "convert from safetensors",
    "the section needs a checkpoint of 257 MiB; conversion has tests of its own",
)];

/// What 0.24 answered otherwise than 0.33, whose interface this is.
pub(super) const CHANGED_SINCE_0_24: &[&str] =
    &["show missing", "show missing (name)", "GET /v1/models/nope"];
