//! Headers of safetensors files.

use serde_json::{Map, Value, json};

/// What a file of BF16 tensors begins with, and the bytes of their data. `header` is what it says besides.
pub(crate) fn bf16_header(mut header: Map<String, Value>, tensors: &[(String, Vec<u64>)]) -> (Vec<u8>, u64) {
    let mut end = 0;
    for (name, shape) in tensors {
        let start = end;
        end += 2 * shape.iter().product::<u64>();
        header.insert(name.clone(), json!({"dtype": "BF16", "shape": shape, "data_offsets": [start, end]}));
    }
    let mut text = Value::Object(header).to_string();
    text.push_str(&" ".repeat(text.len().next_multiple_of(8) - text.len()));
    ([&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat(), end)
}
