//! The GGUF reader and writer: files of other programs, round trips, and hostile input.

use ollamake::gguf::{Gguf, GgufError, Header, Metadata, TensorDescription, Value, ValueRef, ValueType};
use ollamake::plan::{Plan, Resources, Shard, ShardError, Source, SourceDescription};
use ollamake::tensor::{ElementType, Shape, TensorError};
use proptest::prelude::*;

use crate::hostile::cases::raw_gguf::{Raw, one_entry, one_tensor};
use crate::support::files;

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(files::fixture(name)).unwrap()
}

const FIXTURES: [&str; 5] = [
    "gguf/every-value-type.gguf",
    "gguf/tiny-00001-of-00003.gguf",
    "gguf/tiny-00002-of-00003.gguf",
    "gguf/tiny-00003-of-00003.gguf",
    "quantize/tiny-align32-odd-f16.gguf",
];

/// The file that a writer makes of what a reader found.
fn written_again(bytes: &[u8]) -> Result<Vec<u8>, GgufError> {
    let file = Gguf::parse(bytes)?;
    let tensors: Vec<_> = file
        .tensors()
        .iter()
        .map(|tensor| TensorDescription {
            name: tensor.name,
            shape: tensor.shape,
            element_type: tensor.element_type,
        })
        .collect();
    let header = Header::new(&file.metadata(), &tensors)?;
    let mut copy = header.bytes().to_vec();
    for (tensor, range) in file.tensors().iter().zip(header.data()) {
        copy.resize(range.start as usize, 0);
        copy.extend_from_slice(&bytes[tensor.data.start as usize..tensor.data.end as usize]);
    }
    copy.resize(header.file_length() as usize, 0);
    Ok(copy)
}

#[test]
fn a_header_that_does_not_end_is_refused() {
    let mut file = one_entry("k", 9, |raw| raw.u32(0).u64(300 << 20)).0;
    file.resize(400 << 20, 0);
    let refused = Gguf::parse(&file).unwrap_err();
    assert!(matches!(refused, GgufError::HeaderLength { .. }), "{refused}");
}

#[test]
fn files_of_other_programs_are_read_and_written_byte_for_byte() {
    for name in FIXTURES {
        let bytes = fixture(name);
        assert!(written_again(&bytes).unwrap() == bytes, "{name}");
        let mut version_2 = bytes.clone();
        version_2[4] = 2;
        assert_eq!(Gguf::parse(&version_2).unwrap().version(), 2);
        assert!(written_again(&version_2).unwrap() == bytes, "{name}");
    }
}

#[test]
fn every_value_is_what_it_was_given_as() {
    let bytes = fixture("gguf/every-value-type.gguf");
    let file = Gguf::parse(&bytes).unwrap();
    let expected: Vec<(&str, Value)> = vec![
        ("general.architecture", "llama".into()),
        ("t.u8", 200_u8.into()),
        ("t.i8", (-100_i8).into()),
        ("t.u16", 60_000_u16.into()),
        ("t.i16", (-30_000_i16).into()),
        ("t.u32", 4_000_000_000_u32.into()),
        ("t.i32", (-2_000_000_000_i32).into()),
        ("t.f32", 0.1_f32.into()),
        ("t.bool", true.into()),
        ("t.string", "grüße, 世界".into()),
        ("t.u64", ((1_u64 << 63) + 5).into()),
        ("t.i64", (-1_i64 << 62).into()),
        ("t.f64", 0.1_f64.into()),
        ("a.u8", vec![1_u8, 2, 255].into()),
        ("a.i8", vec![-1_i8, 2].into()),
        ("a.u16", vec![1_u16, 65_535].into()),
        ("a.i16", vec![-1_i16, 7].into()),
        ("a.u32", vec![1_u32, u32::MAX].into()),
        ("a.i32", vec![-1_i32, 7, 8].into()),
        ("a.f32", vec![0.5_f32, -0.25].into()),
        ("a.bool", vec![true, false, true].into()),
        ("a.string", ["a", "", "grün"].map(str::to_owned).to_vec().into()),
        ("a.u64", vec![u64::MAX].into()),
        ("a.i64", vec![i64::MIN].into()),
        ("a.f64", vec![1e300_f64, -0.0].into()),
    ];
    assert_eq!(file.metadata(), Metadata::from_iter(expected));
    assert_eq!(file.get("t.u16").and_then(ValueRef::as_u64), Some(60_000));
    assert_eq!(file.get("t.i8").and_then(ValueRef::as_u64), None);
    let strings = file.get("a.string").and_then(ValueRef::as_array).unwrap();
    assert!(strings.strings().eq(["a", "", "grün"]));
    assert_eq!((strings.element_type(), strings.len()), (ValueType::String, 3));

    let shapes: Vec<_> =
        file.tensors().iter().map(|t| (t.name, t.element_type, t.shape.to_string())).collect();
    let expected = [
        ("scalar_like", ElementType::F32, "[1]"),
        ("vector", ElementType::F32, "[7]"),
        ("matrix.weight", ElementType::F16, "[5, 3]"),
        ("cube", ElementType::F32, "[4, 3, 2]"),
        ("four", ElementType::F16, "[3, 2, 2, 2]"),
        ("indices", ElementType::I32, "[5]"),
        ("blocks.weight", ElementType::Q8_0, "[64, 2]"),
    ];
    assert_eq!(shapes, expected.map(|(name, element_type, shape)| (name, element_type, shape.to_owned())));
    let indices = file.tensor("indices").unwrap().data.clone();
    assert_eq!(bytes[indices.start as usize..][..8], [0, 0, 0, 0, 1, 0, 0, 0]);
}

