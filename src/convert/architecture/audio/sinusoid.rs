//! Embeddings of positions that are waves of many lengths, which no file holds.

use crate::convert::weight::Generated;
use crate::convert::{Configuration, ConvertError};
use crate::plan::{Derivation, cosine, exponential, sine};

/// The most positions of a window of sound (llama.cpp, `conversion/qwenvl.py`).
const POSITIONS: u64 = 1500;
/// The widest encoder that is believed.
const WIDEST: u64 = 1 << 14;
/// How much longer the longest wave is than the shortest.
const LONGEST: f64 = 10_000.0;

/// A row a position: its sines at all wavelengths, then its cosines.
pub(super) fn positions(audio: &Configuration) -> Result<Generated, ConvertError> {
    let width = audio.integer("hidden_size")?;
    if !(4..=WIDEST).contains(&width) || width % 2 != 0 {
        let expected = format!("an even number from 4 to {WIDEST}");
        return Err(audio.bad("d_model", &width, &expected));
    }
    let half = width / 2;
    let step = (-(LONGEST.ln() / (half - 1) as f64)) as f32;
    let frequencies: Vec<f32> = (0..half).map(|index| exponential(step * index as f32)).collect();
    let mut values = Vec::with_capacity((POSITIONS * width) as usize);
    for position in 0..POSITIONS {
        let angles = frequencies.iter().map(|frequency| position as f32 * frequency);
        values.extend(angles.clone().map(sine));
        values.extend(angles.map(cosine));
    }
    let name = "a.position_embd.weight";
    let derivation = Derivation::values(values, &[POSITIONS, width])
        .map_err(|reason| ConvertError::Dimensions { tensor: name.to_owned(), reason })?;
    Ok(vec![(name, derivation)])
}
