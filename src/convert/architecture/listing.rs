//! Which model classes are converted, as the declarations say it.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::families;

/// A model class that is converted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ModelClass {
    /// What `architectures` in `config.json` says.
    pub name: &'static str,
    /// `general.architecture` of the model file; there are several where the configuration decides.
    pub architectures: Vec<&'static str>,
    /// Whether the part that encodes images or sound becomes a file of its own.
    pub projector: bool,
}

/// All classes, by name.
pub fn model_classes() -> Vec<ModelClass> {
    let mut classes: BTreeMap<&str, ModelClass> = BTreeMap::new();
    for family in families() {
        for name in family.names {
            let entry = || ModelClass { name, architectures: Vec::new(), projector: false };
            let class = classes.entry(name).or_insert_with(entry);
            if !class.architectures.contains(&family.architecture) {
                class.architectures.push(family.architecture);
            }
            class.projector |= family.projector.is_some();
        }
    }
    classes.into_values().collect()
}
