//! The functions that a template may call.

/// Go's own (`text/template`, `builtins`).
const BUILTINS: [&str; 19] = [
    "and", "call", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne", "not", "or", "print",
    "printf", "println", "slice", "urlquery",
];

/// Those that Ollama adds (`template/template.go`).
const OLLAMA: [&str; 4] = ["currentDate", "json", "toTypeScriptType", "yesterdayDate"];

pub(super) fn is_defined(name: &str) -> bool {
    BUILTINS.contains(&name) || OLLAMA.contains(&name)
}