#[test]
fn every_truncation_is_an_error_or_lacks_only_padding() {
    for name in ["gguf/every-value-type.gguf", "gguf/tiny-00003-of-00003.gguf"] {
        let bytes = fixture(name);
        let file = Gguf::parse(&bytes).unwrap();
        let data_end = file.tensors().iter().map(|tensor| tensor.data.end).max().unwrap();
        for length in 0..bytes.len() {
            let parsed = Gguf::parse(&bytes[..length]);
            assert_eq!(parsed.is_ok(), length as u64 >= data_end, "{name} {length}");
        }
    }
}

#[test]
fn every_flipped_byte_of_a_header_is_an_error_or_a_valid_model() {
    let bytes = fixture("gguf/every-value-type.gguf");
    let header = Gguf::parse(&bytes).unwrap().header_length() as usize;
    let mut valid = 0;
    for position in 0..header {
        for change in 1..=255 {
            let mut changed = bytes.clone();
            changed[position] ^= change;
            if Gguf::parse(&changed).is_ok() {
                // What is valid can be written, and is then the same again.
                let copy = written_again(&changed).unwrap();
                assert!(written_again(&copy).unwrap() == copy);
                valid += 1;
            }
        }
    }
    println!("{valid} of {} flips are valid models", header * 255);
    assert!(valid > 0);
}

impl Raw {
    fn refused(&self) -> GgufError {
        Gguf::parse(&self.0).unwrap_err()
    }
}

macro_rules! refuses {
    ($($name:ident: $raw:expr => $error:pat,)*) => {$(
        #[test]
        fn $name() {
            let error = $raw.refused();
            assert!(matches!(error, $error), "{error:?}");
            assert!(!error.to_string().is_empty());
        }
    )*};
}

