//! What is declared of a family of models.

use std::borrow::Cow;

use super::common;
use crate::convert::configuration::Class;
use crate::convert::files::Files;
use crate::convert::numbers::Numbers;
use crate::convert::parameters::Parameters;
use crate::convert::projector::Projector;
use crate::convert::rule::Rule;
use crate::convert::shapes::Shapes;
use crate::convert::tokenizer::Flavour;
use crate::convert::weight::Generated;
use crate::convert::{Configuration, ConvertError, Model, Subject, hyperparameters};
use crate::plan::PlannedTensor;
use crate::tensor::ElementType;

/// What is special to a family of models. [`Family::STANDARD`] is the decoder that most descend from.
pub(in crate::convert) struct Family {
    /// What `architectures` in `config.json` says.
    pub(in crate::convert) names: &'static [&'static str],
    /// Whether the family is that of the text model too where the part of the configuration that describes it
    /// names another class.
    pub(in crate::convert) overrules_text: bool,
    /// `general.architecture` of the model file.
    pub(in crate::convert) architecture: &'static str,
    /// Whether the models predict tokens for another one, whose configuration and vocabulary lie beside
    /// theirs.
    pub(in crate::convert) drafts: bool,
    /// The configuration classes of the family.
    pub(in crate::convert) classes: &'static [Class],
    /// Whether the family is the right one for a configuration, where several answer to a name.
    pub(in crate::convert) applies: fn(&Configuration) -> bool,
    /// What the family means by configuration keys that others use differently.
    pub(in crate::convert) adjust: fn(&mut Configuration, Files<'_>) -> Result<(), ConvertError>,
    /// How many layers beyond `num_hidden_layers` the model has; given the names of all tensors.
    pub(in crate::convert) predicted_layers: fn(&Configuration, &[&str]) -> Result<u64, ConvertError>,
    /// What kind of vocabulary the models have.
    pub(in crate::convert) tokenizer: Flavour,
    /// The metadata.
    pub(in crate::convert) hyperparameters: fn(&Subject<'_>, &mut Parameters) -> Result<(), ConvertError>,
    /// Metadata that follow the vocabulary.
    pub(in crate::convert) after_vocabulary: fn(&Subject<'_>, &mut Parameters) -> Result<(), ConvertError>,
    /// Tensors that are computed from the configuration; their metadata come before all others.
    pub(in crate::convert) generated: fn(&Model, &mut Parameters) -> Result<Generated, ConvertError>,
    /// Metadata that are numbers among the weights; they come before all others too.
    pub(in crate::convert) measured: fn(&Model, &Numbers<'_>, &mut Parameters) -> Result<(), ConvertError>,
    /// The folders of modules with weights of their own, as the dense ones of `sentence-transformers`, that
    /// the architecture has a place for. Their tensors come first; they are called by folder and name.
    pub(in crate::convert) modules: &'static [&'static str],
    /// The name under which a tensor is looked up in the tables; `None` if it is not part of the text model.
    pub(in crate::convert) rename: for<'n> fn(&Model, &'n str) -> Option<Cow<'n, str>>,
    /// How the names of weights end that are stored rank by rank, as a machine with several processors had
    /// them, where they are 8-bit floats.
    pub(in crate::convert) stored_by_rank: &'static [&'static str],
    /// Which tensor becomes which.
    pub(in crate::convert) tensors: &'static [&'static [Rule]],
    /// Whether tensors keep the type that they are stored in, whatever is asked for; 8-bit floats become
    /// blocks of 8 bits.
    pub(in crate::convert) keeps_types: bool,
    /// Tensors that are computed from others and follow all of them.
    pub(in crate::convert) appended: fn(&Model, Files<'_>) -> Result<Vec<PlannedTensor>, ConvertError>,
    /// Whether layers beyond the last that the configuration promises count although they are not there: in
    /// the files of most models they do not.
    pub(in crate::convert) counts_promised_layers: bool,
    /// Tensors of layers, by how their names within these begin, that a layer may lack although it is built
    /// like others that have them.
    pub(in crate::convert) lacking: &'static [&'static str],
    /// The shapes of tensors where the family's differ from the usual ones.
    pub(in crate::convert) shapes: &'static [Shapes],
    /// The element type of a tensor of the model, by its name there, where the family's differs from the
    /// usual one; given the one that was asked for.
    pub(in crate::convert) element_type: fn(&Model, &str, ElementType) -> Option<ElementType>,
    /// The part that sees or hears, as a file of its own.
    pub(in crate::convert) projector: Option<&'static Projector>,
}

impl Family {
    /// A decoder without anything special.
    pub(in crate::convert) const STANDARD: Self = Self {
        names: &[],
        overrules_text: false,
        architecture: "",
        drafts: false,
        classes: &[],
        applies: |_| true,
        adjust: |_, _| Ok(()),
        predicted_layers: |_, _| Ok(0),
        tokenizer: Flavour::BYTE_PAIR,
        hyperparameters: hyperparameters::standard,
        after_vocabulary: |_, _| Ok(()),
        generated: |_, _| Ok(Vec::new()),
        measured: |_, _, _| Ok(()),
        modules: &[],
        rename: |_, name| common::text_name(name),
        stored_by_rank: &[],
        tensors: common::DECODER,
        keeps_types: false,
        appended: |_, _| Ok(Vec::new()),
        counts_promised_layers: false,
        lacking: &[],
        shapes: &[],
        element_type: |_, _, _| None,
        projector: None,
    };
}
