//! Lean cases: a case of a family holds no weights but their names, types and shapes; the numbers follow from
//! the names. What the reference converter makes of them is in the case.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ollamake::convert::{self, OutputType};
use ollamake::gguf::Gguf;
use serde_json::{Map, Value as Json, json};

use super::Files;
use super::cases::is_narrowed_out;
use super::checkpoint::execute;
use super::comparison::compare;
use crate::support::files::fixture;

/// The case that has the vocabulary of eight tokens, which is not repeated.
const TINY: &str = "compressed-tensors-blocks";

#[test]
fn lean_cases_are_as_the_reference_converts_them() {
    let mut different = Vec::new();
    for entry in fs::read_dir(fixture("families")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_none_or(|extension| extension != "json") || is_narrowed_out(&name) {
            continue;
        }
        let case = fs::read_to_string(&path).unwrap().replace("-Infinity", "null");
        let case: Json = serde_json::from_str(&case).unwrap();
        let found = differences(&case);
        found.iter().take(8).for_each(|difference| println!("{name}: {difference}"));
        if !found.is_empty() {
            different.push(name);
        }
    }
    assert!(different.is_empty(), "lean cases that differ: {different:?}");
}

fn differences(case: &Json) -> Vec<String> {
    let files = files(case);
    let made = convert::checkpoint(&files.sources(), OutputType::Auto).map_err(|error| error.to_string());
    let made = made.and_then(|conversion| conversion.model.ok_or_else(|| "there is no model".to_owned()));
    let made = made.and_then(|plan| execute(&plan, &files).map_err(|error| error.to_string()));
    match made {
        Ok(bytes) => compare(&Gguf::parse(&bytes).unwrap(), &bytes, &case["expected"], true, false),
        Err(reason) => vec![reason],
    }
}

/// The files of the checkpoint.
fn files(case: &Json) -> Files {
    let mut files = Files::default();
    for (name, contents) in case["files"].as_object().unwrap() {
        let bytes = match contents {
            Json::Null => fs::read(fixture("conversion").join(TINY).join(name)).unwrap(),
            Json::String(text) => STANDARD.decode(text).unwrap(),
            json => serde_json::to_vec(json).unwrap(),
        };
        files.0.push((name.clone(), bytes));
    }
    files.0.push(("model.safetensors".to_owned(), safetensors(case["tensors"].as_object().unwrap())));
    files
}

/// A file with these tensors, whose names are in order.
fn safetensors(tensors: &Map<String, Json>) -> Vec<u8> {
    let (mut header, mut data) = (Map::new(), Vec::new());
    for (name, tensor) in tensors {
        let (dtype, shape) = (tensor[0].as_str().unwrap(), &tensor[1]);
        let count = shape.as_array().unwrap().iter().map(|length| length.as_u64().unwrap()).product();
        let start = data.len();
        data.extend(stored(name, dtype, count));
        let entry = json!({"dtype": dtype, "shape": shape, "data_offsets": [start, data.len()]});
        header.insert(name.clone(), entry);
    }
    let header = serde_json::to_vec(&header).unwrap();
    [&(header.len() as u64).to_le_bytes()[..], &header, &data].concat()
}

/// Numbers of either sign between 2⁻⁹ and ½, of which exponent and mantissa come from one whole number each.
fn stored(name: &str, dtype: &str, count: u64) -> Vec<u8> {
    let mut state =
        name.bytes().fold(FNV_BASIS, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME));
    let numbers = (0..count).map(|_| split_mix(&mut state));
    match dtype {
        "F32" => {
            let bits = |n: u64| ((n & 1) << 31 | (118 + (n >> 1 & 7)) << 23 | n >> 4 & 0x7f_ffff) as u32;
            numbers.flat_map(|n| bits(n).to_le_bytes()).collect()
        }
        _ => {
            let (bias, length) = if dtype == "BF16" { (118, 7) } else { (6, 10) };
            let mantissa = (1 << length) - 1;
            let bits = |n: u64| ((n & 1) << 15 | (bias + (n >> 1 & 7)) << length | n >> 4 & mantissa) as u16;
            numbers.flat_map(|n| bits(n).to_le_bytes()).collect()
        }
    }
}

const FNV_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x100_0000_01b3;

/// The next number of SplitMix64.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ *state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}