refuses! {
    the_four_bytes_of_magic_and_nothing_else: Raw(b"GGUF".to_vec()) => GgufError::Truncated { offset: 4, .. },
    nothing_at_all: Raw(Vec::new()) => GgufError::Magic { .. },
    another_format: Raw(b"PK\x03\x04....".to_vec()) => GgufError::Magic { .. },
    version_0: Raw::header(0, 0, 0) => GgufError::Version { got: 0 },
    version_1: Raw::header(1, 0, 0) => GgufError::Version1,
    version_4: Raw::header(4, 0, 0) => GgufError::Version { got: 4 },
    big_endian_version: Raw::header(3 << 24, 0, 0) => GgufError::BigEndian,
    big_endian_magic: Raw(b"FUGG\0\0\0\x03".to_vec()) => GgufError::BigEndian,

    string_of_2_to_the_64_minus_1:
        one_entry("k", 8, |raw| raw.u64(u64::MAX))
            => GgufError::Truncated { needed: u64::MAX, .. },
    string_of_2_to_the_63: one_entry("k", 8, |raw| raw.u64(1 << 63)) => GgufError::Truncated { .. },
    string_of_2_to_the_32: one_entry("k", 8, |raw| raw.u64(1 << 32)) => GgufError::Truncated { .. },
    key_of_2_to_the_64_minus_1: Raw::header(3, 0, 1).u64(u64::MAX).data() => GgufError::Truncated { .. },
    name_of_2_to_the_64_minus_1: Raw::header(3, 1, 0).u64(u64::MAX).data() => GgufError::Truncated { .. },
    array_of_2_to_the_64_minus_1:
        one_entry("k", 9, |raw| raw.u32(4).u64(u64::MAX))
            => GgufError::Truncated { needed: u64::MAX, .. },
    array_of_2_to_the_62_times_4_bytes:
        one_entry("k", 9, |raw| raw.u32(4).u64(1 << 62))
            => GgufError::Truncated { .. },
    array_of_2_to_the_32_strings:
        one_entry("k", 9, |raw| raw.u32(8).u64(1 << 32))
            => GgufError::Truncated { .. },
    array_of_64_mi_bytes_in_a_small_file:
        one_entry("k", 9, |raw| raw.u32(0).u64(64 << 20))
            => GgufError::Truncated { .. },
    array_of_strings_that_ends_early:
        one_entry("k", 9, |raw| raw.u32(8).u64(3).string(b"a").u64(1 << 40))
            => GgufError::Truncated { .. },

    huge_number_of_tensors:
        Raw::header(3, u64::MAX, 0).bytes(&[0; 12])
            => GgufError::Count { what: "tensors", .. },
    huge_number_of_pairs:
        Raw::header(3, 0, 1 << 61).bytes(&[0; 12])
            => GgufError::Count { what: "key-value pairs", .. },
    more_tensors_than_fit: Raw::header(3, 200, 0).data() => GgufError::Count { got: 200, limit: 124, .. },

    array_of_arrays:
        one_entry("k", 9, |raw| raw.u32(9).u64(1).u32(9).u64(1))
            => GgufError::NestedArray { offset: 37, .. },
    array_of_an_unknown_type:
        one_entry("k", 9, |raw| raw.u32(13).u64(1))
            => GgufError::UnknownValueType { got: 13, .. },
    value_of_an_unknown_type:
        one_entry("k", u32::MAX, |raw| raw)
            => GgufError::UnknownValueType { got: u32::MAX, .. },
    bool_of_2: one_entry("k", 7, |raw| raw.bytes(&[2])) => GgufError::Bool { got: 2, .. },
    bool_of_255_in_an_array:
        one_entry("k", 9, |raw| raw.u32(7).u64(3).bytes(&[1, 0, 255]))
            => GgufError::Bool { got: 255, offset: 51, .. },

    alignment_0: one_entry("general.alignment", 4, |raw| raw.u32(0)) => GgufError::Alignment { got: 0 },
    alignment_3: one_entry("general.alignment", 4, |raw| raw.u32(3)) => GgufError::Alignment { got: 3 },
    alignment_2_to_the_31:
        one_entry("general.alignment", 4, |raw| raw.u32(1 << 31))
            => GgufError::Alignment { .. },
    alignment_of_another_type:
        one_entry("general.alignment", 10, |raw| raw.u64(32))
            => GgufError::KeyType { got: ValueType::U64, .. },

    no_dimension: one_tensor("t", &[], 0, 0) => GgufError::Shape { reason: TensorError::Rank { got: 0 }, .. },
    five_dimensions:
        one_tensor("t", &[1; 5], 0, 0)
            => GgufError::Shape { reason: TensorError::Rank { got: 5 }, .. },
    four_billion_dimensions:
        Raw::header(3, 1, 0).string(b"t").u32(u32::MAX).data()
            => GgufError::Shape { reason: TensorError::Rank { .. }, .. },
    dimension_0:
        one_tensor("t", &[4, 0], 0, 0)
            => GgufError::Shape { reason: TensorError::EmptyDimension { index: 1 }, .. },
    negative_dimension:
        one_tensor("t", &[u64::MAX, 2], 0, 0)
            => GgufError::Shape { reason: TensorError::TooLarge { .. }, .. },
    negative_dimension_alone:
        one_tensor("t", &[u64::MAX], 0, 0)
            => GgufError::Shape { reason: TensorError::TooLarge { .. }, .. },
    product_of_dimensions_overflows:
        one_tensor("t", &[1 << 33, 1 << 33], 0, 0)
            => GgufError::Shape { reason: TensorError::TooLarge { .. }, .. },
    row_of_partial_blocks:
        one_tensor("t", &[33, 2], 8, 0)
            => GgufError::Shape { reason: TensorError::PartialBlock { columns: 33, .. }, .. },
    unknown_element_type: one_tensor("t", &[4], 99, 0) => GgufError::UnknownElementType { got: 99, .. },
    withdrawn_element_type: one_tensor("t", &[32], 4, 0) => GgufError::UnknownElementType { got: 4, .. },
    sum_of_sizes_overflows:
        Raw::header(3, 2, 0).tensor("a", &[1 << 61], 0, 0).tensor("b", &[1 << 61], 0, 1 << 63).data()
            => GgufError::DataPastEnd { .. },
    size_and_padding_overflow: one_tensor("t", &[(1 << 62) - 1], 0, 0) => GgufError::DataTooLarge { .. },
    data_past_the_end: one_tensor("t", &[2000], 0, 0) => GgufError::DataPastEnd { needed: 8000, .. },
    offset_past_the_end: one_tensor("t", &[4], 0, 1 << 40) => GgufError::DataOffset { expected: 0, .. },
    unaligned_offset:
        Raw::header(3, 2, 0).tensor("a", &[4], 0, 0).tensor("b", &[4], 0, 16).data()
            => GgufError::DataOffset { got: 16, expected: 32, .. },
    overlapping_data:
        Raw::header(3, 2, 0).tensor("a", &[40], 0, 0).tensor("b", &[4], 0, 0).data()
            => GgufError::DataOffset { got: 0, expected: 160, .. },

    duplicate_key:
        Raw::header(3, 0, 2).entry("k", 0).bytes(&[1]).entry("k", 0).bytes(&[1]).data()
            => GgufError::DuplicateKey { offset: 38, .. },
    duplicate_tensor:
        Raw::header(3, 2, 0).tensor("t", &[4], 0, 0).tensor("t", &[4], 0, 32).data()
            => GgufError::DuplicateTensor { .. },
    name_of_65_bytes: one_tensor(&"n".repeat(65), &[4], 0, 0) => GgufError::NameLength { got: 65, .. },
    name_of_64_bytes: one_tensor(&"n".repeat(64), &[4], 0, 0) => GgufError::NameLength { got: 64, .. },
    empty_name: one_tensor("", &[4], 0, 0) => GgufError::NameLength { got: 0, .. },
    empty_key: one_entry("", 0, |raw| raw.bytes(&[1])) => GgufError::EmptyKey { offset: 24 },
    key_of_65_536_bytes:
        one_entry(&"k".repeat(65_536), 0, |raw| raw.bytes(&[1]))
            => GgufError::KeyLength { got: 65_536, .. },
    key_that_is_not_utf8:
        Raw::header(3, 0, 1).string(b"\xff\xfe").u32(0).data()
            => GgufError::Utf8 { offset: 32, .. },
    name_that_is_not_utf8: Raw::header(3, 1, 0).string(b"\xc3\x28").data() => GgufError::Utf8 { .. },
    text_that_is_not_utf8: one_entry("k", 8, |raw| raw.string(b"\x80")) => GgufError::Utf8 { .. },
    token_that_is_not_utf8:
        one_entry("k", 9, |raw| raw.u32(8).u64(1).string(b"\x80"))
            => GgufError::Utf8 { .. },
}

