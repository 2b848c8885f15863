//! A file beside the listing of what the reference converter writes.

use ollamake::gguf::{Gguf, ValueRef};
use ollamake::model::Digest;
use serde_json::Value as Json;

/// Keys that the reference takes from the name of the checkpoint's directory, which an upload does not have.
const FROM_DIRECTORY: [&str; 5] =
    ["general.name", "general.basename", "general.finetune", "general.version", "general.organization"];

/// The key of the size, which the reference takes from there too where it is one in words.
const SIZE: &str = "general.size_label";

/// The key of the template. Where a checkpoint has none, the reference writes one of its own: an upload is
/// not given what is not its own.
const TEMPLATE: &str = "tokenizer.chat_template";

/// The key of the pre-tokenizer, which the reference was told where a case says so: tiny vocabularies are
/// unknown.
const PRE_TOKENIZER: &str = "tokenizer.ggml.pre";

/// Everything in which a file differs from its listing.
///
/// `forced_pre` says that the reference was told the pre-tokenizer, `has_template` that the checkpoint has a
/// template.
pub(super) fn compare(
    gguf: &Gguf<'_>,
    bytes: &[u8],
    listing: &Json,
    forced_pre: bool,
    has_template: bool,
) -> Vec<String> {
    let listed = listing["kv"].as_array().unwrap();
    let is_word =
        |entry: &Json| !text(&entry["value"]).contains(|character: char| character.is_ascii_digit());
    let size_in_words = listed.iter().any(|entry| entry["key"] == SIZE && is_word(entry));
    let exempt = |key: &str| {
        FROM_DIRECTORY.contains(&key)
            || (forced_pre && key == PRE_TOKENIZER)
            || (!has_template && key == TEMPLATE)
            || (size_in_words && key == SIZE)
    };
    let mut found = Vec::new();
    let expected: Vec<&Json> = listed.iter().filter(|entry| !exempt(text(&entry["key"]))).collect();
    let keys: Vec<&str> = gguf.entries().iter().map(|(key, _)| *key).filter(|key| !exempt(key)).collect();
    for entry in &expected {
        let key = text(&entry["key"]);
        match gguf.get(key) {
            None => found.push(format!("{key} is missing, expected {}", brief(entry))),
            Some(value) => found.extend(difference(value, entry).map(|why| format!("{key}: {why}"))),
        }
    }
    let wanted: Vec<&str> = expected.iter().map(|entry| text(&entry["key"])).collect();
    for key in keys.iter().filter(|key| !wanted.contains(key)) {
        found.push(format!("{key} is not expected"));
    }
    if found.is_empty() && keys != wanted {
        found.push(format!("keys are in another order: {keys:?}, expected {wanted:?}"));
    }
    found.extend(tensor_differences(gguf, bytes, listing["tensors"].as_array().unwrap()));
    found
}

fn tensor_differences(gguf: &Gguf<'_>, bytes: &[u8], expected: &[Json]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in expected {
        let name = text(&entry["name"]);
        let Some(tensor) = gguf.tensor(name) else {
            found.push(format!("tensor {name} is missing"));
            continue;
        };
        let shape: Vec<u64> =
            entry["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
        let (got, got_type) = (tensor.shape.dimensions(), tensor.element_type.name());
        if got != shape || got_type != text(&entry["type"]) {
            found.push(format!("tensor {name} is {got_type} {got:?}, expected {} {shape:?}", entry["type"]));
        } else if Digest::of(&bytes[tensor.data.start as usize..tensor.data.end as usize]).hex()
            != text(&entry["sha256"])
        {
            found.push(format!("tensor {name} ({got_type} {got:?}) has other bytes"));
        }
    }
    let names: Vec<&str> = gguf.tensors().iter().map(|tensor| tensor.name).collect();
    let wanted: Vec<&str> = expected.iter().map(|entry| text(&entry["name"])).collect();
    for name in names.iter().filter(|name| !wanted.contains(name)) {
        found.push(format!("tensor {name} is not expected"));
    }
    if found.is_empty() && names != wanted {
        let at = names.iter().zip(&wanted).position(|(got, expected)| got != expected).unwrap();
        found.push(format!("tensor {at} is {}, expected {}", names[at], wanted[at]));
    }
    found
}

/// How a value differs from what is expected.
fn difference(value: &ValueRef<'_>, expected: &Json) -> Option<String> {
    let kind = text(&expected["type"]);
    let got = match value {
        ValueRef::U32(number) => ("uint32", Json::from(*number)),
        ValueRef::I32(number) => ("int32", Json::from(*number)),
        ValueRef::F32(number) => ("float32", Json::from(f64::from(*number))),
        ValueRef::Bool(flag) => ("bool", Json::from(*flag)),
        ValueRef::String(text) => ("string", Json::from(*text)),
        ValueRef::Array(array) => {
            const NAMES: [&str; 13] = [
                "uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "bool", "string", "array",
                "uint64", "int64", "float64",
            ];
            let element = NAMES[array.element_type().id() as usize];
            let items: Vec<Json> = array.iter().take(16).map(|item| json_of(&item)).collect();
            if kind != "array" || expected["elem_type"] != element || expected["len"] != array.len() {
                return Some(format!("{} of {element}, expected {}", array.len(), brief(expected)));
            }
            let same = match expected.get("payload_sha256") {
                Some(hash) => Digest::of(array.bytes()).hex() == text(hash),
                None => expected["value"] == Json::from(items),
            };
            let first = array.iter().take(400).map(|item| json_of(&item)).collect::<Vec<_>>();
            return (!same).then(|| format!("{}…, expected {}", Json::from(first), brief(expected)));
        }
        other => return Some(format!("{other:?}, expected {}", brief(expected))),
    };
    let same = got.0 == kind && expected["value"] == got.1;
    (!same).then(|| format!("{} {}, expected {}", got.0, got.1, brief(expected)))
}

fn json_of(value: &ValueRef<'_>) -> Json {
    match value {
        ValueRef::U32(number) => Json::from(*number),
        ValueRef::I32(number) => Json::from(*number),
        ValueRef::U64(number) => Json::from(*number),
        ValueRef::F32(number) => Json::from(f64::from(*number)),
        ValueRef::Bool(flag) => Json::from(*flag),
        ValueRef::String(text) => Json::from(*text),
        other => Json::from(format!("{other:?}")),
    }
}

fn brief(json: &Json) -> String {
    let text = json.to_string();
    text.chars().take(300).collect()
}

fn text(json: &Json) -> &str {
    json.as_str().unwrap()
}
