//! The modules of `sentence-transformers` behind the layers of a model: what `modules.json` lists.

use serde_json::Value;

use super::ConvertError;
use super::files::Files;

/// The file of a module that holds its weights.
pub(super) const WEIGHTS: &str = "model.safetensors";

/// The file that lists them.
const LIST: &str = "modules.json";

/// One of them.
pub(super) struct Module {
    /// The class, with its path: `sentence_transformers.models.Pooling`.
    kind: String,
    /// The folder.
    pub(super) path: String,
}

impl Module {
    /// Whether it is of a class, whichever library that is from.
    pub(super) fn is_a(&self, class: &str) -> bool {
        self.kind.rsplit('.').next() == Some(class)
    }

    /// What it is called in messages.
    pub(super) fn name(&self) -> &str {
        self.kind.rsplit('.').next().unwrap_or_default()
    }

    /// Whether a model without it is another: it computes, and not as every runtime does anyway.
    pub(super) fn matters(&self) -> bool {
        !["Transformer", "Normalize"].iter().any(|class| self.is_a(class))
    }
}

/// The modules in their order.
pub(super) fn listed(files: Files<'_>) -> Result<Vec<Module>, ConvertError> {
    let list = files.json(LIST)?;
    let list = list.as_ref().and_then(Value::as_array).into_iter().flatten();
    let text = |module: &Value, key: &str| module.get(key).and_then(Value::as_str).map(str::to_owned);
    Ok(list
        .filter_map(|module| Some(Module { kind: text(module, "type")?, path: text(module, "path")? }))
        .collect())
}
