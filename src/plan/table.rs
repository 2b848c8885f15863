//! A plan in print: what a dry run shows.

use std::fmt;

use super::{Plan, PlannedTensor};

impl fmt::Display for Plan {
    /// One line a tensor: name, shape, the type that it is stored in and the type that it gets, size in MiB; then the
    /// sums.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.tensors.iter().map(|tensor| tensor.name.chars().count()).max().unwrap_or(0).max(6);
        let shapes: Vec<String> = self.tensors.iter().map(|tensor| tensor.shape.to_string()).collect();
        let shape_width = shapes.iter().map(String::len).max().unwrap_or(0).max(5);
        writeln!(
            formatter,
            "{:width$}  {:shape_width$}  {:>7}  {:>7}  {:>10}",
            "tensor", "shape", "from", "to", "MiB"
        )?;
        for (tensor, shape) in self.tensors.iter().zip(&shapes) {
            let (name, from, to) = (&tensor.name, tensor.recipe.stored_type(), tensor.element_type);
            let size = mebibytes(tensor.data_length());
            writeln!(formatter, "{name:width$}  {shape:shape_width$}  {from:>7}  {to:>7}  {size:>10.2}")?;
        }
        let elements: u128 = self.tensors.iter().map(|tensor| u128::from(tensor.shape.elements())).sum();
        let bytes: u64 = self.tensors.iter().map(PlannedTensor::data_length).fold(0, u64::saturating_add);
        write!(formatter, "{} tensors, {elements} weights, {:.2} MiB", self.tensors.len(), mebibytes(bytes))?;
        if elements > 0 {
            write!(formatter, ", {:.2} bits a weight", bytes as f64 * 8.0 / elements as f64)?;
        }
        if let Ok(size) = self.size() {
            write!(formatter, "; the file has {size} bytes")?;
        }
        Ok(())
    }
}

impl PlannedTensor {
    /// Bytes of its data in the file; 0 for a shape that its type does not fit, of which there can be no file.
    pub fn data_length(&self) -> u64 {
        self.element_type.tensor_bytes(&self.shape).unwrap_or(0)
    }
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
