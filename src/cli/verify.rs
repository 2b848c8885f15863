//! `ollamake verify MODEL`

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::progress::Progress;
use super::{CliError, Surroundings};
use crate::create::{Event, Monitor, Usage, Verdict, Workshop};
use crate::model::{InvalidName, Reference};

/// Exits with 0 if the same model came of it, 1 if another did, and 2 if that could not be found out: a
/// source is gone, this version makes such a model otherwise, or it is not known how the model was made.
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The model
    model: String,
}

impl Verify {
    pub(super) fn run(self, surroundings: &Surroundings) -> Result<(), CliError> {
        let verdict = self.verdict(surroundings).map_err(|error| CliError::Unchecked(Box::new(error)))?;
        let Self { model } = self;
        let unverified = |reason: String| Err(CliError::Unverified { model: model.clone(), reason });
        match verdict {
            Verdict::Same => {
                println!("the same model came of the same sources");
                Ok(())
            }
            Verdict::Differs { got } => Err(CliError::MadeOtherwise { model, got }),
            Verdict::Gone(sources) => unverified(format!("sources are gone: {}", sources.join(", "))),
            Verdict::OtherRevision(reason) => unverified(reason),
            Verdict::Unknown => unverified("it is not known how it was made".to_owned()),
        }
    }

    fn verdict(&self, surroundings: &Surroundings) -> Result<Verdict, CliError> {
        let config = surroundings.config()?;
        let store = config.open_existing_store()?;
        let reference: Reference = self.model.parse().map_err(|error: InvalidName| CliError::Name {
            text: self.model.clone(),
            reason: error.reason().to_owned(),
        })?;
        let model = store.find(&reference)?;
        let workshop = Workshop::new(store, config.registry.clone(), config.resources, false);
        let bar = Progress::new().bar(format!("making {} again", model.name.short()), 0);
        let report = |event: Event| {
            if let Event::Making { completed, total, .. } = event {
                bar.set_length(total);
                bar.set_position(completed);
            }
        };
        let (stop, usage) = (CancellationToken::new(), Usage::default());
        let verdict = workshop.verify(&model, Monitor { report: &report, stop: &stop, usage: &usage });
        bar.finish_and_clear();
        verdict.map_err(|error| CliError::Server(error.to_string()))
    }
}
