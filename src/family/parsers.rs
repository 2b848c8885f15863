//! The output parsers that are built into the runtime (Ollama, `model/parsers`).

/// A parser, and what it makes a model able to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parser {
    /// It recognises calls of tools.
    pub tools: bool,
    /// It tells thinking from answers.
    pub thinking: bool,
}

/// Each by its name, with whether it knows tools, and whether it knows thinking.
const PARSERS: [(&str, bool, bool); 27] = [
    ("cogito", true, true),
    ("cohere", true, true),
    ("deepseek3", true, true),
    ("functiongemma", true, false),
    ("gemma4", true, true),
    ("gemma4-no-thinking", true, false),
    ("glimmer", true, true),
    ("glm-4.7", true, true),
    ("glm-ocr", true, false),
    ("harmony", true, true),
    ("laguna", true, true),
    ("lfm2", true, false),
    ("lfm2-thinking", true, true),
    ("ministral", true, false),
    ("nemotron-3-nano", true, true),
    ("nemotron-3.5-nano", true, true),
    ("olmo3", true, false),
    ("olmo3-think", false, true),
    ("ornith", true, true),
    ("poolside-v1", true, true),
    ("qwen3", true, false),
    ("qwen3-coder", true, false),
    ("qwen3-thinking", true, true),
    ("qwen3-vl-instruct", true, false),
    ("qwen3-vl-thinking", true, true),
    ("qwen3.5", true, true),
    ("passthrough", false, false),
];

/// The parser of this name.
pub fn parser(name: &str) -> Option<Parser> {
    let (_, tools, thinking) = *PARSERS.iter().find(|(known, ..)| *known == name)?;
    Some(Parser { tools, thinking })
}
