//! Checkpoints that lack something, have too much, or contradict their configuration: none becomes a model
//! that the runtime would refuse.

use ollamake::convert::{self, Conversion, ConvertError, OutputType};
use serde_json::{Value, json};

use super::checkpoint::read;
use super::tensors::{Tensor, Tensors, parsed};
use super::{Files, cases};
use crate::support::files::fixture;

const WEIGHTS: &str = "model.safetensors";

fn case(name: &str) -> Files {
    read(&fixture("conversion").join(name))
}

fn convert(files: &Files) -> Result<Conversion, ConvertError> {
    convert::checkpoint(&files.sources(), OutputType::Auto)
}

fn refusal(files: &Files, what: &str) -> String {
    convert(files).map(|_| ()).expect_err(&format!("{what} is accepted")).to_string()
}

#[track_caller]
fn refuses(files: &Files, words: &[&str]) {
    let error = refusal(files, &format!("{words:?}"));
    for word in words {
        assert!(error.contains(word), "{error:?} does not say {word:?}");
    }
}

fn removed(files: &Files, name: &str) -> Files {
    files.weighted(WEIGHTS, |tensors| {
        tensors.remove(name).unwrap_or_else(|| panic!("{name} is not there"));
    })
}

fn warnings(files: &Files) -> Vec<String> {
    convert(files).unwrap().warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn a_layer_has_a_whole_feed_forward_network() {
    for part in ["gate_proj", "up_proj", "down_proj"] {
        let name = format!("model.layers.1.mlp.{part}.weight");
        refuses(&removed(&case("mistral"), &name), &[&name, "missing"]);
    }
    let all = case("mistral").weighted(WEIGHTS, |tensors| tensors.retain(|name, _| !name.contains(".mlp.")));
    refuses(&all, &["model.layers.0.mlp.", "missing"]);
    let gates =
        case("mistral").weighted(WEIGHTS, |tensors| tensors.retain(|name, _| !name.contains("gate_proj")));
    refuses(&gates, &["model.layers.0.mlp.gate_proj.weight", "missing"]);
}

#[test]
fn layers_that_the_configuration_does_not_count_are_refused() {
    for name in ["mistral", "starcoder2", "bert-plain", "modern-bert", "granite-experts"] {
        let fewer = case(name).configured(|config| {
            let layers = config["num_hidden_layers"].as_u64().unwrap();
            config["num_hidden_layers"] = json!(layers - 1);
            if let Some(kinds) = config.get_mut("layer_types").and_then(Value::as_array_mut) {
                kinds.pop();
            }
        });
        if convert(&case(name))
            .unwrap()
            .model
            .unwrap()
            .tensors
            .iter()
            .any(|tensor| tensor.name.starts_with("blk.1."))
        {
            refuses(&fewer, &["num_hidden_layers", "layer"]);
        }
    }
}

#[test]
fn the_configuration_says_the_same_as_the_shapes() {
    let good = case("mistral");
    let config: Value = serde_json::from_slice(good.bytes("config.json")).unwrap();
    for key in ["hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads", "head_dim"]
    {
        let number = config.get(key).and_then(Value::as_u64);
        let other = number.map_or(64, |number| number * 2);
        let files = good.configured(|config| config[key] = json!(other));
        let named = if key == "head_dim" && number.is_none() { "head_dim" } else { key };
        refuses(&files, &["tensor ", named]);
    }
    let zero = good.configured(|config| config["hidden_size"] = json!(0));
    refuses(&zero, &["hidden_size"]);
    let cut = good.weighted(WEIGHTS, |tensors| {
        let norm = tensors["model.norm.weight"].clone();
        let half = norm.shape[0] / 2;
        tensors.insert("model.norm.weight".to_owned(), norm.without_rows(half));
    });
    refuses(&cut, &["model.norm.weight", "hidden_size"]);
}

#[test]
fn predicted_layers_are_those_that_are_there() {
    let good = case("nemotron-h-predicting");
    let is_predicting = |name: &str| name.starts_with("mtp.");
    let block_count = |files: &Files| {
        let model = convert(files).unwrap().model.unwrap();
        let metadata = model.metadata;
        let count = metadata.architecture_count("nextn_predict_layers").unwrap().unwrap_or(0);
        (metadata.block_count().unwrap(), count)
    };
    let (whole, predicted) = block_count(&good);
    assert!(predicted > 0);
    let without = good.weighted(WEIGHTS, |tensors| tensors.retain(|name, _| !is_predicting(name)));
    assert_eq!(block_count(&without), (whole - predicted, 0));
    let names: Vec<String> =
        parsed(good.bytes(WEIGHTS)).into_keys().filter(|name| is_predicting(name)).collect();
    for name in names.iter().filter(|name| name.contains("eh_proj") || name.contains("enorm")) {
        refuses(&removed(&good, name), &["missing"]);
    }
}

#[test]
fn experts_are_as_many_as_the_configuration_says() {
    let good = case("granite-experts");
    let key = "num_local_experts";
    let config: Value = serde_json::from_slice(good.bytes("config.json")).unwrap();
    let stated = config[key].as_u64().unwrap();
    refuses(&good.configured(|config| config[key] = json!(stated * 2)), &[key]);
    let listed = case("olmo-experts");
    let config: Value = serde_json::from_slice(listed.bytes("config.json")).unwrap();
    let stated = config["num_experts"].as_u64().unwrap();
    for other in [stated - 1, stated + 1] {
        let words = [&format!("num_experts {other}"), &format!("has {stated} in layer 0")];
        let files = listed.configured(|config| config["num_experts"] = json!(other));
        refuses(&files, &words.map(String::as_str));
    }
}

/// MLX stacks the experts of a layer in one tensor under another name.
#[test]
fn experts_as_mlx_stacks_them_are_those_one_by_one() {
    let listed = case("glm4-experts");
    let (names, stacked) = (tensors_of(&listed), case("glm4-experts").weighted(WEIGHTS, stack_experts));
    assert!(parsed(stacked.bytes(WEIGHTS)).keys().any(|name| name.contains("switch_mlp")));
    assert_eq!(names, tensors_of(&stacked));
}

/// The names and shapes of a conversion's tensors.
fn tensors_of(files: &Files) -> Vec<(String, String)> {
    let model = convert(files).unwrap().model.unwrap();
    let mut tensors: Vec<_> =
        model.tensors.iter().map(|tensor| (tensor.name.clone(), tensor.shape.to_string())).collect();
    tensors.sort();
    tensors
}

fn stack_experts(tensors: &mut Tensors) {
    let experts: Vec<String> = tensors.keys().filter(|name| name.contains(".experts.")).cloned().collect();
    for name in experts {
        let (before, after) = name.split_once(".experts.").unwrap();
        let (_, part) = after.split_once('.').unwrap();
        let tensor = tensors.remove(&name).unwrap();
        let stack = format!("{before}.switch_mlp.{part}");
        match tensors.get_mut(&stack) {
            // Names are in order, so experts are too: there are fewer than ten.
            Some(stack) => {
                stack.shape[0] += 1;
                stack.bytes.extend(tensor.bytes);
            }
            None => {
                let shape = [&[1], &tensor.shape[..]].concat();
                tensors.insert(stack, Tensor { shape, ..tensor });
            }
        }
    }
}

#[test]
fn a_head_that_should_be_there_is_missed() {
    let untied = case("mistral").configured(|config| config["tie_word_embeddings"] = json!(false));
    let headless = untied.weighted(WEIGHTS, |tensors| drop(tensors.remove("lm_head.weight")));
    let is_about_head = |warning: &String| warning.contains("lm_head");
    assert!(warnings(&headless).iter().any(is_about_head), "{:?}", warnings(&headless));
    let unsaid =
        headless.configured(|config| drop(config.as_object_mut().unwrap().remove("tie_word_embeddings")));
    assert!(warnings(&unsaid).iter().any(is_about_head));
    let tied = headless.configured(|config| config["tie_word_embeddings"] = json!(true));
    assert!(!warnings(&tied).iter().any(is_about_head));
}

/// Every tensor is needed, or is one of those without which a model is another, but a model.
#[test]
fn no_tensor_can_be_taken_out_unnoticed() {
    let mut tried = 0;
    let mut unnoticed = Vec::new();
    for (name, directory) in cases() {
        let files = read(&directory);
        let whole = match files.0.iter().find(|(name, _)| name == WEIGHTS) {
            Some((_, bytes)) if bytes.len() < 1 << 20 && convert(&files).is_ok() => parsed(bytes),
            _ => continue,
        };
        // The names alone decide which are tried, so it is always the same ones.
        let chosen = whole.keys().filter(|tensor| (name.len() * 7 + tensor.len() * 13).is_multiple_of(5));
        for tensor in chosen.filter(|tensor| !may_be_missing(tensor, &whole)) {
            tried += 1;
            if convert(&removed(&files, tensor)).is_ok() {
                unnoticed.push(format!("{name}: {tensor}"));
            }
        }
    }
    assert!(tried > 50, "only {tried} tensors were taken out");
    assert!(unnoticed.is_empty(), "missing and not missed: {unnoticed:#?}");
}

/// Tensors that a checkpoint may lack: the head, what lies outside of the layers of a text model, and what is
/// in one layer alone, so that no other shows that it should be there.
fn may_be_missing(name: &str, all: &Tensors) -> bool {
    let number = |part: &str| part.parse::<u64>().is_ok();
    let is_outside = !name.split('.').any(number);
    let without = |name: &str| name.split('.').filter(|part| !number(part)).collect::<Vec<_>>().join(".");
    let is_alone = all.keys().filter(|other| without(other) == without(name)).count() < 2;
    let is_of_encoder = ["vision", "visual", "audio", "sound"].iter().any(|word| name.contains(word));
    is_outside || is_alone || is_of_encoder
}
