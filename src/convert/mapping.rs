//! Applying a family's table to the tensors of a checkpoint.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::rule::{Match, Rule, Target};
use super::weight::{Weight, WeightError};
use super::{ConvertError, Model};

/// Tensors of the model, in the order in which they come about.
pub(super) struct Mapping<'m> {
    model: &'m Model,
    architecture: &'static str,
    rules: Vec<Rule>,
    mapped: Vec<(String, Weight)>,
    names: HashSet<String>,
    /// Experts that wait for the rest of their layer.
    waiting: HashMap<(&'static str, u64), BTreeMap<(usize, u64), Weight>>,
    /// Which rules have been used, in which layers.
    used: HashSet<(usize, u64)>,
}

impl<'m> Mapping<'m> {
    pub(super) fn new(model: &'m Model, architecture: &'static str, tables: &[&[Rule]]) -> Self {
        Self {
            model,
            architecture,
            rules: tables.concat(),
            mapped: Vec::new(),
            names: HashSet::new(),
            waiting: HashMap::new(),
            used: HashSet::new(),
        }
    }

    /// Adds a tensor that the family makes itself.
    pub(super) fn push(&mut self, name: String, weight: Weight) -> Result<(), ConvertError> {
        if !self.names.insert(name.clone()) {
            return Err(ConvertError::SameName { name });
        }
        self.mapped.push((name, weight));
        Ok(())
    }

    /// Adds what becomes of the tensor `name`; `weight` is asked for only if it is part of the model.
    pub(super) fn add(
        &mut self,
        name: &str,
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
        self.used.insert((index, found.numbers[0]));
        let explain = |error| explain(name, error);
        match rule.target {
            Target::Drop => Ok(()),
            Target::One(target, step) => {
                let weight = weight()?;
                let weight = match step {
                    Some(step) => step(self.model, weight).map_err(explain)?,
                    None => weight,
                };
                self.push(found.fill(target), weight)
            }
            Target::Several(targets, split) => {
                let parts = split(self.model, weight()?).map_err(explain)?;
                for (target, part) in targets.iter().zip(parts) {
                    self.push(found.fill(target), part)?;
                }
                Ok(())
            }
            Target::Stack(_) => self.add_expert(index, rule, found, weight()?),
        }
    }

    fn add_expert(
        &mut self,
        index: usize,
        rule: Rule,
        found: Match<'_>,
        weight: Weight,
    ) -> Result<(), ConvertError> {
        let group = rule.expert_group();
        let rules: Vec<usize> = (0..self.rules.len())
            .filter(|&other| {
                matches!(self.rules[other].target, Target::Stack(_))
                    && self.rules[other].expert_group() == group
            })
            .collect();
        let experts = self.model.experts()?;
        let [layer, expert] = found.numbers;
        let waiting = self.waiting.entry((group, layer)).or_default();
        waiting.insert((index, expert), weight);
        if (waiting.len() as u64) < experts.saturating_mul(rules.len() as u64) {
            return Ok(());
        }
        let mut waiting = self.waiting.remove(&(group, layer)).unwrap_or_default();
        for index in rules {
            let Target::Stack(target) = self.rules[index].target else { continue };
            let mut weights = Vec::new();
            for expert in 0..experts {
                weights.push(
                    waiting
                        .remove(&(index, expert))
                        .ok_or_else(|| self.lacks_expert(index, layer, expert))?,
                );
            }
            let name = found.fill(target);
            let stacked = Weight::stack(weights).map_err(|error| explain(&name, error))?;
            self.push(name, stacked)?;
        }
        Ok(())
    }

    fn lacks_expert(&self, rule: usize, layer: u64, expert: u64) -> ConvertError {
        let name = self.rules[rule].pattern.replacen("{}", &layer.to_string(), 1);
        self.lacks(name.replacen("{}", &expert.to_string(), 1).replace('*', "weight"))
    }

    fn lacks(&self, tensor: String) -> ConvertError {
        ConvertError::LackingTensor { tensor, architecture: self.architecture.to_owned() }
    }

    /// The tensors, after checking that experts are complete and nothing required is missing.
    pub(super) fn finish(self) -> Result<Vec<(String, Weight)>, ConvertError> {
        self.check_experts()?;
        self.check_required()?;
        Ok(self.mapped)
    }

    fn check_experts(&self) -> Result<(), ConvertError> {
        if let Some(((group, layer), waiting)) = self.waiting.iter().min_by_key(|(key, _)| **key) {
            let experts = self.model.experts()?;
            let rules = (0..self.rules.len()).filter(|&index| {
                matches!(self.rules[index].target, Target::Stack(_))
                    && self.rules[index].expert_group() == *group
            });
            let missing = rules
                .flat_map(|rule| (0..experts).map(move |expert| (rule, expert)))
                .find(|key| !waiting.contains_key(key));
            if let Some((rule, expert)) = missing {
                return Err(self.lacks_expert(rule, *layer, expert));
            }
        }
        Ok(())
    }

    /// The tensors of an adapter, which changes what it likes.
    pub(super) fn finish_partial(self) -> Result<Vec<(String, Weight)>, ConvertError> {
        self.check_experts()?;
        Ok(self.mapped)
    }

    fn check_required(&self) -> Result<(), ConvertError> {
        for (index, rule) in self.rules.iter().enumerate().filter(|(_, rule)| rule.required) {
            let layers = if rule.pattern.contains("{}") { self.model.main_layers } else { 1 };
            if let Some(layer) = (0..layers).find(|&layer| !self.used.contains(&(index, layer))) {
                return Err(self.lacks(rule.pattern.replace("{}", &layer.to_string()).replace('*', "weight")));
            }
        }
        Ok(())
    }
}

fn explain(name: &str, error: WeightError) -> ConvertError {
    match error {
        WeightError::Dimensions(reason) => ConvertError::Dimensions { tensor: name.to_owned(), reason },
        WeightError::LowRank => ConvertError::Adapter {
            reason: format!("the change of {name} cannot be rearranged as the model's weights are"),
        },
        WeightError::Configuration(error) => *error,
    }
}
