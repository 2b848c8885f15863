//! Whole files against those that llama-quantize writes, with its options.

use std::collections::BTreeMap;

use ollamake::gguf::Gguf;
use ollamake::model::Digest;
use ollamake::plan::{Plan, SourceDescription};
use ollamake::quantize::{FileType, ImportanceMatrix, Quantized, Recipe, Target, quantize};
use serde_json::Value as Json;

use super::material::{
    copying, element_type, execute, execute_all, expected, list, matrix_file, source_file, text,
};

/// The recipe of llama-quantize's arguments.
fn recipe(arguments: &[Json]) -> Recipe {
    let mut recipe = Recipe::default();
    let mut arguments = arguments.iter().map(text);
    while let Some(option) = arguments.next() {
        let mut value = || arguments.next().unwrap().to_owned();
        match option {
            "--imatrix" => recipe.imatrix = value(),
            "--include-weights" => recipe.include_weights.push(value()),
            "--exclude-weights" => recipe.exclude_weights.push(value()),
            "--output-tensor-type" => recipe.output_tensor_type = value(),
            "--token-embedding-type" => recipe.token_embedding_type = value(),
            "--tensor-type" => recipe.tensor_types.push(Recipe::tensor_type(&value()).unwrap()),
            "--override-kv" => recipe.override_kv.push(value()),
            "--prune-layers" => {
                recipe.prune_layers = value().split(',').map(|layer| layer.parse().unwrap()).collect()
            }
            // Nothing depends on it.
            "--max-buffer-size" => drop(value()),
            "--leave-output-tensor" => recipe.leave_output_tensor = true,
            "--pure" => recipe.pure = true,
            "--allow-requantize" => recipe.allow_requantize = true,
            other => panic!("{other}"),
        }
    }
    recipe
}

/// The files of `files.json` by their names, made when they are asked for.
struct Files<'j> {
    json: &'j Json,
    sources: BTreeMap<(String, String), Vec<u8>>,
}

impl Files<'_> {
    fn source(&mut self, model: &str, source: &str) -> Vec<u8> {
        let json = self.json;
        let make = || {
            let description = list(&json["models"]).iter().find(|known| known["name"] == *model).unwrap();
            match source.strip_suffix(".gguf").and_then(|name| name.strip_prefix("tiny-llama-")) {
                // The result of quantizing before.
                Some(already) => {
                    let source = source_file(description, "f32");
                    let file_type: FileType = already.parse().unwrap();
                    execute(&quantize(copying(&source), &file_type.into(), None).unwrap().plan, &source)
                        .unwrap()
                }
                None => source_file(description, source),
            }
        };
        self.sources.entry((model.to_owned(), source.to_owned())).or_insert_with(make).clone()
    }

    fn matrix(&self, file: &str) -> Vec<u8> {
        matrix_file(list(&self.json["imatrices"]).iter().find(|known| known["file"] == *file).unwrap())
    }
}

/// Plans what a recipe makes of a source.
fn planned(source: &[u8], matrix: &[u8], recipe: &Recipe, target: Target) -> Result<Plan, String> {
    let scheme = recipe.scheme(target).map_err(|error| error.to_string())?;
    let label = SourceDescription { label: recipe.imatrix.clone(), length: matrix.len() as u64 };
    let selection = recipe.selection().map_err(|error| error.to_string())?;
    let matrix = match matrix {
        [] => None,
        bytes => ImportanceMatrix::read(label, bytes, &selection).map_err(|error| error.to_string())?,
    };
    let quantized = quantize(copying(source), &scheme, matrix.as_ref());
    quantized.and_then(Quantized::ready).map_err(|error| error.to_string())
}

#[test]
fn files_are_those_of_llama_quantize() {
    let json = expected("files.json");
    let mut files = Files { json: &json, sources: BTreeMap::new() };
    let mut compared = 0;
    for run in list(&json["runs"]) {
        let target: Target = text(&run["ftype"]).parse().unwrap();
        let (model, recipe) = (text(&run["model"]), recipe(list(&run["args"])));
        let label = format!("{model} {} {} {target}", text(&run["source"]), run["args"]);
        let source = files.source(model, text(&run["source"]));
        let matrix = if recipe.imatrix.is_empty() { Vec::new() } else { files.matrix(&recipe.imatrix) };
        let planned = planned(&source, &matrix, &recipe, target);
        let made = planned.and_then(|plan| {
            let sources = [source.as_slice(), matrix.as_slice()];
            execute_all(&plan, &sources[..plan.sources.len()]).map_err(|error| error.to_string())
        });
        compared += 1;
        let Some(error) = run["error"].as_str() else {
            let file = made.unwrap_or_else(|error| panic!("{label}: {error}"));
            if model == "tiny-align64" {
                compare_tensors(&file, list(&run["tensors"]), &label);
            } else {
                assert_eq!(file.len() as u64, run["size"].as_u64().unwrap(), "{label}");
                assert_eq!(Digest::of(&file).hex(), run["sha256"], "{label}");
            }
            continue;
        };
        let refused = made.expect_err(&label);
        let is_tensor = |word: &&str| word.ends_with(".weight");
        let tensor = error.split([' ', '\'']).find(is_tensor).unwrap_or_default();
        let reason = match error {
            _ if error.ends_with("has invalid data") => "invalid data",
            _ if error.starts_with("requantizing") => "already quantized",
            _ if error.starts_with("no tensor type fallback") => "nothing replaces that type",
            _ if error.starts_with("imatrix size") => "it is of another model",
            "quantized data validation failed" => "does not fit",
            "this quantization requires an imatrix!" => "needs an importance matrix",
            _ if error.starts_with("Missing importance matrix for tensor") => {
                "the importance matrix has no values"
            }
            other => panic!("{label}: {other}"),
        };
        assert!(refused.contains(reason) && refused.contains(tensor), "{label}: {error}, {refused}");
    }
    println!("{compared} files");
    assert!(compared >= 400);
}

/// The reference pads to 32 bytes whatever the metadata say, and its file cannot be read. Here the alignment
/// that the file states is kept, so only the tensors can be compared.
fn compare_tensors(file: &[u8], expected: &[Json], label: &str) {
    let parsed = Gguf::parse(file).unwrap();
    assert_eq!(parsed.alignment(), 64);
    assert_eq!(parsed.tensors().len(), expected.len(), "{label}");
    for (tensor, expected) in parsed.tensors().iter().zip(expected) {
        assert_eq!(tensor.data.start % 64, 0);
        let data = &file[tensor.data.start as usize..tensor.data.end as usize];
        assert_eq!(tensor.name, expected[0], "{label}");
        assert_eq!(tensor.element_type, element_type(text(&expected[1])), "{label} {}", tensor.name);
        assert_eq!(Digest::of(data).hex()[..16], *text(&expected[2]), "{label} {}", tensor.name);
    }
}
