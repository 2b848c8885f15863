//! How much memory a runtime takes for a model: the weights, and what it keeps of a conversation.
//!
//! Rules: llama.cpp, `src/llama-kv-cache.cpp`, `llama-kv-cache-iswa.cpp`, `llama-memory-recurrent.cpp` and
//! `llama-hparams.cpp`; one conversation, a batch of 512 tokens. The buffers that it computes in are not
//! counted: they are the runtime's own.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;
use utoipa::ToSchema;

use crate::family::{Remembering, Windows, remembering};
use crate::gguf::{Gguf, ValueRef};
use crate::tensor::ElementType;

/// The context of a conversation where nobody says how long it is to be, unless the model's is shorter.
pub const USUAL_CONTEXT: u64 = 4096;

/// Tokens that are worked on at once; windows are longer by as many.
const BATCH: u64 = 512;
/// Caches are multiples of so many tokens.
const CELLS: u64 = 256;
/// The most layers that llama.cpp loads.
const MOST_LAYERS: u64 = 512;
/// The types that a cache can have, the usual one first.
const CACHE_TYPES: [ElementType; 3] = [ElementType::F16, ElementType::Q8_0, ElementType::Q4_0];

/// The memory that it takes to run a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RunningMemory {
    /// Tokens of the conversation.
    pub context: u64,
    /// The longest conversation that the model was trained for; 0 if its file does not say.
    pub trained_context: u64,
    /// Bytes of the weights, projectors and adapters among them.
    pub weights: u64,
    /// Bytes of keys and values, by the type that they are kept in; the first is the usual one.
    pub cache: Vec<Cache>,
    /// Bytes of states that do not grow with the conversation.
    pub state: u64,
    /// All of it in bytes, with the usual cache.
    pub total: u64,
    /// How that was computed, with the numbers of this model.
    pub formula: String,
}

/// Keys and values in one type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Cache {
    /// The type.
    #[serde(rename = "type")]
    pub element_type: &'static str,
    /// Bytes.
    pub bytes: u64,
}

/// Layers that keep alike much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Kept {
    /// Tokens.
    cells: u64,
    /// Numbers of the keys of a token.
    keys: u64,
    /// Numbers of its values.
    values: u64,
}

impl RunningMemory {
    /// What the header of a model's weights tells. `weights` are the bytes of all its files, `context` is the
    /// number of tokens wished for. Nothing if the header does not tell enough.
    pub fn of(header: &Gguf<'_>, weights: u64, context: Option<u64>) -> Option<Self> {
        let architecture = header.get("general.architecture").and_then(ValueRef::as_str)?;
        let keys = Keys { header, architecture };
        let trained_context = keys.number("context_length").unwrap_or(0);
        let context = context.unwrap_or_else(|| match trained_context {
            0 => USUAL_CONTEXT,
            trained => trained.min(USUAL_CONTEXT),
        });
        let (layers, states) = keys.kept(context)?;
        let cache: Vec<Cache> = CACHE_TYPES.into_iter().filter_map(|kind| cache(&layers, kind)).collect();
        let state = states.count.saturating_mul(states.numbers).saturating_mul(4);
        let usual = cache.first().map_or(0, |cache| cache.bytes);
        let total = weights.saturating_add(usual).saturating_add(state);
        let formula = formula(weights, &layers, states);
        Some(Self { context, trained_context, weights, cache, state, total, formula })
    }
}

/// Bytes of keys and values in a type, if rows of it can have these lengths.
fn cache(layers: &BTreeMap<Kept, u64>, kind: ElementType) -> Option<Cache> {
    let (block, bytes) = (kind.block_len() as u64, kind.block_bytes() as u64);
    let mut sum = 0_u64;
    for (kept, count) in layers {
        if !kept.keys.is_multiple_of(block) || !kept.values.is_multiple_of(block) {
            return None;
        }
        let row = (kept.keys.saturating_add(kept.values) / block).saturating_mul(bytes);
        sum = sum.saturating_add(row.saturating_mul(kept.cells).saturating_mul(*count));
    }
    Some(Cache { element_type: kind.name(), bytes: sum })
}

