//! Numbers that are read one by one: codes of a few bits, and numbers that many elements share.

use std::borrow::Cow;
use std::ops::Range;

use super::codes::{CodeReader, Levels};
use super::error::PlanError;
use super::evaluate::Reader;
use super::location::Location;
use super::stored::{Encoding, Spread, Stored};
use super::walk::{Run, Walk};
use crate::tensor::{ElementType, bf16_to_f32, f16_to_f32};

impl Reader<'_> {
    /// The numbers at positions `range` of a walk over `stored`.
    pub(super) fn singles(
        &self,
        stored: &Stored,
        walk: &Walk,
        range: Range<u64>,
        output: &mut [f32],
    ) -> Result<(), PlanError> {
        let bytes: Cow<'_, [u8]>;
        let mut first = 0;
        match (&stored.encoding, stored.spread) {
            // Of what each element has for itself, only the strings that the walk touches.
            (Encoding::Codes(codes), Spread::Each) => {
                let hull = walk.hull(range.clone());
                let (row, size) = (codes.packing.codes * codes.packing.abreast, codes.packing.string_bytes());
                let rows = hull.start / row..hull.end.div_ceil(row);
                first = rows.start * codes.packing.abreast;
                let end = (rows.end * codes.packing.abreast * size).min(stored.stored_bytes());
                bytes = self.read(stored.location, first * size..end)?;
            }
            _ => bytes = self.read(stored.location, 0..stored.stored_bytes())?,
        }
        let numbers = match &stored.encoding {
            Encoding::Codes(codes) => {
                let table = match codes.levels {
                    Levels::Table(location) => self.read(location, 0..codes.table_bytes())?,
                    _ => Cow::Borrowed(&[][..]),
                };
                Numbers::Codes(Box::new(CodeReader::new(*codes, codes.numbers(&table), &bytes, first)))
            }
            other => Numbers::Plain(other.precision(), &bytes),
        };
        let mut chosen = None;
        if let Spread::Chosen { axis, numbers: location, count } = stored.spread {
            let length = stored.length(axis);
            let within = stored.dimensions.iter().skip(axis + 1).product();
            let list = self.read(location, 0..4 * length)?;
            chosen = Some(Choice { location, list, count, length, within });
        }
        let mut rest = output;
        for run in walk.runs(range) {
            let (values, after) = rest.split_at_mut(run.count as usize);
            rest = after;
            match (&chosen, stored.spread) {
                (Some(choice), _) => {
                    for (step, value) in (0..).zip(values) {
                        *value = numbers.get(self.chosen(choice, run.start + step * run.stride)?);
                    }
                }
                (None, Spread::Blocks { rows, columns }) => {
                    numbers.fill_shared(stored, (rows, columns), run, values);
                }
                (None, _) => numbers.fill(run, values),
            }
        }
        Ok(())
    }

    /// The place of the number that a list chooses for element `index`.
    fn chosen(&self, choice: &Choice<'_>, index: u64) -> Result<u64, PlanError> {
        let (line, within) = (index / choice.within, index % choice.within);
        let (before, position) = match line < choice.length {
            true => (0, line),
            false => (line / choice.length, line % choice.length),
        };
        let number = choice.list.as_chunks().0.get(position as usize);
        let got = number.map_or(-1, |bytes| i32::from_le_bytes(*bytes));
        match u64::try_from(got) {
            Ok(number) if number < choice.count => {
                Ok((before * choice.count + number) * choice.within + within)
            }
            _ => Err(PlanError::NoSuchChoice {
                tensor: self.tensor.name.clone(),
                label: self.descriptions[choice.location.source].label.clone(),
                offset: choice.location.offset,
                position,
                got,
                last: choice.count - 1,
            }),
        }
    }
}

/// A list that chooses for each index of an axis.
struct Choice<'l> {
    location: Location,
    list: Cow<'l, [u8]>,
    /// How many there are to choose from.
    count: u64,
    /// The length of the axis.
    length: u64,
    /// Elements of one index of the axis.
    within: u64,
}

/// Numbers as they lie in a source.
enum Numbers<'b> {
    Codes(Box<CodeReader<'b>>),
    Plain(ElementType, &'b [u8]),
}

impl Numbers<'_> {
    fn get(&self, index: u64) -> f32 {
        match self {
            Numbers::Codes(codes) => codes.get(index),
            Numbers::Plain(element_type, bytes) => plain(*element_type, bytes, index as usize),
        }
    }

    /// The numbers of a run of elements that each have one of their own.
    fn fill(&self, run: Run, values: &mut [f32]) {
        match self {
            Numbers::Codes(codes) => codes.fill(run.start, run.stride, values),
            Numbers::Plain(..) => {
                let indices = (0..run.count).map(|step| run.start + step * run.stride);
                values.iter_mut().zip(indices).for_each(|(value, index)| *value = self.get(index));
            }
        }
    }

    /// The numbers of a run of elements of which blocks share one.
    fn fill_shared(&self, stored: &Stored, block: (u64, u64), run: Run, values: &mut [f32]) {
        let mut rest = values;
        let mut index = run.start;
        while !rest.is_empty() {
            let (number, steps) = stored.covering(block, index, run.stride);
            let steps = steps.min(rest.len() as u64);
            let (values, after) = rest.split_at_mut(steps as usize);
            values.fill(self.get(number));
            rest = after;
            index += steps * run.stride;
        }
    }
}

/// Number `index` of plain ones; a stored tensor that is read one by one has no other types.
fn plain(element_type: ElementType, bytes: &[u8], index: usize) -> f32 {
    let half = || u16::from_le_bytes(bytes.as_chunks().0[index]);
    match element_type {
        ElementType::F16 => f16_to_f32(half()),
        ElementType::Bf16 => bf16_to_f32(half()),
        ElementType::F64 => f64::from_le_bytes(bytes.as_chunks().0[index]) as f32,
        _ => f32::from_le_bytes(bytes.as_chunks().0[index]),
    }
}
