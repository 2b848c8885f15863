//! `ollamake architectures`: the model classes whose checkpoints are converted.

use clap::Args;

use super::format;
use super::standard_output::{OutputError, print, print_line};
use crate::convert::{ModelClass, model_classes};

#[derive(Debug, Args)]
pub(super) struct Architectures {
    /// Print a JSON list of objects: name, architectures (of the model file), projector
    #[arg(long)]
    json: bool,
}

impl Architectures {
    pub(super) fn run(self) -> Result<(), OutputError> {
        let classes = model_classes();
        match self.json {
            true => print_line(serde_json::to_string(&classes).expect("texts can be written as JSON")),
            false => print(table(classes)),
        }
    }
}

fn table(classes: Vec<ModelClass>) -> String {
    let mut rows = vec![["CLASS", "ARCHITECTURE", "PROJECTOR"].map(str::to_owned)];
    rows.extend(classes.into_iter().map(|class| {
        let projector = if class.projector { "yes" } else { "" };
        [class.name.to_owned(), class.architectures.join(", "), projector.to_owned()]
    }));
    format::table(&rows)
}
