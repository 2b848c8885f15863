//! Everything that can be wrong with one thing of a checkpoint: a tensor, a key of its configuration, a file.

use std::fmt;

use serde_json::{Map, Value, json};

use super::Files;

/// One thing that is wrong with a checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Damage {
    /// The file that it concerns.
    file: String,
    place: Place,
}

#[derive(Debug, Clone, PartialEq)]
enum Place {
    /// The whole file is missing.
    File,
    /// A tensor of a safetensors file.
    Tensor(String, TensorDamage),
    /// A key of a JSON file, within objects.
    Key(Vec<String>, KeyDamage),
}

/// What becomes of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TensorDamage {
    Removed,
    Renamed,
    /// The second half of its rows is lost.
    Cut,
    /// Its axes are in another order, or it has one more.
    Reshaped,
    /// Its bytes are said to be numbers of another type.
    Retyped,
}

/// What becomes of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyDamage {
    Removed,
    Null,
    Negative,
    Huge,
    OtherType,
}

const TENSOR_DAMAGES: [TensorDamage; 5] = [
    TensorDamage::Removed,
    TensorDamage::Renamed,
    TensorDamage::Cut,
    TensorDamage::Reshaped,
    TensorDamage::Retyped,
];

const KEY_DAMAGES: [KeyDamage; 5] =
    [KeyDamage::Removed, KeyDamage::Null, KeyDamage::Negative, KeyDamage::Huge, KeyDamage::OtherType];

/// Files of which every key is damaged.
const CONFIGURATIONS: [&str; 4] =
    ["config.json", "adapter_config.json", "preprocessor_config.json", "target/config.json"];

impl Damage {
    /// All damages of a checkpoint, in the order of its files.
    pub(super) fn all(files: &Files) -> Vec<Self> {
        let mut all = Vec::new();
        for (file, bytes) in &files.0 {
            let at = |place: Place| Self { file: file.clone(), place };
            all.push(at(Place::File));
            if file.ends_with(".safetensors") {
                let names = Tensors::read(bytes).entries.into_iter().map(|entry| entry.name);
                all.extend(
                    names.flat_map(|name| {
                        TENSOR_DAMAGES.map(|damage| at(Place::Tensor(name.clone(), damage)))
                    }),
                );
            } else if CONFIGURATIONS.contains(&file.as_str()) {
                let Ok(Value::Object(values)) = serde_json::from_slice(bytes) else { continue };
                let paths = paths(&values);
                all.extend(
                    paths
                        .into_iter()
                        .flat_map(|path| KEY_DAMAGES.map(|damage| at(Place::Key(path.clone(), damage)))),
                );
            }
        }
        all
    }

    /// The file that it concerns, as it is now; `None` if it is missing.
    pub(super) fn apply(&self, files: &Files) -> Option<Vec<u8>> {
        let bytes = files.bytes(&self.file);
        match &self.place {
            Place::File => None,
            Place::Tensor(name, damage) => Some(Tensors::read(bytes).damaged(name, *damage)),
            Place::Key(path, damage) => {
                let mut root: Value = serde_json::from_slice(bytes).unwrap();
                damage.apply(root.as_object_mut().unwrap(), path);
                Some(root.to_string().into_bytes())
            }
        }
    }

    /// The file that it concerns.
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// Whether an error names it. What is missing is named as the family calls it, what is computed from
    /// several tensors as it is called in the model, and what belongs to a packed weight by that one.
    pub(super) fn is_named_by(&self, error: &str) -> bool {
        match &self.place {
            Place::File => error.contains(&self.file),
            Place::Tensor(name, damage) => {
                let missing = matches!(damage, TensorDamage::Removed | TensorDamage::Renamed);
                let whole = name.rsplit_once('.').map_or(name.as_str(), |(whole, _)| whole);
                error.contains(tail(name))
                    || error.contains(tail(whole))
                    || missing && error.contains(" is missing")
                    || missing && error.starts_with("config.json says ")
                    // What several tensors become together is called by its name in the model.
                    || error.starts_with("tensor \"blk.")
                    || error.contains(": cannot concatenate ")
                    || error.contains("tensor \"token_embd.weight\" has")
            }
            Place::Key(path, _) => {
                let key = path.last().map_or("", String::as_str);
                // Without the key it may be another kind of model, or be stored in another way.
                let other_kind = error.contains("architecture ") || error.contains("do not fit a weight");
                error.contains(key) || error.contains(&self.file) || other_kind
            }
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::File => write!(f, "{} missing", self.file),
            Place::Tensor(name, damage) => write!(f, "{name} {damage:?}"),
            Place::Key(path, damage) => write!(f, "{}: {} {damage:?}", self.file, path.join(".")),
        }
    }
}

