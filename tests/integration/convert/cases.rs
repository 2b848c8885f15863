//! Every case: all tensors and all metadata as the reference converter writes them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use ollamake::convert::{self, OutputType, Warning};
use ollamake::gguf::Gguf;
use serde_json::Value as Json;

use super::checkpoint::{execute, read};
use super::comparison::compare;
use super::{Files, cases, cases_in};
use crate::support::files::fixture;
use crate::support::shared;

#[test]
fn all_cases_are_as_the_reference_converts_them() {
    let all = cases();
    let outcome = Outcome::of(&all, &all);
    assert!(outcome.different.is_empty(), "cases that differ: {:?}", outcome.different);
}

/// The second set has families that are still to come. They are listed, and the list has to stay true.
#[test]
fn all_architectures_are_as_the_reference_converts_them() {
    let Some(directory) = shared::path("architectures") else { return };
    let set = cases_in(&directory);
    let mut bases = cases();
    bases.extend(set.clone());
    let outcome = Outcome::of(&set, &bases);
    if is_narrowed() {
        assert!(outcome.different.is_empty(), "cases that differ: {:?}", outcome.different);
        return;
    }
    let listed = not_yet();
    let lost: Vec<&String> = outcome.different.difference(&listed).collect();
    assert!(lost.is_empty(), "cases that differ: {lost:?}");
    let gained: Vec<&String> = listed.difference(&outcome.different).collect();
    assert!(gained.is_empty(), "cases that are identical or unknown; remove them from {NOT_YET}: {gained:?}");
}

/// Cases of the second set that cannot be converted yet, a name a line.
const NOT_YET: &str = "tests/integration/convert/not_yet.txt";

fn not_yet() -> BTreeSet<String> {
    let list = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(NOT_YET)).unwrap();
    let names: Vec<String> = list.lines().map(str::to_owned).collect();
    assert!(names.is_sorted(), "the names in {NOT_YET} are not sorted");
    names.into_iter().collect()
}

#[test]
fn an_encoder_that_is_left_out_is_told() {
    let warnings = |case: &str| {
        let files = read(&fixture("conversion").join(case));
        convert::checkpoint(&files.sources(), OutputType::Auto).unwrap().warnings
    };
    let left_out = |warning: &Warning| matches!(warning, Warning::EncoderLeftOut { .. });
    assert!(warnings("internvl").contains(&Warning::EncoderLeftOut { input: "images" }));
    // One has a projector, the other only text.
    assert!(!["pixtral", "mistral"].into_iter().flat_map(warnings).any(|warning| left_out(&warning)));
}

/// The directories of cases by name.
type Cases = BTreeMap<String, PathBuf>;

/// Beginnings of the names of the only cases to try, apart by commas: `OLLAMAKE_CASE=glm,exaone4`.
fn narrowed() -> String {
    std::env::var("OLLAMAKE_CASE").unwrap_or_default()
}

/// Whether a case is none of them.
pub(super) fn is_narrowed_out(name: &str) -> bool {
    !narrowed().split(',').any(|beginning| name.starts_with(beginning))
}

fn is_narrowed() -> bool {
    !narrowed().is_empty()
}

/// What became of a set of cases.
struct Outcome {
    different: BTreeSet<String>,
}

impl Outcome {
    /// Tries all cases with weights, and prints how they differ. `bases` are those that cases may refer to.
    fn of(set: &Cases, bases: &Cases) -> Self {
        let chosen: Vec<_> = set
            .iter()
            .filter(|(name, _)| !is_narrowed_out(name))
            .filter(|(_, case)| has_weights(case))
            .collect();
        assert!(!chosen.is_empty() || is_narrowed(), "there are no cases");
        let mut different = BTreeSet::new();
        for (name, case) in &chosen {
            let found = catch_unwind(AssertUnwindSafe(|| differences(bases, case)));
            let found = found.unwrap_or_else(|_| vec!["panicked".to_owned()]);
            for difference in &found {
                println!("{name}: {difference}");
            }
            if !found.is_empty() {
                different.insert(name.as_str().to_owned());
            }
        }
        println!("{} of {} cases are identical", chosen.len() - different.len(), chosen.len());
        Self { different }
    }
}

/// Some cases of the first set are listings of models that are too large to lie there.
pub(super) fn has_weights(case: &Path) -> bool {
    fs::read_dir(case)
        .unwrap()
        .any(|entry| entry.unwrap().path().extension().is_some_and(|extension| extension == "safetensors"))
}

/// What a case holds of the reference's files. Python writes infinity in a way that is not JSON; here it is
/// null, as it is in what is compared with it.
pub(super) fn expectations(case: &Path) -> Json {
    let text = fs::read_to_string(case.join("expected.json")).unwrap();
    serde_json::from_str(&text.replace("-Infinity", "null")).unwrap()
}

