//! Every setting, declared. The order is that of the table in `docs/settings.md`.

use super::setting::Default::{self, Cores, Is, Unbounded};
use super::setting::{Number, Row, Unit};

/// A century: clocks can be set forward by this.
const LONGEST_TIME: u64 = 100 * 365 * 24 * 3600;
/// More than any machine has of connections, files or jobs.
const MOST_THINGS: u64 = 1_000_000;
/// More than any disk has.
const MOST_BYTES: u64 = 1 << 60;

const fn row(name: &'static str, default: &'static str, meaning: &'static str) -> Row {
    Row { name, default, meaning }
}

/// A variable without which there is nothing.
const fn unset(name: &'static str, meaning: &'static str) -> Row {
    row(name, "", meaning)
}

const fn count(name: &'static str, default: Default, meaning: &'static str) -> Number {
    Number { name, default, least: 1, most: MOST_THINGS, unit: Unit::Things, meaning }
}

const fn bytes(name: &'static str, default: Default, meaning: &'static str) -> Number {
    Number { name, default, least: 1, most: MOST_BYTES, unit: Unit::Bytes, meaning }
}

const fn seconds(name: &'static str, default: Default, meaning: &'static str) -> Number {
    Number { name, default, least: 1, most: LONGEST_TIME, unit: Unit::Seconds, meaning }
}

pub(super) const HOST: Row = row(
    "OLLAMA_HOST",
    "`127.0.0.1:11434`",
    "where the server listens and the commands find it: `[scheme://]host[:port][/path]`",
);
pub(super) const MODELS: Row = row(
    "OLLAMA_MODELS",
    "`~/.ollama/models`",
    "the directory of the store; it may begin with `~` or `$HOME`",
);
pub(super) const NO_PRUNE: Row = unset(
    "OLLAMA_NOPRUNE",
    "`1` keeps the server from pruning when it starts, and keeps the blobs of replaced models",
);
pub(super) const ORIGINS: Row =
    unset("OLLAMA_ORIGINS", "web origins that may talk to the server beside local ones, separated by commas");
pub(super) const HOSTS: Row = unset(
    "OLLAMAKE_HOSTS",
    "names beside local ones under which the server may be addressed, separated by commas; `*` allows all",
);
pub(super) const API_KEY: Row = unset("OLLAMAKE_API_KEY", "the key that clients have to show");
pub(super) const API_KEY_FILE: Row =
    unset("OLLAMAKE_API_KEY_FILE", "a file that holds the key; set this or the key itself");
pub(super) const OPEN_REGISTRY: Row = unset(
    "OLLAMAKE_OPEN_REGISTRY",
    "`1` lets everybody pull from the registry under `/v2/` without the key, as Ollama's client does; \
     pushing and deleting stay behind it",
);
pub(super) const OLLAMA_KEYS: Row = unset(
    "OLLAMAKE_OLLAMA_KEYS",
    "public keys of Ollama's clients (`~/.ollama/id_ed25519.pub`) that may push to the registry and pull \
     from it, separated by commas",
);
pub(super) const DEBUG: Row = unset("OLLAMA_DEBUG", "`1` logs requests and steps, `2` logs everything");
pub(super) const LOG: Row = row("OLLAMAKE_LOG", "`text`", "`json` writes each entry of the log as an object");
pub(super) const LOG_FILTER: Row =
    unset("RUST_LOG", "what is logged, in detail, as `tracing` reads it: `ollamake=debug`");

pub(super) const IMPORT_DIRS: Row = unset(
    "OLLAMAKE_IMPORT_DIRS",
    "directories whose files clients may name as `file:///directory/file`, separated by commas; links in \
     them are followed as long as they do not leave the directory",
);

pub(super) const MAX_REQUEST: Number = bytes("OLLAMAKE_MAX_REQUEST", Is(32 << 20), "the largest JSON body");
pub(super) const MAX_UPLOAD: Number = bytes("OLLAMAKE_MAX_UPLOAD", Is(4 << 40), "the largest uploaded blob");
pub(super) const MAX_FILES: Number = count("OLLAMAKE_MAX_FILES", Is(1024), "files that one request may name");
pub(super) const MAX_CONNECTIONS: Number =
    count("OLLAMAKE_MAX_CONNECTIONS", Is(1024), "connections at once; more wait to be accepted");
pub(super) const IDLE: Number = seconds(
    "OLLAMAKE_IDLE_SECONDS",
    Is(30),
    "how long the head of a request may take, and how long a connection may be idle",
);
pub(super) const STALL: Number = seconds(
    "OLLAMAKE_STALL_SECONDS",
    Is(60),
    "within this time 64 KiB of a body, or its end, have to arrive, and a client has to take some of what it \
     is sent; a JSON body of more than 64 KiB may take four times as long in all",
);
pub(super) const UPLOAD: Number = seconds(
    "OLLAMAKE_UPLOAD_SECONDS",
    Is(7 * 24 * 3600),
    "how long an upload in several attempts may take, from its beginning on; then it is forgotten",
);
/// Container runtimes kill ten seconds after they have asked, so the default is less.
pub(super) const SHUTDOWN: Number = seconds(
    "OLLAMAKE_SHUTDOWN_SECONDS",
    Is(8),
    "how long what is under way may go on after `SIGTERM` or `SIGINT`",
);

