//! What applying a family's table has found in a checkpoint.

use std::collections::BTreeMap;

use super::ConvertError;
use super::rule::Rule;

/// The tensors of a model, and what they are called in the checkpoint.
pub(super) struct Found {
    /// The names that the family has for the checkpoint's tensors, by those in the model.
    pub(super) origins: BTreeMap<String, String>,
    /// The checkpoint's own names, where the family has others.
    pub(super) own_names: BTreeMap<String, String>,
    /// Tensors of the checkpoint of which nothing becomes part of the model.
    pub(super) dropped: Vec<String>,
    /// The family's table.
    pub(super) rules: Vec<Rule>,
}

impl Found {
    /// The names of the model's tensors.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.origins.keys().map(String::as_str)
    }

    /// Whether the model has a tensor.
    pub(super) fn has(&self, name: &str) -> bool {
        self.origins.contains_key(name)
    }

    /// What a tensor of the model is called in the checkpoint.
    pub(super) fn origin<'n>(&'n self, name: &'n str) -> &'n str {
        let origin = self.origins.get(name).map_or(name, String::as_str);
        self.own_names.get(origin).map_or(origin, String::as_str)
    }

    /// Whether the table says what becomes a tensor of a layer, given by its name within the layer.
    pub(super) fn has_rule_for(&self, name: &str) -> bool {
        self.rules_for(name).next().is_some()
    }

    /// The error that a tensor of a layer is missing, by the name that the checkpoint would have for it.
    pub(super) fn lacks(&self, layer: usize, name: &str, architecture: &str) -> ConvertError {
        let suffix = if name.ends_with(".bias") { "bias" } else { "weight" };
        let mut patterns = self.rules_for(name).map(|rule| rule.pattern);
        // The form that other layers have is more likely than those that are there for older files.
        let used = |pattern: &&str| {
            let start = pattern.split("{}").next().unwrap_or_default();
            let end = pattern.rsplit("{}").next().unwrap_or_default().trim_end_matches('*');
            self.origins.values().any(|origin| origin.starts_with(start) && origin.contains(end))
        };
        let first = patterns.clone().next();
        let tensor = match patterns.find(used).or(first) {
            Some(pattern) => {
                let numbered = pattern.replacen("{}", &layer.to_string(), 1).replace("{}", "0");
                numbered.strip_suffix('*').map_or(numbered.clone(), |stem| format!("{stem}{suffix}"))
            }
            None => format!("blk.{layer}.{name}"),
        };
        let tensor = as_stored(&self.own_names, &tensor);
        ConvertError::LackingTensor { tensor, architecture: architecture.to_owned() }
    }

    fn rules_for(&self, name: &str) -> impl Iterator<Item = &Rule> + Clone {
        let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
        let is_name = move |target: &&str| {
            let Some(inner) = target.split_once("blk.{}.").map(|(_, inner)| inner) else { return false };
            let either = matches!(ending, "weight" | "bias") && inner.strip_suffix(".*") == Some(stem);
            either || inner == name
        };
        self.rules.iter().filter(move |rule| rule.targets().iter().any(&is_name))
    }
}

/// What the checkpoint would call a tensor that it does not have: as it calls the one that is most like it.
/// `own_names` are its names by those that the family has for them.
pub(super) fn as_stored(own_names: &BTreeMap<String, String>, name: &str) -> String {
    let wanted: Vec<&str> = name.split('.').collect();
    let renamed = own_names.iter().filter_map(|(known, own)| {
        let (known, own): (Vec<&str>, Vec<&str>) = (known.split('.').collect(), own.split('.').collect());
        let ((known_ending, known), (own_ending, own)) = (known.split_last()?, own.split_last()?);
        let shared = shared(known.iter().rev(), own.iter().rev());
        let (before, inner) = known.split_at(known.len() - shared);
        let (ending, rest) = wanted.strip_prefix(before)?.split_last()?;
        let likeness = before.len() + self::shared(inner.iter(), rest.iter());
        let ending = if ending == known_ending { own_ending } else { ending };
        let stored = [&own[..own.len() - shared], rest, &[*ending]].concat().join(".");
        (likeness > before.len()).then_some((likeness, stored))
    });
    renamed.max_by_key(|(likeness, _)| *likeness).map_or_else(|| name.to_owned(), |(_, stored)| stored)
}

/// How many of the first items of two lists are the same.
fn shared<'s>(one: impl Iterator<Item = &'s &'s str>, other: impl Iterator<Item = &'s &'s str>) -> usize {
    one.zip(other).take_while(|(one, other)| one == other).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tensor_is_called_as_its_neighbours_are() {
        let own_names = BTreeMap::from([
            ("model.layers.0.a.weight".to_owned(), "model.language_model.layers.0.a.weight".to_owned()),
            ("blocks.0.experts.0.w1.packed".to_owned(), "layers.0.experts.0.w1.weight".to_owned()),
        ]);
        for (name, stored) in [
            ("model.layers.1.b.weight", "model.language_model.layers.1.b.weight"),
            ("blocks.0.experts.2.w1.packed", "layers.0.experts.2.w1.weight"),
            ("lm_head.weight", "lm_head.weight"),
            ("model.other.weight", "model.other.weight"),
        ] {
            assert_eq!(as_stored(&own_names, name), stored);
        }
    }
}