/// Everything in which a case differs from what is expected, cut after a few lines for each output type.
fn differences(bases: &Cases, case: &Path) -> Vec<String> {
    let expected = expectations(case);
    let files = with_card(with_target(read(case), bases, &expected), case);
    let mut all = Vec::new();
    for (label, listing) in expected["outtypes"].as_object().unwrap() {
        let found = match converted(bases, &expected, &files, label) {
            Ok(bytes) => {
                let gguf = Gguf::parse(&bytes).unwrap();
                compare(&gguf, &bytes, listing, expected.get("forced_pre").is_some(), has_template(&files))
            }
            Err(reason) => vec![reason],
        };
        let found = found.into_iter().filter(|difference| !is_scaled_otherwise(&files, difference));
        all.extend(found.take(8).map(|difference| format!("{label}: {difference}")));
        // There is no place for further files in a model, so what would be in them is told instead.
        let further = listing.get("side_files").and_then(Json::as_object).into_iter().flatten();
        let untold = further.filter(|(name, _)| !is_told_of(&files, name));
        all.extend(untold.map(|(name, _)| format!("{label}: {name} is neither made nor told of")));
    }
    all
}

/// The reference takes no notice of what scales changes otherwise than `lora_alpha`. What is right is what
/// PEFT makes of them (`merged.rs`).
fn is_scaled_otherwise(files: &Files, difference: &str) -> bool {
    let settings = files.0.iter().find(|(name, _)| name == "adapter_config.json");
    let is_special = settings.is_some_and(|(_, settings)| {
        let settings: Json = serde_json::from_slice(settings).unwrap();
        let patterns = settings["alpha_pattern"].as_object();
        settings["use_rslora"] == true || patterns.is_some_and(|patterns| !patterns.is_empty())
    });
    is_special && (difference.contains(".lora_b ") || difference.starts_with("adapter.lora.alpha:"))
}

/// Whether a template is anywhere in a checkpoint.
fn has_template(files: &Files) -> bool {
    let mentions = |text: &[u8]| String::from_utf8_lossy(text).contains("chat_template");
    files.0.iter().any(|(name, text)| {
        name.contains("chat_template") || (name == "tokenizer_config.json" && mentions(text))
    })
}

/// Whether a warning names the task that the adapter in a further file is for.
fn is_told_of(files: &Files, name: &str) -> bool {
    let task = name.strip_prefix("lora-").and_then(|name| name.strip_suffix(".gguf")).unwrap();
    let conversion = convert::checkpoint(&files.sources(), OutputType::Auto).unwrap();
    conversion.warnings.iter().any(|warning| {
        matches!(warning, Warning::AdaptersLeftOut { tasks } if tasks.split(", ").any(|told| told == task))
    })
}

/// Drafts are converted with what describes their target, which may be another case.
pub(super) fn with_target(mut files: Files, bases: &Cases, expected: &Json) -> Files {
    let options = expected.get("options").and_then(Json::as_array).into_iter().flatten();
    let targets: Vec<&PathBuf> = options.filter_map(|option| bases.get(option.as_str()?)).collect();
    for (name, bytes) in targets.into_iter().flat_map(|target| read(target).0) {
        if !name.ends_with(".safetensors") {
            files.0.push((format!("target/{name}"), bytes));
        }
    }
    files
}

/// The reference goes by the name of the directory where a model card says nothing better. What is uploaded
/// has no directory: its card says the name.
fn with_card(mut files: Files, case: &Path) -> Files {
    const CARD: &str = "README.md";
    if !files.0.iter().any(|(name, _)| name == CARD) {
        let name = case.file_name().unwrap().to_str().unwrap();
        files.0.push((CARD.to_owned(), format!("# {name}\n").into_bytes()));
    }
    files
}

/// The file that the label of an output type stands for, or why there is none.
fn converted(bases: &Cases, expected: &Json, files: &Files, label: &str) -> Result<Vec<u8>, String> {
    let output = match label.strip_prefix("mmproj-").unwrap_or(label) {
        "f32" => OutputType::F32,
        "f16" => OutputType::F16,
        "bf16" => OutputType::Bf16,
        "q8_0" => OutputType::Q8_0,
        "auto" => OutputType::Auto,
        other => panic!("unknown output type {other}"),
    };
    let reason = |error: &dyn std::error::Error| error.to_string();
    let plan = if let Some(base) = expected.get("base").and_then(Json::as_str) {
        let base_files = read(&bases[base]);
        let base = convert::checkpoint(&base_files.sources(), OutputType::F16);
        let base =
            base.map_err(|error| format!("the base: {error}"))?.model.ok_or("the base is not a model")?;
        let mut files = files.clone();
        // Its weights hold factors that only its configuration tells.
        if base.metadata.architecture() == Ok("falcon-h1") {
            files = files.with("config.json", base_files.bytes("config.json").clone());
        }
        let adapter = convert::adapter(&files.sources(), &base, output);
        adapter.map_err(|error| reason(&error))?.model.ok_or("no adapter is made")?
    } else {
        let conversion = convert::checkpoint(&files.sources(), output).map_err(|error| reason(&error))?;
        match label.starts_with("mmproj-") {
            true => conversion.projector.ok_or("no projector is made")?,
            false => conversion.model.ok_or("no model is made")?,
        }
    };
    execute(&plan, files).map_err(|error| reason(&error))
}
