//! Whole files against those that llama-quantize writes.

use std::collections::BTreeMap;

use ollamake::gguf::Gguf;
use ollamake::quantize::{FileType, Quantized, Scheme, Target, quantize};
use ollamake::tensor::can_quantize;
use serde_json::Value as Json;

use super::material::{copying, element_type, execute, expected, list, source_file, text};
use crate::support::bytes::digest_of;

#[test]
fn files_are_those_of_llama_quantize() {
    let files = expected("files.json");
    let mut sources: BTreeMap<(String, String), Vec<u8>> = BTreeMap::new();
    let mut compared = 0;
    for run in list(&files["runs"]) {
        let target: Target = text(&run["ftype"]).parse().unwrap();
        if !list(&run["args"]).is_empty() {
            continue;
        }
        let (model, source) = (text(&run["model"]).to_owned(), text(&run["source"]).to_owned());
        let label = format!("{model} {source} {target}");
        let bytes = sources.entry((model.clone(), source.clone())).or_insert_with(|| {
            let description = list(&files["models"]).iter().find(|known| known["name"] == *model).unwrap();
            match source.strip_suffix(".gguf").and_then(|name| name.strip_prefix("tiny-llama-")) {
                // The result of quantizing before.
                Some(already) => {
                    let source = source_file(description, "f32");
                    execute(
                        &quantize(copying(&source), &already.parse::<FileType>().unwrap().into(), None)
                            .unwrap()
                            .plan,
                        &source,
                    )
                    .unwrap()
                }
                None => source_file(description, &source),
            }
        });
        let planned = quantize(copying(bytes), &Scheme::new(target), None).and_then(Quantized::ready);
        if let Ok(plan) = &planned
            && !plan.tensors.iter().all(|tensor| can_quantize(tensor.element_type))
        {
            continue;
        }
        let Some(error) = run["error"].as_str() else {
            let file = execute(&planned.unwrap(), bytes).unwrap_or_else(|error| panic!("{label}: {error}"));
            if model == "tiny-align64" {
                compare_tensors(&file, list(&run["tensors"]), &label);
            } else {
                assert_eq!(file.len() as u64, run["size"].as_u64().unwrap(), "{label}");
                assert_eq!(digest_of(&file).hex(), run["sha256"], "{label}");
            }
            compared += 1;
            continue;
        };
        let refused = planned.map_err(|error| error.to_string());
        let refused = refused.and_then(|plan| execute(&plan, bytes).map_err(|error| error.to_string()));
        let refused = refused.expect_err(&label);
        let tensor = error.split('\'').nth(1).unwrap_or_default();
        let reason = match error {
            _ if error.ends_with("has invalid data") => "invalid data",
            _ if error.starts_with("requantizing") => "already quantized",
            "quantized data validation failed" => "does not fit",
            "this quantization requires an imatrix!" => "needs an importance matrix",
            _ if error.starts_with("no tensor type fallback") => "nothing replaces that type",
            other => panic!("{label}: {other}"),
        };
        assert!(refused.contains(reason) && refused.contains(tensor), "{label}: {error}, {refused}");
        compared += 1;
    }
    println!("{compared} files");
    assert!(compared >= 125);
}

/// The reference pads to 32 bytes whatever the metadata say, and its file cannot be read. Here the alignment that
/// the file states is kept, so only the tensors can be compared.
fn compare_tensors(file: &[u8], expected: &[Json], label: &str) {
    let parsed = Gguf::parse(file).unwrap();
    assert_eq!(parsed.alignment(), 64);
    assert_eq!(parsed.tensors().len(), expected.len(), "{label}");
    for (tensor, expected) in parsed.tensors().iter().zip(expected) {
        assert_eq!(tensor.data.start % 64, 0);
        let data = &file[tensor.data.start as usize..tensor.data.end as usize];
        assert_eq!(tensor.name, expected[0], "{label}");
        assert_eq!(tensor.element_type, element_type(text(&expected[1])), "{label} {}", tensor.name);
        assert_eq!(digest_of(data).hex()[..16], *text(&expected[2]), "{label} {}", tensor.name);
    }
}
