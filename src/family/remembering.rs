//! What layers keep of a conversation while a model runs, as far as only the architecture's name tells.
//!
//! Source: llama.cpp, `src/llama-arch.cpp` (which architectures are recurrent or hybrid),
//! `src/llama-model.cpp` (which remember nothing) and `src/models/*.cpp` (windows).

/// Attention that looks back only so far, in some layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// One layer in so many looks back all the way, unless the file says which do.
    pub period: u64,
    /// Whether that is the first of them; otherwise it is the last.
    pub full_first: bool,
    /// How far the others look back where the file does not say.
    pub length: Option<u64>,
    /// How far they do whatever the file says.
    pub fixed: Option<u64>,
}

/// What the layers of an architecture keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remembering {
    /// Keys and values of what was said.
    Attention(Option<Windows>),
    /// A state of fixed size.
    Recurrent,
    /// The one or the other: a state where a layer has no heads for keys.
    Hybrid,
    /// The one or the other: keys and values in one layer of so many, unless the file says which have states.
    Interval(u64),
    /// Each layer keeps both.
    Both,
    /// Nothing: a text goes through as a whole.
    Nothing,
}

use Remembering::{Attention, Both, Hybrid, Interval, Nothing, Recurrent};

const fn windows(period: u64) -> Windows {
    Windows { period, full_first: false, length: None, fixed: None }
}

const fn full_first(period: u64) -> Windows {
    Windows { full_first: true, ..windows(period) }
}

const fn of_length(length: u64, windows: Windows) -> Windows {
    Windows { length: Some(length), ..windows }
}

/// The architectures that are not all of attention over everything.
const TABLE: [(&[&str], Remembering); 15] = [
    (&["mamba", "mamba2", "rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7"], Recurrent),
    (
        &[
            "jamba",
            "plamo2",
            "granitehybrid",
            "lfm2",
            "lfm2moe",
            "nemotron_h",
            "nemotron_h_moe",
            "kimi-linear",
            "kimi-k3",
            "bailingmoe3",
            "glm5-next",
        ],
        Hybrid,
    ),
    (&["qwen3next", "qwen35", "qwen35moe", "qwen4exp"], Interval(4)),
    (&["falcon-h1"], Both),
    (
        &[
            "bert",
            "jina-bert-v2",
            "jina-bert-v3",
            "nomic-bert",
            "nomic-bert-moe",
            "neo-bert",
            "eurobert",
            "modern-bert",
            "gemma-embedding",
            "dream",
            "llada",
            "llada-moe",
            "rnd1",
        ],
        Nothing,
    ),
    (&["gpt-oss"], Attention(Some(windows(2)))),
    (&["gemma2"], Attention(Some(of_length(4096, windows(2))))),
    (&["gemma3"], Attention(Some(windows(6)))),
    (&["gemma3n"], Attention(Some(windows(5)))),
    (&["plamo3"], Attention(Some(windows(8)))),
    (&["afmoe", "cohere2", "exaone4", "mellum", "muse-glimmer", "olmo2"], Attention(Some(windows(4)))),
    (&["exaone-moe"], Attention(Some(of_length(128, windows(4))))),
    (&["llama4"], Attention(Some(Windows { fixed: Some(8192), ..windows(4) }))),
    (&["cohere2moe", "laguna"], Attention(Some(full_first(4)))),
    (&["smallthinker"], Attention(Some(Windows { fixed: Some(4096), ..full_first(4) }))),
];

/// Those whose file says which layers have windows, and has to.
const STATED: [&str; 7] = ["dots3note", "gemma4", "granite-swa", "maple", "mimo2", "spark2_5", "step35"];

/// What the layers of an architecture keep.
pub fn remembering(architecture: &str) -> Remembering {
    if STATED.contains(&architecture) {
        return Attention(Some(windows(1)));
    }
    let found = TABLE.iter().find(|(names, _)| names.contains(&architecture));
    found.map_or(Attention(None), |(_, remembering)| *remembering)
}
