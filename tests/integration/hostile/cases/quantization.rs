//! Recipes and importance matrices that ask for what cannot be, or for too much.

use serde_json::{Value, json};

use super::raw_gguf::Raw;
use super::{Case, Input};

/// A whole model of one layer.
const MODEL: &[u8] = include_bytes!("../../../fixtures/quantize/tiny-align32-odd-f16.gguf");

/// A tensor of it, with rows of 256.
const TENSOR: &[u8] = b"blk.0.attn_k.weight";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = recipes();
    cases.extend(matrices());
    cases
}

fn quantizing(row: &'static str, name: &str, matrix: Option<Vec<u8>>, fields: Value, says: &[&str]) -> Case {
    let model = ("m.gguf".to_owned(), MODEL.to_vec());
    let files = std::iter::once(model).chain(matrix.map(|bytes| ("i.dat".to_owned(), bytes))).collect();
    Case::new(row, name, Input::Create { files, fields }, 400, says)
}

fn recipes() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |name: &str, recipe: Value, says: &[&str]| {
        let fields = json!({"quantize": "Q4_0", "recipe": recipe});
        cases.push(quantizing("recipe", name, None, fields, says));
    };
    add("a field that is not known", json!({"tensor_type": []}), &["no field", "tensor_types"]);
    add("numbers for texts", json!({"tensor_types": [[1, 2]]}), &["recipe.tensor_types"]);
    add("a text for a list", json!({"include_weights": "all"}), &["recipe.include_weights"]);
    let many: Vec<[&str; 2]> = vec![["attn_v", "q8_0"]; 20_000];
    add("20,000 patterns", json!({"tensor_types": many}), &["at most 4096"]);
    let pattern = |pattern: &str| json!({"tensor_types": [[pattern, "q8_0"]]});
    add("no expression", pattern("attn_(v"), &["is not a regular expression"]);
    add("an empty pattern", pattern(""), &["empty"]);
    add("a back reference", pattern(r"(a+)+\1"), &["not supported"]);
    add("a repetition of repetitions", pattern("((((a{99}){99}){99}){99})"), &["repeats too much"]);
    add("a pattern of 100,000 letters", pattern(&"a".repeat(100_000)), &["longer than"]);
    add("a type that does not exist", json!({"tensor_types": [["attn_v", "q9_0"]]}), &["q9_0", "nearest"]);
    add("a type of integers", json!({"output_tensor_type": "i32"}), &["i32"]);
    add("layers that are not there", json!({"prune_layers": [7]}), &["layer 7", "1 layers"]);
    add("all layers", json!({"prune_layers": [0]}), &["no layer"]);
    add("a key without value", json!({"override_kv": ["a"]}), &["sets no key"]);
    add("an alignment of seven", json!({"override_kv": ["general.alignment=int:7"]}), &["alignment"]);
    add("no layers at all", json!({"override_kv": ["llama.block_count=int:0"]}), &["block_count"]);
    add("selections that contradict", json!({"include_weights": ["a"], "exclude_weights": ["b"]}), &["both"]);
    add("a matrix that is not there", json!({"imatrix": "../x"}), &["recipe.imatrix"]);
    add("a size that is none", json!({"target_size": "1e99"}), &["recipe.target_size"]);
    let without = json!({"recipe": {"pure": true}});
    cases.push(quantizing("recipe", "nothing to be quantized", None, without, &["recipe needs quantize"]));
    // It would be slow if time were exponential; what it asks for is fine otherwise.
    let exponential =
        json!({"quantize": "IQ2_XXS", "recipe": {"tensor_types": [["(a|a|b|[a-z]|.)*z{20}$", "q8_0"]]}});
    cases.push(quantizing(
        "recipe",
        "an expression for backtracking",
        None,
        exponential,
        &["importance matrix"],
    ));
    cases
}

