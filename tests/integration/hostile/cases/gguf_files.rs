//! GGUF files that lie about themselves.

use ollamake::gguf::{Header, Metadata, TensorDescription, Value};
use ollamake::tensor::{ElementType, Shape};
use serde_json::json;

use super::raw_gguf::{Raw, one_entry, one_tensor};
use super::{Case, Input};

const FILE: &str = "m.gguf";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |row: &'static str, name: &str, raw: Raw, says: &[&str]| {
        cases.push(Case::file(row, name, FILE, raw.0, says));
    };
    let key = |value_type: u32, value: fn(Raw) -> Raw| one_entry("k", value_type, value);

    add("gguf-truncation", "the magic number alone", Raw(b"GGUF".to_vec()), &["byte 4"]);
    let whole = model(1_u32.into()).0;
    for part in [8, 3, 2] {
        let cut = Raw(whole[..whole.len() - whole.len() / part].to_vec());
        add("gguf-truncation", &format!("without its last {part}th"), cut, &[]);
    }

    for (name, length) in [("2^64-1", u64::MAX), ("2^63", 1 << 63), ("2^32", 1 << 32)] {
        add(
            "gguf-lengths",
            &format!("a text of {name}"),
            Raw::header(3, 0, 1).entry("k", 8).u64(length).data(),
            &["k"],
        );
        let array = Raw::header(3, 0, 1).entry("k", 9).u32(8).u64(length).data();
        add("gguf-lengths", &format!("{name} texts"), array, &["k"]);
        add("gguf-lengths", &format!("a key of {name}"), Raw::header(3, 0, 1).u64(length).data(), &["key"]);
    }
    add(
        "gguf-counts",
        "2^64-1 tensors in 36 bytes",
        Raw::header(3, u64::MAX, 0).bytes(&[0; 12]),
        &["tensors"],
    );
    add(
        "gguf-counts",
        "2^61 pairs in 36 bytes",
        Raw::header(3, 0, 1 << 61).bytes(&[0; 12]),
        &["key-value pairs"],
    );
    let pairs =
        (0..40_000_u32).fold(Raw::header(3, 0, 40_001), |raw, i| raw.entry(&format!("{i:x}"), 0).bytes(&[1]));
    add("gguf-counts", "40,000 pairs and one that is missing", pairs, &["key"]);
    let tensors =
        (0..20_000_u32).fold(Raw::header(3, 20_001, 0), |raw, i| raw.tensor(&format!("{i:x}"), &[1], 0, 0));
    add("gguf-counts", "20,000 tensors and one that is missing", tensors, &["tensor"]);

    let nested = (0..10_000).fold(Raw::header(3, 0, 1).entry("k", 9), |raw, _| raw.u32(9).u64(1));
    add("gguf-arrays", "10,000 arrays in each other", nested, &["array"]);
    add("gguf-arrays", "of an unknown type", key(9, |raw| raw.u32(13).u64(1)), &["13"]);
    add("gguf-arrays", "64 Mi bytes that are not there", key(9, |raw| raw.u32(0).u64(64 << 20)), &["k"]);
    let empty_texts = Raw::header(3, 0, 1).entry("k", 9).u32(8).u64(130_001).bytes(&vec![0; 8 * 130_000]);
    add("gguf-arrays", "130,000 empty texts and one that is missing", empty_texts, &["k"]);

    for alignment in [0, 3, 1 << 31] {
        let raw = Raw::header(3, 0, 1).entry("general.alignment", 4).u32(alignment).data();
        add("gguf-alignment", &alignment.to_string(), raw, &["alignment"]);
    }

    let rank = |rank: u32| Raw::header(3, 1, 0).string(b"t").u32(rank).data();
    for (name, raw) in [
        ("no dimension", rank(0)),
        ("5 dimensions", one_tensor("t", &[1; 5], 0, 0)),
        ("2^32-1 dimensions", rank(u32::MAX)),
        ("a dimension of 0", one_tensor("t", &[4, 0], 0, 0)),
        ("a dimension of -1", one_tensor("t", &[u64::MAX, 2], 0, 0)),
        ("a product beyond 64 bits", one_tensor("t", &[1 << 33, 1 << 33], 0, 0)),
        ("a row of partial blocks", one_tensor("t", &[33, 2], 8, 0)),
        ("an unknown element type", one_tensor("t", &[4], 99, 0)),
    ] {
        add("gguf-shapes", name, raw, &["tensor"]);
    }

    let two = |first: &[u64], second: u64| {
        Raw::header(3, 2, 0).tensor("a", first, 0, 0).tensor("b", &[4], 0, second).data()
    };
    let sum = Raw::header(3, 2, 0).tensor("a", &[1 << 61], 0, 0).tensor("b", &[1 << 61], 0, 1 << 63).data();
    for (name, raw) in [
        ("a sum of sizes beyond 64 bits", sum),
        ("a size past the end", one_tensor("a", &[2000], 0, 0)),
        ("an offset past the end", one_tensor("a", &[4], 0, 1 << 40)),
        ("overlapping tensors", two(&[40], 0)),
        ("an unaligned offset", two(&[4], 16)),
    ] {
        add("gguf-data", name, raw, &[]);
    }

    let twice = Raw::header(3, 0, 2).entry("k", 0).bytes(&[1]).entry("k", 0).bytes(&[1]).data();
    add("gguf-names", "a key twice", twice, &["k"]);
    let twice = Raw::header(3, 2, 0).tensor("t", &[4], 0, 0).tensor("t", &[4], 0, 32).data();
    add("gguf-names", "a tensor twice", twice, &["t"]);
    add("gguf-names", "65 bytes", one_tensor(&"n".repeat(65), &[4], 0, 0), &["65"]);
    add("gguf-names", "not UTF-8", Raw::header(3, 1, 0).string(b"\xc3\x28").data(), &["UTF-8"]);

    for (name, raw) in [
        ("0", Raw::header(0, 0, 0)),
        ("1", Raw::header(1, 0, 0)),
        ("4", Raw::header(4, 0, 0)),
        ("big-endian", Raw(b"FUGG\0\0\0\x03".to_vec())),
    ] {
        add("gguf-versions", name, raw, &[]);
    }

    cases.extend(quantized());
    cases.extend(shards());
    cases
}

