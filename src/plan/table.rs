//! A plan in print: what a dry run shows.

use std::fmt;

use super::{Plan, PlannedTensor};

/// A plan in print, with a word on each tensor.
#[derive(Debug, Clone, Copy)]
pub struct Table<'p> {
    plan: &'p Plan,
    title: &'p str,
    notes: &'p [String],
}

impl Plan {
    /// The plan in print, with a column of this title that says of each tensor what `notes` does.
    pub fn table<'p>(&'p self, title: &'p str, notes: &'p [String]) -> Table<'p> {
        Table { plan: self, title, notes }
    }
}

impl Plan {
    fn elements(&self) -> u128 {
        self.tensors.iter().map(|tensor| u128::from(tensor.shape.elements())).sum()
    }

    fn data_length(&self) -> u64 {
        self.tensors.iter().map(PlannedTensor::data_length).fold(0, u64::saturating_add)
    }

    /// Bits that a weight takes on average, if there are weights.
    pub fn bits_per_weight(&self) -> Option<f64> {
        let elements = self.elements();
        (elements > 0).then(|| self.data_length() as f64 * 8.0 / elements as f64)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table("", &[]).fmt(formatter)
    }
}

impl fmt::Display for Table<'_> {
    /// One line a tensor: name, shape, the type that it is stored in and the type that it gets, size in MiB,
    /// and the note; then the sums.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plan, title, notes } = self;
        let width = plan.tensors.iter().map(|tensor| tensor.name.chars().count()).max().unwrap_or(0).max(6);
        let shapes: Vec<String> = plan.tensors.iter().map(|tensor| tensor.shape.to_string()).collect();
        let shape_width = shapes.iter().map(String::len).max().unwrap_or(0).max(5);
        let head = format!(
            "{:width$}  {:shape_width$}  {:>7}  {:>7}  {:>10}  {title}",
            "tensor", "shape", "from", "to", "MiB"
        );
        writeln!(formatter, "{}", head.trim_end())?;
        let notes = notes.iter().map(String::as_str).chain(std::iter::repeat(""));
        for ((tensor, shape), note) in plan.tensors.iter().zip(&shapes).zip(notes) {
            let (name, from, to) = (&tensor.name, tensor.derivation.stored_type(), tensor.element_type);
            let size = mebibytes(tensor.data_length());
            let line =
                format!("{name:width$}  {shape:shape_width$}  {from:>7}  {to:>7}  {size:>10.2}  {note}");
            writeln!(formatter, "{}", line.trim_end())?;
        }
        let (elements, bytes) = (plan.elements(), plan.data_length());
        write!(formatter, "{} tensors, {elements} weights, {:.2} MiB", plan.tensors.len(), mebibytes(bytes))?;
        if let Some(bits) = plan.bits_per_weight() {
            write!(formatter, ", {bits:.2} bits per weight")?;
        }
        if let Ok(size) = plan.size() {
            write!(formatter, "; the file has {size} bytes")?;
        }
        Ok(())
    }
}

impl PlannedTensor {
    /// Bytes of its data in the file; 0 for a shape that its type does not fit, of which there can be no
    /// file.
    pub fn data_length(&self) -> u64 {
        self.element_type.tensor_bytes(&self.shape).unwrap_or(0)
    }
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
