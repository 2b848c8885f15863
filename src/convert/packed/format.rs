//! What a format of packed weights declares.

use super::super::ConvertError;
use super::settings::Settings;
use super::tensors::Tensors;

/// A format.
pub(super) struct Format {
    /// What people call it.
    pub(super) name: &'static str,
    /// Whether its weights stay what they are, so that nothing is lost.
    pub(super) keeps: bool,
    /// Takes the tensors of the format, if there are any, and gives the weights that they are.
    pub(super) unpack: fn(&Settings, &mut Tensors<'_>) -> Result<(), ConvertError>,
}
