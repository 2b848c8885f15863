//! The model that a draft predicts tokens for: its configuration and its vocabulary lie in a folder of the
//! draft's checkpoint.

use super::architecture::{self, Family};
use super::files::Files;
use super::{Configuration, ConvertError};
use crate::safetensors::NamedSource;

/// The folder.
const FOLDER: &str = "target/";

/// What is known of it.
pub(super) struct Target<'a> {
    /// Its files, by their names in its own directory.
    pub(super) files: Vec<NamedSource<'a>>,
    /// The configuration of its text model.
    pub(super) configuration: Configuration,
    /// What is declared of it.
    pub(super) family: &'static Family,
}

impl<'a> Target<'a> {
    /// Reads what there is of it among the files of the draft.
    ///
    /// # Errors
    ///
    /// It is not there, or its own class is not known.
    pub(super) fn read(files: Files<'a>) -> Result<Self, ConvertError> {
        let inside = |source: &NamedSource<'a>| {
            Some(NamedSource { name: in_folder(source.name)?, bytes: source.bytes })
        };
        let own: Vec<NamedSource<'a>> = files.sources().iter().filter_map(inside).collect();
        let purpose =
            "the folder target must hold config.json and the tokenizer of the model that the draft is for";
        let (_, values) = Files::new(&own).configuration().map_err(|error| match error {
            ConvertError::MissingFile { .. } => {
                ConvertError::MissingFile { file: "target/config.json", purpose }
            }
            error => error,
        })?;
        let classes = architecture::classes();
        let whole = Configuration::with_defaults("target/config.json", values, &classes);
        let name = architecture::text_class(&whole).ok_or(ConvertError::NoArchitecture)?;
        let configuration = whole.text();
        let family = architecture::find(name, &configuration)?;
        Ok(Self { files: own, configuration, family })
    }
}

/// The name of a file of the target in its own directory.
pub(super) fn in_folder(name: &str) -> Option<&str> {
    name.strip_prefix(FOLDER)
}
