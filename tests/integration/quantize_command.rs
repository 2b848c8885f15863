//! `ollamake quantize` on plain files.

use std::fs;
use std::path::Path;

use clap::Parser;
use ollamake::cli::LocalModelError;
use ollamake::cli::quantize::{Quantize, QuantizeError};
use ollamake::gguf::Gguf;

use crate::support::files::fixture;
use crate::support::older_matrix::older_matrix;
use crate::support::process::{command, text};

#[derive(Debug, Parser)]
struct Command {
    #[command(flatten)]
    quantize: Quantize,
}

/// Runs the command with a directory for its output; returns what it says.
fn run(input: &Path, output: &Path, file_type: &str, options: &[&str]) -> Result<(), QuantizeError> {
    let paths = [input, output].map(|path| path.to_str().unwrap());
    let arguments = [&["quantize"], &paths[..], &[file_type], options].concat();
    Command::try_parse_from(arguments).unwrap().quantize.run(true)
}

fn files_in(directory: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    fs::read_dir(directory).unwrap().map(name).collect()
}

#[test]
fn shards_and_the_whole_file_give_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let output = |name: &str| directory.path().join(name);
    let whole = fixture("quantize/tiny-align32-odd-f16.gguf");
    let shard = fixture("gguf/tiny-00002-of-00003.gguf");
    run(&whole, &output("whole.gguf"), "bf16", &[]).unwrap();
    run(&shard, &output("joined.gguf"), "BF16", &["--threads", "1"]).unwrap();
    let bytes = fs::read(output("whole.gguf")).unwrap();
    assert!(bytes == fs::read(output("joined.gguf")).unwrap());
    assert_eq!(Gguf::parse(&bytes).unwrap().get("general.file_type").unwrap().as_u64(), Some(32));
    // A file that exists is replaced.
    run(&whole, &output("whole.gguf"), "f32", &[]).unwrap();
    assert!(bytes != fs::read(output("whole.gguf")).unwrap());
    assert_eq!(files_in(directory.path()).len(), 2);
}

#[test]
fn a_dry_run_writes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let whole = fixture("quantize/tiny-align32-odd-f16.gguf");
    run(&whole, &directory.path().join("out.gguf"), "F32", &["--dry-run"]).unwrap();
    assert!(files_in(directory.path()).is_empty());
}

#[test]
fn a_dry_run_with_a_size_measures_and_says_what_a_run_makes() {
    let directory = tempfile::tempdir().unwrap();
    let whole = fixture("quantize/tiny-align32-odd-f16.gguf");
    let output = directory.path().join("out.gguf");
    let [input, to] = [&whole, &output].map(|path| path.to_str().unwrap());
    let options = ["--tensor-type", "attn_q=q5_1", "--target-size", "7KiB"];
    let arguments = [&["quantize", "--dry-run"], &options[..], &[input, to, "Q4_K_M"]].concat();
    let shown = command(directory.path(), &arguments).output().unwrap();
    assert!(shown.status.success(), "{}", text(&shown));
    assert!(files_in(directory.path()).is_empty());
    run(&whole, &output, "Q4_K_M", &options).unwrap();
    let bytes = fs::read(&output).unwrap();
    assert!(bytes.len() <= 7 << 10);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains(&format!("the file has {} bytes", bytes.len())), "{shown}");
    for tensor in Gguf::parse(&bytes).unwrap().tensors() {
        let line = shown.lines().find(|line| line.split_whitespace().next() == Some(tensor.name)).unwrap();
        assert!(line.split_whitespace().any(|word| word == tensor.element_type.name()), "{line}");
        let reason = match tensor.name {
            "blk.0.attn_q.weight" => "pattern 1",
            name if name.ends_with("norm.weight") => "kept",
            _ => "size",
        };
        assert!(line.ends_with(reason), "{line}");
    }
}

