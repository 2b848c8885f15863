//! The map: the rooms from top to bottom, each with what it knows. A room imports only from those below it.

/// Rooms within rooms follow theirs, by their path.
pub(super) const ROOMS: &[(&str, &str)] = &[
    ("server", "axum: routes, access rules, NDJSON, error -> HTTP. Nothing below knows HTTP statuses"),
    (
        "cli",
        "the command line: clients over HTTP, and `fsck`, `prune`, `export`, `quantize`. It imports no \
         server",
    ),
    ("jobs", "what runs longer than a request: stages and their turns, events, states"),
    ("config", "everything that the operator can set, read once; the limits that nobody can set"),
    ("create", "one create job: check in advance, gather, plan, execute, attach layers"),
    ("library", "what is known of a model: contents, capabilities, lists, the text that makes it"),
    ("convert", "Hugging Face checkpoint or adapter -> Plan"),
    ("convert/tokenizer", "tokenizer.json, tokenizer.model, vocab.txt -> metadata"),
    ("convert/architecture", "one declaration a model family"),
    ("convert/packed", "one declaration a format of weights that another program has quantized"),
    ("quantize", "Plan -> Plan: which tensor gets which type"),
    ("bundle", "models in one stream: an OCI image layout as a tar file"),
    ("registry", "client of OCI registries: pull, push, authentication"),
    ("template", "Go text/template: parse and check; chat/: recognise a chat format, supply its template"),
    ("modelfile", "the Modelfile language"),
    ("store", "blobs, manifests, leases, pruning"),
    ("plan", "plans, derivations, the executor"),
    ("safetensors", "the file format, sharded checkpoints"),
    ("gguf", "the file format: read over untrusted bytes, write"),
    ("tensor", "element types, casts, block formats, quantization kernels"),
    ("family", "what an architecture means for the runtime, capabilities, quantization: plain data"),
    ("model", "the vocabulary: Name, Digest, Manifest, ModelConfig, parameters. No I/O"),
];

/// The map as ARCHITECTURE.md shows it.
pub(super) fn drawn() -> String {
    const MAIN: &str = "arguments, settings, logging, exit code; arenas.rs: memory that the allocator keeps";
    let mut lines = vec![line("main.rs", MAIN)];
    for (index, (path, about)) in ROOMS.iter().enumerate() {
        let is_last = |inner: bool| {
            let mut rest = ROOMS[index + 1..].iter().map(|(next, _)| next.contains('/'));
            if inner { rest.next() != Some(true) } else { rest.all(|next_inner| next_inner) }
        };
        let branch = |inner| if is_last(inner) { "└── " } else { "├── " };
        lines.push(match path.split_once('/') {
            Some((_, name)) => line(&format!("│   {}{name}/", branch(true)), about),
            None => line(&format!("{}{path}/", branch(false)), about),
        });
    }
    format!("```\n{}\n```", lines.join("\n"))
}

fn line(name: &str, about: &str) -> String {
    let padding = 25 - name.chars().count();
    format!("{name}{}{about}", " ".repeat(padding))
}