#[test]
fn what_is_at_the_limit_is_accepted() {
    let longest = "n".repeat(63);
    assert!(Gguf::parse(&one_tensor(&longest, &[4], 0, 0).0).is_ok());
    let aligned = one_entry("general.alignment", 4, |raw| raw.u32(8));
    assert_eq!(Gguf::parse(&aligned.0).unwrap().alignment(), 8);
    // A file without tensors needs no data section and no padding before it.
    assert!(Gguf::parse(&Raw::header(3, 0, 0).0).is_ok());
}

#[test]
fn models_of_impossible_depth_are_refused() {
    let with = |value: Value| {
        Metadata::from_iter([("general.architecture", Value::from("llama")), ("llama.block_count", value)])
            .block_count()
    };
    assert_eq!(with(32_u32.into()), Ok(32));
    assert_eq!(with(7_u64.into()), Ok(7));
    for count in [0, 513, u32::MAX] {
        assert!(matches!(with(count.into()), Err(GgufError::BlockCount { got, .. }) if got == count));
    }
    assert!(matches!(with((-1_i32).into()), Err(GgufError::KeyType { got: ValueType::I32, .. })));
    assert!(matches!(with("8".into()), Err(GgufError::KeyType { got: ValueType::String, .. })));
    assert!(matches!(Metadata::new().block_count(), Err(GgufError::MissingKey { .. })));
}