#[test]
fn a_failure_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let inputs = tempfile::tempdir().unwrap();
    let whole = fixture("quantize/tiny-align32-odd-f16.gguf");
    let input = inputs.path().join("in.gguf");
    let output = directory.path().join("out.gguf");
    let mut bytes = fs::read(&whole).unwrap();

    fs::write(&input, &bytes[..bytes.len() - 200]).unwrap();
    assert!(matches!(
        run(&input, &output, "F16", &[]),
        Err(QuantizeError::Model(LocalModelError::Gguf { .. }))
    ));
    // Infinity in the last tensor: found when most of the result is written.
    let end = Gguf::parse(&bytes).unwrap().tensors().last().unwrap().data.end as usize;
    bytes[end - 4..end].copy_from_slice(&f32::INFINITY.to_le_bytes());
    fs::write(&input, &bytes).unwrap();
    let error = run(&input, &output, "F32", &[]).unwrap_err().to_string();
    assert!(error.contains("has invalid data"), "{error}");
    assert!(matches!(run(&input, &input, "F16", &[]), Err(QuantizeError::SameFile { .. })));
    assert!(matches!(
        run(&inputs.path().join("no"), &output, "F16", &[]),
        Err(QuantizeError::Model(LocalModelError::Place { .. }))
    ));
    let nowhere = directory.path().join("no/out.gguf");
    assert!(matches!(run(&whole, &nowhere, "F16", &[]), Err(QuantizeError::File { .. })));
    fs::write(&input, "").unwrap();
    assert!(run(&input, &output, "F16", &[]).is_err());
    let renamed = inputs.path().join("renamed.gguf");
    fs::copy(fixture("gguf/tiny-00002-of-00003.gguf"), &renamed).unwrap();
    assert!(matches!(
        run(&renamed, &output, "F16", &[]),
        Err(QuantizeError::Model(LocalModelError::ShardName { .. }))
    ));
    assert!(files_in(directory.path()).is_empty());
}

#[test]
fn an_unknown_type_lists_the_known_ones() {
    let error = Command::try_parse_from(["quantize", "in.gguf", "out.gguf", "Q9"]).unwrap_err().to_string();
    assert!(error.contains("unknown quantization type \"Q9\", expected one of F32, F16, BF16"), "{error}");
}

/// An importance matrix for a tensor of 256 columns, in the older format.
fn matrix(tensor: &str) -> Vec<u8> {
    older_matrix(tensor, &std::array::from_fn::<_, 256, _>(|column| column as f32))
}

#[test]
fn options_are_those_of_llama_quantize() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("m.dat"), matrix("blk.0.attn_q.weight")).unwrap();
    fs::write(path("types.txt"), "attn_k=q4_1\nattn_v=f32").unwrap();
    let whole = fixture("quantize/tiny-align32-odd-f16.gguf");
    let (matrix_path, types) = (path("m.dat"), path("types.txt"));
    let options = [
        &["--imatrix", &matrix_path, "--include-weights", "attn_q"][..],
        &["--tensor-type", "attn_v=q5_0", "--tensor-type-file", &types, "--tensor-type", "attn_k=f16"],
        &["--token-embedding-type", "q8_0", "--output-tensor-type", "q6_k", "--override-kv", "a.b=int:7"],
        &["--max-buffer-size", "1", "--threads", "1"],
    ];
    run(&whole, &directory.path().join("out.gguf"), "Q4_0", &options.concat()).unwrap();
    let bytes = fs::read(path("out.gguf")).unwrap();
    let made = Gguf::parse(&bytes).unwrap();
    let element_type = |name: &str| made.tensor(name).unwrap().element_type.name();
    // The first that matches decides, whichever option it comes from.
    assert_eq!(element_type("blk.0.attn_v.weight"), "Q5_0");
    assert_eq!(element_type("blk.0.attn_k.weight"), "Q4_1");
    assert_eq!(element_type("token_embd.weight"), "Q8_0");
    assert_eq!(made.get("a.b").unwrap().as_u64(), Some(7));
    assert_eq!(
        made.get("quantize.imatrix.file").unwrap().as_str(),
        Some(&path("m.dat")[..]).map(|path| &path[..path.len().min(127)])
    );

    // The same as a recipe in a file.
    let recipe = serde_json::json!({
        "imatrix": path("m.dat"), "include_weights": ["attn_q"],
        "tensor_types": [["attn_v", "q5_0"], ["attn_k", "q4_1"]], "token_embedding_type": "q8_0",
        "output_tensor_type": "q6_k", "override_kv": ["a.b=int:7"],
    });
    fs::write(path("recipe.json"), recipe.to_string()).unwrap();
    run(&whole, &directory.path().join("again.gguf"), "2", &["--recipe", &path("recipe.json")]).unwrap();
    assert!(bytes == fs::read(path("again.gguf")).unwrap());

    // Without a name for the result, and with a number of threads at the end.
    fs::copy(&whole, path("in.gguf")).unwrap();
    Command::try_parse_from(["quantize", "--pure", &path("in.gguf"), "q8_0", "2"])
        .unwrap()
        .quantize
        .run(true)
        .unwrap();
    assert!(directory.path().join("ggml-model-Q8_0.gguf").is_file());
}

