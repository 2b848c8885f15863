//! `ollamake quantize` on plain files.

use std::fs;
use std::path::Path;

use clap::Parser;
use ollamake::cli::quantize::{Quantize, QuantizeError};
use ollamake::gguf::Gguf;

use crate::support::files::fixture;

#[derive(Debug, Parser)]
struct Command {
    #[command(flatten)]
    quantize: Quantize,
}

/// Runs the command with a directory for its output; returns what it says.
fn run(input: &Path, output: &Path, file_type: &str, options: &[&str]) -> Result<(), QuantizeError> {
    let paths = [input, output].map(|path| path.to_str().unwrap());
    let arguments = [&["quantize"], &paths[..], &[file_type], options].concat();
    Command::try_parse_from(arguments).unwrap().quantize.run()
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
fn a_failure_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let inputs = tempfile::tempdir().unwrap();
    let whole = fixture("quantize/tiny-align32-odd-f16.gguf");
    let input = inputs.path().join("in.gguf");
    let output = directory.path().join("out.gguf");
    let mut bytes = fs::read(&whole).unwrap();

    fs::write(&input, &bytes[..bytes.len() - 200]).unwrap();
    assert!(matches!(run(&input, &output, "F16", &[]), Err(QuantizeError::Gguf { .. })));
    // Infinity in the last tensor: found when most of the result is written.
    let end = Gguf::parse(&bytes).unwrap().tensors().last().unwrap().data.end as usize;
    bytes[end - 4..end].copy_from_slice(&f32::INFINITY.to_le_bytes());
    fs::write(&input, &bytes).unwrap();
    let error = run(&input, &output, "F32", &[]).unwrap_err().to_string();
    assert!(error.contains("has invalid data"), "{error}");
    assert!(matches!(run(&input, &input, "F16", &[]), Err(QuantizeError::SameFile { .. })));
    assert!(matches!(run(&inputs.path().join("no"), &output, "F16", &[]), Err(QuantizeError::File { .. })));
    let nowhere = directory.path().join("no/out.gguf");
    assert!(matches!(run(&whole, &nowhere, "F16", &[]), Err(QuantizeError::File { .. })));
    fs::write(&input, "").unwrap();
    assert!(run(&input, &output, "F16", &[]).is_err());
    let renamed = inputs.path().join("renamed.gguf");
    fs::copy(fixture("gguf/tiny-00002-of-00003.gguf"), &renamed).unwrap();
    assert!(matches!(run(&renamed, &output, "F16", &[]), Err(QuantizeError::ShardName { .. })));
    assert!(files_in(directory.path()).is_empty());
}

#[test]
fn an_unknown_type_lists_the_known_ones() {
    let error = Command::try_parse_from(["quantize", "in.gguf", "out.gguf", "Q9"]).unwrap_err().to_string();
    assert!(error.contains("unknown quantization type \"Q9\", expected one of F32, F16, BF16"), "{error}");
}