/// Layers with a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct States {
    count: u64,
    /// Numbers of one.
    numbers: u64,
}

fn formula(weights: u64, layers: &BTreeMap<Kept, u64>, states: States) -> String {
    let mut text = format!("{weights} (weights)");
    // Writing to a text cannot fail.
    for (Kept { cells, keys, values }, count) in layers {
        let _ = write!(
            text,
            " + {count} layers * {cells} tokens * ({keys} + {values}) numbers of keys and values * 2 bytes"
        );
    }
    if states.count > 0 {
        let _ = write!(text, " + {} layers * {} numbers of state * 4 bytes", states.count, states.numbers);
    }
    text
}

/// The keys of a header that tell of layers.
struct Keys<'k> {
    header: &'k Gguf<'k>,
    architecture: &'k str,
}

impl Keys<'_> {
    fn get(&self, key: &str) -> Option<ValueRef<'_>> {
        self.header.get(&format!("{}.{key}", self.architecture)).copied()
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.get(key)?.as_u64()
    }

    /// The number of a layer, where layers may differ.
    fn of_layer(&self, key: &str, layer: u64) -> Option<u64> {
        let value = self.get(key)?;
        match value.as_array() {
            None => value.as_u64(),
            Some(array) => array.iter().nth(usize::try_from(layer).ok()?)?.as_u64(),
        }
    }

    /// Whether something is said of a layer, where a list tells of each.
    fn is_said_of(&self, key: &str, layer: u64) -> Option<bool> {
        let element = self.get(key)?.as_array()?.iter().nth(usize::try_from(layer).ok()?)?;
        Some(match element {
            ValueRef::Bool(is_so) => is_so,
            number => number.as_u64()? != 0,
        })
    }

    /// What the layers keep of so many tokens: keys and values, and states.
    fn kept(&self, context: u64) -> Option<(BTreeMap<Kept, u64>, States)> {
        let remembering = remembering(self.architecture);
        let mut layers = BTreeMap::new();
        let mut states = States { count: 0, numbers: self.numbers_of_state() };
        if remembering == Remembering::Nothing {
            return Some((layers, states));
        }
        let all = self.number("block_count").filter(|count| (1..=MOST_LAYERS).contains(count))?;
        // Layers that predict further tokens come last, and are not run.
        let count = all.saturating_sub(self.number("nextn_predict_layers").unwrap_or(0));
        let with_cache = match self.number("attention.shared_kv_layers") {
            // The last layers use what earlier ones keep.
            Some(shared) => count.saturating_sub(shared),
            None if self.architecture == "gemma3n" => count.min(LAYERS_OF_GEMMA_3N_WITH_CACHE),
            None => count,
        };
        let cells = padded(context);
        for layer in 0..count {
            let heads = self.of_layer("attention.head_count", layer).unwrap_or(0);
            let key_heads = self.of_layer("attention.head_count_kv", layer).unwrap_or(heads);
            let has_state = match remembering {
                Remembering::Recurrent | Remembering::Both => true,
                Remembering::Hybrid => key_heads == 0 && self.is_no_feed_forward(layer),
                Remembering::Interval(usual) => self.is_in_interval(layer, usual),
                Remembering::Attention(_) | Remembering::Nothing => false,
            };
            states.count += u64::from(has_state);
            let has_cache = !has_state || remembering == Remembering::Both;
            if !has_cache || layer >= with_cache || key_heads == 0 {
                continue;
            }
            let window = match remembering {
                Remembering::Attention(Some(windows)) => self.window(windows, layer),
                _ => None,
            };
            let cells = match window {
                Some(window) => padded(cells.min(window.saturating_add(BATCH))),
                None => cells,
            };
            let (keys, values) = self.widths(layer, heads, key_heads, window.is_some())?;
            *layers.entry(Kept { cells, keys, values }).or_default() += 1;
        }
        Some((layers, states))
    }

    /// Numbers of the keys and the values of a token.
    fn widths(&self, layer: u64, heads: u64, key_heads: u64, in_window: bool) -> Option<(u64, u64)> {
        let usual = || self.number("embedding_length")?.checked_div(heads);
        let width = |key: &str| {
            let of_window = in_window.then(|| self.of_layer(&format!("{key}_swa"), layer)).flatten();
            of_window.or_else(|| self.of_layer(key, layer)).or_else(usual)
        };
        let keys = width("attention.key_length")?.checked_mul(key_heads)?;
        // Where keys and values are made from one compressed row, only that is kept.
        let is_compressed = self.number("attention.key_length_mla").is_some_and(|length| length > 0);
        let values = match is_compressed {
            true => 0,
            false => width("attention.value_length")?.checked_mul(key_heads)?,
        };
        Some((keys, values))
    }

    /// How far a layer looks back, if not all the way.
    fn window(&self, windows: Windows, layer: u64) -> Option<u64> {
        let stated = self.number("attention.sliding_window");
        let length = match (windows.fixed, windows.length) {
            // One that is stated to be none is none.
            (Some(fixed), _) => stated.map_or(fixed, |stated| if stated == 0 { 0 } else { fixed }),
            (None, usual) => stated.or(usual).unwrap_or(0),
        };
        let pattern = "attention.sliding_window_pattern";
        let slides = self.is_said_of(pattern, layer).unwrap_or_else(|| {
            match self.number(pattern).unwrap_or(windows.period) {
                0 => true,
                period if windows.full_first => !layer.is_multiple_of(period),
                period => layer % period < period - 1,
            }
        });
        (slides && length > 0).then_some(length)
    }

    /// Whether a layer without keys is not one of feed-forward alone, which keeps nothing.
    fn is_no_feed_forward(&self, layer: u64) -> bool {
        !self.architecture.starts_with("nemotron_h") || self.of_layer("feed_forward_length", layer) == Some(0)
    }

    fn is_in_interval(&self, layer: u64, usual: u64) -> bool {
        self.is_said_of("attention.recurrent_layers", layer).unwrap_or_else(|| {
            let interval = self.number("full_attention_interval").filter(|interval| *interval > 0);
            !(layer + 1).is_multiple_of(interval.unwrap_or(usual))
        })
    }

    /// Numbers of the state of a layer that has one: of its convolution and of its recurrence.
    fn numbers_of_state(&self) -> u64 {
        let number = |key: &str| self.number(key).unwrap_or(0);
        let embedding = number("embedding_length");
        let product = |factors: &[u64]| factors.iter().fold(1_u64, |all, factor| all.saturating_mul(*factor));
        let heads = self.of_layer("attention.head_count", 0).unwrap_or(0);
        let convolution = number("ssm.conv_kernel").saturating_sub(1);
        if let Some(head) = self.number("wkv.head_size") {
            let shifts = self.number("token_shift_count").unwrap_or(2);
            return product(&[embedding, shifts]).saturating_add(product(&[embedding, head]));
        }
        if let Some(length) = self.number("shortconv.l_cache") {
            return product(&[embedding, length.saturating_sub(1)]);
        }
        if let Some(head) = self.number("kda.head_dim") {
            let convolved = product(&[3, convolution, heads, head]);
            return convolved.saturating_add(product(&[head, head, heads]));
        }
        let (inner, state) = (number("ssm.inner_size"), number("ssm.state_size"));
        let groups = product(&[2, number("ssm.group_count"), state]);
        product(&[convolution, inner.saturating_add(groups)]).saturating_add(product(&[state, inner]))
    }
}

