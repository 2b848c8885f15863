//! Types and recipes: in Modelfiles, as options of `create`, and printed from models that there are.

use std::fs;

use ollamake::gguf::Gguf;
use ollamake::model::Digest;

use super::Desk;
use crate::support::files::fixture;
use crate::support::older_matrix::older_matrix;

const PART: &str = r#"{"tensor_types": [["attn_v", "q8_0"]], "token_embedding_type": "q5_1""#;

/// A desk with a model of one layer, and an importance matrix for it.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.put("model.gguf", fs::read(fixture("quantize/tiny-align32-odd-f16.gguf")).unwrap());
    let values = std::array::from_fn::<_, 256, _>(|column| column as f32);
    desk.put("i.dat", older_matrix("blk.0.attn_q.weight", &values));
    desk
}

/// The types of the embedding and of the queries, keys and values of a model's weights.
fn types(weights: &[u8]) -> [&'static str; 4] {
    let model = Gguf::parse(weights).unwrap();
    ["token_embd.weight", "blk.0.attn_q.weight", "blk.0.attn_k.weight", "blk.0.attn_v.weight"]
        .map(|name| model.tensor(name).unwrap().element_type.name())
}

#[test]
fn a_modelfile_has_the_type_and_the_recipe() {
    let desk = desk();
    desk.put("sub/model.gguf", fs::read(desk.directory.path().join("model.gguf")).unwrap());
    desk.put("sub/i.dat", fs::read(desk.directory.path().join("i.dat")).unwrap());
    fs::remove_file(desk.directory.path().join("i.dat")).unwrap();
    // Paths are those from the Modelfile.
    let recipe = format!("{PART}, \"imatrix\": \"i.dat\"}}");
    desk.put(
        "sub/Modelfile",
        format!("FROM ./model.gguf\nQUANTIZE q4_0\nRECIPE \"\"\"{recipe}\"\"\"\nRECIPE more.txt\n"),
    );
    desk.put("sub/more.txt", "attn_k=q4_1\n\tattn_v=q5_0");
    desk.output(&["create", "m", "-f", "sub/Modelfile"]);
    let weights = desk.weights("m");
    assert_eq!(types(&weights), ["Q5_1", "Q4_0", "Q4_1", "Q8_0"]);
    let matrix = Gguf::parse(&weights).unwrap();
    assert_eq!(matrix.get("quantize.imatrix.file").and_then(|value| value.as_str()), Some("i.dat"));

    // A matrix that the server has can be named by its digest.
    let digest = Digest::of(&fs::read(desk.directory.path().join("sub/i.dat")).unwrap());
    desk.put(
        "Modelfile",
        format!("FROM ./model.gguf\nQUANTIZE Q4_0\nRECIPE {PART}, \"imatrix\": \"{digest}\"}}\n"),
    );
    desk.output(&["create", "by-digest", "--tensor-type", "attn_k=q4_1"]);
    assert_eq!(types(&desk.weights("by-digest")), types(&weights));
}

#[test]
fn options_of_create_are_those_of_quantize_and_come_first() {
    let desk = desk();
    let recipe = format!("{PART}, \"imatrix\": \"i.dat\"}}");
    desk.put("Modelfile", format!("FROM ./model.gguf\nQUANTIZE q4_0\nRECIPE {recipe}\n"));
    desk.put("plain", "FROM ./model.gguf\n");
    desk.put("recipe.json", &recipe);
    desk.put("types.txt", "attn_v=q8_0");
    desk.output(&["create", "written"]);
    let written = desk.weights("written");
    let options = ["--token-embedding-type", "q5_1", "--imatrix", "i.dat", "--tensor-type-file", "types.txt"];
    desk.output(&[&["create", "given", "-f", "plain", "-q", "q4_0"], &options[..]].concat());
    assert!(desk.weights("given") == written);
    desk.output(&["create", "read", "-f", "plain", "-q", "2", "--recipe", "recipe.json"]);
    assert!(desk.weights("read") == written);
    // Where both say something, the options do.
    desk.output(&["create", "both", "-q", "q5_0", "--tensor-type", "attn_v=q4_1"]);
    assert_eq!(types(&desk.weights("both")), ["Q5_1", "Q5_0", "Q5_0", "Q4_1"]);
    desk.output(&["create", "pure", "-f", "plain", "-q", "q4_k_m", "--pure"]);
    assert_eq!(types(&desk.weights("pure")), ["Q4_K"; 4]);
    let told = desk.output(&["create", "fits", "-f", "plain", "-q", "q4_k_m", "--target-size", "7KiB"]);
    assert!(desk.weights("fits").len() <= 7 << 10, "{told}");
}

