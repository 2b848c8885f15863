//! The digest of a plan tells plans apart, and its revision belongs to the expected bytes of this revision.

use std::collections::{BTreeMap, HashMap};

use ollamake::gguf::{Metadata, Value};
use ollamake::model::Digest;
use ollamake::plan::{
    Arithmetic, Codes, Constant, Derivation, Encoding, Importance, Levels, Location, Operation, Packing,
    Plan, PlannedTensor, REVISION, SourceDescription, Spread, Stored,
};
use ollamake::tensor::{ElementType, Shape};
use serde::{Deserialize, Serialize};

use super::AT_START;
use crate::support::files::fixture;

const ELSEWHERE: Location = Location { source: 0, offset: 64 };

/// Plans of which no two come to the same file, each with what it differs in.
fn different_plans() -> Vec<(String, Plan)> {
    let stored = |encoding, dimensions: &[u64]| {
        Derivation::stored(Stored::each(AT_START, encoding, dimensions)).unwrap()
    };
    let plain = |element_type| stored(Encoding::Plain(element_type), &[4, 32]);
    let spread = |spread| {
        let encoding = Encoding::Plain(ElementType::F32);
        let stored = Stored { location: AT_START, encoding, dimensions: vec![4, 32], spread };
        Derivation::stored(stored).unwrap()
    };
    let blocks = |rows, columns| spread(Spread::Blocks { rows, columns });
    let chosen = |axis, numbers, count| spread(Spread::Chosen { axis, numbers, count });
    let packed = |bits, packing, levels| stored(Encoding::Codes(Codes { bits, packing, levels }), &[4, 32]);
    let unsigned = |bits, packing| packed(bits, packing, Levels::Unsigned);
    let bytes = |levels| packed(8, Packing::in_bytes(8), levels);
    let words = Packing::in_words(4);
    let pair = |operation| plain(ElementType::F16).with(operation, plain(ElementType::F32)).unwrap();
    let derivation = || plain(ElementType::F32);
    let values = |first| Derivation::values([vec![first], vec![1.0; 127]].concat(), &[4, 32]).unwrap();
    let joined = |axis, one: &[u64], other: &[u64]| {
        let part = |dimensions: &[u64]| stored(Encoding::Plain(ElementType::F32), dimensions);
        Derivation::concatenate(axis, vec![part(one), part(other)]).unwrap()
    };
    let derivations = vec![
        ("usual", derivation()),
        ("stored type", plain(ElementType::F16)),
        ("place", Derivation::stored(Stored::plain(ELSEWHERE, ElementType::F32, &[4, 32])).unwrap()),
        ("shared by rows", blocks(2, 32)),
        ("shared by columns", blocks(4, 16)),
        ("chosen", chosen(0, ELSEWHERE, 2)),
        ("chosen columns", chosen(1, ELSEWHERE, 2)),
        ("chosen from more", chosen(0, ELSEWHERE, 3)),
        ("place of the choice", chosen(0, Location { source: 0, offset: 128 }, 2)),
        ("codes", unsigned(4, words)),
        ("codes of 2 bits", unsigned(2, words)),
        ("codes across words", unsigned(3, Packing::across_words(3))),
        ("codes in fewer words", unsigned(2, Packing { words: 2, ..words })),
        ("codes in bytes", unsigned(4, Packing::in_bytes(4))),
        ("codes abreast", unsigned(4, Packing { abreast: 4, ..words })),
        ("codes from above", unsigned(4, Packing { high_first: true, ..words })),
        ("unsigned bytes", bytes(Levels::Unsigned)),
        ("signed bytes", bytes(Levels::Signed)),
        ("8-bit floats", bytes(Levels::F8E4M3)),
        ("other 8-bit floats", bytes(Levels::F8E5M2)),
        ("powers of two", bytes(Levels::F8E8M0)),
        ("4-bit floats", packed(4, words, Levels::F4E2M1)),
        ("codes by a table", bytes(Levels::Table(AT_START))),
        ("place of the table", bytes(Levels::Table(ELSEWHERE))),
        ("sums", pair(Arithmetic::Add)),
        ("differences", pair(Arithmetic::Subtract)),
        ("products", pair(Arithmetic::Multiply)),
        ("quotients", pair(Arithmetic::Divide)),
        ("groups of 4 bits", stored(Encoding::Nvfp4 { scales: ELSEWHERE }, &[4, 32])),
        ("place of scales", stored(Encoding::Nvfp4 { scales: AT_START }, &[4, 32])),
        ("blocks of 4 bits", stored(Encoding::Mxfp4 { exponents: ELSEWHERE }, &[4, 32])),
        ("place of exponents", stored(Encoding::Mxfp4 { exponents: AT_START }, &[4, 32])),
        ("transposed", stored(Encoding::Plain(ElementType::F32), &[32, 4]).transpose(0, 1).unwrap()),
        ("part", stored(Encoding::Plain(ElementType::F32), &[6, 32]).slice(0, 0..4).unwrap()),
        ("later part", stored(Encoding::Plain(ElementType::F32), &[6, 32]).slice(0, 2..6).unwrap()),
        ("every other", stored(Encoding::Plain(ElementType::F32), &[8, 32]).step_by(0, 0..8, 2).unwrap()),
        ("values", values(1.0)),
        ("other values", values(2.0)),
        ("negative zero", values(-0.0)),
        ("zero", values(0.0)),
        ("one value", Derivation::filled(1.0, &[4, 32]).unwrap()),
        ("rows joined", joined(0, &[1, 32], &[3, 32])),
        ("rows joined elsewhere", joined(0, &[3, 32], &[1, 32])),
        ("columns joined", joined(1, &[4, 8], &[4, 24])),
        ("plus one", derivation().map(Operation::AddOne)),
        ("plus two", derivation().map(Operation::AddOne).map(Operation::AddOne)),
        ("negated exponential", derivation().map(Operation::NegatedExponential)),
        ("exponential", derivation().map(Operation::Exponential)),
        ("times two", derivation().map(Operation::Multiply(Constant::new(2.0)))),
        ("times three", derivation().map(Operation::Multiply(Constant::new(3.0)))),
        ("plus a constant", derivation().map(Operation::Add(Constant::new(2.0)))),
        ("widened", derivation().map(Operation::Widen)),
        ("centred", derivation().map(Operation::Centre)),
        ("three levels", derivation().map(Operation::Ternary)),
        ("rounded", derivation().map(Operation::Round(ElementType::F16))),
        ("rounded otherwise", derivation().map(Operation::Round(ElementType::Bf16))),
        ("checked", derivation().map(Operation::RequireFinite)),
    ];
    let tensor = |name: &str, element_type| PlannedTensor::new(name, element_type, derivation()).unwrap();
    let importance = |offset| {
        let location = Location { source: 0, offset };
        let stored = |dimensions: &[u64]| Stored::plain(location, ElementType::F32, dimensions);
        let derivation = |dimensions: &[u64]| Derivation::stored(stored(dimensions)).unwrap();
        Importance::new(derivation(&[1, 32]), derivation(&[1])).unwrap()
    };
    let metadata = |pairs: &[(&str, Value)]| {
        let mut metadata = Metadata::new();
        pairs.iter().for_each(|(key, value)| metadata.set(*key, value.clone()));
        metadata
    };
    let usual = Plan {
        sources: vec![SourceDescription { label: "a".into(), length: 1 << 20 }],
        metadata: metadata(&[("a", 1_u32.into()), ("b", "c".into())]),
        tensors: vec![tensor("t", ElementType::F32)],
    };
    let with = |change: &dyn Fn(&mut Plan)| {
        let mut plan = usual.clone();
        change(&mut plan);
        plan
    };
    let with_metadata = |pairs: &[(&str, Value)]| with(&|plan: &mut Plan| plan.metadata = metadata(pairs));
    let with_names = |names: &[&str]| {
        with(&|plan: &mut Plan| {
            plan.tensors = names.iter().map(|name| tensor(name, ElementType::F32)).collect();
        })
    };
    let mut plans: Vec<(String, Plan)> = derivations
        .into_iter()
        .map(|(what, derivation)| {
            (what.to_owned(), with(&|plan| plan.tensors[0].derivation = derivation.clone()))
        })
        .collect();
    let others = [
        ("length of a source", with(&|plan| plan.sources[0].length += 1)),
        ("type of a value", with_metadata(&[("a", 1_i32.into()), ("b", "c".into())])),
        ("value", with_metadata(&[("a", 2_u32.into()), ("b", "c".into())])),
        ("order of metadata", with_metadata(&[("b", "c".into()), ("a", 1_u32.into())])),
        ("where a key ends", with_metadata(&[("a", 1_u32.into()), ("bc", "".into())])),
        ("list", with_metadata(&[("a", 1_u32.into()), ("b", vec!["c".to_owned()].into())])),
        ("metadata", with_metadata(&[("a", 1_u32.into())])),
        ("name", with_names(&["u"])),
        ("names", with_names(&["t", "uv"])),
        ("where a name ends", with_names(&["tu", "v"])),
        ("order of tensors", with_names(&["v", "tu"])),
        ("no tensors", with_names(&[])),
        ("element type", with(&|plan| plan.tensors[0].element_type = ElementType::F16)),
        ("shape", with(&|plan| plan.tensors[0].shape = Shape::new(&[4, 32]).unwrap())),
        ("importance", with(&|plan| plan.tensors[0].importance = Some(importance(0)))),
        ("other importance", with(&|plan| plan.tensors[0].importance = Some(importance(64)))),
        ("rank", with(&|plan| plan.tensors[0].shape = Shape::new(&[128]).unwrap())),
    ];
    plans.extend(others.into_iter().map(|(what, plan)| (what.to_owned(), plan)));
    plans
}