/// The end of a tensor's name: what stands before it depends on what is around the model.
fn tail(name: &str) -> &str {
    let ends = [".lora_A.weight", ".lora_B.weight", ".lora_A", ".lora_B", "_scales", "_scale", "_scale_inv"];
    let stem = ends.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    let dots: Vec<usize> = stem.match_indices('.').map(|(place, _)| place).collect();
    dots.len().checked_sub(3).map_or(stem, |first| &stem[dots[first] + 1..])
}

/// The keys of an object and of the objects in it.
fn paths(values: &Map<String, Value>) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for (key, value) in values {
        all.push(vec![key.clone()]);
        if let Value::Object(inner) = value {
            all.extend(paths(inner).into_iter().map(|rest| [vec![key.clone()], rest].concat()));
        }
    }
    all
}

impl KeyDamage {
    fn apply(self, values: &mut Map<String, Value>, path: &[String]) {
        let (key, rest) = path.split_first().unwrap();
        if !rest.is_empty() {
            return self.apply(values[key].as_object_mut().unwrap(), rest);
        }
        let value = values[key].clone();
        let changed = match self {
            KeyDamage::Removed => {
                values.shift_remove(key);
                return;
            }
            KeyDamage::Null => Value::Null,
            KeyDamage::Negative => number(&value, json!(-1)),
            KeyDamage::Huge => number(&value, json!(1_u64 << 40)),
            KeyDamage::OtherType => match value {
                Value::String(_) => json!(7),
                Value::Object(_) => json!([7]),
                _ => json!("seven"),
            },
        };
        values.insert(key.clone(), changed);
    }
}

/// A number in place of a value, or of each one in a list.
fn number(value: &Value, number: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(vec![number; items.len()]),
        _ => number,
    }
}

/// The tensors of a safetensors file.
struct Tensors<'b> {
    entries: Vec<Entry<'b>>,
}

struct Entry<'b> {
    name: String,
    dtype: String,
    shape: Vec<u64>,
    data: &'b [u8],
}

impl<'b> Tensors<'b> {
    fn read(bytes: &'b [u8]) -> Self {
        let (length, rest) = bytes.split_first_chunk().unwrap();
        let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
        let header: Map<String, Value> = serde_json::from_slice(header).unwrap();
        let entries = header.into_iter().filter(|(name, _)| name != "__metadata__").map(|(name, entry)| {
            let numbers = |key: &str| {
                entry[key].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect::<Vec<_>>()
            };
            let ends = numbers("data_offsets");
            let data = &data[ends[0] as usize..ends[1] as usize];
            Entry { name, dtype: entry["dtype"].as_str().unwrap().to_owned(), shape: numbers("shape"), data }
        });
        Self { entries: entries.collect() }
    }

    /// The file with one tensor damaged.
    fn damaged(mut self, name: &str, damage: TensorDamage) -> Vec<u8> {
        let place = self.entries.iter().position(|entry| entry.name == name).unwrap();
        let entry = &mut self.entries[place];
        match damage {
            TensorDamage::Removed => {
                self.entries.remove(place);
            }
            TensorDamage::Renamed => entry.name.push_str(".other"),
            TensorDamage::Cut => {
                let rows = entry.shape.first().copied().unwrap_or(1);
                let kept = rows / 2;
                let row = entry.data.len() / rows.max(1) as usize;
                entry.shape = [&[kept], entry.shape.get(1..).unwrap_or_default()].concat();
                entry.data = &entry.data[..row * kept as usize];
            }
            TensorDamage::Reshaped => {
                let reversed: Vec<u64> = entry.shape.iter().rev().copied().collect();
                let longer = [&[1], &entry.shape[..]].concat();
                entry.shape = if reversed == entry.shape { longer } else { reversed };
            }
            TensorDamage::Retyped => {
                let elements = entry.shape.iter().product::<u64>().max(1);
                let other = match entry.data.len() as u64 / elements {
                    1 if entry.dtype == "U8" => "I8",
                    1 => "U8",
                    2 => "I16",
                    4 if entry.dtype == "I32" => "F32",
                    4 => "I32",
                    _ if entry.dtype == "I64" => "F64",
                    _ => "I64",
                };
                entry.dtype = other.to_owned();
            }
        }
        self.write()
    }

    fn write(&self) -> Vec<u8> {
        let mut header = Map::new();
        let mut end = 0;
        for entry in &self.entries {
            let begin = end;
            end += entry.data.len();
            let value = json!({"dtype": entry.dtype, "shape": entry.shape, "data_offsets": [begin, end]});
            header.insert(entry.name.clone(), value);
        }
        let header = Value::Object(header).to_string().into_bytes();
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header);
        self.entries.iter().for_each(|entry| bytes.extend_from_slice(entry.data));
        bytes
    }
}