#[test]
fn files_that_could_not_be_read_are_not_written() {
    let shape = Shape::new(&[33]).unwrap();
    let tensor = |name, element_type| TensorDescription { name, shape, element_type };
    let none = Metadata::new();
    let refused = |tensors: &[TensorDescription<'_>]| Header::new(&none, tensors).unwrap_err();
    let plain = tensor("t", ElementType::F32);
    assert!(matches!(refused(&[plain, plain]), GgufError::DuplicateTensor { .. }));
    assert!(matches!(refused(&[tensor("", ElementType::F32)]), GgufError::NameLength { got: 0, .. }));
    let long = "n".repeat(64);
    assert!(matches!(refused(&[tensor(&long, ElementType::F32)]), GgufError::NameLength { got: 64, .. }));
    assert!(matches!(refused(&[tensor("t", ElementType::Q8_0)]), GgufError::Shape { .. }));
    let odd = Metadata::from_iter([("general.alignment", 24_u32)]);
    assert_eq!(Header::new(&odd, &[]), Err(GgufError::Alignment { got: 24 }));
    let empty = Metadata::from_iter([("", 24_u32)]);
    assert!(matches!(Header::new(&empty, &[]), Err(GgufError::EmptyKey { .. })));
}

fn any_value() -> impl Strategy<Value = Value> {
    let some = |range| proptest::collection::vec(range, 0..5);
    prop_oneof![
        any::<u8>().prop_map(Value::from),
        any::<i16>().prop_map(Value::from),
        any::<u32>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        some(any::<u8>()).prop_map(Value::from),
        proptest::collection::vec(any::<i32>(), 0..5).prop_map(Value::from),
        proptest::collection::vec(any::<bool>(), 0..5).prop_map(Value::from),
        proptest::collection::vec(-1e9..1e9_f32, 0..5).prop_map(Value::from),
        proptest::collection::vec(".{0,9}", 0..5).prop_map(Value::from),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        pairs in proptest::collection::btree_map("[a-z.]{1,20}", any_value(), 0..8),
        shapes in proptest::collection::vec(proptest::collection::vec(1..5_u64, 1..5), 0..6),
        alignment in proptest::option::of(0..8_u32),
    ) {
        let mut metadata = Metadata::from_iter(pairs);
        if let Some(power) = alignment {
            metadata.set("general.alignment", 1_u32 << power);
        }
        let names: Vec<String> = (0..shapes.len()).map(|index| format!("blk.{index}.weight")).collect();
        let tensors: Vec<_> = names.iter().zip(&shapes).map(|(name, shape)| TensorDescription {
            name,
            shape: Shape::new(shape).unwrap(),
            element_type: ElementType::F16,
        }).collect();
        let header = Header::new(&metadata, &tensors).unwrap();
        let mut bytes = header.bytes().to_vec();
        bytes.resize(header.file_length() as usize, 0);
        let file = Gguf::parse(&bytes).unwrap();
        prop_assert_eq!(file.metadata(), metadata);
        for ((read, written), range) in file.tensors().iter().zip(&tensors).zip(header.data()) {
            prop_assert_eq!((read.name, read.shape, &read.data), (written.name, written.shape, range));
        }
    }

    #[test]
    fn any_bytes_are_an_error_or_a_model(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Gguf::parse(&bytes);
        let _ = Gguf::parse(&Raw::header(3, 1, 2).bytes(&bytes).0);
    }

    #[test]
    fn any_changes_of_a_valid_file_are_an_error_or_a_model(
        changes in proptest::collection::vec((0..1600_usize, any::<u8>()), 1..12),
    ) {
        let mut bytes = fixture("gguf/every-value-type.gguf");
        for (position, value) in changes {
            bytes[position] = value;
        }
        if let Ok(file) = Gguf::parse(&bytes) {
            let inside = file.tensors().iter().all(|tensor| tensor.data.end <= bytes.len() as u64);
            prop_assert!(inside);
        }
    }
}

fn shards(files: &[Vec<u8>]) -> Vec<Shard<'_>> {
    files
        .iter()
        .enumerate()
        .map(|(index, bytes)| Shard {
            description: SourceDescription { label: format!("shard {index}"), length: bytes.len() as u64 },
            file: Gguf::parse(bytes).unwrap(),
        })
        .collect()
}