fn matrices() -> Vec<Case> {
    let numbers =
        |numbers: &[i32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
    let entry = |tensor: &[u8], values: &[f32]| {
        let values: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        [numbers(&[tensor.len() as i32]), tensor.to_vec(), numbers(&[1, values.len() as i32 / 4]), values]
            .concat()
    };
    let file = |entries: &[Vec<u8>]| [numbers(&[entries.len() as i32]), entries.concat()].concat();
    let with = |value: f32| {
        let mut values = [1.0; 256];
        values[200] = value;
        file(&[entry(TENSOR, &values)])
    };
    let many: Vec<Vec<u8>> = (0..20_000).map(|index| entry(format!("{index}").as_bytes(), &[1.0])).collect();
    let mut cut = file(&many);
    cut.truncate(cut.len() - 2);
    let mut cases = Vec::new();
    let mut add = |name: &str, matrix: Vec<u8>, says: &[&str]| {
        let fields = json!({"quantize": "Q4_0", "recipe": {"imatrix": "i.dat"}});
        cases.push(quantizing("importance-matrix", name, Some(matrix), fields, says));
    };
    add("NaN", with(f32::NAN), &["i.dat", "attn_k", "NaN at 200"]);
    add("infinity", with(f32::INFINITY), &["i.dat", "attn_k", "inf at 200"]);
    add("a negative value", with(-1.0), &["i.dat", "attn_k", "-1 at 200"]);
    add("another model's", file(&[entry(TENSOR, &[1.0; 320])]), &["320 values", "another model"]);
    add("20,000 entries, cut off", cut, &["would end within"]);
    add("a million entries announced", numbers(&[1_000_000]), &["1000000 entries"]);
    add(
        "two billion values announced",
        [numbers(&[1, 1]), b"x".to_vec(), numbers(&[1, i32::MAX])].concat(),
        &["would end within"],
    );
    add("a name of two gigabytes", numbers(&[1, i32::MAX]), &["the length of the name"]);
    for (name, raw, says) in [
        ("ten gigabytes announced", in_gguf(2, &[2_684_354_560, 1], 1), "in_sum2"),
        ("a million entries announced in GGUF", in_gguf(2_000_000, &[256, 1], 1), "tensors"),
        ("2^64-1 entries announced", in_gguf(u64::MAX, &[256, 1], 1), "tensors"),
        ("values without counts", in_gguf(1, &[256, 1], 1), ".counts"),
        ("values of 16 bits", in_gguf_of((1, 2), 2, &[256, 1], 1), "element type F16, expected F32"),
        ("seven counts for 256 values", in_gguf(2, &[256, 1], 7), "do not divide"),
    ] {
        add(name, raw.0, &["i.dat", says]);
    }
    add("the model itself", MODEL.to_vec(), &["not an importance matrix", "imatrix.datasets"]);
    add("a text", b"hello".to_vec(), &["not an importance matrix"]);
    let fields = json!({"quantize": "IQ2_XXS"});
    cases.push(quantizing(
        "importance-matrix",
        "none where one is needed",
        None,
        fields,
        &["needs an importance matrix", "attn_k"],
    ));
    let stray = include_bytes!("../../../fixtures/fuzz/imatrix/gguf").to_vec();
    let fields = json!({"quantize": "Q4_0"});
    cases.push(quantizing(
        "importance-matrix",
        "taken for a model",
        Some(stray),
        fields,
        &["i.dat", "recipe.imatrix"],
    ));
    cases
}

/// A matrix in GGUF for one tensor: so many tensors announced, sums of these dimensions, and so many counts.
fn in_gguf(tensors: u64, sums: &[u64], counts: u64) -> Raw {
    in_gguf_of((0, 4), tensors, sums, counts)
}

/// The same with sums of an element type, given by its number and its bytes.
fn in_gguf_of((sums_type, bytes): (u32, u64), tensors: u64, sums: &[u64], counts: u64) -> Raw {
    let name = |end: &str| format!("blk.0.attn_k.weight.{end}");
    let head = Raw::header(3, tensors, 3).entry("imatrix.datasets", 9).u32(8).u64(0);
    let head = head.entry("imatrix.chunk_count", 4).u32(1).entry("imatrix.chunk_size", 4).u32(512);
    let head = head.tensor(&name("in_sum2"), sums, sums_type, 0);
    let after = bytes * sums.iter().product::<u64>();
    let head = if tensors == 1 { head } else { head.tensor(&name("counts"), &[1, counts], 0, after) };
    head.data()
}