#[test]
fn different_plans_have_different_digests() {
    let content = [Digest::from_bytes([1; 32])];
    let mut seen = HashMap::new();
    for (what, plan) in different_plans() {
        let digest = plan.digest(&content).unwrap();
        assert_eq!(plan.clone().digest(&content).unwrap(), digest);
        if let Some(other) = seen.insert(digest, what.clone()) {
            panic!("{what} and {other} have one digest");
        }
    }
}

#[test]
fn contents_of_sources_count_and_their_labels_do_not() {
    let (_, plan) = different_plans().swap_remove(0);
    let one = plan.digest(&[Digest::from_bytes([1; 32])]).unwrap();
    let mut renamed = plan.clone();
    renamed.sources[0].label = "b".into();
    assert_eq!(renamed.digest(&[Digest::from_bytes([1; 32])]).unwrap(), one);
    assert_ne!(plan.digest(&[Digest::from_bytes([2; 32])]).unwrap(), one);
}

/// The expected bytes that a revision stands for: a digest of them by what they are of.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Recorded {
    revision: u32,
    expected: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Rows {
    conversions: Vec<Row>,
    cases: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    #[serde(rename = "type")]
    element_type: String,
    matrix: String,
    #[serde(default)]
    importance: Option<String>,
    sha256: String,
}