#[test]
fn recipes_that_are_none_are_told_before_anything_is_uploaded() {
    let desk = desk();
    for (commands, says) in [
        ("QUANTIZE q9", "(line 2): unknown quantization type \"q9\""),
        ("QUANTIZE q4_0\nRECIPE {\"pure\": 1}", "(line 3): recipe.pure: invalid type"),
        ("QUANTIZE q4_0\nRECIPE {\"tensor_type\": []}", "(line 3): recipe has no field \"tensor_type\""),
        (
            "QUANTIZE q4_0\nRECIPE {\"tensor_types\": [[\"(\", \"q8_0\"]]}",
            "(line 3): recipe.tensor_types: pattern",
        ),
        ("QUANTIZE q4_0\nRECIPE none.json", "(line 3): none.json: No such file"),
        ("QUANTIZE q4_0\nRECIPE i.dat", "(line 3): i.dat: "),
        ("QUANTIZE q4_0\nRECIPE {\"imatrix\": \"none.dat\"}", "(line 3): none.dat: No such file"),
        ("RECIPE {\"pure\": true}", "a recipe needs the type that most tensors get"),
    ] {
        let error = desk.refuse(&format!("FROM ./model.gguf\n{commands}\n"));
        assert!(error.contains(says), "{commands}: {error}");
    }
    desk.put("Modelfile", "FROM ./model.gguf\n");
    for (options, says) in [
        (&["--tensor-type", "attn_v"][..], "is not PATTERN=TYPE"),
        (&["--tensor-type", "attn_v=q9"], "unknown tensor type \"q9\""),
        (&["--imatrix", "none.dat"], "none.dat: No such file"),
        (&["--recipe", "none.json"], "none.json: No such file"),
        (&["--override-kv", "a=b"], "sets no key"),
        (&["--include-weights", "a", "--exclude-weights", "b"], "cannot be used with"),
        (&["--target-size", "large"], "is not a size"),
    ] {
        let error = desk.refused(&[&["create", "m", "-q", "q4_0"], options].concat());
        assert!(error.contains(says), "{options:?}: {error}");
    }
    assert!(fs::read_dir(desk.models.path()).unwrap().next().is_none());
}

#[test]
fn the_recipe_of_a_model_makes_another_like_it() {
    let desk = desk();
    let types = ["--tensor-type", "attn_q=iq4_xs", "--tensor-type", "attn_k=q5_1"];
    desk.output(&[&["quantize"], &types[..], &["model.gguf", "one.gguf", "Q3_K_M"]].concat());
    let printed = desk.output(&["recipe", "one.gguf"]);
    desk.put("like.json", &printed);
    for other in ["Q8_0", "IQ4_NL", "Q2_K"] {
        desk.output(&["quantize", "--recipe", "like.json", "model.gguf", "other.gguf", other]);
        assert_eq!(desk.output(&["recipe", "other.gguf"]), printed);
    }
    assert!(printed.contains("attn_q"), "{printed}");

    // The same by the name of a model, and what it is as a whole is said beside.
    desk.create("FROM ./one.gguf\n");
    assert_eq!(desk.output(&["recipe", "m"]), printed);
    let said = String::from_utf8(desk.run(&["recipe", "one.gguf"]).stderr).unwrap();
    assert!(said.contains("the model is Q3_K_M"), "{said}");

    assert!(desk.refused(&["recipe", "none"]).contains("model 'none:latest' not found"));
    assert!(desk.refused(&["recipe", "i.dat"]).contains("i.dat: "));
    assert!(desk.refused(&["recipe", "none/of/them/is.gguf"]).contains("invalid model name"));
}
