//! Which tensor of a checkpoint becomes which tensor of the model: one rule a line in a family's table.

use super::weight::{Split, Step, Weight, WeightError};
use super::{ConvertError, Model};

/// One line of a table of tensor names.
///
/// In patterns `{}` stands for a number and a final `*` for `weight` or `bias`, a final `**` also for the
/// limits of what goes in and comes out; in the names that they lead to, `{}` is the layer and the stars are
/// the same ending. A pattern without `*` names one tensor, and so does its target.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    pub(super) pattern: &'static str,
    pub(super) target: Target,
    /// What is done to the tensor before all else.
    pub(super) prepared: Option<Step>,
    pub(super) required: bool,
}

/// What becomes of a tensor.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target {
    /// It is not part of the model.
    Drop,
    /// It is one tensor of the model, after a step.
    One(&'static str, Option<Step>),
    /// It is one tensor of the model, after a step that differs from layer to layer.
    OfLayer(&'static str, LayerStep),
    /// It holds several tensors of the model.
    Several(&'static [&'static str], Split),
    /// It is one of several copies of a tensor; the first that is read counts.
    Copy(&'static str),
    /// It is a part of one; the parts follow each other along the first axis in the order of their rules.
    Part(&'static str),
    /// It is one of two that are multiplied, element by element, in single precision; their product is a
    /// vector.
    Factor(&'static str),
    /// It is one of several that become one, along a new axis: the number of the last `{}` is its place.
    Stack(&'static str, StackSize),
    /// The same along the first axis of each.
    Rows(&'static str, StackSize),
}

/// The limits of what goes into a matrix and of what comes out.
const LIMITS: [&str; 4] = ["input_min", "input_max", "output_min", "output_max"];

/// What becomes of a weight of a layer, whose number is given.
pub(super) type LayerStep = fn(&Model, u64, Weight) -> Result<Weight, WeightError>;

/// How many tensors become one.
pub(super) type Count = fn(&Model) -> Result<u64, ConvertError>;

/// How many tensors of a layer, whose number is given, become one.
pub(super) type LayerCount = fn(&Model, u64) -> Result<u64, ConvertError>;

/// How many tensors become one.
#[derive(Debug, Clone, Copy)]
pub(super) enum StackSize {
    /// As many in every layer.
    Same(Count),
    /// That differs from layer to layer.
    OfLayer(LayerCount),
}

impl StackSize {
    /// The size in a layer.
    pub(super) fn of(self, model: &Model, layer: u64) -> Result<u64, ConvertError> {
        match self {
            StackSize::Same(count) => count(model),
            StackSize::OfLayer(count) => count(model, layer),
        }
    }
}

impl Target {
    /// The name of what several tensors become, and how many there are.
    pub(super) fn gathered(self) -> Option<(&'static str, StackSize)> {
        match self {
            Target::Stack(name, count) | Target::Rows(name, count) => Some((name, count)),
            _ => None,
        }
    }
}

impl Rule {
    /// The tensor itself under another name.
    pub(super) const fn keep(pattern: &'static str, name: &'static str) -> Self {
        Self::to(pattern, Target::One(name, None))
    }

    /// The tensor after a step.
    pub(super) const fn step(pattern: &'static str, name: &'static str, step: Step) -> Self {
        Self::to(pattern, Target::One(name, Some(step)))
    }

    /// The tensor after a step that differs from layer to layer.
    pub(super) const fn layer_step(pattern: &'static str, name: &'static str, step: LayerStep) -> Self {
        Self::to(pattern, Target::OfLayer(name, step))
    }

    /// A tensor that holds several, in the order of `names`.
    pub(super) const fn split(pattern: &'static str, names: &'static [&'static str], split: Split) -> Self {
        Self::to(pattern, Target::Several(names, split))
    }

    /// A tensor that may be there under several names.
    pub(super) const fn copy(pattern: &'static str, name: &'static str) -> Self {
        Self::to(pattern, Target::Copy(name))
    }

    /// A part of a tensor: all rules of a table with this name belong together, and their tensor stands where
    /// the last of them was read.
    pub(super) const fn part(pattern: &'static str, name: &'static str) -> Self {
        Self::to(pattern, Target::Part(name))
    }

    /// One of two tensors that are only used as their product, which stands where the second of them was
    /// read.
    pub(super) const fn factor(pattern: &'static str, name: &'static str) -> Self {
        Self::to(pattern, Target::Factor(name))
    }

    /// A matrix of one expert; the experts of a layer become one tensor. All rules of a table whose patterns
    /// agree up to the second `{}` belong together: their tensors stand where the last of them was read.
    pub(super) const fn expert(pattern: &'static str, name: &'static str) -> Self {
        Self::stack(pattern, name, Model::experts)
    }

    /// One of several tensors that become one, as for [`expert`](Self::expert). A pattern with one `{}` is
    /// not part of a layer.
    pub(super) const fn stack(pattern: &'static str, name: &'static str, count: Count) -> Self {
        Self::to(pattern, Target::Stack(name, StackSize::Same(count)))
    }

    /// The same where layers have different numbers of them.
    pub(super) const fn stack_of_layer(pattern: &'static str, name: &'static str, count: LayerCount) -> Self {
        Self::to(pattern, Target::Stack(name, StackSize::OfLayer(count)))
    }

    /// Rows of a tensor that is stored in several parts, as for [`stack`](Self::stack).
    pub(super) const fn rows(pattern: &'static str, name: &'static str, count: Count) -> Self {
        Self::to(pattern, Target::Rows(name, StackSize::Same(count)))
    }

    /// A tensor that the model has no use for.
    pub(super) const fn drop(pattern: &'static str) -> Self {
        Self::to(pattern, Target::Drop)
    }

    /// Every model, and every layer of it if the pattern has one, must have this tensor.
    pub(super) const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// A step for each of the tensors that become one, before they do.
    pub(super) const fn prepared(mut self, step: Step) -> Self {
        self.prepared = Some(step);
        self
    }

    /// The same rules for families of which not every layer has these tensors.
    pub(super) const fn optional<const N: usize>(mut rules: [Self; N]) -> [Self; N] {
        let mut index = 0;
        while index < N {
            rules[index].required = false;
            index += 1;
        }
        rules
    }

    const fn to(pattern: &'static str, target: Target) -> Self {
        Self { pattern, target, prepared: None, required: false }
    }

    /// The names of the tensors that it makes.
    pub(super) fn targets(&self) -> &[&'static str] {
        match &self.target {
            Target::Drop => &[],
            Target::Several(names, _) => names,
            Target::One(name, _)
            | Target::OfLayer(name, _)
            | Target::Copy(name)
            | Target::Part(name)
            | Target::Factor(name)
            | Target::Stack(name, _)
            | Target::Rows(name, _) => std::slice::from_ref(name),
        }
    }

    /// What the pattern's placeholders stand for in `name`, if it matches.
    pub(super) fn matches<'n>(&self, name: &'n str) -> Option<Match<'n>> {
        let mut found = Match { numbers: [0; 2], suffix: "" };
        let mut count = 0;
        let (mut pattern, mut rest) = (self.pattern, name);
        loop {
            let literal = pattern.find(['{', '*']).unwrap_or(pattern.len());
            rest = rest.strip_prefix(&pattern[..literal])?;
            pattern = &pattern[literal..];
            if let Some(after) = pattern.strip_prefix("{}") {
                let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                *found.numbers.get_mut(count)? = rest[..digits].parse().ok()?;
                count += 1;
                (pattern, rest) = (after, &rest[digits..]);
            } else if pattern == "*" || pattern == "**" {
                found.suffix = rest;
                let is_limit = pattern == "**" && LIMITS.contains(&rest);
                return (is_limit || matches!(rest, "weight" | "bias")).then_some(found);
            } else {
                return rest.is_empty().then_some(found);
            }
        }
    }

    /// The part of the pattern that the tensors of a stack, and those of stacks beside it, share.
    pub(super) fn stack_group(&self) -> &'static str {
        self.pattern.rfind("{}").map_or(self.pattern, |place| &self.pattern[..place])
    }

    /// The layer of a stack and a tensor's place in it.
    pub(super) fn place(&self, found: Match<'_>) -> (u64, u64) {
        match self.stack_group().contains("{}") {
            true => (found.numbers[0], found.numbers[1]),
            false => (0, found.numbers[0]),
        }
    }
}

/// What placeholders stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Match<'n> {
    /// The layer, and the expert within it.
    pub(super) numbers: [u64; 2],
    /// `weight`, `bias`, a limit, or nothing.
    pub(super) suffix: &'n str,
}

impl Match<'_> {
    /// A target's name with the placeholders filled in.
    pub(super) fn fill(&self, name: &str) -> String {
        let name = name.replace("{}", &self.numbers[0].to_string());
        match name.strip_suffix("**").or_else(|| name.strip_suffix('*')) {
            Some(stem) => format!("{stem}{}", self.suffix),
            None => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_numbers_and_endings() {
        let rule = Rule::keep("model.layers.{}.mlp.experts.{}.up.*", "blk.{}.x.*");
        let found = rule.matches("model.layers.12.mlp.experts.3.up.weight").unwrap();
        assert_eq!(found.numbers, [12, 3]);
        assert_eq!(found.fill("blk.{}.x.*"), "blk.12.x.weight");
        assert_eq!(rule.matches("model.layers.12.mlp.experts.3.up.scale"), None);
        assert_eq!(rule.matches("model.layers..mlp.experts.3.up.weight"), None);
        assert_eq!(rule.matches("model.layers.99999999999999999999.mlp.experts.3.up.weight"), None);
        assert_eq!(rule.stack_group(), "model.layers.{}.mlp.experts.");
        assert!(Rule::drop("a.b").matches("a.b").is_some());
        assert!(Rule::drop("a.b").matches("a.b.weight").is_none());
    }
}