#[test]
fn a_split_model_can_stay_split() {
    let directory = tempfile::tempdir().unwrap();
    let shard = fixture("gguf/tiny-00002-of-00003.gguf");
    run(&shard, &directory.path().join("out.gguf"), "f32", &["--keep-split"]).unwrap();
    let mut names = files_in(directory.path());
    names.sort();
    assert_eq!(names, [1, 2, 3].map(|number| format!("out-0000{number}-of-00003.gguf")));
    let mut tensors = 0;
    for (number, name) in names.iter().enumerate() {
        let bytes = fs::read(directory.path().join(name)).unwrap();
        let file = Gguf::parse(&bytes).unwrap();
        assert_eq!(file.get("split.no").unwrap().as_u64(), Some(number as u64));
        assert_eq!(file.get("general.architecture").is_some(), number == 0);
        tensors += file.tensors().len() as u64;
    }
    let first = fs::read(directory.path().join(&names[0])).unwrap();
    assert_eq!(Gguf::parse(&first).unwrap().get("split.tensors.count").unwrap().as_u64(), Some(tensors));
    // Joined again it is what it is when it is joined at once.
    run(&directory.path().join(&names[1]), &directory.path().join("joined.gguf"), "f32", &[]).unwrap();
    run(&shard, &directory.path().join("whole.gguf"), "f32", &[]).unwrap();
    let [joined, whole] =
        ["joined.gguf", "whole.gguf"].map(|name| fs::read(directory.path().join(name)).unwrap());
    assert!(joined == whole);
}

#[test]
fn a_checkpoint_is_quantized_in_one_pass() {
    let directory = tempfile::tempdir().unwrap();
    let checkpoint = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/tiny-checkpoint");
    let output = directory.path().join("out.gguf");
    run(&checkpoint, &output, "Q8_0", &[]).unwrap();
    let bytes = fs::read(&output).unwrap();
    let made = Gguf::parse(&bytes).unwrap();
    assert_eq!(made.get("general.file_type").unwrap().as_u64(), Some(7));
    assert!(made.tensors().iter().any(|tensor| tensor.element_type.name() == "Q8_0"));
}

#[test]
fn what_options_cannot_mean_is_refused_and_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let inputs = tempfile::tempdir().unwrap();
    let path = |name: &str| inputs.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("other.dat"), matrix("blk.0.ffn_down.weight")).unwrap();
    fs::write(path("text.dat"), "hello").unwrap();
    let whole = fixture("quantize/tiny-align32-odd-f16.gguf");
    let output = directory.path().join("out.gguf");
    for (file_type, options, says) in [
        ("IQ2_XXS", &[][..], "needs an importance matrix"),
        ("Q4_0", &["--imatrix", &path("other.dat")], "it is of another model"),
        ("Q4_0", &["--imatrix", &path("text.dat")], "not an importance matrix"),
        ("Q4_0", &["--imatrix", &path("none.dat")], "none.dat"),
        ("Q4_0", &["--tensor-type", "attn_v"], "is not PATTERN=TYPE"),
        ("Q4_0", &["--tensor-type", "(=q8_0"], "is not a regular expression"),
        ("Q4_0", &["--output-tensor-type", "q9"], "unknown tensor type"),
        ("Q4_0", &["--prune-layers", "4"], "layer 4 cannot be left out"),
        ("Q4_0", &["--override-kv", "a=b"], "sets no key"),
        ("Q1_0", &["--tensor-type", "odd=q1_0"], "nothing replaces that type"),
    ] {
        let error = run(&whole, &output, file_type, options).unwrap_err().to_string();
        assert!(error.contains(says), "{file_type} {options:?}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
    assert!(files_in(directory.path()).is_empty());
    for options in [
        &["--include-weights", "a", "--exclude-weights", "b"][..],
        &["--prune-layers", "x"],
        &["--max-buffer-size", "0"],
    ] {
        let arguments = [&["quantize", "in.gguf", "q8_0"], options].concat();
        assert!(Command::try_parse_from(arguments).is_err(), "{options:?}");
    }
}