/// A model with this `llama.block_count` that can be quantized.
fn model(blocks: Value) -> Raw {
    let metadata = Metadata::from_iter([
        ("general.architecture", Value::from("llama")),
        ("general.file_type", 0_u32.into()),
        ("llama.block_count", blocks),
    ]);
    file(&metadata, "blk.0.ffn_down.weight")
}

fn file(metadata: &Metadata, tensor: &str) -> Raw {
    let shape = Shape::new(&[256, 4]).expect("a shape");
    let tensor = TensorDescription { name: tensor, shape, element_type: ElementType::F32 };
    let header = Header::new(metadata, &[tensor]).expect("a header");
    let mut bytes = header.bytes().to_vec();
    bytes.resize(header.file_length() as usize, 0);
    Raw(bytes)
}

/// What is found out when the weights are to be quantized.
fn quantized() -> Vec<Case> {
    let case = |row: &'static str, name: &str, Raw(bytes): Raw, says: &[&str]| {
        let input =
            Input::Create { files: vec![(FILE.to_owned(), bytes)], fields: json!({"quantize": "q8_0"}) };
        Case::new(row, name, input, 400, says)
    };
    let mut cases = Vec::new();
    for (name, blocks) in [
        ("no block", Value::from(0_u32)),
        ("513 blocks", 513_u32.into()),
        ("2^32-1 blocks", u32::MAX.into()),
        ("-1 blocks", (-1_i32).into()),
        ("blocks as text", "8".into()),
    ] {
        cases.push(case("gguf-keys", name, model(blocks), &["llama.block_count"]));
    }
    let nameless = Metadata::from_iter([("llama.block_count", 1_u32)]);
    cases.push(case("gguf-keys", "no architecture", file(&nameless, "t"), &["general.architecture"]));
    for (name, value) in [("NaN", f32::NAN), ("infinity", f32::INFINITY), ("-infinity", f32::NEG_INFINITY)] {
        let mut raw = model(1_u32.into());
        let place = raw.0.len() - 400;
        raw.0[place..place + 4].copy_from_slice(&value.to_le_bytes());
        cases.push(case("gguf-numbers", name, raw, &["blk.0.ffn_down.weight"]));
    }
    cases
}

fn shards() -> Vec<Case> {
    let shard = |number: u16, count: u16, tensor: &str| {
        let metadata = Metadata::from_iter([
            ("general.architecture", Value::from("llama")),
            ("split.no", number.into()),
            ("split.count", count.into()),
            ("split.tensors.count", 2_i32.into()),
        ]);
        file(&metadata, tensor).0
    };
    let case = |name: &str, shards: Vec<Vec<u8>>| {
        let named = |(index, bytes)| (format!("m-{:05}-of-00002.gguf", index + 1), bytes);
        let files = shards.into_iter().enumerate().map(named).collect();
        Case::new("gguf-shards", name, Input::Create { files, fields: json!({}) }, 400, &["split"])
    };
    vec![
        case("one is missing", vec![shard(0, 2, "a")]),
        case("two with one number", vec![shard(0, 2, "a"), shard(0, 2, "b")]),
        case("counts that disagree", vec![shard(0, 2, "a"), shard(1, 3, "b")]),
        case("65,535 of which two are there", vec![shard(0, 65_535, "a"), shard(1, 65_535, "b")]),
    ]
}
