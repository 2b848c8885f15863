//! Mixtures against those of llama-quantize: all types, with and without an importance matrix, with options.

use std::collections::BTreeMap;

use ollamake::model::Digest;
use ollamake::plan::{Derivation, Location, Plan, PlannedTensor, SourceDescription, Stored};
use ollamake::quantize::{
    FileType, ImportanceMatrix, QuantizeError, Quantized, Scheme, Selection, TypeOverride, quantize,
    target_type,
};
use ollamake::tensor::ElementType;
use serde_json::Value as Json;

use super::material::{element_type, expected, list, metadata, shape, text};

/// The numbers in `0-3,6,9`.
fn layers(ranges: &str) -> Vec<u32> {
    let range = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        first.parse::<u32>().unwrap()..=last.parse().unwrap()
    };
    ranges.split(',').flat_map(range).collect()
}

/// A name with its layer replaced by `#`, and the layer.
fn pattern(name: &str) -> (String, Option<u32>) {
    let split = ["blk.", "enc.blk.", "dec.blk."].iter().find_map(|prefix| {
        let (layer, rest) = name.strip_prefix(prefix)?.split_once('.')?;
        Some((format!("{prefix}#.{rest}"), layer.parse().ok()?))
    });
    split.map_or((name.to_owned(), None), |(pattern, layer)| (pattern, Some(layer)))
}

/// The plan of a model of which only names, shapes and types matter.
pub(super) fn skeleton(model: &Json) -> Plan {
    let mut tensors = Vec::new();
    for group in list(&model["groups"]) {
        let layers = group["layers"].as_str().map_or(vec![0], layers);
        for layer in layers {
            for tensor in list(&group["tensors"]) {
                let shape = shape(&tensor[2]);
                let element_type = element_type(text(&tensor[1]));
                let dimensions: Vec<u64> = shape.dimensions().iter().rev().copied().collect();
                let stored = Stored::plain(Location { source: 0, offset: 0 }, element_type, &dimensions);
                let name = text(&tensor[0]).replace('#', &layer.to_string());
                tensors.push(PlannedTensor {
                    name,
                    shape,
                    element_type,
                    derivation: Derivation::stored(stored).unwrap(),
                    importance: None,
                });
            }
        }
    }
    assert_eq!(tensors.len() as u64, model["n_tensors"].as_u64().unwrap());
    let source = SourceDescription { label: "skeleton".into(), length: u64::MAX };
    Plan { sources: vec![source], metadata: metadata(&model["kv"], 1), tensors }
}

/// What is said of a tensor, by its name or by its layer too; `None` if nothing is.
fn said<'j>(types: &'j Json, name: &str) -> Option<&'j str> {
    let (pattern, layer) = pattern(name);
    match &types[&pattern] {
        Json::Null => None,
        Json::String(name) => Some(name),
        Json::Object(by_layers) => by_layers
            .iter()
            .find(|(_, ranges)| layer.is_some_and(|layer| layers(text(ranges)).contains(&layer)))
            .map(|(name, _)| name.as_str()),
        other => panic!("{other}"),
    }
}

/// A model of `mixtures.json`, as far as a choice can be made for it.
struct Model<'j> {
    label: &'j str,
    plan: Plan,
    stored: BTreeMap<String, ElementType>,
}

impl<'j> Model<'j> {
    fn new(json: &'j Json) -> Self {
        let label = text(&json["name"]);
        let mut plan = skeleton(json);
        // The reference also chooses types for what is quantized already, and then refuses. The choice does
        // not depend on it.
        let quantized = |tensor: &PlannedTensor| tensor.element_type.is_quantized();
        if plan.tensors.iter().any(quantized) {
            let refused = quantize(plan.clone(), &FileType::Q4_0.into(), None).err();
            assert!(matches!(refused, Some(QuantizeError::AlreadyQuantized { .. })), "{label}");
            for tensor in plan.tensors.iter_mut().filter(|tensor| quantized(tensor)) {
                tensor.element_type = ElementType::F16;
            }
        }
        // The reference chooses a type for matrices of four dimensions and then fails; here they are refused.
        if let Err(QuantizeError::FourDimensions { tensor }) =
            quantize(plan.clone(), &FileType::Q4_0.into(), None)
        {
            assert_eq!(tensor, "w512x.weight", "{label}");
            plan.tensors.retain(|other| other.name != tensor);
        } else {
            let ordered = quantize(plan.clone(), &FileType::F32.into(), None).unwrap().plan.tensors;
            let mut names: Vec<_> = ordered.into_iter().map(|tensor| tensor.name).collect();
            assert_eq!(Digest::of(names.join("\n").as_bytes()).hex(), json["output_order_sha256"], "{label}");
            names.truncate(8);
            assert_eq!(serde_json::json!(names), json["output_order_first"], "{label}");
        }
        let stored = plan.tensors.iter().map(|tensor| (tensor.name.clone(), tensor.element_type)).collect();
        Self { label, plan, stored }
    }