pub(super) const MAX_JOBS: Number =
    count("OLLAMAKE_MAX_JOBS", Is(2), "jobs that compute weights at once; more wait");
pub(super) const MAX_TRANSFERS: Number =
    count("OLLAMAKE_MAX_TRANSFERS", Is(8), "jobs that pull or push at once; more wait");
pub(super) const MAX_QUEUE: Number =
    count("OLLAMAKE_MAX_QUEUE", Is(128), "jobs that wait in one queue; more are answered 503");
/// Less than this is written anew as quickly as it is synced.
pub(super) const CHECKPOINT: Number = bytes(
    "OLLAMAKE_CHECKPOINT",
    Is(256 << 20),
    "an interrupted job makes again at most so much, and at most what it made in 5 seconds",
)
.within(1 << 16, 1 << 40);
/// An execution needs a few chunks at a time, whatever the model.
pub(super) const JOB_MEMORY: Number = bytes(
    "OLLAMAKE_JOB_MEMORY",
    Is(192 << 20),
    "the weights that one job may have in memory while it computes",
)
.within(1 << 20, 1 << 40);
pub(super) const JOB_THREADS: Number =
    count("OLLAMAKE_JOB_THREADS", Cores, "threads that compute for one job").within(1, 1024);
pub(super) const SIMD: Row = row(
    "OLLAMAKE_SIMD",
    "the widest",
    "the width of the kernels: `avx512`, `avx2`, `sse2`, `neon` or `scalar`, as far as the processor has it",
);

pub(super) const REGISTRY: Row = unset(
    "OLLAMAKE_REGISTRY",
    "the registry, `host[:port]`, that the next two are for; with `http://` before it they go there unencrypted",
);
pub(super) const REGISTRY_USER: Row = unset("OLLAMAKE_REGISTRY_USER", "the user of that registry");
pub(super) const REGISTRY_PASSWORD: Row = unset("OLLAMAKE_REGISTRY_PASSWORD", "the password of that user");
pub(super) const REGISTRY_SILENCE: Number = seconds(
    "OLLAMAKE_REGISTRY_SILENCE_SECONDS",
    Is(180),
    "how long a registry may send nothing, or hardly anything, before a transfer ends",
)
.within(1, 24 * 3600);
pub(super) const HF_ENDPOINT: Row = row(
    "HF_ENDPOINT",
    "`https://huggingface.co`",
    "the address of the Hugging Face Hub, which `hf.co/` before a model stands for",
);
pub(super) const HF_TOKEN: Row = unset(
    "HF_TOKEN",
    "the token for private and gated repositories of the Hub; it goes to `HF_ENDPOINT` alone",
);
pub(super) const HF_HOME: Row =
    row("HF_HOME", "`~/.cache/huggingface`", "where Python's `huggingface_hub` keeps what is of the Hub");
pub(super) const HF_HUB_CACHE: Row = row(
    "HF_HUB_CACHE",
    "`hub` in `HF_HOME`",
    "the directory of its cache, in which `ollamake create` looks for a checkpoint of the Hub first",
);
pub(super) const LIBRARY: Row = unset(
    "OLLAMAKE_LIBRARY",
    "the registry that several machines share, `host[:port]/path`; names without a registry are looked up \
     there first; write `http://` before it if it has no TLS",
);
pub(super) const PUBLISH: Row = unset(
    "OLLAMAKE_PUBLISH",
    "`1` publishes in the library what is made here, unless a request says otherwise",
);
pub(super) const LIBRARY_WAIT: Number = seconds(
    "OLLAMAKE_LIBRARY_WAIT_SECONDS",
    Is(7 * 24 * 3600),
    "how long a job waits for the library while that cannot be reached or is full; with 0 it fails at once",
)
.within(0, LONGEST_TIME);
/// A store takes less only if it is empty.
pub(super) const CACHE_SIZE: Number = bytes(
    "OLLAMAKE_CACHE_SIZE",
    Unbounded,
    "the space that the blobs of the store may take; beyond it models that the library holds are evicted, \
     first those that were used longest ago",
);
pub(super) const DOCKER_CONFIG: Row =
    row("DOCKER_CONFIG", "`~/.docker`", "the directory of Docker's `config.json`, whose logins are used");
pub(super) const PROXIES: [Row; 4] = [
    unset("HTTPS_PROXY", "the proxy to registries that are addressed with `https`"),
    unset("HTTP_PROXY", "the proxy to registries that are addressed with `http`"),
    unset("ALL_PROXY", "the proxy to registries where neither of these is set"),
    unset("NO_PROXY", "hosts that are reached without a proxy, separated by commas"),
];
/// Read by the library that loads root certificates.
pub(super) const CERTIFICATES: [Row; 2] = [
    row("SSL_CERT_FILE", "the system's", "a file of root certificates, in PEM"),
    row("SSL_CERT_DIR", "the system's", "a directory of root certificates, in PEM"),
];
pub(super) const HOME: Row = unset(
    "HOME",
    "where `.ollama/models`, `.ollama/id_ed25519` and `.docker` are unless something else is set",
);
