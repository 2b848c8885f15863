//! Which type each tensor gets, and why.

use super::eligible::is_eligible;
use super::error::QuantizeError;
use super::fallback::fitting;
use super::mixture::Mixture;
use super::model::Model;
use super::pattern::Patterns;
use super::role::Role;
use super::scheme::Scheme;
use super::target::Target;
use crate::tensor::{ElementType, Shape};

/// What was decided about one tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// The type that it gets.
    pub element_type: ElementType,
    /// Why it gets that one.
    pub reason: Reason,
    /// The type that it would have got if its rows were whole blocks of that.
    pub replaced: Option<ElementType>,
}

/// Why a tensor gets its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It is never quantized, or not for this target: it keeps its type.
    Kept,
    /// The target says so for tensors of its role and layer.
    Mixture,
    /// The type of all tensors was asked for.
    Pure,
    /// The type of the output was asked for.
    Output,
    /// The type of the token embedding was asked for.
    TokenEmbedding,
    /// Of the types that were measured it fits the size best.
    Size,
    /// A pattern matches its name: its place in the scheme, from 0.
    Pattern(usize),
}

impl std::fmt::Display for Reason {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kept => formatter.pad("kept"),
            Self::Mixture => formatter.pad("mixture"),
            Self::Pure => formatter.pad("pure"),
            Self::Output => formatter.pad("output type"),
            Self::TokenEmbedding => formatter.pad("embedding type"),
            Self::Size => formatter.pad("size"),
            Self::Pattern(index) => formatter.pad(&format!("pattern {}", index + 1)),
        }
    }
}

impl std::fmt::Display for Choice {
    /// Why the tensor gets its type.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.replaced {
            Some(replaced) => write!(formatter, "{}; its rows do not fit {replaced}", self.reason),
            None => self.reason.fmt(formatter),
        }
    }
}

/// What a scheme means for a model. Tensors must be offered in the order of the file to come.
#[derive(Debug)]
pub(super) struct Chooser<'s> {
    scheme: &'s Scheme,
    model: &'s Model,
    patterns: Patterns,
    mixture: Option<Mixture<'s>>,
    /// For each pattern, what has come of it so far.
    pub(super) outcomes: Vec<Outcome>,
}

/// What has come of a pattern, from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// It matches no name.
    Unmatched,
    /// It matches only tensors that are never quantized.
    OnlyKept,
    /// Others came before it wherever it matches.
    Shadowed,
    /// It has decided about a tensor.
    Decisive,
}

impl<'s> Chooser<'s> {
    /// # Errors
    /// There are too many patterns for so many tensors.
    pub(super) fn new(
        scheme: &'s Scheme,
        model: &'s Model,
        tensors: usize,
        is_weighted: bool,
    ) -> Result<Self, QuantizeError> {
        let patterns = scheme.tensor_types.iter().map(|tensor_type| &tensor_type.pattern);
        let patterns = Patterns::new(patterns, tensors)
            .map_err(|_| QuantizeError::TooManyPatterns { patterns: scheme.tensor_types.len(), tensors })?;
        let mixture = match scheme.target {
            Target::Type(file_type) => {
                Some(Mixture::new(model, file_type, scheme.output_tensor_type, is_weighted))
            }
            Target::Copy => None,
        };
        let outcomes = vec![Outcome::Unmatched; scheme.tensor_types.len()];
        Ok(Self { scheme, model, patterns, mixture, outcomes })
    }

    /// Decides about the next tensor, which is stored as `stored`.
    ///
    /// # Errors
    /// It belongs to a layer that the model does not have, or no type fits it.
    pub(super) fn choose(
        &mut self,
        name: &str,
        shape: &Shape,
        stored: ElementType,
    ) -> Result<Choice, QuantizeError> {
        let as_it_is = |element_type, reason| Choice { element_type, reason, replaced: None };
        let is_spared = self.scheme.leave_output_tensor && Role::of(name) == Role::Output;
        let is_kept = is_spared || !is_eligible(&self.model.architecture, name, shape);
        let (Target::Type(file_type), false) = (self.scheme.target, is_kept) else {
            self.note(name, Outcome::OnlyKept, None);
            return Ok(as_it_is(stored, Reason::Kept));
        };
        let pattern = self.patterns.matching(name).next();
        // The embeddings of single layers follow the token embedding, but can be named apart from it.
        let is_named = name == "per_layer_token_embd.weight" && pattern.is_some();
        match (Role::of(name), self.scheme.token_embedding_type, self.scheme.output_tensor_type) {
            (Role::TokenEmbedding, Some(wanted), _) if !is_named => {
                self.note(name, Outcome::Shadowed, None);
                return Ok(as_it_is(wanted, Reason::TokenEmbedding));
            }
            (Role::Output, _, Some(wanted)) => {
                self.note(name, Outcome::Shadowed, None);
                return Ok(as_it_is(wanted, Reason::Output));
            }
            _ => {}
        }
        if let Some(&assigned) = self.scheme.assigned.get(name) {
            return Ok(as_it_is(assigned, Reason::Size));
        }
        let base = file_type.base_type();
        if !base.is_quantized() {
            self.note(name, Outcome::OnlyKept, None);
            return Ok(as_it_is(base, Reason::Mixture));
        }
        self.note(name, Outcome::Shadowed, pattern);
        let (wished, reason) = match (pattern, &mut self.mixture) {
            (Some(index), _) => (self.scheme.tensor_types[index].element_type, Reason::Pattern(index)),
            (None, Some(mixture)) if !self.scheme.pure => (mixture.choose(name, shape)?, Reason::Mixture),
            _ => (base, Reason::Pure),
        };
        let row = shape.row_len();
        let element_type = fitting(wished, row).ok_or_else(|| QuantizeError::NoFallback {
            tensor: name.to_owned(),
            wanted: wished,
            row,
        })?;
        let replaced = (element_type != wished).then_some(wished);
        Ok(Choice { element_type, reason, replaced })
    }

    /// Notes what comes of the patterns that match a name, one of which may be decisive.
    fn note(&mut self, name: &str, outcome: Outcome, decisive: Option<usize>) {
        for index in self.patterns.matching(name) {
            let outcome = if Some(index) == decisive { Outcome::Decisive } else { outcome };
            self.outcomes[index] = self.outcomes[index].max(outcome);
        }
    }
}