/// Digests of the expected bytes of the fixtures, one for each element type without and with importances.
fn expected_now() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(fixture("rows/rows.json")).unwrap();
    let Rows { conversions, cases } = serde_json::from_str(&text).unwrap();
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for Row { element_type, matrix, importance, sha256 } in conversions.into_iter().chain(cases) {
        let kind = if importance.is_some() { ", weighted" } else { "" };
        let line = format!("{matrix} {} {sha256}\n", importance.unwrap_or_default());
        lines.entry(format!("{element_type}{kind}")).or_default().push(line);
    }
    let digest = |mut lines: Vec<String>| {
        lines.sort_unstable();
        Digest::of(lines.concat().as_bytes()).hex()
    };
    lines.into_iter().map(|(kind, lines)| (kind, digest(lines))).collect()
}

/// A new element type or a new case has to be recorded; where expected bytes changed, the revision has to be
/// raised first.
#[test]
fn the_revision_belongs_to_the_expected_bytes() {
    let path = fixture("revision.json");
    let now = Recorded { revision: REVISION, expected: expected_now() };
    let recorded: Recorded = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    if recorded == now {
        return;
    }
    let changed = |(kind, digest): &(&String, &String)| now.expected.get(*kind) != Some(digest);
    let changed: Vec<_> = recorded.expected.iter().filter(changed).map(|(kind, _)| kind).collect();
    assert!(
        changed.is_empty() || recorded.revision < REVISION,
        "the expected bytes of {changed:?} changed: raise plan::REVISION, or results of the old bytes are \
         served"
    );
    if std::env::var_os("OLLAMAKE_RECORD").is_some() {
        std::fs::write(&path, serde_json::to_string_pretty(&now).unwrap() + "\n").unwrap();
    }
    panic!("{} is not of this revision and these cases; OLLAMAKE_RECORD=1 writes it", path.display());
}
