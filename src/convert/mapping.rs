//! Applying a family's table to the tensors of a checkpoint.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::found::{Found, as_stored};
use super::rule::{Match, Rule, StackSize, Target};
use super::weight::{Weight, WeightError};
use super::{ConvertError, Model};

/// Tensors of the model, in the order in which they come about.
pub(super) struct Mapping<'m> {
    model: &'m Model,
    architecture: &'static str,
    rules: Vec<Rule>,
    mapped: Vec<(String, Weight)>,
    /// What the family calls the tensors of the checkpoint, by their names in the model.
    origins: BTreeMap<String, String>,
    /// What they are called in the checkpoint, where the family calls them otherwise.
    own_names: BTreeMap<String, String>,
    /// Tensors of which nothing becomes part of the model.
    dropped: Vec<String>,
    /// Places beyond the last that a stack should have, by group and layer.
    beyond: BTreeMap<(&'static str, u64), (u64, u64)>,
    /// Tensors that wait for the rest of their stacks, by group and layer, and parts that wait for the
    /// others, by target.
    waiting: HashMap<(&'static str, u64), Waiting>,
    /// Which rules have been used, in which layers.
    used: HashSet<(usize, u64)>,
    /// How many layers those have whose tensors' names begin so, where there are two stacks of layers.
    other_layers: Option<(&'static str, u64)>,
}

/// Tensors by rule and place, with what the family calls them.
type Waiting = BTreeMap<(usize, u64), (Weight, String)>;

impl<'m> Mapping<'m> {
    pub(super) fn new(model: &'m Model, architecture: &'static str, tables: &[&[Rule]]) -> Self {
        Self {
            model,
            architecture,
            rules: tables.concat(),
            mapped: Vec::new(),
            origins: BTreeMap::new(),
            own_names: BTreeMap::new(),
            dropped: Vec::new(),
            beyond: BTreeMap::new(),
            waiting: HashMap::new(),
            used: HashSet::new(),
            other_layers: None,
        }
    }

    /// The same for a file with a second stack of layers, whose tensors' names begin with `start`.
    pub(super) fn with_layers(self, start: &'static str, layers: u64) -> Self {
        Self { other_layers: Some((start, layers)), ..self }
    }

    /// Adds a tensor that the family makes itself.
    pub(super) fn push(&mut self, name: String, weight: Weight) -> Result<(), ConvertError> {
        let origin = name.clone();
        self.put(name, weight, &origin)
    }

    fn put(&mut self, name: String, weight: Weight, origin: &str) -> Result<(), ConvertError> {
        if self.origins.insert(name.clone(), origin.to_owned()).is_some() {
            return Err(ConvertError::SameName { name });
        }
        self.mapped.push((name, weight));
        Ok(())
    }

    /// Whether a rule speaks of a tensor of this name.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.rules.iter().any(|rule| rule.matches(name).is_some())
    }

    /// Adds what becomes of the tensor `name`, which the checkpoint calls `own_name`; `weight` is asked for
    /// only if it is part of the model.
    pub(super) fn add(
        &mut self,
        name: &str,
        own_name: &str,
        weight: impl FnOnce() -> Result<Weight, ConvertError>,
    ) -> Result<(), ConvertError> {
        let rules = self.rules.iter().enumerate();
        let found = rules.filter_map(|(index, rule)| Some((index, *rule, rule.matches(name)?))).next();
        let Some((index, rule, found)) = found else {
            return Err(ConvertError::UnexpectedTensor {
                tensor: name.to_owned(),
                architecture: self.architecture.to_owned(),
            });
        };
        if name != own_name {
            self.own_names.insert(name.to_owned(), own_name.to_owned());
        }
        // A bias or a limit alone is not a weight.
        if matches!(found.suffix, "" | "weight") {
            self.used.insert((index, found.numbers[0]));
        }
        let explain = |error| explain(name, error);
        let weight = || match rule.prepared {
            Some(step) => step(self.model, weight()?).map_err(explain),
            None => weight(),
        };
        match rule.target {
            Target::Drop => {
                self.dropped.push(name.to_owned());
                Ok(())
            }
            Target::One(target, step) => {
                let weight = weight()?;
                let weight = match step {
                    Some(step) => step(self.model, weight).map_err(explain)?,
                    None => weight,
                };
                self.put(found.fill(target), weight, name)
            }
            Target::OfLayer(target, step) => {
                let weight = step(self.model, found.numbers[0], weight()?).map_err(explain)?;
                self.put(found.fill(target), weight, name)
            }
            Target::Several(targets, split) => {
                let parts = split(self.model, weight()?).map_err(explain)?;
                for (target, part) in targets.iter().zip(parts) {
                    self.put(found.fill(target), part, name)?;
                }
                Ok(())
            }
            Target::Copy(target) => {
                let copied = found.fill(target);
                if self.origins.contains_key(&copied) { Ok(()) } else { self.put(copied, weight()?, name) }
            }
            Target::Part(target) | Target::Factor(target) => {
                self.add_part(index, target, found, weight()?, name)
            }
            Target::Stack(_, size) | Target::Rows(_, size) => {
                self.add_to_stack(index, rule, size, found, weight()?, name)
            }
        }
    }

    fn add_part(
        &mut self,
        index: usize,
        target: &'static str,
        found: Match<'_>,
        weight: Weight,
        origin: &str,
    ) -> Result<(), ConvertError> {
        let layer = found.numbers[0];
        let is_part = |rule: &&Rule| match rule.target {
            Target::Part(name) | Target::Factor(name) => name == target,
            _ => false,
        };
        let parts = self.rules.iter().filter(is_part).count();
        let waiting = self.waiting.entry((target, layer)).or_default();
        waiting.insert((index, 0), (weight, origin.to_owned()));
        if waiting.len() < parts {
            return Ok(());
        }
        let waiting = self.waiting.remove(&(target, layer)).unwrap_or_default();
        let name = found.fill(target);
        let (weights, origins): (Vec<_>, Vec<_>) = waiting.into_values().unzip();
        let origin = origins.join(", ");
        let joined = match self.rules[index].target {
            Target::Factor(_) => Weight::product(weights),
            _ => Weight::join(weights),
        };
        let joined = joined.map_err(|error| explain(&origin, error))?;
        self.put(name, joined, &origin)
    }

    fn add_to_stack(
        &mut self,
        index: usize,
        rule: Rule,
        size: StackSize,
        found: Match<'_>,
        weight: Weight,
        origin: &str,
    ) -> Result<(), ConvertError> {
        let group = rule.stack_group();
        let rules: Vec<usize> = (0..self.rules.len())
            .filter(|&other| {
                self.rules[other].target.gathered().is_some() && self.rules[other].stack_group() == group
            })
            .collect();
        let (layer, place) = rule.place(found);
        let count = size.of(self.model, layer)?;
        if place >= count {
            let (_, last) = self.beyond.entry((group, layer)).or_insert((count, place));
            *last = place.max(*last);
            return Ok(());
        }
        let waiting = self.waiting.entry((group, layer)).or_default();
        waiting.insert((index, place), (weight, origin.to_owned()));
        if (waiting.len() as u64) < count.saturating_mul(rules.len() as u64) {
            return Ok(());
        }
        let mut waiting = self.waiting.remove(&(group, layer)).unwrap_or_default();
        for index in rules {
            let Some((target, _)) = self.rules[index].target.gathered() else { continue };
            let (mut weights, mut origins) = (Vec::new(), Vec::new());
            for place in 0..count {
                let (weight, origin) =
                    waiting.remove(&(index, place)).ok_or_else(|| self.lacks_part(index, layer, place))?;
                weights.push(weight);
                origins.push(origin);
            }
            let name = found.fill(target);
            let stacked = match self.rules[index].target {
                Target::Rows(..) => Weight::join(weights).map_err(|error| explain(origin, error)),
                _ => stacked(weights, &origins, &self.own_names),
            };
            self.put(name, stacked?, origin)?;
        }
        Ok(())
    }

    fn lacks_part(&self, rule: usize, layer: u64, place: u64) -> ConvertError {
        let pattern = self.rules[rule].pattern;
        let start = self.rules[rule].stack_group().len();
        let name = format!("{}{place}{}", &pattern[..start], &pattern[(start + 2).min(pattern.len())..]);
        self.lacks(name.replace("{}", &layer.to_string()).replace("**", "weight").replace('*', "weight"))
    }

    fn lacks(&self, tensor: String) -> ConvertError {
        let tensor = as_stored(&self.own_names, &tensor);
        ConvertError::LackingTensor { tensor, architecture: self.architecture.to_owned() }
    }

    /// The tensors and where they come from, after checking that experts are complete and nothing required is
    /// missing.
    pub(super) fn finish(self) -> Result<(Vec<(String, Weight)>, Found), ConvertError> {
        self.check_required()?;
        self.finish_partial()
    }

    /// The tensors of an adapter, which changes what it likes.
    pub(super) fn finish_partial(self) -> Result<(Vec<(String, Weight)>, Found), ConvertError> {
        self.check_counts()?;
        self.check_stacks()?;
        let Self { origins, own_names, dropped, rules, mapped, .. } = self;
        Ok((mapped, Found { origins, own_names, dropped, rules }))
    }

    /// Checks that no stack has more parts than the configuration says.
    fn check_counts(&self) -> Result<(), ConvertError> {
        match self.beyond.first_key_value() {
            Some(((_, layer), (stated, last))) => {
                Err(self.model.other_number_of_experts(*stated, last.saturating_add(1), *layer))
            }
            None => Ok(()),
        }
    }

    fn check_stacks(&self) -> Result<(), ConvertError> {
        let Some(((group, layer), waiting)) = self.waiting.iter().min_by_key(|(key, _)| **key) else {
            return Ok(());
        };
        for (index, rule) in self.rules.iter().enumerate() {
            if matches!(rule.target, Target::Part(name) | Target::Factor(name) if name == *group)
                && !waiting.contains_key(&(index, 0))
            {
                return Err(self.lacks(rule.pattern.replace("{}", &layer.to_string())));
            }
            let Some((_, size)) = rule.target.gathered() else { continue };
            let count = if rule.stack_group() == *group { size.of(self.model, *layer)? } else { 0 };
            let places = (0..count).filter(|place| waiting.contains_key(&(index, *place))).count() as u64;
            let counts_experts = group.contains("experts");
            if counts_experts
                && 0 < places
                && places < count
                && (0..places).all(|place| waiting.contains_key(&(index, place)))
            {
                return Err(self.model.other_number_of_experts(count, places, *layer));
            }
            if let Some(place) = (0..count).find(|place| !waiting.contains_key(&(index, *place))) {
                return Err(self.lacks_part(index, *layer, place));
            }
        }
        Ok(())
    }

    fn check_required(&self) -> Result<(), ConvertError> {
        for (index, rule) in self.rules.iter().enumerate().filter(|(_, rule)| rule.required) {
            let of_rule = match self.other_layers {
                Some((start, layers)) if rule.targets().iter().any(|name| name.starts_with(start)) => layers,
                _ => self.model.main_layers,
            };
            let layers = if rule.pattern.contains("{}") { of_rule } else { 1 };
            if let Some(layer) = (0..layers).find(|&layer| !self.used.contains(&(index, layer))) {
                return Err(self.lacks(
                    rule.pattern
                        .replace("{}", &layer.to_string())
                        .replace("**", "weight")
                        .replace('*', "weight"),
                ));
            }
        }
        Ok(())
    }
}

/// Tensors along a new axis. One that is unlike the first is named, as the checkpoint calls it.
fn stacked(
    mut weights: Vec<Weight>,
    origins: &[String],
    own_names: &BTreeMap<String, String>,
) -> Result<Weight, ConvertError> {
    let outputs = weights.first().map(Weight::outputs).unwrap_or_default();
    let odd = weights.iter().position(|weight| weight.outputs() != outputs).unwrap_or(0);
    if odd > 0 {
        // It and the first tell what is wrong.
        weights.swap(1, odd);
        weights.truncate(2);
    }
    Weight::stack(weights).map_err(|error| {
        let origin = origins.get(odd).map_or("", String::as_str);
        explain(own_names.get(origin).map_or(origin, String::as_str), error)
    })
}

fn explain(name: &str, error: WeightError) -> ConvertError {
    match error {
        WeightError::Dimensions(reason) => ConvertError::Dimensions { tensor: name.to_owned(), reason },
        WeightError::LowRank => ConvertError::Adapter {
            reason: format!("the change of {name:?} cannot be rearranged as the model's weights are"),
        },
        WeightError::Configuration(error) => *error,
    }
}