/// The layers of Gemma 3n that have keys and values of their own; the others use these.
const LAYERS_OF_GEMMA_3N_WITH_CACHE: u64 = 20;

fn padded(cells: u64) -> u64 {
    cells.checked_next_multiple_of(CELLS).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::{Header, Metadata};

    /// What a model takes whose header says this.
    fn memory(architecture: &str, numbers: &[(&str, u32)], context: u64) -> RunningMemory {
        let mut metadata = Metadata::new();
        metadata.set("general.architecture", architecture);
        for (key, value) in numbers {
            metadata.set(format!("{architecture}.{key}"), *value);
        }
        let header = Header::new(&metadata, &[]).unwrap();
        RunningMemory::of(&Gguf::of_header(&header).unwrap(), 1000, Some(context)).unwrap()
    }

    // Each expected number is worked out from llama.cpp's rules; the first is what it prints as well.

    #[test]
    fn keys_and_values_grow_with_the_heads_that_have_them() {
        // Llama 3.1 8B: "KV self size = 512.00 MiB" at 4096 tokens.
        let numbers = [
            ("block_count", 32),
            ("embedding_length", 4096),
            ("attention.head_count", 32),
            ("attention.head_count_kv", 8),
        ];
        let found = memory("llama", &numbers, 4096);
        assert_eq!((found.cache[0].bytes, found.state), (512 << 20, 0));
        assert_eq!(found.cache[1].bytes, (512 << 20) / 64 * 34);
        assert_eq!(found.total, 1000 + (512 << 20));
        assert_eq!(memory("llama", &numbers, 4000).cache, found.cache, "caches have whole pages");
    }

    #[test]
    fn windows_end_what_layers_keep() {
        // Gemma 3 4B: 5 full layers of 34 at 8192 tokens, 29 with 1024 + 512.
        let numbers = [
            ("block_count", 34),
            ("embedding_length", 2560),
            ("attention.head_count", 8),
            ("attention.head_count_kv", 4),
            ("attention.key_length", 256),
            ("attention.value_length", 256),
            ("attention.sliding_window", 1024),
        ];
        let found = memory("gemma3", &numbers, 8192);
        assert_eq!(found.cache[0].bytes, (5 * 8192 + 29 * 1536) * 2048 * 2, "{}", found.formula);
        let everywhere = memory("llama", &numbers, 8192);
        assert_eq!(everywhere.cache[0].bytes, 34 * 8192 * 2048 * 2, "of others the window is not looked at");
    }

    #[test]
    fn compressed_rows_are_kept_once() {
        // DeepSeek V3: 61 layers of 576 numbers.
        let numbers = [
            ("block_count", 61),
            ("embedding_length", 7168),
            ("attention.head_count", 128),
            ("attention.head_count_kv", 1),
            ("attention.key_length", 576),
            ("attention.value_length", 512),
            ("attention.key_length_mla", 192),
            ("attention.value_length_mla", 128),
        ];
        assert_eq!(memory("deepseek2", &numbers, 4096).cache[0].bytes, 61 * 4096 * 576 * 2);
    }

    #[test]
    fn states_do_not_grow() {
        // Mamba 2.8B: 64 layers of a convolution of 4 over 5120 and a state of 16.
        let numbers = [
            ("block_count", 64),
            ("embedding_length", 2560),
            ("ssm.conv_kernel", 4),
            ("ssm.inner_size", 5120),
            ("ssm.state_size", 16),
        ];
        let state = 64 * (3 * 5120 + 16 * 5120) * 4;
        for context in [256, 1 << 20] {
            let found = memory("mamba", &numbers, context);
            assert_eq!((found.state, found.cache[0].bytes), (state, 0), "{}", found.formula);
        }
    }

    #[test]
    fn numbers_that_cannot_be_are_no_answer_or_a_large_one() {
        let found = memory(
            "llama",
            &[
                ("block_count", 512),
                ("embedding_length", u32::MAX),
                ("attention.head_count", 1),
                ("attention.head_count_kv", u32::MAX),
            ],
            u64::MAX,
        );
        assert_eq!(found.total, u64::MAX);
        let mut metadata = Metadata::new();
        metadata.set("general.architecture", "llama");
        metadata.set("llama.block_count", u32::MAX);
        let header = Header::new(&metadata, &[]).unwrap();
        assert_eq!(RunningMemory::of(&Gguf::of_header(&header).unwrap(), 0, None), None);
    }
}
