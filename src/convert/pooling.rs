//! How an embedding model pools its tokens: what `sentence-transformers` writes beside the weights.

use serde_json::Value;

use super::parameters::Parameters;
use super::{ConvertError, Subject, modules};

// The numbers of llama.cpp's `llama_pooling_type`.
const MEAN: u32 = 1;
/// The first token stands for the text.
pub(super) const FIRST: u32 = 2;
const LAST: u32 = 3;
/// How well a document answers a query.
pub(super) const RANK: u32 = 4;

/// Sets the pooling type if the checkpoint says one, and that of a classifier if the configuration does.
pub(super) fn write(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    if let Some(number) = of_embedding(subject)? {
        out.set("pooling_type", number);
    }
    let configuration = &subject.model.configuration;
    match configuration.text_value("classifier_pooling")? {
        None => {}
        Some("mean") => out.set("classifier.pooling_type", MEAN),
        Some("cls") => out.set("classifier.pooling_type", FIRST),
        Some(other) => return Err(configuration.bad("classifier_pooling", &other, "mean or cls")),
    }
    Ok(())
}

fn of_embedding(subject: &Subject<'_>) -> Result<Option<u32>, ConvertError> {
    let modules = modules::listed(subject.files)?;
    let Some(module) = modules.iter().find(|module| module.is_a("Pooling")) else { return Ok(None) };
    let file = format!("{}/config.json", module.path);
    // The module's folder may not have been uploaded, which is told; the pooling is then the runtime's
    // default.
    let Some(pooling) = subject.files.json(&file)? else { return Ok(None) };
    let flag = |key: &str| pooling.get(key).and_then(Value::as_bool).unwrap_or(false);
    let number = if flag("pooling_mode_mean_tokens") {
        MEAN
    } else if flag("pooling_mode_cls_token") {
        FIRST
    } else if flag("pooling_mode_lasttoken") {
        LAST
    } else {
        match pooling.get("pooling_mode").and_then(Value::as_str) {
            Some("mean") => MEAN,
            Some("cls") => FIRST,
            Some("lasttoken") => LAST,
            _ => {
                let expected = "mean, cls or lasttoken";
                return Err(ConvertError::bad_value(&file, "pooling_mode", &pooling, expected));
            }
        }
    };
    Ok(Some(number))
}