fn split_files() -> Vec<Vec<u8>> {
    (1..=3).map(|number| fixture(&format!("gguf/tiny-0000{number}-of-00003.gguf"))).collect()
}

/// The same file with a key changed.
fn with_key(bytes: &[u8], key: &str, value: impl Into<Value>) -> Vec<u8> {
    let file = Gguf::parse(bytes).unwrap();
    let source = SourceDescription { label: "shard".into(), length: bytes.len() as u64 };
    let mut plan = Plan::copying(&file, source).unwrap();
    plan.metadata.set(key, value);
    let mut changed = Vec::new();
    plan.execute(&[&bytes.to_vec() as &dyn Source], &mut changed, Resources::default(), &()).unwrap();
    changed
}

#[test]
fn shards_in_any_order_give_the_file_that_was_split() {
    let whole = fixture("quantize/tiny-align32-odd-f16.gguf");
    let files = split_files();
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0], [2, 1, 0]] {
        let files: Vec<_> = order.map(|index| files[index].clone()).to_vec();
        let shards = shards(&files);
        assert!(shards.iter().all(|shard| Plan::is_shard(&shard.file)));
        let plan = Plan::joining(&shards).unwrap();
        let sources: Vec<&dyn Source> = files.iter().map(|file| file as &dyn Source).collect();
        let mut joined = Vec::new();
        plan.execute(&sources, &mut joined, Resources::default(), &()).unwrap();
        assert!(joined == whole);
    }
    assert!(!Plan::is_shard(&Gguf::parse(&whole).unwrap()));
}

#[test]
fn shards_that_do_not_make_up_a_model_are_refused() {
    let files = split_files();
    let refused = |files: &[Vec<u8>]| Plan::joining(&shards(files)).unwrap_err();
    assert_eq!(refused(&[]), ShardError::NoFile);
    assert_eq!(refused(&files[..2]), ShardError::Missing { missing: 1, count: 3, first: 2 });
    assert_eq!(refused(&files[1..]), ShardError::Missing { missing: 1, count: 3, first: 0 });
    let twice = [files[0].clone(), files[1].clone(), files[1].clone()];
    assert!(matches!(refused(&twice), ShardError::Duplicate { number: 1, .. }));
    let four = with_key(&files[2], "split.count", 4_u16);
    let disagree = [files[0].clone(), files[1].clone(), four];
    assert!(matches!(refused(&disagree), ShardError::CountDisagrees { got: 4, expected: 3, .. }));
    let vast = with_key(&files[0], "split.count", u16::MAX);
    assert!(matches!(refused(&[vast]), ShardError::TooMany { count: 65_535, .. }));
    let many = with_key(&files[0], "split.count", 1000_u16);
    assert_eq!(refused(&[many]), ShardError::Missing { missing: 999, count: 1000, first: 1 });
    let beyond = with_key(&files[2], "split.no", 3_u16);
    let number = refused(&[files[0].clone(), files[1].clone(), beyond]);
    assert!(matches!(number, ShardError::Number { got: 3, count: 3, .. }));
    let text = with_key(&files[0], "split.no", "first");
    assert!(matches!(refused(&[text]), ShardError::Key { .. }));
    let fewer = with_key(&files[0], "split.tensors.count", 7_i32);
    let count = refused(&[fewer, files[1].clone(), files[2].clone()]);
    assert_eq!(count, ShardError::TensorCount { got: 8, expected: 7 });
    let again = with_key(&files[1], "split.no", 2_u16);
    let tensor = refused(&[files[0].clone(), files[1].clone(), again]);
    assert!(matches!(tensor, ShardError::DuplicateTensor { .. }));
    let whole = fixture("quantize/tiny-align32-odd-f16.gguf");
    assert!(matches!(refused(&[whole]), ShardError::NotSplit { .. }));
}
