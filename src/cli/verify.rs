//! `ollamake verify MODEL`

use clap::Args;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::error::parse_reference;
use super::progress::Progress;
use super::standard_output::print_line;
use super::{CliError, Surroundings};
use crate::create::{Event, Monitor, Usage, Verdict, Workshop};
use crate::model::Reference;

/// Exits with 0 if the same model came of it, 1 if another did, and 2 if that could not be found out: a
/// source is gone, this version makes such a model otherwise, or it is not known how the model was made.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The model to verify
    model: String,
    /// Print a JSON object: model, verdict (same, differs, gone, other_revision or unknown), and what it is
    /// about
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(super) fn run(self, surroundings: &Surroundings) -> Result<(), CliError> {
        let verdict = self.verdict(surroundings).map_err(|error| CliError::Unchecked(Box::new(error)))?;
        if self.json {
            print_line(self.answer(&verdict))?;
        }
        let Self { model, json } = self;
        let unverified = |reason: String| Err(CliError::Unverified { model: model.clone(), reason });
        match verdict {
            Verdict::Same if json => Ok(()),
            Verdict::Same => Ok(print_line("its sources give the same model again")?),
            Verdict::Differs { got } => Err(CliError::MadeOtherwise { model, got }),
            Verdict::Gone(sources) => unverified(format!("sources are gone: {}", sources.join(", "))),
            Verdict::OtherRevision(reason) => unverified(reason),
            Verdict::Unknown => unverified("it is not known how it was made".to_owned()),
        }
    }

    fn answer(&self, verdict: &Verdict) -> serde_json::Value {
        let model = &self.model;
        match verdict {
            Verdict::Same => json!({"model": model, "verdict": "same"}),
            Verdict::Differs { got } => {
                json!({"model": model, "verdict": "differs", "got": got.to_string()})
            }
            Verdict::Gone(sources) => json!({"model": model, "verdict": "gone", "sources": sources}),
            Verdict::OtherRevision(reason) => {
                json!({"model": model, "verdict": "other_revision", "reason": reason})
            }
            Verdict::Unknown => json!({"model": model, "verdict": "unknown"}),
        }
    }

    fn verdict(&self, surroundings: &Surroundings) -> Result<Verdict, CliError> {
        let config = surroundings.config()?;
        let store = config.open_existing_store()?;
        let reference: Reference = parse_reference(&self.model)?;
        let model = store.find(&reference)?;
        let workshop = Workshop::new(store, config.registry.clone(), config.resources, false);
        let progress = Progress::new(surroundings.quiet);
        let task = progress.task(&format!("making {} again", model.name.short()), 0);
        let report = |event: Event| {
            if let Event::Making { completed, total, .. } = event {
                task.set_length(total);
                task.set_position(completed);
            }
        };
        let (stop, usage) = (CancellationToken::new(), Usage::default());
        let verdict = workshop.verify(&model, Monitor { report: &report, stop: &stop, usage: &usage });
        verdict.map_err(|error| CliError::Server(error.to_string()))
    }
}