    /// Compares what is chosen with what the reference chose; answers with how many tensors that were.
    fn compare(
        &self,
        scheme: &Scheme,
        matrix: Option<&ImportanceMatrix>,
        expected: &Json,
        label: &str,
    ) -> usize {
        let label = format!("{} {label}", self.label);
        let quantized = quantize(self.plan.clone(), scheme, matrix);
        if let Some(error) = expected["error"].as_str() {
            let refused = quantized.expect_err(&label);
            let is_same = match refused {
                QuantizeError::Layer { .. } => error.contains("layer"),
                QuantizeError::NoFallback { .. } => error.contains("no tensor type fallback"),
                _ => false,
            };
            assert!(is_same, "{label}: {error}, {refused}");
            return 0;
        }
        let Quantized { plan, choices, demand, .. } =
            quantized.unwrap_or_else(|error| panic!("{label}: {error}"));
        for (tensor, choice) in plan.tensors.iter().zip(&choices) {
            let name = tensor.name.as_str();
            let wanted = said(&expected["types"], name).map_or(self.stored[name], element_type);
            assert_eq!(tensor.element_type, wanted, "{label} {name}");
            // Where all of a pattern that fell back did so alike, the layers are not told.
            if let (Some(replaced), false) = (choice.replaced, expected["fallback"].is_null()) {
                let wanted = said(&expected["fallback"], name).map(str::to_uppercase);
                assert_eq!(Some(format!("{replaced}>{}", tensor.element_type)), wanted, "{label} {name}");
            }
        }
        if matrix.is_none() {
            assert_eq!(demand.is_some(), expected["requires_imatrix"] == true, "{label}");
        }
        if let Some(fallen) = expected["n_fallback"].as_u64() {
            let replaced = choices.iter().filter(|choice| choice.replaced.is_some()).count();
            assert_eq!(replaced as u64, fallen, "{label}");
        }
        choices.len()
    }
}

/// A matrix that has values for no tensor of any model: that there is one changes mixtures.
fn matrix() -> ImportanceMatrix {
    let mut bytes = Vec::new();
    for number in [1, 8] {
        bytes.extend_from_slice(&i32::to_le_bytes(number));
    }
    bytes.extend_from_slice(b"x.weight");
    for number in [1, 1, 0] {
        bytes.extend_from_slice(&i32::to_le_bytes(number));
    }
    let source = SourceDescription { label: "x.dat".into(), length: bytes.len() as u64 };
    ImportanceMatrix::read(source, &bytes, &Selection::default()).unwrap().unwrap()
}

#[test]
fn mixtures_are_those_of_llama_quantize() {
    let mixtures = expected("mixtures.json");
    let matrix = matrix();
    let (mut compared, mut demanding) = (0, 0);
    for json in list(&mixtures["models"]) {
        let model = Model::new(json);
        for file_type in FileType::all() {
            let (scheme, expected) = (Scheme::new(file_type), &json["ftypes"][file_type.name()]);
            compared += model.compare(&scheme, None, expected, file_type.name());
            let with_one = expected.get("with_imatrix").unwrap_or(expected);
            compared += model.compare(&scheme, Some(&matrix), with_one, &format!("{file_type} weighted"));
            demanding += usize::from(expected["requires_imatrix"] == true);
        }
    }
    println!("{compared} tensors, {demanding} demands");
    assert!(compared > 500_000 && demanding > 150);
}

/// The scheme of `FTYPE option ...`.
fn scheme(options: &str) -> Scheme {
    let (file_type, options) = options.split_once(' ').unwrap();
    let mut scheme = Scheme::new(file_type.parse::<FileType>().unwrap());
    for option in options.split(' ') {
        match option.split_once('=') {
            Some(("output-tensor-type", wanted)) => {
                scheme.output_tensor_type = Some(target_type(wanted).unwrap())
            }
            Some(("token-embedding-type", wanted)) => {
                scheme.token_embedding_type = Some(target_type(wanted).unwrap());
            }
            Some(_) => scheme.tensor_types.push(option.parse::<TypeOverride>().unwrap()),
            None if option == "tensor-type" => {}
            None if option == "pure" => scheme.pure = true,
            None if option == "leave-output-tensor" => scheme.leave_output_tensor = true,
            None => panic!("{option}"),
        }
    }
    scheme
}

#[test]
fn options_change_mixtures_as_those_of_llama_quantize() {
    let mixtures = expected("mixtures.json");
    let mut compared = 0;
    for json in list(&mixtures["models"]) {
        let Some(options) = json["options"].as_object() else { continue };
        let model = Model::new(json);
        for (options, expected) in options {
            compared += model.compare(&scheme(options), None, expected, options);
        }
    }
    println!("{compared} tensors");
    assert!(compared > 40_000);
}
